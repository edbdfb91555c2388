/* A file of raw pictures (YUV4MPEG2) of exactly the size and rate wanted, read straight into frames: as a
 * camera it costs one copy a picture and no plugin. Thread: one owner. Owns: the file, its frame pool. */
#pragma once

#include "base/attr.h"
#include "base/frame.h"

struct kg_raw_clip;

/* NULL: any other file; GStreamer finds out what it is. */
struct kg_raw_clip *kg_raw_clip_open(const char *path, uint32_t width, uint32_t height, uint32_t fps);
void kg_raw_clip_close(struct kg_raw_clip *clip);
/* The next picture, after the last the first again; NULL: unreadable, not one whole picture, or no memory. */
KG_MUST_CHECK struct kg_frame *kg_raw_clip_read(struct kg_raw_clip *clip);

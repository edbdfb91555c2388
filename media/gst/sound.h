/* What is heard in place of a microphone: silence, a voice-like test sound, or a media file held in memory as
 * 48 kHz mono so that its loop has no seam. Thread: one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "gst/pipeline.h"

struct kg_sound;

/* NULL: no memory (logged). */
struct kg_sound *kg_sound_create_test(void);
/* Decodes the file's first audio stream, ten minutes of it at most; takes as long as that takes. NULL: the
 * reason is in error. */
struct kg_sound *kg_sound_load(const char *path, char error[KG_PIPELINE_ERROR_MAX]);
void kg_sound_destroy(struct kg_sound *sound);

/* The next samples, beginning again at the end. NULL is silence. */
void kg_sound_read(struct kg_sound *sound, int16_t *out, size_t samples);

/* The frames of one stream, used again and again, so that no picture's memory is mapped and cleared anew.
 * Thread: any may take and release. Owns: the frames that are not out. */
#pragma once

#include "base/attr.h"
#include "base/frame.h"

struct kg_frame_pool;

/* NULL when memory is short. */
struct kg_frame_pool *kg_frame_pool_create(void);
/* Frames that are out stay good; the last of them takes the pool's memory with it. */
void kg_frame_pool_destroy(struct kg_frame_pool *pool);
/* As kg_frame_create, from the pool when a frame of this size is in it. */
KG_MUST_CHECK struct kg_frame *kg_frame_pool_take(struct kg_frame_pool *pool, uint32_t width,
                                                  uint32_t height);

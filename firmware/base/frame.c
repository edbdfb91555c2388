#include "base/frame.h"

#include <stdlib.h>

struct kg_frame *kg_frame_ref(struct kg_frame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void kg_frame_unref(struct kg_frame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
        frame->release(frame, frame->user);
}

static void free_all(struct kg_frame *frame, void *user)
{
    free(user);
    free(frame);
}

struct kg_frame *kg_frame_create(uint32_t width, uint32_t height)
{
    size_t stride = ((size_t)width + 63) / 64 * 64, half = stride / 2;
    size_t luma = stride * height, chroma = half * (((size_t)height + 1) / 2);
    struct kg_frame *frame = calloc(1, sizeof *frame);
    uint8_t *pixels = frame ? aligned_alloc(64, (luma + 2 * chroma + 63) / 64 * 64) : NULL;
    if (!pixels) {
        free(frame);
        return NULL;
    }
    *frame = (struct kg_frame){
        .width = width,
        .height = height,
        .plane = {pixels, pixels + luma, pixels + luma + chroma},
        .stride = {(int32_t)stride, (int32_t)half, (int32_t)half},
        .release = free_all,
        .user = pixels,
    };
    atomic_init(&frame->refs, 1);
    return frame;
}

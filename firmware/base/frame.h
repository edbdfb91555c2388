/* A reference-counted I420 picture (BT.601 limited range unless the producer says otherwise), never copied
 * where it can be referenced. Thread: any may hold a reference; the pixels are not written after creation. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct kg_frame {
    atomic_uint refs;
    uint32_t width;  /* pixels, even */
    uint32_t height; /* pixels, even */
    const uint8_t *plane[3];
    int32_t stride[3];  /* bytes a row */
    int64_t capture_us; /* when the camera gave it (kg_clock_now_us) or, received, when it is due on screen */
    uint32_t source;    /* who sent it: the meeting's source id; 0: our own camera */
    void (*release)(struct kg_frame *frame, void *user); /* frees frame and what its planes point into */
    void *user;
};

struct kg_frame *kg_frame_ref(struct kg_frame *frame);
void kg_frame_unref(struct kg_frame *frame);
/* A new frame with its own uninitialised planes; NULL when memory is short. Writable until shared. */
struct kg_frame *kg_frame_create(uint32_t width, uint32_t height);

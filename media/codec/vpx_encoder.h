/* VP8 (RFC 6386) for a live meeting: one layer of one picture source, libvpx called directly. Constant bit
 * rate, no look-ahead, keyframes only when asked for, and no frame depends on another's entropy state, so a
 * lost frame harms only what it showed.
 * Thread: one owner. Owns: the codec and the bytes of the last encoded frame. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"

#define KG_VPX_MAX_WIDTH  1920
#define KG_VPX_MAX_HEIGHT 1200

struct kg_vpx_encoder;

struct kg_vpx_encoder_params {
    uint32_t width; /* of the first frame expected; a frame of another size reopens the codec by itself */
    uint32_t height;
    uint32_t fps;      /* the source's nominal rate */
    uint32_t rate_bps; /* target, 30 kbps or more */
    uint32_t threads;  /* 0: by picture size and processors */
    bool screen;       /* slides and documents instead of a camera */
};

struct kg_encoded_frame {
    const uint8_t *data; /* NULL: the rate control dropped this picture. Valid until the next call */
    size_t size;
    bool keyframe;
    int64_t capture_us; /* of the picture encoded */
    uint32_t width;
    uint32_t height;
    uint32_t quantizer; /* 0 (best) … 63, libvpx's scale */
};

/* NULL when params are out of range or libvpx refuses (logged). */
struct kg_vpx_encoder *kg_vpx_encoder_create(const struct kg_vpx_encoder_params *params);
void kg_vpx_encoder_destroy(struct kg_vpx_encoder *encoder);

/* Encodes one picture; frame stays the caller's. capture_us must grow from call to call (a step back counts
 * as one frame forward). false: the picture could not be encoded (logged); the next one is a keyframe. */
KG_MUST_CHECK bool kg_vpx_encoder_encode(struct kg_vpx_encoder *encoder, const struct kg_frame *frame,
                                         struct kg_encoded_frame *out);
/* The next picture is a keyframe (PLI, FIR, a new receiver). */
void kg_vpx_encoder_force_keyframe(struct kg_vpx_encoder *encoder);
/* Takes effect at the next picture, without a keyframe. Values are clamped to what the codec can do. */
void kg_vpx_encoder_set_rate(struct kg_vpx_encoder *encoder, uint32_t rate_bps, uint32_t fps);

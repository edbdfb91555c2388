/* VP8 in RTP (RFC 7741): payload descriptor, and the few facts of the bitstream a transport needs. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_vp8_descriptor {
    bool non_reference;   /* N: may be dropped */
    bool start;           /* S: first packet of partition `partition` */
    uint8_t partition;    /* PID */
    bool has_picture_id;  /* always written as 15 bits */
    bool picture_id_long; /* read: M bit */
    uint16_t picture_id;  /* 7 or 15 bits */
    bool has_tl0_picture_index;
    uint8_t tl0_picture_index;
    bool has_temporal; /* T */
    uint8_t temporal_id;
    bool layer_sync; /* Y */
    bool has_key_index;
    uint8_t key_index;
    uint8_t size; /* bytes the descriptor takes in the payload (read) */
};

/* false: malformed or no bytes after it. */
KG_MUST_CHECK bool kg_vp8_parse(const void *payload, size_t size, struct kg_vp8_descriptor *out);
/* Writes the descriptor (picture id as 15 bits). Returns its size, 0 if it does not fit. */
size_t kg_vp8_write(const struct kg_vp8_descriptor *descriptor, void *payload, size_t size);
/* Puts other picture id and TL0PICIDX in an existing descriptor in place, at its own widths (a 7-bit picture
 * id keeps its low 7 bits). Fields that are absent stay absent. */
void kg_vp8_patch(void *payload, const struct kg_vp8_descriptor *parsed, uint16_t picture_id,
                  uint8_t tl0_picture_index);

/* payload: after the descriptor of a packet with start and partition 0. RFC 6386 §9.1. */
bool kg_vp8_is_keyframe(const void *payload, size_t size);
/* false: not a keyframe header. width and height in pixels, scaling bits taken off. */
KG_MUST_CHECK bool kg_vp8_keyframe_size(const void *payload, size_t size, uint16_t *width, uint16_t *height);

/* Encoded VP8 frames → RTP packets (RFC 7741): equal sizes, only the last shorter, so that one segmented send
 * (UDP_SEGMENT) carries a frame. Thread: the owner's. Owns nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/packet.h"
#include "rtp/rtp.h"

/* Whole plain packet with header: leaves 40 bytes for what the relay adds (CSRC, extensions) and 16 + for the
 * tag. */
enum { KG_VP8_MAX_PACKET = 1130, KG_VP8_MAX_FRAME_PACKETS = 1024 };

struct kg_vp8_packetiser {
    uint32_t ssrc;
    uint8_t payload_type;
    uint16_t sequence;   /* next */
    uint16_t picture_id; /* next, 15 bits */
    uint8_t tl0_picture_index;
    bool started;
};

struct kg_vp8_input {
    const void *data;
    size_t size;
    uint32_t timestamp; /* 90 kHz */
    bool keyframe;
    bool non_reference;  /* no later frame needs it */
    uint8_t temporal_id; /* 0 without temporal layers */
    bool layer_sync;
    uint8_t extension_count; /* on every packet; a TWCC number is patched in at send time */
    const struct kg_rtp_extension *extensions;
};

/* first_*: random start values. */
void kg_vp8_packetiser_init(struct kg_vp8_packetiser *p, uint32_t ssrc, uint8_t payload_type,
                            uint16_t first_sequence, uint16_t first_picture_id, uint8_t first_tl0);
/* Writes all packets of a frame to packets[0..max), the caller's to unref. arrival_us is set to now_us.
 * Returns their number; 0, with nothing consumed: an empty frame, one too large for a frame or for max, or
 * the pool (NULL: the heap) is empty. */
KG_MUST_CHECK size_t kg_vp8_packetiser_frame(struct kg_vp8_packetiser *p, const struct kg_vp8_input *frame,
                                             struct kg_packet_pool *pool, int64_t now_us,
                                             struct kg_packet **packets, size_t max);

/* Opus (RFC 6716, RFC 7587) speech encoding: 48 kHz mono, 20 ms a packet, in-band FEC that follows the loss
 * the receiver reports. Thread: one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define KG_OPUS_RATE_HZ       48000
#define KG_OPUS_FRAME_SAMPLES 960  /* 20 ms */
#define KG_OPUS_MAX_PACKET    1275 /* RFC 6716 §3.2.1: one frame */
#define KG_OPUS_MAX_SAMPLES   5760 /* 120 ms: the longest packet another's encoder may send */

struct kg_opus_encoder;

struct kg_opus_encoder_params {
    uint32_t rate_bps;   /* 6000 … 128000; 32000 is full-band speech */
    uint32_t complexity; /* 0 … 10; 5 suits a small board */
};

/* NULL when params are out of range or libopus refuses (logged). */
struct kg_opus_encoder *kg_opus_encoder_create(const struct kg_opus_encoder_params *params);
void kg_opus_encoder_destroy(struct kg_opus_encoder *encoder);

/* pcm: KG_OPUS_FRAME_SAMPLES. packet: room for max_size ≤ KG_OPUS_MAX_PACKET bytes. Returns the packet's
 * size, 0 on failure (logged). DTX is off: every 20 ms gives a packet. */
size_t kg_opus_encoder_encode(struct kg_opus_encoder *encoder, const int16_t *pcm, void *packet,
                              size_t max_size);
/* Loss seen by the receiver. 0 turns FEC off, so a clean line keeps its whole rate for speech. */
void kg_opus_encoder_set_loss(struct kg_opus_encoder *encoder, uint32_t percent);

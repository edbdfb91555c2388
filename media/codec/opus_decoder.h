/* Opus (RFC 6716) decoding of one audio slot to 48 kHz mono, with FEC and concealment under the caller's
 * timing. Input is hostile. Thread: one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "codec/opus_encoder.h"

struct kg_opus_decoder;

/* NULL when memory is short (logged). */
struct kg_opus_decoder *kg_opus_decoder_create(void);
void kg_opus_decoder_destroy(struct kg_opus_decoder *decoder);

/* Each writes at most `capacity` samples to pcm and returns how many, 0 when the packet is malformed or too
 * long for pcm: then conceal instead. KG_OPUS_MAX_SAMPLES always suffices. */
size_t kg_opus_decoder_decode(struct kg_opus_decoder *decoder, const void *packet, size_t size, int16_t *pcm,
                              size_t capacity);
/* Fills a gap of exactly `samples` (a multiple of 120, at most 2880) just before `next`, out of the FEC data
 * `next` carries; conceals by itself where it carries none. Decode `next` afterwards as usual. */
size_t kg_opus_decoder_decode_fec(struct kg_opus_decoder *decoder, const void *next, size_t size,
                                  int16_t *pcm, size_t samples);
/* Invents `samples` (a multiple of 120, at most KG_OPUS_MAX_SAMPLES) that continue what was heard and fade
 * out. */
size_t kg_opus_decoder_conceal(struct kg_opus_decoder *decoder, int16_t *pcm, size_t samples);

#include "codec/opus_decoder.h"

#include <stdlib.h>

#include <opus/opus.h>

#include "base/log.h"

#define MODULE "codec"

struct kg_opus_decoder {
    OpusDecoder *codec;
};

struct kg_opus_decoder *kg_opus_decoder_create(void)
{
    int err = OPUS_ALLOC_FAIL;
    struct kg_opus_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder)
        decoder->codec = opus_decoder_create(KG_OPUS_RATE_HZ, 1, &err);
    if (!decoder || !decoder->codec) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no Opus decoder: %s", opus_strerror(err));
        free(decoder);
        return NULL;
    }
    return decoder;
}

void kg_opus_decoder_destroy(struct kg_opus_decoder *decoder)
{
    if (!decoder)
        return;
    opus_decoder_destroy(decoder->codec);
    free(decoder);
}

/* Samples a packet will decode to, 0 when it is malformed. */
static size_t packet_samples(const void *packet, size_t size)
{
    /* RFC 6716 §3.2: no packet with more than 48 frames of 1275 bytes is valid. */
    if (size == 0 || size > (size_t)48 * KG_OPUS_MAX_PACKET)
        return 0;
    int samples = opus_packet_get_nb_samples(packet, (opus_int32)size, KG_OPUS_RATE_HZ);
    return samples > 0 ? (size_t)samples : 0;
}

static size_t decoded(int samples)
{
    return samples > 0 ? (size_t)samples : 0;
}

size_t kg_opus_decoder_decode(struct kg_opus_decoder *decoder, const void *packet, size_t size, int16_t *pcm,
                              size_t capacity)
{
    size_t samples = packet_samples(packet, size);
    if (samples == 0 || samples > capacity)
        return 0;
    return decoded(opus_decode(decoder->codec, packet, (opus_int32)size, pcm, (int)samples, 0));
}

/* libopus fills any gap in steps of 2.5 ms. */
static int gap_fits(size_t samples, size_t max)
{
    return samples > 0 && samples <= max && samples % 120 == 0;
}

size_t kg_opus_decoder_decode_fec(struct kg_opus_decoder *decoder, const void *next, size_t size,
                                  int16_t *pcm, size_t samples)
{
    if (!gap_fits(samples, 2880) || packet_samples(next, size) == 0)
        return 0;
    return decoded(opus_decode(decoder->codec, next, (opus_int32)size, pcm, (int)samples, 1));
}

size_t kg_opus_decoder_conceal(struct kg_opus_decoder *decoder, int16_t *pcm, size_t samples)
{
    if (!gap_fits(samples, KG_OPUS_MAX_SAMPLES))
        return 0;
    return decoded(opus_decode(decoder->codec, NULL, 0, pcm, (int)samples, 0));
}

#include "codec/opus_encoder.h"

#include <stdlib.h>

#include <opus/opus.h>

#include "base/log.h"

#define MODULE "codec"

#define MIN_RATE_BPS 6000
#define MAX_RATE_BPS 128000

struct kg_opus_encoder {
    OpusEncoder *codec;
};

static bool set_up(OpusEncoder *codec, const struct kg_opus_encoder_params *params)
{
    return opus_encoder_ctl(codec, OPUS_SET_BITRATE((opus_int32)params->rate_bps)) == OPUS_OK &&
           opus_encoder_ctl(codec, OPUS_SET_COMPLEXITY((opus_int32)params->complexity)) == OPUS_OK &&
           opus_encoder_ctl(codec, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE)) == OPUS_OK &&
           opus_encoder_ctl(codec, OPUS_SET_DTX(0)) == OPUS_OK &&
           opus_encoder_ctl(codec, OPUS_SET_INBAND_FEC(0)) == OPUS_OK;
}

struct kg_opus_encoder *kg_opus_encoder_create(const struct kg_opus_encoder_params *params)
{
    int err = OPUS_BAD_ARG;
    struct kg_opus_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for an Opus encoder");
        return NULL;
    }
    if (params->rate_bps >= MIN_RATE_BPS && params->rate_bps <= MAX_RATE_BPS && params->complexity <= 10)
        encoder->codec = opus_encoder_create(KG_OPUS_RATE_HZ, 1, OPUS_APPLICATION_VOIP, &err);
    if (!encoder->codec || !set_up(encoder->codec, params)) {
        kg_log(KG_LOG_ERROR, MODULE, "codec.opus_refused", "no Opus encoder for %u bps, complexity %u: %s",
               params->rate_bps, params->complexity, opus_strerror(err));
        kg_opus_encoder_destroy(encoder);
        return NULL;
    }
    return encoder;
}

void kg_opus_encoder_destroy(struct kg_opus_encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->codec)
        opus_encoder_destroy(encoder->codec);
    free(encoder);
}

size_t kg_opus_encoder_encode(struct kg_opus_encoder *encoder, const int16_t *pcm, void *packet,
                              size_t max_size)
{
    opus_int32 room = (opus_int32)KG_MIN(max_size, (size_t)KG_OPUS_MAX_PACKET);
    opus_int32 size = opus_encode(encoder->codec, pcm, KG_OPUS_FRAME_SAMPLES, packet, room);
    if (size <= 0) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "Opus encoding failed: %s", opus_strerror((int)size));
        return 0;
    }
    return (size_t)size;
}

void kg_opus_encoder_set_loss(struct kg_opus_encoder *encoder, uint32_t percent)
{
    /* Above 30 % libopus would leave the speech itself next to nothing. */
    opus_encoder_ctl(encoder->codec, OPUS_SET_INBAND_FEC(percent > 0));
    opus_encoder_ctl(encoder->codec, OPUS_SET_PACKET_LOSS_PERC((opus_int32)KG_MIN(percent, 30U)));
}

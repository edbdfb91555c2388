#include "app/receive_audio.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "codec/mixer.h"
#include "codec/opus_decoder.h"
#include "codec/stretch.h"
#include "rtp/audio_jitter.h"
#include "rtp/rtp.h"

enum { BLOCK = KG_AUDIO_TICK_SAMPLES, WAITING = 128, ACTIONS_A_BLOCK = 16, HEARD_EVERY = 10 /* blocks */ };

struct slot {
    struct kg_audio_jitter *jitter;
    struct kg_opus_decoder *decoder;
    struct kg_stretch *stretch;
    uint32_t source;
    uint32_t end_timestamp; /* of what was last given to stretch */
    bool sounding;
    bool stalled; /* the stretcher refused: start over */
};

struct incoming {
    unsigned slot;
    unsigned generation;
    struct kg_packet *packet;
};

struct kg_receive_audio {
    struct kg_queue *incoming; /* net → play */
    struct kg_queue *heard;
    atomic_uint generation; /* resets so far: a queue that no loudspeaker empties has no room to say it */
    atomic_llong least_us[KG_RECEIVE_AUDIO_SLOTS];
    /* Of the playing thread. */
    struct slot slots[KG_RECEIVE_AUDIO_SLOTS];
    struct kg_mixer mixer;
    unsigned blocks, followed; /* followed: the generation of the slots */
    /* Published by it. */
    atomic_ullong packets, concealed, fec, late;
};

static void finish_slot(struct slot *slot)
{
    kg_audio_jitter_destroy(slot->jitter);
    kg_opus_decoder_destroy(slot->decoder);
    kg_stretch_destroy(slot->stretch);
    memset(slot, 0, sizeof *slot);
}

static bool init_slot(struct slot *slot)
{
    struct kg_audio_jitter_params params = kg_audio_jitter_params_default();
    slot->jitter = kg_audio_jitter_create(&params);
    slot->decoder = kg_opus_decoder_create();
    slot->stretch = kg_stretch_create();
    return slot->jitter && slot->decoder && slot->stretch;
}

struct kg_receive_audio *kg_receive_audio_create(struct kg_queue *heard)
{
    struct kg_receive_audio *audio = calloc(1, sizeof *audio);
    if (!audio)
        return NULL;
    audio->heard = heard;
    audio->incoming = kg_queue_create(WAITING, sizeof(struct incoming));
    kg_mixer_init(&audio->mixer);
    bool ok = audio->incoming != NULL;
    for (unsigned i = 0; ok && i < KG_RECEIVE_AUDIO_SLOTS; i++)
        ok = init_slot(&audio->slots[i]);
    if (!ok) {
        kg_log(KG_LOG_ERROR, "app", NULL, "memory is short for sound");
        kg_receive_audio_destroy(audio);
        return NULL;
    }
    return audio;
}

void kg_receive_audio_destroy(struct kg_receive_audio *audio)
{
    if (!audio)
        return;
    struct incoming incoming;
    while (audio->incoming && kg_queue_pop(audio->incoming, &incoming))
        kg_packet_unref(incoming.packet);
    kg_queue_destroy(audio->incoming);
    for (unsigned i = 0; i < KG_RECEIVE_AUDIO_SLOTS; i++)
        finish_slot(&audio->slots[i]);
    free(audio);
}

void kg_receive_audio_packet(struct kg_receive_audio *audio, unsigned slot, struct kg_packet *packet)
{
    struct incoming incoming = {
        .slot = slot, .generation = atomic_load(&audio->generation), .packet = packet};
    if (!kg_queue_push(audio->incoming, &incoming))
        kg_packet_unref(packet);
}

void kg_receive_audio_reset(struct kg_receive_audio *audio)
{
    atomic_fetch_add(&audio->generation, 1);
}

void kg_receive_audio_set_least(struct kg_receive_audio *audio, unsigned slot, int64_t least_us)
{
    atomic_store(&audio->least_us[slot], least_us);
}

static void follow(struct kg_receive_audio *audio)
{
    unsigned generation = atomic_load(&audio->generation);
    if (audio->followed == generation)
        return;
    audio->followed = generation;
    for (unsigned i = 0; i < KG_RECEIVE_AUDIO_SLOTS; i++) {
        finish_slot(&audio->slots[i]);
        if (!init_slot(&audio->slots[i]))
            finish_slot(&audio->slots[i]);
    }
}

static void take_incoming(struct kg_receive_audio *audio)
{
    struct incoming incoming;
    follow(audio);
    while (kg_queue_pop(audio->incoming, &incoming)) {
        struct kg_rtp_packet rtp;
        follow(audio); /* the reset may be younger than the look above */
        if (incoming.generation != audio->followed) {
            kg_packet_unref(incoming.packet);
            continue;
        }
        struct kg_audio_jitter *jitter = audio->slots[incoming.slot].jitter;
        if (jitter && kg_rtp_parse(incoming.packet->data, incoming.packet->size, &rtp) &&
            kg_audio_jitter_push(jitter, incoming.packet, &rtp))
            atomic_fetch_add(&audio->packets, 1);
        else
            atomic_fetch_add(&audio->late, 1);
        kg_packet_unref(incoming.packet);
    }
}

/* Below −54 dBFS: nobody hears that it is missing. */
static bool is_quiet(const int16_t *pcm, size_t samples)
{
    for (size_t i = 0; i < samples; i++) {
        if (abs(pcm[i]) > 64)
            return false;
    }
    return true;
}

/* One instruction of the jitter buffer → samples in the stretcher. */
static void produce(struct kg_receive_audio *audio, struct slot *slot, const struct kg_audio_action *action)
{
    int16_t pcm[KG_OPUS_MAX_SAMPLES];
    size_t samples = KG_MIN(action->samples, (uint32_t)KG_OPUS_MAX_SAMPLES);
    switch (action->what) {
    case KG_AUDIO_DECODE:
        samples = kg_opus_decoder_decode(slot->decoder, action->payload, action->payload_size, pcm,
                                         KG_OPUS_MAX_SAMPLES);
        if (samples == 0)
            samples = kg_opus_decoder_conceal(slot->decoder, pcm, KG_OPUS_FRAME_SAMPLES);
        slot->source = action->source;
        break;
    case KG_AUDIO_DECODE_FEC:
        samples =
            kg_opus_decoder_decode_fec(slot->decoder, action->payload, action->payload_size, pcm, samples);
        atomic_fetch_add(&audio->fec, samples);
        break;
    case KG_AUDIO_CONCEAL:
        samples = kg_opus_decoder_conceal(slot->decoder, pcm, samples);
        atomic_fetch_add(&audio->concealed, samples);
        break;
    default:
        memset(pcm, 0, samples * sizeof *pcm);
        break;
    }
    slot->sounding = action->what != KG_AUDIO_SILENCE;
    slot->end_timestamp = action->timestamp + (uint32_t)samples;
    kg_stretch_set_ratio(slot->stretch, action->what == KG_AUDIO_DECODE ? 1.0f / action->speed : 1.0f);
    if (action->what == KG_AUDIO_DECODE && action->skip_quiet && is_quiet(pcm, samples)) {
        slot->stalled = false;
        return;
    }
    slot->stalled = samples == 0 || !kg_stretch_push(slot->stretch, pcm, samples);
}

static void restart(struct slot *slot)
{
    struct kg_opus_decoder *fresh = kg_opus_decoder_create();
    if (!fresh)
        return;
    kg_opus_decoder_destroy(slot->decoder);
    slot->decoder = fresh;
}

/* Fills out with the slot's next block; false: silent. */
static bool play_slot(struct kg_receive_audio *audio, struct slot *slot, int16_t *out, int64_t now_us)
{
    if (!slot->jitter)
        return false;
    kg_audio_jitter_set_least(slot->jitter, atomic_load(&audio->least_us[slot - audio->slots]));
    for (unsigned i = 0; i < ACTIONS_A_BLOCK; i++) {
        struct kg_audio_action action;
        int64_t pcm_us = (int64_t)kg_stretch_held(slot->stretch) * 1000000 / KG_AUDIO_CLOCK;
        bool enough = kg_stretch_available(slot->stretch) >= BLOCK;
        /* What waits inside the stretcher for a whole pitch period cannot be played yet. */
        kg_audio_jitter_pull(slot->jitter, enough ? pcm_us : KG_MIN(pcm_us, 9999), now_us, &action);
        if (action.what == KG_AUDIO_ENOUGH)
            break;
        if (action.restart)
            restart(slot);
        produce(audio, slot, &action);
        kg_packet_unref(action.packet);
        if (slot->stalled)
            break;
    }
    size_t got = kg_stretch_pull(slot->stretch, out, BLOCK);
    memset(out + got, 0, (BLOCK - got) * sizeof *out);
    return slot->sounding || got > 0;
}

static void report_heard(struct kg_receive_audio *audio, unsigned index, int64_t playout_us)
{
    const struct slot *slot = &audio->slots[index];
    if (!slot->sounding || slot->source == 0)
        return;
    struct kg_audio_jitter_stats stats;
    kg_audio_jitter_stats(slot->jitter, &stats);
    /* The block just pulled ends where what is still held begins. */
    uint32_t held = (uint32_t)kg_stretch_held(slot->stretch);
    struct kg_heard heard = {.slot = index,
                             .source = slot->source,
                             .timestamp = slot->end_timestamp - held - BLOCK,
                             .playout_us = playout_us,
                             .delay_us = stats.delay_us};
    if (!kg_queue_push(audio->heard, &heard))
        return; /* the next one will do */
}

void kg_receive_audio_play(struct kg_receive_audio *audio, int16_t *out, int64_t playout_us, int64_t now_us)
{
    int16_t blocks[KG_RECEIVE_AUDIO_SLOTS][BLOCK];
    const int16_t *streams[KG_RECEIVE_AUDIO_SLOTS];
    bool report = ++audio->blocks % HEARD_EVERY == 0;
    take_incoming(audio);
    for (unsigned i = 0; i < KG_RECEIVE_AUDIO_SLOTS; i++) {
        streams[i] = play_slot(audio, &audio->slots[i], blocks[i], now_us) ? blocks[i] : NULL;
        if (report && streams[i])
            report_heard(audio, i, playout_us);
    }
    kg_mixer_mix(&audio->mixer, streams, KG_RECEIVE_AUDIO_SLOTS, out, BLOCK);
}

struct kg_receive_audio_stats kg_receive_audio_get_stats(const struct kg_receive_audio *audio)
{
    return (struct kg_receive_audio_stats){.packets = atomic_load(&audio->packets),
                                           .concealed_samples = atomic_load(&audio->concealed),
                                           .fec_samples = atomic_load(&audio->fec),
                                           .late = atomic_load(&audio->late)};
}

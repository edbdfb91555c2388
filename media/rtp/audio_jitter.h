/* Adaptive jitter buffer for one Opus stream (RFC 7587, 48 kHz clock): decides at each playout tick what the
 * decoder does next. Target delay = a high quantile of how late packets come; approached by time-stretching,
 * so that a change never interrupts the sound. Thread: the owner's. Owns: references to queued packets;
 * bounded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/packet.h"
#include "rtp/rtp.h"

enum { KG_AUDIO_JITTER_PACKETS = 128, KG_AUDIO_CLOCK = 48000, KG_AUDIO_TICK_SAMPLES = 480 };

struct kg_audio_jitter_params {
    int64_t min_target_us; /* default 10 ms: one tick */
    int64_t max_target_us; /* default 500 ms */
    int64_t stretcher_us; /* sound the time-stretcher keeps inside while it works (default 31 ms, libsonic) */
};
struct kg_audio_jitter_params kg_audio_jitter_params_default(void);

enum kg_audio_do {
    KG_AUDIO_ENOUGH,     /* the PCM at hand lasts for this tick */
    KG_AUDIO_DECODE,     /* decode packet */
    KG_AUDIO_DECODE_FEC, /* decode the lost packet's redundancy out of packet, the one after it, `samples`
                            long */
    KG_AUDIO_CONCEAL,    /* packet loss concealment, `samples` long */
    KG_AUDIO_SILENCE     /* `samples` of silence: not started, or nothing for long */
};

struct kg_audio_action {
    enum kg_audio_do what;
    struct kg_packet *packet; /* DECODE, DECODE_FEC: the caller unrefs it; else NULL */
    const uint8_t *payload;   /* in packet */
    uint32_t payload_size;
    uint32_t timestamp; /* RTP, of the first sample produced */
    uint32_t samples;   /* 48 kHz; DECODE: what the Opus header says (RFC 6716 §3.1) */
    uint32_t source;    /* CSRC[0] or SSRC of packet; 0 without one */
    float speed;        /* DECODE: play it so much faster, 0.85..1.25; 1: leave it */
    bool skip_quiet;    /* DECODE: too much waits; do not play this packet if it decodes to near silence */
    bool restart;       /* another source, or a new start: reset decoder state first */
};

struct kg_audio_jitter_stats {
    uint64_t packets, late, duplicate, overflow, skipped; /* skipped: thrown away to catch up */
    uint64_t decoded_samples, fec_samples, concealed_samples, silent_samples;
    int64_t target_us;
    int64_t delay_us; /* of the sample being played, over the quickest packet; smoothed */
};

struct kg_audio_jitter;
struct kg_audio_jitter *kg_audio_jitter_create(const struct kg_audio_jitter_params *params);
void kg_audio_jitter_destroy(struct kg_audio_jitter *jitter);
/* Takes its own reference to packet, whose arrival_us counts. rtp: kg_rtp_parse of that packet. false:
 * duplicate, late or malformed; nothing kept. */
KG_MUST_CHECK bool kg_audio_jitter_push(struct kg_audio_jitter *jitter, struct kg_packet *packet,
                                        const struct kg_rtp_packet *rtp);
/* Each 10 ms playout tick, repeat until `what` is ENOUGH: pcm_us is how much decoded sound waits to be
 * played, time-stretcher included; the tick needs 10 ms of it. */
void kg_audio_jitter_pull(struct kg_audio_jitter *jitter, int64_t pcm_us, int64_t now_us,
                          struct kg_audio_action *action);
/* At least this much delay, for lip sync with late pictures (kg_playout_audio_least_us). */
void kg_audio_jitter_set_least(struct kg_audio_jitter *jitter, int64_t least_us);
void kg_audio_jitter_stats(const struct kg_audio_jitter *jitter, struct kg_audio_jitter_stats *stats);
/* RFC 6716 §3.1: samples at 48 kHz in an Opus packet; 0: malformed. */
uint32_t kg_opus_samples(const uint8_t *payload, uint32_t size);

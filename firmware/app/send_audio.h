/* The room's sound: one thread that owns the audio device and codes the microphone with Opus.
 * Thread: created and destroyed by one owner; the other functions from any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/receive_audio.h"
#include "base/attr.h"
#include "base/queue.h"
#include "codec/opus_encoder.h"
#include "gst/audio.h"

struct kg_tap;

/* An element of the queue given. */
struct kg_coded_sound {
    uint16_t size;
    uint8_t level; /* −dBov, 0 … 127 (RFC 6464) */
    bool voice;
    uint32_t position; /* samples since the start, also those not sent: the RTP clock */
    int64_t capture_us;
    uint8_t data[KG_OPUS_MAX_PACKET];
};

struct kg_send_audio_params {
    const char *microphone, *speaker; /* kg_audio_params */
    float volume;
    uint32_t rate_bps;
    bool muted;
    struct kg_queue *coded;          /* of struct kg_coded_sound */
    struct kg_receive_audio *remote; /* what is played; outlives this */
    struct kg_tap *tap;              /* NULL: none */
    void (*event)(void *user, enum kg_audio_side side, enum kg_device_event event, const char *text);
    void *user;
};

struct kg_send_audio;

/* NULL (logged): memory or thread. Sound that cannot be opened is told as two missing devices, and tried
 * again every 2 s. */
KG_MUST_CHECK struct kg_send_audio *kg_send_audio_create(const struct kg_send_audio_params *params);
void kg_send_audio_destroy(struct kg_send_audio *audio);
/* Muted: nothing is coded from the next packet on. */
void kg_send_audio_set_mute(struct kg_send_audio *audio, bool muted);
/* What the receivers lose; 0 switches redundancy off. */
void kg_send_audio_set_loss(struct kg_send_audio *audio, uint32_t percent);

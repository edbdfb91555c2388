/* Audio slots → loudspeaker: jitter buffer, Opus, time-stretch and mix, paced by the loudspeaker.
 * Thread: `packet` and `set_least` from the net thread; `play` from the audio device's thread, which owns the
 * decoders (about 0.2 ms a block: a hand-over to another thread would cost a block of delay). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/queue.h"
#include "rtp/packet.h"

enum { KG_RECEIVE_AUDIO_SLOTS = 3 };

/* An element of the queue given: which sample of a slot is heard when, every 100 ms, for lip sync. */
struct kg_heard {
    unsigned slot;
    uint32_t source;
    uint32_t timestamp; /* RTP */
    int64_t playout_us;
    int64_t delay_us; /* of the slot's jitter buffer */
};

struct kg_receive_audio_stats {
    uint64_t packets, concealed_samples, fec_samples, late;
};

struct kg_receive_audio;

/* heard: of struct kg_heard; full: left out. NULL: memory is short. */
KG_MUST_CHECK struct kg_receive_audio *kg_receive_audio_create(struct kg_queue *heard);
/* After the device is closed. */
void kg_receive_audio_destroy(struct kg_receive_audio *audio);

/* Takes the reference; packet holds one plain RTP packet of that slot. */
void kg_receive_audio_packet(struct kg_receive_audio *audio, unsigned slot, struct kg_packet *packet);
/* A new call: what is buffered is of another stream, and no longer played. Net thread. */
void kg_receive_audio_reset(struct kg_receive_audio *audio);
/* The least delay of a slot's buffer, because its speaker's picture is late (kg_audio_jitter_set_least). */
void kg_receive_audio_set_least(struct kg_receive_audio *audio, unsigned slot, int64_t least_us);

/* Fills one block (KG_AUDIO_BLOCK_SAMPLES) to be heard at playout_us. */
void kg_receive_audio_play(struct kg_receive_audio *audio, int16_t *out, int64_t playout_us, int64_t now_us);
/* Over all slots since creation; any thread, not exact while playing. */
struct kg_receive_audio_stats kg_receive_audio_get_stats(const struct kg_receive_audio *audio);

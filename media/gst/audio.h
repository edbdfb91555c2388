/* Microphone and loudspeaker in one pipeline on one clock, 48 kHz mono in 10 ms blocks, with the room's echo
 * of the loudspeaker, steady noise and level differences taken out of the microphone. A device that is
 * missing, fails or is unplugged is reported and reopened by itself when it comes back; until then silence
 * flows both ways at the same pace, so the caller's timing never stops for long. Thread: open and close by
 * one owner; set_* from any thread; callbacks come from the pipeline's threads, one `play` and one `captured`
 * at a time each, possibly both at once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "gst/device.h"

#define KG_AUDIO_RATE_HZ       48000
#define KG_AUDIO_BLOCK_SAMPLES 480 /* 10 ms */

struct kg_audio;

enum kg_audio_side { KG_AUDIO_MICROPHONE, KG_AUDIO_SPEAKER };

struct kg_audio_params {
    /* "auto"; "none" (silence); "test" (a voice-like sound); a media file, looped without a seam and paced in
     * real time, at most ten minutes of it; "pulse:NAME"; or an ALSA device such as "hw:1",
     * "plughw:CARD=USB". */
    const char *microphone;
    /* "auto"; "none" (played into nothing at the same pace); NAME.wav (what is played is written there);
     * "pulse:NAME"; or an ALSA device. */
    const char *speaker;
    bool raw; /* true: no echo cancelling, noise suppression or level control (measurements) */
    /* Fills out with the block to be heard at playout_us (kg_clock_now_us). Must return at once. */
    void (*play)(void *user, int16_t *out, int64_t playout_us);
    /* block: KG_AUDIO_BLOCK_SAMPLES the microphone heard from capture_us on. Must return at once. */
    void (*captured)(void *user, const int16_t *block, int64_t capture_us);
    /* text: one English line naming the device, the cause and the remedy. NULL: not wanted. */
    void (*event)(void *user, enum kg_audio_side side, enum kg_device_event event, const char *text);
    void *user;
};

/* Never waits for a device. NULL: params out of range, or no memory or thread (logged). */
struct kg_audio *kg_audio_open(const struct kg_audio_params *params);
/* No callback runs after it returns; it must not be called from one. */
void kg_audio_close(struct kg_audio *audio);

/* Muted: `captured` goes on, with zeros. Blocks captured before the call may still be on their way. */
void kg_audio_set_mute(struct kg_audio *audio, bool muted);
/* Loudspeaker volume, 0 … 1, before the canceller's reference is taken. */
void kg_audio_set_volume(struct kg_audio *audio, float volume);

struct kg_audio_stats {
    int32_t echo_delay_us;  /* loudspeaker to microphone, as estimated; -1: not known yet */
    uint32_t played_blocks; /* since open */
    uint32_t captured_blocks;
    uint32_t restarts; /* times the pipeline was built again */
};
/* Any thread. */
void kg_audio_get_stats(struct kg_audio *audio, struct kg_audio_stats *stats);

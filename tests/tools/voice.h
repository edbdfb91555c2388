/* Voices with chirps: speech (or a generated voice with its rhythm) in which a short sweep returns
 * every period, so that the very moment can be found again in what another room plays. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KG_VOICE_RATE = 48000,
    KG_CHIRP_RATE = 8000,         /* search runs at this rate: the sweep ends at 3 kHz */
    KG_CHIRP_SAMPLES = 800,       /* 100 ms at KG_CHIRP_RATE */
    KG_CHIRP_PERIOD_US = 2000000, /* the longest delay that can be told is half of it */
};

/* Two rooms must not send the same sound, or an echo canceller would rightly remove it. */
enum kg_chirp { KG_CHIRP_UP, KG_CHIRP_DOWN };

/* Writes a 48 kHz mono WAV of seconds. speech: a file GStreamer decodes (repeated), or "test", or "silence".
 * UP chirps start at 0.5 s, DOWN ones at 1.5 s. false: said on stderr. */
bool kg_voice_write(const char *speech, enum kg_chirp chirp, uint32_t seconds, const char *out);

/* The generated voice, at KG_VOICE_RATE: enough of speech for codecs and level meters, with a pitch that
 * wanders and vowels that change, so that what a codec makes up for a loss is told from what was said. */
void kg_voice_generate(float *pcm, size_t count, bool low_voice);

/* The sweep at `rate`, `count` samples of it, amplitude 1. */
void kg_chirp_fill(enum kg_chirp chirp, float *samples, size_t count, float rate);
/* Finds sweeps in pcm at KG_CHIRP_RATE: their first samples' indices, rising, at most max. */
size_t kg_chirp_find(enum kg_chirp chirp, const float *pcm, size_t count, size_t *found, size_t max);

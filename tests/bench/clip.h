/* Recorded and generated sound for the echo bench, as 48 kHz mono. Pure but for reading files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clip {
    int16_t *pcm;
    size_t samples;
};

/* A 16-bit mono PCM WAV of 8, 16 or 48 kHz, brought to 48 kHz. false: absent or another format. */
bool clip_load(struct clip *clip, const char *path);
void clip_free(struct clip *clip);
/* The clip begun `late` samples later and played on a clock drift_ppm faster: as long as the original. */
struct clip clip_shift(const struct clip *clip, size_t late, double drift_ppm);
/* a + gain × b, from b's sample 0 at a's sample `at`. */
struct clip clip_mix(const struct clip *a, const struct clip *b, size_t at, double gain);
struct clip clip_cut(const struct clip *clip, size_t from, size_t samples);
double clip_energy(const struct clip *clip, size_t from, size_t to);

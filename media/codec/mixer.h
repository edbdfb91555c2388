/* Adds decoded mono streams into the one that is played, holding peaks below full scale by turning the gain
 * down at once and up again slowly: loud voices together neither wrap nor crackle. Pure; the caller's
 * storage. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KG_MIXER_MAX_STREAMS 3

struct kg_mixer {
    float gain; /* now applied, 0 … 1 */
};

void kg_mixer_init(struct kg_mixer *mixer);
/* streams: up to KG_MIXER_MAX_STREAMS of `samples` each (48 kHz, 10 ms); a NULL one is silent. out may be one
 * of them. */
void kg_mixer_mix(struct kg_mixer *mixer, const int16_t *const *streams, size_t count, int16_t *out,
                  size_t samples);

/* Plays speech a little faster or slower without changing its pitch (libsonic), so that the audio jitter
 * buffer can shrink or grow unheard. A queue of 48 kHz mono samples: push decoded speech, pull what is
 * played.
 *
 *     while (kg_stretch_available(s) < 480 && jitter has a packet)
 *         kg_stretch_push(s, pcm, n);
 *     kg_stretch_pull(s, out, 480);
 *
 * Thread: one owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_stretch;

/* NULL when memory is short (logged). */
struct kg_stretch *kg_stretch_create(void);
void kg_stretch_destroy(struct kg_stretch *stretch);

/* ratio: length out ÷ length in, clamped to 0.85 (faster) … 1.15 (slower). 1 passes samples through
 * untouched. While it is not 1, up to 31 ms stay inside, waiting for
 * whole pitch periods. Small ratios act seldom (0.95: once in 20 periods) and a new one waits for the old
 * one's turn, so use 0.9 or 1.1 for a while rather than 0.99 for long. */
void kg_stretch_set_ratio(struct kg_stretch *stretch, float ratio);

/* false: memory is short or more than one second waits (logged); nothing was taken. */
KG_MUST_CHECK bool kg_stretch_push(struct kg_stretch *stretch, const int16_t *pcm, size_t samples);
/* Samples that can be pulled now. */
size_t kg_stretch_available(const struct kg_stretch *stretch);
/* Takes up to `samples`; returns how many were there. */
size_t kg_stretch_pull(struct kg_stretch *stretch, int16_t *pcm, size_t samples);
/* All time inside, pullable or not, in samples of input: add it to the jitter buffer's delay. */
size_t kg_stretch_held(const struct kg_stretch *stretch);

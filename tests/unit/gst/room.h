/* A simulated room: what a microphone hears of a loudspeaker, `delay` later, through a decaying tail of
 * reflections, on a clock that drifts. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* near[n] for n < samples. drift_ppm: the microphone's clock is that much slower than the loudspeaker's. The
 * tail lasts 60 ms; its level is level (1: as loud as far). */
void room_echo(int16_t *near, const int16_t *far, size_t samples, double delay_samples, double drift_ppm,
               double level);
/* Speech-like far-end signal: noise bursts through changing resonances, with pauses. seed picks the speaker.
 */
void room_talk(int16_t *out, size_t samples, uint32_t seed);

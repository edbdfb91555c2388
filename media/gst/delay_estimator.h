/* Finds how late the loudspeaker's sound comes back in the microphone: the peak of the whitened
 * cross-correlation (GCC-PHAT), averaged over the seconds in which the far end speaks. Pure: no I/O, no
 * clock. Thread: one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define KG_DELAY_MAX_US 500000

struct kg_delay_estimator;

/* rate_hz: of the samples pushed, 8000 or 16000. NULL when out of range or memory is short (logged). */
struct kg_delay_estimator *kg_delay_estimator_create(uint32_t rate_hz);
void kg_delay_estimator_destroy(struct kg_delay_estimator *estimator);

/* The same number of samples of both, in the order they were played and heard. */
void kg_delay_estimator_push(struct kg_delay_estimator *estimator, const float *near, const float *far,
                             size_t samples);

struct kg_delay_estimate {
    int32_t delay_us;  /* far → near, 0 … KG_DELAY_MAX_US; -1: not known yet */
    float confidence;  /* the peak's height over the correlation's spread, standard deviations */
    uint32_t revision; /* grows with every new estimate */
};
struct kg_delay_estimate kg_delay_estimator_get(const struct kg_delay_estimator *estimator);

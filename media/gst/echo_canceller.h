/* Takes the loudspeaker's echo out of the microphone: finds how late the echo comes (delay_estimator.h),
 * delays the far-end signal by as much, subtracts what can be predicted (echo_filter.h), and drives
 * GStreamer's webrtcdsp, which suppresses the rest and needs the two signals aligned to some 20 ms. The same
 * object serves the live terminal and, fed from files, the bench. Thread: one at a time. All signals: 48 kHz
 * mono, blocks of 480 samples (10 ms). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_echo_canceller;

struct kg_echo_canceller_params {
    bool cancel;         /* echo cancelling; false: far is ignored */
    bool suppress_noise; /* steady noise */
    bool level;          /* gain control with a limiter */
};

/* NULL when the webrtcdsp element is missing (package gstreamer1.0-plugins-bad) or fails to start (logged).
 */
struct kg_echo_canceller *kg_echo_canceller_create(const struct kg_echo_canceller_params *params);
void kg_echo_canceller_destroy(struct kg_echo_canceller *canceller);

/* near: what the microphone heard; far: what was sent to the loudspeaker in the same order and number of
 * blocks, no later than its echo: up to 500 ms earlier. out may be near. The output comes 14 ms after near.
 * false: the element failed (logged); out is then near unchanged. */
bool kg_echo_canceller_process(struct kg_echo_canceller *canceller, const int16_t *near, const int16_t *far,
                               int16_t *out);
/* far → near delay as estimated, -1: not known yet. */
int32_t kg_echo_canceller_delay_us(const struct kg_echo_canceller *canceller);

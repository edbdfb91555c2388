/* Learns how the loudspeaker sounds at the microphone and subtracts it: a linear echo canceller ahead of
 * webrtcdsp. What it takes out costs the voice in the room nothing, which the suppressor behind it cannot
 * say. A partitioned-block frequency-domain Kalman filter (Enzner and Vary 2006; Kuech, Mabande, Enzner
 * 2014): its steps shrink by themselves while the room speaks. Pure: no I/O, no clock. Thread: one owner. */
#pragma once

#include <stdint.h>

#include "base/attr.h"

#define KG_ECHO_FILTER_BLOCK 480 /* samples at 48 kHz */
#define KG_ECHO_FILTER_PARTS 12  /* blocks of echo it can learn: 120 ms */

struct kg_echo_filter;

/* NULL: no memory (logged). */
struct kg_echo_filter *kg_echo_filter_create(void);
void kg_echo_filter_destroy(struct kg_echo_filter *filter);
/* One block; out may be near. The echo must come 0 … 120 ms after far. Adds no delay. */
void kg_echo_filter_process(struct kg_echo_filter *filter, const int16_t *near, const int16_t *far,
                            int16_t *out);
/* Forgets what was learnt: far has been moved. */
void kg_echo_filter_reset(struct kg_echo_filter *filter);

/* When a stream's samples pass a device, on our clock: the times of its blocks, which come in bursts and
 * late, smoothed over seconds, so that a steady stream has steady times and a drifting one follows. Pure.
 * Thread: the stream's. */
#pragma once

#include <stdint.h>

struct kg_stream_clock {
    double offset_us; /* of sample 0 */
    uint32_t blocks;
};

/* The sample at `position` (48 kHz) was at hand at now_us. Returns when it should have been. */
int64_t kg_stream_clock_at(struct kg_stream_clock *clock, int64_t position, int64_t now_us);

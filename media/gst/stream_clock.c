#include "gst/stream_clock.h"

#include <math.h>

#include "base/attr.h"

#define FAST_BLOCKS 16
#define SLOW_BLOCKS 512 /* five seconds */
#define LOST_US     200000

int64_t kg_stream_clock_at(struct kg_stream_clock *clock, int64_t position, int64_t now_us)
{
    double position_us = (double)position * 1e6 / 48000;
    double seen_us = (double)now_us - position_us;
    if (clock->blocks == 0 || fabs(seen_us - clock->offset_us) > LOST_US) {
        clock->offset_us = seen_us; /* the first, or the device stopped for a while */
        clock->blocks = 0;
    }
    if (clock->blocks < SLOW_BLOCKS)
        clock->blocks++;
    clock->offset_us += (seen_us - clock->offset_us) / (double)KG_MAX(clock->blocks, (uint32_t)FAST_BLOCKS);
    return (int64_t)(clock->offset_us + position_us);
}

/* How a line's queue fares, from when packets left and when they came: one-way delay of packet groups,
 * cleaned of bad stamps, over the delay of the empty line. The delay's zero is arbitrary, for the two clocks
 * know nothing of each other.
 *
 * What leaves within 5 ms is a group and has one delay. A group counts with the median of its own and its
 * four neighbours' delays: up to two bad stamps in a row, early or late, leave no trace in trend, base or
 * rates, and a true ramp passes unchanged, two groups later. The base is the least such delay of the last 10
 * to 20 s.
 *
 * A queue grows by what comes more than goes, over many groups. A delay that moves at one stroke is something
 * else: a clock was set, a route changed, or the line (or the receiver's reader) stood still and the backlog
 * comes now. The trend leaves such a step out, unless one follows upon another, and so do the rates. The step
 * stays in queue_us: whether it is a queue is for the caller to try, by sending less; if it does not drain,
 * kg_delay_trend_rebase.
 * Thread: the owner's. Pure. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/twcc_sender.h"

enum { KG_DELAY_WINDOW = 20, KG_DELAY_MEDIAN = 5 };

struct kg_delay_group {
    int64_t send_us, arrival_us; /* our clock; receiver's, without bad stamps */
    uint32_t bytes;
    int64_t step_us; /* so much of the time since the group before is a step, not the line's working */
};

struct kg_delay_trend {
    /* the group that is being filled */
    bool has_group;
    int64_t first_send_us, last_send_us, last_arrival_us;
    uint32_t bytes;
    /* the last whole ones */
    struct kg_delay_group raw[KG_DELAY_MEDIAN]; /* ring; the middle one is told next */
    uint32_t groups;                            /* ever */
    /* cleaned */
    int64_t zero_us; /* arrival − sending of the first */
    double delay_us, smoothed_us;
    double least_us[2]; /* in the running and the last 10 s */
    int64_t least_since_us;
    double sample_time[KG_DELAY_WINDOW], sample_delay[KG_DELAY_WINDOW]; /* ring */
    uint32_t samples;                                                   /* ever */
    uint32_t since_step;                                                /* groups since the last step up */
    /* what it says, valid once samples ≥ KG_DELAY_WINDOW */
    double growth_us; /* over the window: > 0: a queue fills, < 0: it drains */
    double queue_us;  /* now, over the empty line */
};

void kg_delay_trend_init(struct kg_delay_trend *trend);
/* A packet that arrived (not lost), in sending order. true: *group is one more cleaned group. */
KG_MUST_CHECK bool kg_delay_trend_packet(struct kg_delay_trend *trend, const struct kg_twcc_result *result,
                                         struct kg_delay_group *group);
/* What is now is the empty line: the delay has proved to be no queue. */
void kg_delay_trend_rebase(struct kg_delay_trend *trend);

/* One sender on a simulated line: 30 frames a second through the pacer, one bottleneck with a queue, a
 * receiver that may be slow to read or have a bad clock, feedback every 50 ms on the way back. Time is the
 * simulation's. */
#pragma once

#include "rtp/estimator.h"
#include "rtp/pacer.h"
#include "rtp/twcc_receiver.h"
#include "rtp/twcc_sender.h"

enum { WIRE = 4096, TRIP_US = 20000, AUDIO_BPS = 32000, BACK = 16 };

struct line {
    double capacity_bps;
    int64_t queue_limit_us;
    int64_t noise_us;       /* random extra delay */
    uint32_t loss_permille; /* random, apart from the full queue */
    bool cut;
    int64_t free_us; /* when the bottleneck has sent what it holds */
    struct {
        uint16_t number;
        int64_t arrival_us;
    } wire[WIRE];
    uint32_t head, tail;
    struct kg_rtcp back[BACK];
    int64_t back_us[BACK];
    uint32_t back_head, back_tail;
};

struct world {
    struct kg_twcc_sender sender;
    struct kg_twcc_receiver receiver;
    struct kg_estimator estimator;
    struct kg_pacer *pacer;
    struct line line;
    int64_t now_us;
    uint32_t seed;
    /* the receiver */
    int64_t stalled_until_us; /* it reads nothing before */
    bool stamps_by_reading;   /* else by arrival, however late it reads */
    int64_t clock_us;         /* of its stamps, ahead of ours */
    int64_t stamp_error_us;   /* of the next packets so many */
    uint32_t stamp_errors;
    uint32_t audio_bps, least_video_bps;
    bool camera_off;
    /* measured since the last reset */
    double target_sum, queue_sum_us;
    int64_t queue_most_us;
    uint32_t ticks, sent, lost;
    double target_least, target_most;
};

struct world *world_with(double capacity_bps, uint32_t max_bps);
void end_world(struct world *w);
void feed_back(struct world *w);
void reset_measures(struct world *w);
void run(struct world *w, int64_t seconds);
void run_us(struct world *w, int64_t us);
double mean_target(const struct world *w);
void say(const char *what, const struct world *w);

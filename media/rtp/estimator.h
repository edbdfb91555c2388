/* How much one transport may send, from what became of its packets: backs off when the one-way delay grows (a
 * queue is filling) or packets are lost, and probes upwards slowly otherwise. Simple on purpose; the
 * interface has room for more. Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtp/twcc_sender.h"

enum { KG_ESTIMATOR_WINDOW = 20 };

enum kg_estimator_state { KG_ESTIMATOR_HOLD, KG_ESTIMATOR_RISE, KG_ESTIMATOR_FALL };

struct kg_estimator_params {
    uint32_t min_bps;   /* default 100,000 */
    uint32_t start_bps; /* default 1,000,000 */
    uint32_t max_bps;   /* the setting; default 2,000,000 */
};
struct kg_estimator_params kg_estimator_params_default(void);

struct kg_estimator {
    struct kg_estimator_params params;
    double target_bps;
    double ceiling_bps; /* the rate at which it last had to back off; 0: unknown */
    enum kg_estimator_state state;
    /* packet groups: what left within 5 ms counts as one */
    int64_t group_first_send_us, group_last_send_us, group_last_arrival_us;
    int64_t prior_send_us, prior_arrival_us;
    bool has_group, has_prior;
    /* one-way delay, from an arbitrary zero, and its trend over the last groups */
    double delay_us, smoothed_us;
    double least_us[2]; /* in the running and the last 10 s: what the empty line takes */
    int64_t least_since_us;
    double sample_time[KG_ESTIMATOR_WINDOW], sample_delay[KG_ESTIMATOR_WINDOW]; /* ring */
    uint32_t samples;                                                           /* ever */
    double last_growth_us;
    uint32_t over_count; /* groups in a row */
    /* loss and throughput over the last windows */
    int64_t loss_since_us;
    uint32_t window_received, window_lost;
    double loss;           /* 0..1, smoothed */
    int64_t rate_since_us; /* receiver's clock */
    int64_t rate_sent_us;  /* ours: when that packet left */
    bool has_rate_since;
    uint64_t rate_bytes;
    double received_bps; /* 0: unknown */
    double sent_bps;     /* at which the same packets left */
    int64_t raised_us, fell_us;
    int64_t unanswered_us; /* when the first packet was sent that no feedback came after */
    bool has_feedback, has_fallen, unanswered;
};

void kg_estimator_init(struct kg_estimator *estimator, const struct kg_estimator_params *params);
/* Results of one feedback (kg_twcc_sender_feedback). rtt_us: 0 when unknown. */
void kg_estimator_results(struct kg_estimator *estimator, const struct kg_twcc_result *results, size_t count,
                          int64_t rtt_us, int64_t now_us);
/* A packet left. What is sent and never answered makes the limit fall; who sends nothing keeps it. */
void kg_estimator_sent(struct kg_estimator *estimator, int64_t now_us);
/* Call every 100 ms or so: without feedback for more than a second of sending the limit falls. */
void kg_estimator_tick(struct kg_estimator *estimator, int64_t rtt_us, int64_t now_us);
uint32_t kg_estimator_target_bps(const struct kg_estimator *estimator);
/* What video may use: audio is taken off first. 0: less than min_video_bps is left, send none. */
uint32_t kg_estimator_video_bps(const struct kg_estimator *estimator, uint32_t audio_bps,
                                uint32_t min_video_bps);
/* Smoothed loss, 0..1. */
double kg_estimator_loss(const struct kg_estimator *estimator);

/* How much one transport may send, from what became of its packets: backs off when the one-way delay grows (a
 * queue is filling) or packets are lost, and probes upwards slowly otherwise. Simple on purpose; the
 * interface has room for more.
 *
 * Three kinds of evidence, for each of which one bad number must not count:
 * - Delay that grows over 20 groups (delay_trend.h, which bad stamps and single steps leave no trace in):
 * back to 0.85 of what got through. Only what still holds at the end of a feedback counts: a backlog that
 * came at one moment has drained by then.
 * - Delay that stands 60 ms over the empty line's: a queue, a clock that was set, or another route. One fall
 * tries it. A queue of ours drains while less is sent than gets through; a delay that does not, half a second
 * later, becomes the new empty line, and the rate comes back at once. So a false alarm costs 15 % for about a
 * second.
 * - Far less received than sent over 250 ms: a fall need not wait for the effect of the last one.
 * Rates and delays are taken between groups, not between feedbacks, so that they do not depend on how
 * regularly the receiver reads or reports. Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtp/delay_trend.h"
#include "rtp/twcc_sender.h"

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
    struct kg_delay_trend delay;
    double last_growth_us;
    uint32_t over_count;    /* groups in a row with too much delay */
    bool growing, draining; /* by the last group */
    /* the last fall for delay, and whether it is a trial: is the delay that stands a queue at all? */
    bool trying;
    double fell_queue_us, tried_bps, tried_ceiling_bps;
    /* loss and throughput over the last windows */
    int64_t loss_since_us;
    uint32_t window_received, window_lost;
    double loss;                          /* 0..1, smoothed */
    int64_t rate_since_us, rate_until_us; /* receiver's clock */
    int64_t rate_from_us, rate_to_us;     /* ours: when those groups left */
    bool has_rate_since;
    uint64_t rate_bytes, rate_lost_bytes;
    double received_bps; /* 0: unknown */
    double sent_bps;     /* at which the same packets left, and those lost among them */
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

#include "rtp/estimator.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"

#define GROUP_US          5000.0
#define SMOOTHING         0.9 /* weight of the past in the delay curve */
#define LEAST_WINDOW_US   10000000
#define GROWTH_US         8000.0  /* so much more delay at the end of the window than at its start: a queue */
#define STANDING_QUEUE_US 60000.0 /* a queue this long is one even if it does not grow */
#define OVER_GROUPS       3
#define LOSS_WINDOW_US    300000
#define LOSS_LEAST        20 /* packets that make a loss figure */
#define RATE_WINDOW_US    250000
#define STEADY            0.7
#define BACK_OFF          0.85
#define LOSS_RISE         0.02 /* below: rise; above LOSS_FALL: fall; hold between */
#define LOSS_FALL         0.10
#define SILENCE_US        1000000
#define MAX_RISE_STEP_US  1000000
#define PROBE_BPS         300000.0 /* tried whatever was sent before: room for a first small picture */
#define UNUSED            0.7      /* less of the limit sent: the line was not put to the test */
#define PACKET_BITS       9600.0

struct kg_estimator_params kg_estimator_params_default(void)
{
    return (struct kg_estimator_params){.min_bps = 100000, .start_bps = 1000000, .max_bps = 2000000};
}

static void set_target(struct kg_estimator *e, double bps)
{
    e->target_bps = KG_MAX((double)e->params.min_bps, KG_MIN(bps, (double)e->params.max_bps));
}

void kg_estimator_init(struct kg_estimator *e, const struct kg_estimator_params *params)
{
    memset(e, 0, sizeof(*e));
    e->params = *params;
    e->state = KG_ESTIMATOR_RISE;
    set_target(e, params->start_bps);
}

/* Least-squares slope of delay over time, times the time the window spans: how much the delay grew in it. */
static double window_growth(const struct kg_estimator *e)
{
    double n = KG_ESTIMATOR_WINDOW, mean_t = 0, mean_d = 0, above = 0, below = 0;

    for (int i = 0; i < KG_ESTIMATOR_WINDOW; i++) {
        mean_t += e->sample_time[i] / n;
        mean_d += e->sample_delay[i] / n;
    }
    for (int i = 0; i < KG_ESTIMATOR_WINDOW; i++) {
        above += (e->sample_time[i] - mean_t) * (e->sample_delay[i] - mean_d);
        below += (e->sample_time[i] - mean_t) * (e->sample_time[i] - mean_t);
    }
    uint32_t newest = (e->samples - 1) % KG_ESTIMATOR_WINDOW, oldest = e->samples % KG_ESTIMATOR_WINDOW;
    return below > 0 ? above / below * (e->sample_time[newest] - e->sample_time[oldest]) : 0;
}

/* The delay of the empty line: the least over the last 10 to 20 s. */
static double least_delay(struct kg_estimator *e, int64_t arrival_us)
{
    if (e->samples == 0) {
        e->least_us[0] = e->least_us[1] = e->delay_us;
        e->least_since_us = arrival_us;
    } else if (arrival_us - e->least_since_us > LEAST_WINDOW_US) {
        e->least_us[1] = e->least_us[0];
        e->least_us[0] = e->delay_us;
        e->least_since_us = arrival_us;
    }
    e->least_us[0] = KG_MIN(e->least_us[0], e->delay_us);
    return KG_MIN(e->least_us[0], e->least_us[1]);
}

/* A group is complete: its delay against the one before it. */
static void add_group(struct kg_estimator *e, int64_t send_us, int64_t arrival_us)
{
    if (e->has_prior) {
        e->delay_us += (double)((arrival_us - e->prior_arrival_us) - (send_us - e->prior_send_us));
    }
    e->has_prior = true;
    e->prior_send_us = send_us;
    e->prior_arrival_us = arrival_us;

    double queue_us = e->delay_us - least_delay(e, arrival_us);
    e->smoothed_us =
        e->samples == 0 ? e->delay_us : SMOOTHING * e->smoothed_us + (1 - SMOOTHING) * e->delay_us;
    e->sample_time[e->samples % KG_ESTIMATOR_WINDOW] = (double)arrival_us;
    e->sample_delay[e->samples % KG_ESTIMATOR_WINDOW] = e->smoothed_us;
    e->samples++;
    if (e->samples < KG_ESTIMATOR_WINDOW) {
        return;
    }
    double growth_us = window_growth(e);
    bool growing = growth_us > GROWTH_US && growth_us >= e->last_growth_us;
    bool standing = queue_us > STANDING_QUEUE_US && growth_us > -GROWTH_US / 2;
    e->over_count = growing || standing ? e->over_count + 1 : 0;
    if (e->over_count >= OVER_GROUPS) {
        e->state = KG_ESTIMATOR_FALL;
    } else if (e->state != KG_ESTIMATOR_FALL) {
        /* while a queue drains, wait until it is gone */
        e->state = growth_us < -GROWTH_US ? KG_ESTIMATOR_HOLD : KG_ESTIMATOR_RISE;
    }
    e->last_growth_us = growth_us;
}

static void take_arrival(struct kg_estimator *e, const struct kg_twcc_result *r)
{
    if (!e->has_group || r->send_us < e->group_first_send_us) {
        if (!e->has_group) {
            e->has_group = true;
            e->group_first_send_us = e->group_last_send_us = r->send_us;
            e->group_last_arrival_us = r->arrival_us;
        }
        return; /* reordered over a group's edge: it has no say */
    }
    if ((double)(r->send_us - e->group_first_send_us) > GROUP_US) {
        add_group(e, e->group_last_send_us, e->group_last_arrival_us);
        e->group_first_send_us = r->send_us;
        e->group_last_arrival_us = r->arrival_us;
    }
    e->group_last_send_us = KG_MAX(e->group_last_send_us, r->send_us);
    e->group_last_arrival_us = KG_MAX(e->group_last_arrival_us, r->arrival_us);
}

static void take_rate(struct kg_estimator *e, const struct kg_twcc_result *r)
{
    if (!e->has_rate_since) {
        e->has_rate_since = true;
        e->rate_since_us = r->arrival_us;
        e->rate_sent_us = r->send_us;
        return; /* the bytes of the first packet came before the window */
    }
    e->rate_bytes += r->size;
    int64_t elapsed_us = r->arrival_us - e->rate_since_us;
    if (elapsed_us < RATE_WINDOW_US) {
        return;
    }
    double bps = (double)e->rate_bytes * 8e6 / (double)elapsed_us;
    /* A sudden drop is believed at once: the queue it leaves grows by the difference every second. */
    bool steady = e->received_bps > 0 && bps > STEADY * e->received_bps;
    e->received_bps = steady ? (e->received_bps + bps) / 2 : bps;
    int64_t sent_in_us = r->send_us - e->rate_sent_us;
    e->sent_bps = sent_in_us > 0 ? (double)e->rate_bytes * 8e6 / (double)sent_in_us : e->target_bps;
    e->rate_bytes = 0;
    e->rate_since_us = r->arrival_us;
    e->rate_sent_us = r->send_us;
}

static void take_loss(struct kg_estimator *e, int64_t now_us)
{
    uint32_t total = e->window_received + e->window_lost;

    if (total < LOSS_LEAST || now_us - e->loss_since_us < LOSS_WINDOW_US) {
        return;
    }
    e->loss = (e->loss + (double)e->window_lost / total) / 2;
    e->window_received = e->window_lost = 0;
    e->loss_since_us = now_us;
}

static bool may_fall(const struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    return !e->has_fallen || now_us - e->fell_us > 200000 + rtt_us;
}

static void note_fall(struct kg_estimator *e, int64_t now_us)
{
    e->fell_us = now_us;
    e->has_fallen = true;
    e->raised_us = now_us;
}

/* Below what got through, so that the queue drains. What got through is the line's capacity as far as known.
 */
static void fall_for_delay(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    e->state = KG_ESTIMATOR_HOLD;
    e->over_count = 0;
    if (!may_fall(e, rtt_us, now_us)) {
        return;
    }
    double got = e->target_bps;
    if (e->received_bps > 0 && e->sent_bps > UNUSED * e->target_bps) {
        got = KG_MIN(e->received_bps, e->target_bps);
        e->ceiling_bps = got;
    }
    set_target(e, BACK_OFF * got);
    note_fall(e, now_us);
}

static void fall_for_loss(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    if (may_fall(e, rtt_us, now_us)) {
        set_target(e, e->target_bps * (1 - 0.5 * e->loss));
        note_fall(e, now_us);
    }
}

/* Quickly while no limit is known, slowly past the last one: a packet a round trip. */
static void rise(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    double elapsed_s = (double)KG_MIN(now_us - e->raised_us, (int64_t)MAX_RISE_STEP_US) / 1e6;
    double response_s = (double)(rtt_us + 100000) / 1e6;
    double next;

    e->raised_us = now_us;
    if (e->ceiling_bps > 0 && e->target_bps > 1.5 * e->ceiling_bps) {
        e->ceiling_bps = 0; /* the line has become better */
    }
    double ceiling = e->ceiling_bps;
    if (ceiling > 0 && e->target_bps > 0.9 * ceiling) {
        next = e->target_bps + PACKET_BITS / response_s * elapsed_s;
    } else {
        bool far = ceiling == 0 || e->target_bps < 0.5 * ceiling;
        next = e->target_bps * pow(far ? 1.4 : 1.12, elapsed_s);
    }
    /* What was never sent proves nothing. */
    double proven = KG_MAX(1.5 * e->received_bps + 10000, PROBE_BPS);
    if (e->received_bps > 0 && next > proven) {
        next = KG_MAX(e->target_bps, proven);
    }
    set_target(e, next);
}

void kg_estimator_results(struct kg_estimator *e, const struct kg_twcc_result *results, size_t count,
                          int64_t rtt_us, int64_t now_us)
{
    if (!e->has_feedback) {
        e->has_feedback = true;
        e->loss_since_us = now_us;
        e->raised_us = now_us;
    }
    e->unanswered = false;
    for (size_t i = 0; i < count; i++) {
        if (results[i].lost) {
            e->window_lost++;
            continue;
        }
        e->window_received++;
        take_arrival(e, &results[i]);
        take_rate(e, &results[i]);
    }
    take_loss(e, now_us);
    if (e->state == KG_ESTIMATOR_FALL) {
        fall_for_delay(e, rtt_us, now_us);
    } else if (e->loss > LOSS_FALL) {
        fall_for_loss(e, rtt_us, now_us);
    } else if (e->state == KG_ESTIMATOR_RISE && e->loss < LOSS_RISE && e->received_bps > 0) {
        rise(e, rtt_us, now_us);
    } else {
        e->raised_us = now_us;
    }
}

void kg_estimator_sent(struct kg_estimator *e, int64_t now_us)
{
    if (!e->unanswered) {
        e->unanswered = true;
        e->unanswered_us = now_us;
    }
}

void kg_estimator_tick(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    int64_t silent_us = SILENCE_US + 3 * rtt_us;
    bool waited = !e->has_fallen || now_us - e->fell_us >= SILENCE_US / 2;

    if (e->unanswered && now_us - e->unanswered_us > silent_us && waited) {
        set_target(e, e->target_bps * 0.7);
        note_fall(e, now_us);
    }
}

uint32_t kg_estimator_target_bps(const struct kg_estimator *e)
{
    return (uint32_t)e->target_bps;
}

uint32_t kg_estimator_video_bps(const struct kg_estimator *e, uint32_t audio_bps, uint32_t min_video_bps)
{
    uint32_t target = kg_estimator_target_bps(e);
    uint32_t left = target > audio_bps ? target - audio_bps : 0;

    return left >= min_video_bps ? left : 0;
}

double kg_estimator_loss(const struct kg_estimator *e)
{
    return e->loss;
}

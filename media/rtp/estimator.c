#include "rtp/estimator.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"

#define GROWTH_US         8000.0  /* so much more delay at the end of the window than at its start: a queue */
#define STANDING_QUEUE_US 60000.0 /* a queue this long is one even if it does not grow */
#define OVER_GROUPS       3
#define TRIAL_US          500000  /* after a fall, until a standing queue must have become shorter */
#define AGAIN_US          2000000 /* falls less apart are of one cause */
#define LOSS_WINDOW_US    300000
#define LOSS_LEAST        20 /* packets that make a loss figure */
#define RATE_WINDOW_US    250000
#define STEADY            0.7
#define STEADY_FLOW       0.95 /* as much comes as leaves */
#define CONGESTED         0.8  /* so much less comes than leaves: a queue, whatever else */
#define BACK_OFF          0.85
#define LOSS_RISE         0.02 /* below: rise; above LOSS_FALL: fall; hold between */
#define LOSS_FALL         0.10
#define SILENCE_US        1000000
#define MAX_RISE_STEP_US  1000000
#define PROBE_BPS         300000.0 /* tried whatever was sent before: room for a first small picture */
#define UNUSED            0.7      /* less of the limit sent: the line was not put to the test */
#define LITTLE            0.35     /* less of the limit sent: no fall soon makes it less */
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
    kg_delay_trend_init(&e->delay);
    set_target(e, params->start_bps);
}

/* One more group: does its queue grow, or stand? */
static void judge_delay(struct kg_estimator *e)
{
    const struct kg_delay_trend *d = &e->delay;

    if (d->samples < KG_DELAY_WINDOW) {
        return;
    }
    bool standing = d->queue_us > STANDING_QUEUE_US;
    e->growing = d->growth_us > GROWTH_US && d->growth_us >= e->last_growth_us;
    e->draining = d->growth_us < -GROWTH_US;
    e->over_count = e->growing || (standing && d->growth_us > -GROWTH_US / 2) ? e->over_count + 1 : 0;
    e->trying = e->trying && standing;
    e->last_growth_us = d->growth_us;
}

static void take_rate(struct kg_estimator *e, const struct kg_delay_group *group)
{
    if (!e->has_rate_since || group->arrival_us < e->rate_since_us) {
        e->has_rate_since = true;
        e->rate_since_us = e->rate_until_us = group->arrival_us;
        e->rate_from_us = e->rate_to_us = group->send_us;
        e->rate_bytes = e->rate_lost_bytes = 0;
        return; /* the bytes of the first group came before the window */
    }
    e->rate_bytes += group->bytes;
    e->rate_since_us += group->step_us;
    e->rate_until_us = group->arrival_us;
    e->rate_to_us = group->send_us;
}

/* Between feedbacks only: of what was held up and comes at one moment, all counts or nothing. */
static void measure_rate(struct kg_estimator *e)
{
    int64_t elapsed_us = e->rate_until_us - e->rate_since_us, sent_in_us = e->rate_to_us - e->rate_from_us;

    if (elapsed_us < RATE_WINDOW_US) {
        return;
    }
    double bps = (double)e->rate_bytes * 8e6 / (double)elapsed_us;
    /* A sudden drop is believed at once: the queue it leaves grows by the difference every second. */
    bool steady = e->received_bps > 0 && bps > STEADY * e->received_bps;
    e->received_bps = steady ? (e->received_bps + bps) / 2 : bps;
    double sent_bytes = (double)(e->rate_bytes + e->rate_lost_bytes);
    e->sent_bps = sent_in_us > 0 ? sent_bytes * 8e6 / (double)sent_in_us : e->target_bps;
    e->rate_bytes = e->rate_lost_bytes = 0;
    e->rate_since_us = e->rate_until_us;
    e->rate_from_us = e->rate_to_us;
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

static bool is_congested(const struct kg_estimator *e)
{
    return e->received_bps > 0 && e->received_bps < CONGESTED * e->sent_bps;
}

static void note_fall(struct kg_estimator *e, int64_t now_us)
{
    e->fell_us = now_us;
    e->has_fallen = true;
    e->raised_us = now_us;
}

/* Below what got through, so that the queue drains. What got through is the line's capacity as far as known;
 * of falls in a row the later ones follow our own lower rate, unless less still comes than leaves. That alone
 * is reason enough not to wait for the effect of the last fall. */
static void fall_for_delay(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    bool again = e->has_fallen && now_us - e->fell_us < AGAIN_US;
    bool less = is_congested(e), used = e->received_bps > 0 && e->sent_bps > UNUSED * e->target_bps;
    double got = used ? KG_MIN(e->received_bps, e->target_bps) : e->target_bps;

    e->over_count = 0;
    if (!may_fall(e, rtt_us, now_us) && !(less && BACK_OFF * e->received_bps < e->target_bps)) {
        return;
    }
    if (used && (!again || less || e->ceiling_bps == 0)) {
        e->ceiling_bps = got;
    }
    set_target(e, BACK_OFF * got);
    note_fall(e, now_us);
    e->fell_queue_us = e->delay.queue_us;
}

/* Much delay that does not grow. After a fall a queue of ours drains by what is sent less, a seventh of the
 * time that passes; a third of that is asked. What stays although less was really sent, or so little is sent
 * anyway that the limit does not matter, is no queue of ours. */
static void try_standing(struct kg_estimator *e, int64_t rtt_us, int64_t now_us)
{
    int64_t tried_us = now_us - e->fell_us - rtt_us;
    double drained_us = e->fell_queue_us - e->delay.queue_us;
    bool tested = e->sent_bps <= STEADY_FLOW * e->tried_bps;
    bool can_test = e->target_bps > e->params.min_bps && e->sent_bps > LITTLE * e->target_bps;

    if (!e->trying) {
        e->trying = true;
        e->tried_ceiling_bps = e->ceiling_bps;
        e->tried_bps = e->sent_bps;
        fall_for_delay(e, rtt_us, now_us);
    } else if (!is_congested(e) && tried_us < TRIAL_US) {
        return;
    } else if (is_congested(e) || drained_us > (1 - BACK_OFF) / 3 * (double)tried_us ||
               (!tested && can_test)) {
        fall_for_delay(e, rtt_us, now_us);
    } else {
        kg_delay_trend_rebase(&e->delay);
        e->ceiling_bps = e->tried_ceiling_bps;
        e->trying = false;
        e->over_count = 0;
    }
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
            e->rate_lost_bytes += results[i].size;
            continue;
        }
        e->window_received++;
        struct kg_delay_group group;
        if (kg_delay_trend_packet(&e->delay, &results[i], &group)) {
            take_rate(e, &group);
            judge_delay(e);
        }
    }
    measure_rate(e);
    take_loss(e, now_us);
    if (e->over_count >= OVER_GROUPS && e->growing) {
        fall_for_delay(e, rtt_us, now_us);
    } else if (e->over_count >= OVER_GROUPS) {
        try_standing(e, rtt_us, now_us);
    } else if (e->loss > LOSS_FALL) {
        fall_for_loss(e, rtt_us, now_us);
    } else if (!e->draining && e->loss < LOSS_RISE && e->received_bps > 0) {
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

#include "rtp/delay_trend.h"

#include <string.h>

#define GROUP_US        5000
#define SMOOTHING       0.9 /* weight of the past in the delay curve */
#define LEAST_WINDOW_US 10000000
#define BAD_US          60000 /* so far off its neighbours a stamp is bad */
#define STEP_US         60000 /* from one group to the next: no queue grows so fast on a line fit for pictures */

void kg_delay_trend_init(struct kg_delay_trend *t)
{
    memset(t, 0, sizeof(*t));
    t->since_step = KG_DELAY_WINDOW;
}

/* Least-squares slope of delay over time, times the time the window spans: how much the delay grew in it. */
static double window_growth(const struct kg_delay_trend *t)
{
    double n = KG_DELAY_WINDOW, mean_t = 0, mean_d = 0, above = 0, below = 0;

    for (int i = 0; i < KG_DELAY_WINDOW; i++) {
        mean_t += t->sample_time[i] / n;
        mean_d += t->sample_delay[i] / n;
    }
    for (int i = 0; i < KG_DELAY_WINDOW; i++) {
        above += (t->sample_time[i] - mean_t) * (t->sample_delay[i] - mean_d);
        below += (t->sample_time[i] - mean_t) * (t->sample_time[i] - mean_t);
    }
    uint32_t newest = (t->samples - 1) % KG_DELAY_WINDOW, oldest = t->samples % KG_DELAY_WINDOW;
    return below > 0 ? above / below * (t->sample_time[newest] - t->sample_time[oldest]) : 0;
}

/* The delay of the empty line: the least over the last 10 to 20 s of sending. */
static double least_delay(struct kg_delay_trend *t, int64_t send_us)
{
    if (t->samples == 0) {
        t->least_us[0] = t->least_us[1] = t->delay_us;
        t->least_since_us = send_us;
    } else if (send_us - t->least_since_us > LEAST_WINDOW_US) {
        t->least_us[1] = t->least_us[0];
        t->least_us[0] = t->delay_us;
        t->least_since_us = send_us;
    }
    t->least_us[0] = KG_MIN(t->least_us[0], t->delay_us);
    return KG_MIN(t->least_us[0], t->least_us[1]);
}

void kg_delay_trend_rebase(struct kg_delay_trend *t)
{
    t->least_us[0] = t->least_us[1] = t->delay_us;
    t->queue_us = 0;
}

/* The curve goes on from where the step left it. */
static void leave_out(struct kg_delay_trend *t, double step_us)
{
    t->smoothed_us += step_us;
    for (int i = 0; i < KG_DELAY_WINDOW; i++) {
        t->sample_delay[i] += step_us;
    }
}

/* Steps up in a row are a line that hardly carries a group at a time: not left out. A step down needs no
 * care. */
static bool is_step(struct kg_delay_trend *t, double moved_us)
{
    bool alone = t->since_step >= KG_DELAY_WINDOW;

    t->since_step++;
    if (t->samples == 0 || moved_us < STEP_US) {
        return false;
    }
    t->since_step = 0;
    return alone;
}

static void add_sample(struct kg_delay_trend *t, struct kg_delay_group *group, double median_us)
{
    double delay_us = (double)(group->arrival_us - group->send_us - t->zero_us);
    double moved_us = median_us - t->delay_us;

    group->step_us = 0;
    if (delay_us < median_us - BAD_US || delay_us > median_us + BAD_US) {
        delay_us = median_us;
    }
    group->arrival_us = group->send_us + t->zero_us + (int64_t)median_us;
    if (is_step(t, moved_us)) {
        group->step_us = (int64_t)moved_us;
        leave_out(t, moved_us);
    }
    t->delay_us = median_us;
    t->queue_us = median_us - least_delay(t, group->send_us);
    t->smoothed_us = t->samples == 0 ? delay_us : SMOOTHING * t->smoothed_us + (1 - SMOOTHING) * delay_us;
    t->sample_time[t->samples % KG_DELAY_WINDOW] = (double)group->send_us;
    t->sample_delay[t->samples % KG_DELAY_WINDOW] = t->smoothed_us;
    t->samples++;
    t->growth_us = t->samples >= KG_DELAY_WINDOW ? window_growth(t) : 0;
}

static double median_delay(const struct kg_delay_trend *t)
{
    double sorted[KG_DELAY_MEDIAN];

    for (int i = 0; i < KG_DELAY_MEDIAN; i++) {
        double delay_us = (double)(t->raw[i].arrival_us - t->raw[i].send_us - t->zero_us);
        int at = i;
        for (; at > 0 && sorted[at - 1] > delay_us; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = delay_us;
    }
    return sorted[KG_DELAY_MEDIAN / 2];
}

/* The group is whole; the one two before it is told. */
static bool end_group(struct kg_delay_trend *t, struct kg_delay_group *out)
{
    t->raw[t->groups++ % KG_DELAY_MEDIAN] = (struct kg_delay_group){
        .send_us = t->last_send_us, .arrival_us = t->last_arrival_us, .bytes = t->bytes};
    t->bytes = 0;
    if (t->groups == 1) {
        t->zero_us = t->last_arrival_us - t->last_send_us;
    }
    if (t->groups < KG_DELAY_MEDIAN) {
        return false;
    }
    *out = t->raw[(t->groups + KG_DELAY_MEDIAN / 2) % KG_DELAY_MEDIAN];
    add_sample(t, out, median_delay(t));
    return true;
}

bool kg_delay_trend_packet(struct kg_delay_trend *t, const struct kg_twcc_result *r,
                           struct kg_delay_group *group)
{
    bool ended = false;

    if (t->has_group && r->send_us < t->first_send_us) {
        t->bytes += r->size; /* reordered over a group's edge: it has no say */
        return false;
    }
    if (!t->has_group || r->send_us - t->first_send_us > GROUP_US) {
        ended = t->has_group && end_group(t, group);
        t->has_group = true;
        t->first_send_us = t->last_send_us = r->send_us;
        t->last_arrival_us = r->arrival_us;
    }
    t->bytes += r->size;
    t->last_send_us = KG_MAX(t->last_send_us, r->send_us);
    t->last_arrival_us = KG_MAX(t->last_arrival_us, r->arrival_us);
    return ended;
}

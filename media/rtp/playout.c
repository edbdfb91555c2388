#include "rtp/playout.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKET_US = 1000000,
    VIDEO_CLOCK = 90000,
    UNEVEN_US = 8000,      /* half a screen refresh: nobody sees it, so no delay is spent on it */
    SYNC_SLACK_US = 10000, /* sound later than the picture by less is in sync */
    AUDIO_LEAD_US = 40000, /* the picture may be behind the sound so much (EBU R37: 40 ms) */
    AUDIO_FORGET_US = 2000000,
    RISE_US = 20000, /* a frame: more would be seen as a stop */
    FALL_US = 2000,
    RESTART_US = 1000000, /* a timestamp so far off its time is a new start */
    QUANTILE_PERCENT = 90
};

struct kg_playout_params kg_playout_params_default(void)
{
    return (struct kg_playout_params){.max_delay_us = 1000000, .ahead_us = 5000};
}

void kg_playout_init(struct kg_playout *p, const struct kg_playout_params *params)
{
    memset(p, 0, sizeof(*p));
    p->params = *params;
    p->lag_us = KG_PLAYOUT_UNKNOWN;
    p->audio_lag_us = KG_PLAYOUT_UNKNOWN;
}

void kg_playout_audio(struct kg_playout *p, int64_t capture_to_ear_us, int64_t now_us)
{
    p->audio_lag_us = capture_to_ear_us;
    p->audio_seen_us = now_us;
}

static void restart(struct kg_playout *p, uint32_t source, int64_t transit_us, int64_t arrival_us)
{
    for (int i = 0; i < KG_PLAYOUT_BUCKETS; i++) {
        p->least[i] = INT64_MAX;
    }
    p->least[0] = transit_us;
    p->base_us = transit_us;
    p->bucket_us = arrival_us;
    p->lateness_count = 0;
    p->delay_us = 0;
    p->lag_us = KG_PLAYOUT_UNKNOWN;
    p->last_due_us = arrival_us;
    p->source = source;
    p->started = true;
}

/* The quickest frame of the last five to six seconds: what the line takes without jitter. */
static void update_base(struct kg_playout *p, int64_t transit_us, int64_t arrival_us)
{
    if (arrival_us - p->bucket_us >= (int64_t)BUCKET_US * KG_PLAYOUT_BUCKETS) {
        restart(p, p->source, transit_us, arrival_us);
    }
    while (arrival_us - p->bucket_us >= BUCKET_US) {
        memmove(&p->least[1], &p->least[0], (KG_PLAYOUT_BUCKETS - 1) * sizeof(p->least[0]));
        p->least[0] = INT64_MAX;
        p->bucket_us += BUCKET_US;
    }
    p->least[0] = p->least[0] < transit_us ? p->least[0] : transit_us;
    int64_t least = INT64_MAX;
    for (int i = 0; i < KG_PLAYOUT_BUCKETS; i++) {
        least = least < p->least[i] ? least : p->least[i];
    }
    /* Latenesses are kept over the base: they move with it. */
    uint32_t held = KG_MIN(p->lateness_count, (uint32_t)KG_PLAYOUT_LATENESS);
    for (uint32_t i = 0; i < held; i++) {
        p->lateness_us[i] += p->base_us - least;
    }
    p->base_us = least;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t jitter_us(const struct kg_playout *p)
{
    int64_t sorted[KG_PLAYOUT_LATENESS];
    uint32_t held = KG_MIN(p->lateness_count, (uint32_t)KG_PLAYOUT_LATENESS);

    memcpy(sorted, p->lateness_us, held * sizeof(sorted[0]));
    qsort(sorted, held, sizeof(sorted[0]), compare);
    return KG_MAX(sorted[held * QUANTILE_PERCENT / 100] - UNEVEN_US, INT64_C(0));
}

static bool knows_audio(const struct kg_playout *p, int64_t now_us)
{
    return p->audio_lag_us != KG_PLAYOUT_UNKNOWN && now_us - p->audio_seen_us <= AUDIO_FORGET_US;
}

/* How much later than the earliest possible moment frames should be shown: for jitter, or for their sound. */
static int64_t wanted_delay(const struct kg_playout *p, int64_t now_us)
{
    int64_t wanted = jitter_us(p);

    if (knows_audio(p, now_us) && p->lag_us != KG_PLAYOUT_UNKNOWN) {
        int64_t behind = p->audio_lag_us - p->lag_us;
        if (behind > wanted + SYNC_SLACK_US) {
            wanted = behind;
        }
    }
    return KG_MIN(wanted, p->params.max_delay_us);
}

static void approach(struct kg_playout *p, int64_t wanted_us)
{
    int64_t step = wanted_us - p->delay_us;

    step = KG_MAX(KG_MIN(step, (int64_t)RISE_US), -(int64_t)FALL_US);
    p->delay_us += step;
}

int64_t kg_playout_frame(struct kg_playout *p, uint32_t timestamp, uint32_t source, int64_t arrival_us,
                         int64_t capture_us)
{
    int64_t media_us = kg_unwrap32(&p->unwrap, timestamp) * 100 / (VIDEO_CLOCK / 10000);
    int64_t transit_us = arrival_us - media_us;
    bool far = p->started && llabs(transit_us - p->base_us) > RESTART_US;

    if (!p->started || source != p->source || far) {
        restart(p, source, transit_us, arrival_us);
    }
    update_base(p, transit_us, arrival_us);
    p->lateness_us[p->lateness_count++ % KG_PLAYOUT_LATENESS] = transit_us - p->base_us;
    int64_t earliest_us = p->base_us + media_us;
    if (capture_us != KG_PLAYOUT_UNKNOWN) {
        int64_t lag_us = earliest_us + p->params.ahead_us - capture_us;
        p->lag_us = p->lag_us == KG_PLAYOUT_UNKNOWN ? lag_us : p->lag_us + (lag_us - p->lag_us) / 8;
    }
    approach(p, wanted_delay(p, arrival_us));
    int64_t due_us = earliest_us + p->delay_us;
    p->frames++;
    if (due_us < arrival_us) {
        p->late++;
        due_us = arrival_us;
    }
    due_us = KG_MIN(KG_MAX(due_us, p->last_due_us), arrival_us + p->params.max_delay_us);
    p->last_due_us = due_us;
    return due_us;
}

int64_t kg_playout_audio_least_us(const struct kg_playout *p, int64_t audio_delay_us, int64_t now_us)
{
    if (!knows_audio(p, now_us) || p->lag_us == KG_PLAYOUT_UNKNOWN) {
        return 0;
    }
    int64_t ahead_us = p->lag_us + p->delay_us - p->audio_lag_us - AUDIO_LEAD_US;
    int64_t least_us = audio_delay_us + ahead_us;
    return KG_MAX(INT64_C(0), KG_MIN(least_us, p->params.max_delay_us));
}

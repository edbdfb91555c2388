#include "rtp/lateness.h"

#include <string.h>

#include "base/attr.h"

enum { BIN_US = 2000, BUCKET_US = 500000, OUTAGE_OVER_US = 20000, OUTAGE_MOST_US = 1000000 };
/* New jitter of 3 % of packets is in the target after some 10 of them; to leave it takes 1,200 (24 s). */
#define QUANTILE 0.97
#define MEMORY   333.0
/* Until packets say better: 10 ms, believed as much as 10 packets. */
#define START_BIN    4
#define START_WEIGHT 10.0

void kg_lateness_init(struct kg_lateness *l)
{
    memset(l, 0, sizeof(*l));
    l->bin[START_BIN] = 1;
    l->weight = START_WEIGHT;
}

void kg_lateness_rebase(struct kg_lateness *l)
{
    l->started = false;
}

static void start_window(struct kg_lateness *l, int64_t transit_us, int64_t arrival_us)
{
    for (int i = 0; i < KG_LATENESS_BUCKETS; i++) {
        l->least[i] = INT64_MAX;
    }
    l->least[0] = transit_us;
    l->bucket_us = arrival_us;
}

static void slide_window(struct kg_lateness *l, int64_t transit_us, int64_t arrival_us)
{
    if (arrival_us - l->bucket_us >= (int64_t)BUCKET_US * KG_LATENESS_BUCKETS) {
        start_window(l, transit_us, arrival_us);
    }
    while (arrival_us - l->bucket_us >= BUCKET_US) {
        memmove(&l->least[1], &l->least[0], (KG_LATENESS_BUCKETS - 1) * sizeof(l->least[0]));
        l->least[0] = INT64_MAX;
        l->bucket_us += BUCKET_US;
    }
    l->least[0] = KG_MIN(l->least[0], transit_us);
    l->base_us = INT64_MAX;
    for (int i = 0; i < KG_LATENESS_BUCKETS; i++) {
        l->base_us = KG_MIN(l->base_us, l->least[i]);
    }
}

/* When the quickest trip becomes longer (another route, clock drift), packets seen before were less late by
 * as much. When it becomes shorter the bins learn by themselves: one slow first packet must not look like
 * jitter. */
static void shift_bins(struct kg_lateness *l)
{
    if (l->base_us <= l->histogram_base_us) {
        l->histogram_base_us = l->base_us;
        return;
    }
    int64_t bins = (l->base_us - l->histogram_base_us) / BIN_US;
    l->histogram_base_us += bins * BIN_US;
    int shift = (int)KG_MIN(bins, (int64_t)KG_LATENESS_BINS - 1);
    if (shift == 0) {
        return;
    }
    for (int i = 1; i <= shift; i++) {
        l->bin[0] += l->bin[i];
    }
    for (int i = 1; i < KG_LATENESS_BINS; i++) {
        l->bin[i] = i + shift < KG_LATENESS_BINS ? l->bin[i + shift] : 0;
    }
}

/* A line that stood still for longer than any buffer bridges says nothing about its jitter; neither does the
 * burst that ends it. One that stays so slow does. */
static bool is_outage(struct kg_lateness *l, int64_t lateness_us, int64_t arrival_us)
{
    if (!l->outage && lateness_us >= (int64_t)BIN_US * KG_LATENESS_BINS) {
        l->outage = true;
        l->outage_us = arrival_us;
    }
    if (l->outage && (lateness_us < OUTAGE_OVER_US || arrival_us - l->outage_us > OUTAGE_MOST_US)) {
        l->outage = lateness_us >= OUTAGE_OVER_US; /* lasting, it is counted */
        return false;
    }
    return l->outage;
}

void kg_lateness_add(struct kg_lateness *l, int64_t transit_us, int64_t arrival_us)
{
    if (!l->started) {
        start_window(l, transit_us, arrival_us);
        l->base_us = transit_us;
        l->histogram_base_us = transit_us;
        l->started = true;
    }
    slide_window(l, transit_us, arrival_us);
    shift_bins(l);
    if (is_outage(l, transit_us - l->base_us, arrival_us)) {
        return;
    }
    int64_t bin = KG_MIN((transit_us - l->base_us) / BIN_US, (int64_t)KG_LATENESS_BINS - 1);
    double keep = l->weight / (l->weight + 1);
    for (int i = 0; i < KG_LATENESS_BINS; i++) {
        l->bin[i] *= keep;
    }
    l->bin[bin] += 1 - keep;
    l->weight = KG_MIN(l->weight + 1, MEMORY);
}

int64_t kg_lateness_quantile_us(const struct kg_lateness *l)
{
    double sum = 0;

    for (int i = 0; i < KG_LATENESS_BINS; i++) {
        sum += l->bin[i];
        if (sum >= QUANTILE) {
            return (int64_t)(i + 1) * BIN_US;
        }
    }
    return (int64_t)KG_LATENESS_BINS * BIN_US;
}

int64_t kg_lateness_recent_us(const struct kg_lateness *l)
{
    int64_t recent = KG_MIN(l->least[0], l->least[1]);

    return l->started && recent != INT64_MAX ? recent - l->base_us : 0;
}

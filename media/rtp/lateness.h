/* How late the packets of one audio stream come: over the quickest of the last 3 s, as a histogram that
 * forgets. Private to the audio jitter buffer. Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { KG_LATENESS_BINS = 250, KG_LATENESS_BUCKETS = 6 };

struct kg_lateness {
    bool started;
    int64_t base_us; /* least transit (arrival − media time) of the window */
    int64_t bucket_us;
    int64_t least[KG_LATENESS_BUCKETS]; /* newest first; INT64_MAX: none */
    int64_t histogram_base_us;          /* the base that the bins are relative to */
    double bin[KG_LATENESS_BINS];       /* sum 1 */
    double weight;                      /* packets counted, up to the length of the memory */
    bool outage;                        /* what was held up for long comes in one burst: not counted */
    int64_t outage_us;                  /* since when */
};

void kg_lateness_init(struct kg_lateness *lateness);
/* Forgets the base (a restarted source), keeps what is known about the line. */
void kg_lateness_rebase(struct kg_lateness *lateness);
void kg_lateness_add(struct kg_lateness *lateness, int64_t transit_us, int64_t arrival_us);
/* So much delay lets all but 3 % of packets be in time. */
int64_t kg_lateness_quantile_us(const struct kg_lateness *lateness);
/* How late over the base the quickest packet of the last half to whole second was. */
int64_t kg_lateness_recent_us(const struct kg_lateness *lateness);

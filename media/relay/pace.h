/* A measure for each of many names: so many at once after a quiet time, then one each interval. The names
 * that have been quiet the longest are forgotten; whoever is not remembered has its whole burst. Pure: times
 * are passed in (kg_clock_now_us). Thread: its owner's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_pace;

struct kg_pace_params {
    unsigned burst;
    int64_t interval_us;
    unsigned names; /* remembered */
};
/* NULL: memory. */
KG_MUST_CHECK struct kg_pace *kg_pace_create(const struct kg_pace_params *params);
void kg_pace_destroy(struct kg_pace *pace);

/* How long until this name (at most 63 bytes) has one more; 0: it has one. */
int64_t kg_pace_wait_us(const struct kg_pace *pace, const char *name, int64_t now_us);
/* One is used. With none left nothing changes: waiting is not made longer by asking. */
void kg_pace_use(struct kg_pace *pace, const char *name, int64_t now_us);

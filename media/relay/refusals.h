/* How many of those who are turned away are written down: the trail and the log must name them, and nobody
 * who knocks without end may fill the disk, or keep others' names out. So each address (an IPv6 host's /64)
 * has a number of rows a minute, and strangers together have one, apart from those whose certificate passed
 * TLS. What was left out is counted, to be told afterwards. Pure: times are passed in (kg_clock_now_us).
 * Thread: control. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/enrolment.h"

enum {
    KG_REFUSALS_PER_SOURCE = 10, /* rows in a minute */
    KG_REFUSALS_PER_MINUTE = 30, /* of all strangers, of all others; */
    KG_REFUSALS_BURST = 60,      /* … so many at once after a quiet time */
    KG_REFUSALS_SUMMARIES = 6,   /* a minute that tell what was left out of one address */
    KG_REFUSALS_SOURCES = 256,   /* remembered; the one that was refused the longest ago gives way */
};

struct kg_refusals;
/* NULL: memory. */
KG_MUST_CHECK struct kg_refusals *kg_refusals_create(void);
void kg_refusals_destroy(struct kg_refusals *refusals);

/* May this one be written down? known: its certificate passed TLS. false: it is counted. */
KG_MUST_CHECK bool kg_refusals_allow(struct kg_refusals *refusals, const struct kg_enrolment_source *source,
                                     bool known, int64_t now_us);
/* What was left out in minutes that are over, one address a call; "" in source: of several addresses. false:
 * nothing more to tell now. */
KG_MUST_CHECK bool kg_refusals_left_out(struct kg_refusals *refusals, int64_t now_us, char source[46],
                                        uint64_t *count);

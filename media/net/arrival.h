/* When a datagram reached this machine, on the monotonic clock. The kernel stamps datagrams with the wall
 * clock (SO_TIMESTAMPNS, socket(7)), which may be set at any moment, while everything here counts in
 * CLOCK_MONOTONIC. Both are slewed alike, so their difference is constant but for the moments at which the
 * wall clock is set (or the machine wakes up): one pair of readings per batch maps a stamp, and a difference
 * that has changed tells that the stamps of this batch may be of either time. Those count as arrived when
 * they were read, and so on until the socket was emptied. Thread: the owner's. Pure: clock readings in, times
 * out. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KG_ARRIVAL_MAX_AGE_US 1000000 /* no stamp is believed to be older */
#define KG_ARRIVAL_STEP_US    1000    /* the clocks have moved against each other by more: one was set */

struct kg_arrival {
    bool started;
    bool doubted;      /* stamps of before and after the wall clock was set may be mixed */
    int64_t now_us;    /* of the batch */
    int64_t offset_us; /* monotonic − wall */
};

/* A batch was read: both clocks, taken at once after it. */
void kg_arrival_batch(struct kg_arrival *arrival, int64_t now_us, int64_t wall_us);
/* A datagram's arrival, within [now − KG_ARRIVAL_MAX_AGE_US, now] of its batch. */
int64_t kg_arrival_us(const struct kg_arrival *arrival, int64_t stamp_wall_us);
/* The batch took all that waited: what comes next is stamped by the clock as it is now. */
void kg_arrival_emptied(struct kg_arrival *arrival);

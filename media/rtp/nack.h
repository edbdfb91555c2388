/* Which packets of one received stream to ask for again (RFC 4585 §6.2.1), and when to give up and ask for a
 * keyframe. Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtp.h"

enum { KG_NACK_MAX_MISSING = 256 };

struct kg_nack_params {
    int64_t reorder_us;       /* a gap younger than this may be reordering: wait (default 10 ms) ... */
    uint16_t reorder_packets; /* ... unless so many newer packets came already (default 2) */
    uint8_t max_tries;        /* default 10 */
    int64_t max_age_us;       /* default 1 s: the sender's cache holds no longer */
    uint16_t max_gap;         /* a larger jump is not repaired but given up at once (default 250) */
};
struct kg_nack_params kg_nack_params_default(void);

struct kg_nack_missing {
    int64_t sequence;
    int64_t since_us;
    int64_t asked_us; /* valid when tries > 0 */
    uint8_t tries;
};

struct kg_nack {
    struct kg_nack_params params;
    struct kg_unwrapper unwrap;
    int64_t highest;
    bool started;
    bool keyframe_wanted;
    uint32_t count;
    struct kg_nack_missing missing[KG_NACK_MAX_MISSING]; /* rising by sequence */
    uint64_t asked;                                      /* statistics: requests, repeats included */
    uint64_t recovered;                                  /* missing packets that came after being asked for */
    uint64_t given_up;
};

void kg_nack_init(struct kg_nack *nack, const struct kg_nack_params *params);
/* A packet arrived, original or recovered by RTX. */
void kg_nack_receive(struct kg_nack *nack, uint16_t sequence, int64_t now_us);
/* A keyframe starting here is whole: older gaps do not matter any more. */
void kg_nack_keyframe(struct kg_nack *nack, uint16_t first_sequence);
/* Writes the sequences to ask for now, rising, at most max, and counts them as asked. A repeat waits rtt_us
 * (at least 20 ms), longer with every try. */
size_t kg_nack_due(struct kg_nack *nack, int64_t now_us, int64_t rtt_us, uint16_t *sequences, size_t max);
/* When kg_nack_due may have something next; INT64_MAX: nothing is missing. */
int64_t kg_nack_next_us(const struct kg_nack *nack, int64_t rtt_us);
/* True once after something was given up: ask for a keyframe. */
bool kg_nack_take_keyframe_request(struct kg_nack *nack);

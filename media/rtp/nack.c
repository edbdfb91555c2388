#include "rtp/nack.h"

#include <string.h>

enum { MIN_RETRY_US = 20000 };

struct kg_nack_params kg_nack_params_default(void)
{
    return (struct kg_nack_params){
        .reorder_us = 10000, .reorder_packets = 2, .max_tries = 10, .max_age_us = 1000000, .max_gap = 250};
}

void kg_nack_init(struct kg_nack *nack, const struct kg_nack_params *params)
{
    memset(nack, 0, sizeof(*nack));
    nack->params = *params;
    nack->params.max_gap = KG_MIN(params->max_gap, (uint16_t)KG_NACK_MAX_MISSING);
}

static void remove_at(struct kg_nack *nack, uint32_t at)
{
    memmove(&nack->missing[at], &nack->missing[at + 1], (nack->count - at - 1) * sizeof(nack->missing[0]));
    nack->count--;
}

/* The repair is hopeless: nothing older than the keyframe now asked for is worth sending again. */
static void give_up_all(struct kg_nack *nack, uint64_t uncounted)
{
    nack->given_up += nack->count + uncounted;
    nack->count = 0;
    nack->keyframe_wanted = true;
}

static void found(struct kg_nack *nack, int64_t sequence)
{
    for (uint32_t i = 0; i < nack->count; i++) {
        if (nack->missing[i].sequence == sequence) {
            nack->recovered += nack->missing[i].tries > 0;
            remove_at(nack, i);
            return;
        }
    }
}

void kg_nack_receive(struct kg_nack *nack, uint16_t sequence, int64_t now_us)
{
    bool first = !nack->started;
    struct kg_unwrapper peek = nack->unwrap;
    int64_t number = kg_unwrap16(&peek, sequence);

    nack->started = true;
    if (first) {
        nack->unwrap = peek;
        nack->highest = number;
        return;
    }
    if (number <= nack->highest) {
        found(nack, number);
        return;
    }
    int64_t gap = number - nack->highest - 1;
    if (gap > nack->params.max_gap || nack->count + gap > KG_NACK_MAX_MISSING) {
        give_up_all(nack, (uint64_t)gap);
    } else {
        for (int64_t n = nack->highest + 1; n < number; n++) {
            nack->missing[nack->count++] = (struct kg_nack_missing){.sequence = n, .since_us = now_us};
        }
    }
    nack->highest = number;
    nack->unwrap = peek;
}

void kg_nack_keyframe(struct kg_nack *nack, uint16_t first_sequence)
{
    struct kg_unwrapper peek = nack->unwrap;
    int64_t number = kg_unwrap16(&peek, first_sequence);

    while (nack->count > 0 && nack->missing[0].sequence < number) {
        remove_at(nack, 0);
    }
    nack->keyframe_wanted = false;
}

/* Each try doubles nothing but adds half a round trip: a congested line is not made worse by asking. */
static int64_t retry_us(const struct kg_nack_missing *missing, int64_t rtt_us)
{
    int64_t base = KG_MAX(rtt_us, (int64_t)MIN_RETRY_US);

    return base + base / 2 * (missing->tries - 1);
}

/* When to ask (again) for this one. */
static int64_t due_us(const struct kg_nack *nack, const struct kg_nack_missing *missing, int64_t rtt_us)
{
    if (missing->tries > 0) {
        return missing->asked_us + retry_us(missing, rtt_us);
    }
    bool passed = nack->highest - missing->sequence >= nack->params.reorder_packets;
    return passed ? missing->since_us : missing->since_us + nack->params.reorder_us;
}

size_t kg_nack_due(struct kg_nack *nack, int64_t now_us, int64_t rtt_us, uint16_t *sequences, size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < nack->count; i++) {
        const struct kg_nack_missing *m = &nack->missing[i];
        bool old = now_us - m->since_us > nack->params.max_age_us;
        bool tried = m->tries >= nack->params.max_tries && now_us >= due_us(nack, m, rtt_us);
        if (old || tried) {
            give_up_all(nack, 0);
            return 0;
        }
    }
    for (uint32_t i = 0; i < nack->count && count < max; i++) {
        struct kg_nack_missing *m = &nack->missing[i];
        if (m->tries < nack->params.max_tries && now_us >= due_us(nack, m, rtt_us)) {
            sequences[count++] = (uint16_t)m->sequence;
            m->asked_us = now_us;
            m->tries++;
            nack->asked++;
        }
    }
    return count;
}

int64_t kg_nack_next_us(const struct kg_nack *nack, int64_t rtt_us)
{
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < nack->count; i++) {
        const struct kg_nack_missing *m = &nack->missing[i];
        int64_t due = due_us(nack, m, rtt_us);
        int64_t expires = m->since_us + nack->params.max_age_us + 1;
        next = KG_MIN(next, KG_MIN(due, expires));
    }
    return next;
}

bool kg_nack_take_keyframe_request(struct kg_nack *nack)
{
    bool wanted = nack->keyframe_wanted;

    nack->keyframe_wanted = false;
    return wanted;
}

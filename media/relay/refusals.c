#include "relay/refusals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_US (INT64_C(60) * 1000000)

struct source {
    struct kg_enrolment_source address;
    int64_t minute_us; /* when its minute began; whoever knocks without end begins one after the other */
    int64_t told_us;   /* when it was last told what was left out; first: when it came */
    int64_t last_us;
    unsigned rows; /* in its minute */
    uint64_t left_out;
};

/* Rights that grow by so many a minute, up to a burst: in microseconds saved, one costs a minute / rate. */
struct budget {
    int64_t saved_us, since_us;
};

struct kg_refusals {
    struct source sources[KG_REFUSALS_SOURCES];
    size_t count;
    struct budget strangers, known, summaries;
    uint64_t others; /* left out of addresses that are forgotten */
    int64_t others_us;
    bool started;
};

struct kg_refusals *kg_refusals_create(void)
{
    return calloc(1, sizeof(struct kg_refusals));
}

void kg_refusals_destroy(struct kg_refusals *r)
{
    free(r);
}

static void begin(struct kg_refusals *r, int64_t now_us)
{
    if (r->started)
        return;
    r->started = true;
    r->strangers = r->known = r->summaries = (struct budget){MINUTE_US * KG_REFUSALS_BURST, now_us};
    r->others_us = now_us;
}

static bool spend(struct budget *b, int rate, int burst, int64_t now_us)
{
    int64_t cost_us = MINUTE_US / rate;
    b->saved_us = KG_MIN(b->saved_us + (now_us - b->since_us), cost_us * burst);
    b->since_us = now_us;
    if (b->saved_us < cost_us)
        return false;
    b->saved_us -= cost_us;
    return true;
}

static struct source *find(struct kg_refusals *r, const struct kg_enrolment_source *address, int64_t now_us)
{
    struct source *oldest = r->sources;
    for (size_t i = 0; i < r->count; i++) {
        struct source *s = &r->sources[i];
        if (memcmp(s->address.network, address->network, sizeof address->network) == 0)
            return s;
        if (s->last_us < oldest->last_us)
            oldest = s;
    }
    struct source *s = r->count < KG_REFUSALS_SOURCES ? &r->sources[r->count++] : oldest;
    r->others += s->left_out;
    *s = (struct source){.address = *address, .minute_us = now_us, .told_us = now_us};
    return s;
}

bool kg_refusals_allow(struct kg_refusals *r, const struct kg_enrolment_source *address, bool known,
                       int64_t now_us)
{
    begin(r, now_us);
    struct source *s = find(r, address, now_us);
    s->last_us = now_us;
    if (now_us - s->minute_us >= MINUTE_US) {
        s->minute_us = now_us;
        s->rows = 0;
    }
    if (s->rows < KG_REFUSALS_PER_SOURCE &&
        spend(known ? &r->known : &r->strangers, KG_REFUSALS_PER_MINUTE, KG_REFUSALS_BURST, now_us)) {
        s->rows++;
        return true;
    }
    s->left_out++;
    return false;
}

bool kg_refusals_left_out(struct kg_refusals *r, int64_t now_us, char source[46], uint64_t *count)
{
    begin(r, now_us);
    for (size_t i = 0; i < r->count; i++) {
        struct source *s = &r->sources[i];
        if (s->left_out == 0 || now_us - s->told_us < MINUTE_US)
            continue;
        *count = s->left_out;
        s->left_out = 0;
        s->told_us = now_us; /* at most one such row a minute */
        if (spend(&r->summaries, KG_REFUSALS_SUMMARIES, KG_REFUSALS_SUMMARIES, now_us)) {
            snprintf(source, 46, "%s", s->address.text);
            return true;
        }
        r->others += *count;
    }
    if (r->others == 0 || now_us - r->others_us < MINUTE_US)
        return false;
    r->others_us = now_us;
    *count = r->others;
    r->others = 0;
    source[0] = '\0';
    return true;
}

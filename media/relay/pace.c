#include "relay/pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was used fades with time: the name may go on while at most burst - 1 intervals of it are left. */
struct measure {
    char name[64];
    int64_t full_us; /* when nothing of it will be left */
};

struct kg_pace {
    struct kg_pace_params params;
    unsigned count;
    struct measure measures[];
};

struct kg_pace *kg_pace_create(const struct kg_pace_params *params)
{
    struct kg_pace *pace = calloc(1, sizeof *pace + params->names * sizeof pace->measures[0]);
    if (pace)
        pace->params = *params;
    return pace;
}

void kg_pace_destroy(struct kg_pace *pace)
{
    free(pace);
}

static int64_t wait_of(const struct kg_pace *pace, const struct measure *m, int64_t now_us)
{
    int64_t most_us = (int64_t)(pace->params.burst - 1) * pace->params.interval_us;
    return KG_MAX(m->full_us - now_us - most_us, INT64_C(0));
}

int64_t kg_pace_wait_us(const struct kg_pace *pace, const char *name, int64_t now_us)
{
    for (unsigned i = 0; i < pace->count; i++) {
        if (strcmp(pace->measures[i].name, name) == 0)
            return wait_of(pace, &pace->measures[i], now_us);
    }
    return 0;
}

void kg_pace_use(struct kg_pace *pace, const char *name, int64_t now_us)
{
    struct measure *oldest = pace->measures, *m = NULL;
    for (unsigned i = 0; i < pace->count && !m; i++) {
        struct measure *other = &pace->measures[i];
        if (strcmp(other->name, name) == 0)
            m = other;
        else if (other->full_us < oldest->full_us)
            oldest = other;
    }
    if (!m) {
        m = pace->count < pace->params.names ? &pace->measures[pace->count++] : oldest;
        m->full_us = 0;
        snprintf(m->name, sizeof m->name, "%s", name);
    }
    if (wait_of(pace, m, now_us) == 0)
        m->full_us = KG_MAX(m->full_us, now_us) + pace->params.interval_us;
}

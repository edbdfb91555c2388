#include "net/arrival.h"

#include "base/attr.h"

void kg_arrival_batch(struct kg_arrival *a, int64_t now_us, int64_t wall_us)
{
    int64_t offset_us = now_us - wall_us;
    int64_t moved_us = offset_us - a->offset_us;

    if (a->started && (moved_us > KG_ARRIVAL_STEP_US || moved_us < -KG_ARRIVAL_STEP_US))
        a->doubted = true;
    a->started = true;
    a->now_us = now_us;
    a->offset_us = offset_us;
}

int64_t kg_arrival_us(const struct kg_arrival *a, int64_t stamp_wall_us)
{
    if (a->doubted)
        return a->now_us;
    return KG_MAX(a->now_us - KG_ARRIVAL_MAX_AGE_US, KG_MIN(stamp_wall_us + a->offset_us, a->now_us));
}

void kg_arrival_emptied(struct kg_arrival *a)
{
    a->doubted = false;
}

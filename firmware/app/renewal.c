#include "app/renewal.h"

#include <time.h>

#include "base/attr.h"
#include "base/log.h"

#define SECOND_US INT64_C(1000000)

/* xorshift32: spreads, guards nothing. 0 … most. */
static int64_t up_to(struct kg_renewal *r, int64_t most)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 17;
    r->random ^= r->random << 5;
    return (int64_t)(r->random % ((uint32_t)KG_MIN(most, (int64_t)UINT32_MAX - 1) + 1));
}

const char *kg_renewal_date(int64_t wall_s, char text[KG_RENEWAL_DATE_SIZE])
{
    time_t time = (time_t)wall_s;
    struct tm tm = {0};
    gmtime_r(&time, &tm);
    strftime(text, KG_RENEWAL_DATE_SIZE, "%Y-%m-%d %H:%M UTC", &tm);
    return text;
}

void kg_renewal_init(struct kg_renewal *r, uint32_t seed)
{
    *r = (struct kg_renewal){.random = seed ? seed : 1};
}

static int64_t life_s(const struct kg_renewal *r)
{
    return r->times.not_after_s - r->times.not_before_s;
}

void kg_renewal_certificate(struct kg_renewal *r, const struct kg_identity_times *times)
{
    r->times = *times;
    r->failures = 0;
    r->not_before_us = 0;
    r->due_s = r->times.not_before_s + life_s(r) / 3 * 2 +
               up_to(r, KG_MAX(KG_MIN(KG_RENEWAL_SPREAD_S, life_s(r) / 24), INT64_C(0)));
}

bool kg_renewal_next(struct kg_renewal *r, int64_t now_us, int64_t wall_us)
{
    int64_t wall_s = wall_us / SECOND_US;
    if (r->asking || life_s(r) <= 0 || wall_s < r->due_s || wall_s >= r->times.not_after_s ||
        now_us < r->not_before_us)
        return false;
    r->asking = true;
    return true;
}

void kg_renewal_answered(struct kg_renewal *r, bool renewed, const struct kg_est_reply *reply, int64_t now_us)
{
    r->asking = false;
    if (renewed)
        return;
    char date[KG_RENEWAL_DATE_SIZE];
    /* Within the hour, sooner with a short life; in any case no sooner than the relay wishes. */
    int64_t wait_s = KG_MAX(KG_MIN(KG_RENEWAL_RETRY_S, life_s(r) / 40), INT64_C(1));
    wait_s = KG_MAX(wait_s - up_to(r, wait_s / 4), reply->retry_s);
    r->not_before_us = now_us + wait_s * SECOND_US;
    r->failures++;
    kg_log(KG_LOG_WARN, "app", "app.renewal-failed",
           "the room's certificate is not renewed yet (try %u, again in %lld s; it ends %s): %s", r->failures,
           (long long)wait_s, kg_renewal_date(r->times.not_after_s, date), reply->close.detail);
}

int64_t kg_renewal_end_us(const struct kg_renewal *r, int64_t wall_us)
{
    int64_t end_us = r->times.not_after_s * SECOND_US;
    int64_t warn_us = KG_MIN(KG_RENEWAL_WARN_S, life_s(r) / 6) * SECOND_US;
    return life_s(r) > 0 && wall_us >= end_us - warn_us ? end_us : 0;
}

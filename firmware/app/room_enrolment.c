#include "app/room_enrolment.h"

#include <string.h>

#include "app/problems.h"
#include "app/remedy.h"
#include "base/attr.h"
#include "base/log.h"

#define SECOND_US INT64_C(1000000)

/* xorshift32: spreads the devices that were switched on together, guards nothing. Up to a quarter more. */
static int64_t spread(struct kg_room_enrolment *e, int64_t wait_s)
{
    e->random ^= e->random << 13;
    e->random ^= e->random >> 17;
    e->random ^= e->random << 5;
    return wait_s * SECOND_US + e->random % (wait_s * SECOND_US / 4);
}

void kg_room_enrolment_init(struct kg_room_enrolment *e, uint32_t seed, int64_t now_us)
{
    *e = (struct kg_room_enrolment){
        .step = KG_ENROLMENT_PREPARING, .next_us = now_us, .random = seed ? seed : 1};
}

static void forget_key(struct kg_room_enrolment *e, int64_t now_us)
{
    e->keyed = e->known = e->last = false;
    e->step = KG_ENROLMENT_PREPARING;
    e->next_us = now_us;
}

enum kg_enrol_act kg_room_enrolment_next(struct kg_room_enrolment *e, int64_t now_us)
{
    if (e->asking)
        return KG_ENROL_WAIT;
    if (e->known && now_us >= e->until_us && !e->last) {
        e->last = e->asking = true; /* it may have been approved this very moment */
        return KG_ENROL_ASK;
    }
    if (e->known && now_us >= e->until_us) {
        kg_log(KG_LOG_WARN, "app", "app.enrolment-expired",
               "nobody has approved this device's code in half an hour: it gets a new one");
        forget_key(e, now_us);
    }
    if (now_us < e->next_us)
        return KG_ENROL_WAIT;
    if (e->step == KG_ENROLMENT_REJECTED)
        forget_key(e, now_us);
    if (!e->keyed)
        return KG_ENROL_MAKE_KEY;
    e->asking = true;
    return KG_ENROL_ASK;
}

void kg_room_enrolment_keyed(struct kg_room_enrolment *e, bool made, int64_t now_us)
{
    e->keyed = made;
    e->next_us = made ? now_us : now_us + KG_ENROL_AWAY_MAX_S * SECOND_US;
}

static void fail(struct kg_room_enrolment *e, const struct kg_est_reply *reply, int64_t now_us)
{
    bool again = e->failures > 0 && e->failure.failure == reply->close.failure &&
                 e->failure.status == reply->close.status;
    int64_t wait_s = (int64_t)KG_ENROL_AWAY_FIRST_S << KG_MIN(e->failures, 6u);
    const char *remedy = kg_remedy_of_close(reply->close.failure);
    e->failures++;
    e->failure = reply->close;
    e->next_us = now_us + spread(e, KG_MIN(wait_s, (int64_t)KG_ENROL_AWAY_MAX_S));
    kg_log(again ? KG_LOG_DEBUG : KG_LOG_WARN, "app", "app.enrolment-failed",
           "the relay cannot be asked: %s: %s%s%s", kg_ws_failure_name(reply->close.failure),
           reply->close.detail, remedy ? "; " : "", remedy ? remedy : "");
}

static void step_to(struct kg_room_enrolment *e, enum kg_enrolment_step step)
{
    static const struct {
        enum kg_log_level level;
        const char *event, *text;
    } words[] = {
        [KG_ENROLMENT_PREPARING] = {KG_LOG_DEBUG, NULL, "a key is made"},
        [KG_ENROLMENT_WAITING] = {KG_LOG_INFO, "app.enrolment-waiting",
                                  "the relay waits for somebody to approve the code"},
        [KG_ENROLMENT_REJECTED] = {KG_LOG_WARN, "app.enrolment-rejected",
                                   "the code was refused by an administrator; there will be a new one"},
        [KG_ENROLMENT_BUSY] =
            {KG_LOG_WARN, "app.enrolment-busy",
             "too many devices wait at the relay, or ask it too often: approve or reject them"},
    };
    if (step != e->step || e->failures > 0)
        kg_log(words[step].level, "app", words[step].event, "%s", words[step].text);
    e->step = step;
    e->failures = 0;
}

void kg_room_enrolment_answered(struct kg_room_enrolment *e, const struct kg_est_reply *reply, int64_t now_us)
{
    int64_t wait_s =
        reply->retry_s < 0 ? KG_ENROL_RETRY_S : KG_MAX(reply->retry_s, (int64_t)KG_ENROL_RETRY_MIN_S);
    wait_s = KG_MIN(wait_s, (int64_t)KG_ENROL_RETRY_MAX_S);
    e->asking = false;
    switch (reply->outcome) {
    case KG_EST_PENDING:
        if (!e->known)
            e->until_us = now_us + KG_ENROL_KEY_US;
        e->known = true;
        step_to(e, KG_ENROLMENT_WAITING);
        e->next_us = now_us + spread(e, wait_s);
        break;
    case KG_EST_BUSY:
        step_to(e, e->known ? KG_ENROLMENT_WAITING : KG_ENROLMENT_BUSY);
        e->next_us = now_us + spread(e, wait_s);
        break;
    case KG_EST_REJECTED:
        step_to(e, KG_ENROLMENT_REJECTED);
        e->known = false;
        e->next_us = now_us + KG_ENROL_REJECTED_S * SECOND_US;
        break;
    case KG_EST_ISSUED: /* the caller's to use */
    case KG_EST_STRANGE:
    case KG_EST_AWAY:
        fail(e, reply, now_us);
        break;
    }
}

void kg_room_enrolment_again(struct kg_room_enrolment *e, int64_t now_us)
{
    if (!e->asking)
        e->next_us = now_us;
}

int64_t kg_room_enrolment_next_us(const struct kg_room_enrolment *e)
{
    if (e->asking)
        return INT64_MAX;
    return e->known ? KG_MIN(e->next_us, e->until_us) : e->next_us;
}

/* Passes without anybody doing something: the code stays on the screen. */
static bool is_passing(enum kg_problem problem)
{
    return problem == KG_PROBLEM_RELAY_NAME || problem == KG_PROBLEM_RELAY_UNREACHABLE ||
           problem == KG_PROBLEM_PROXY_UNREACHABLE || problem == KG_PROBLEM_PROXY_REFUSED;
}

void kg_room_enrolment_show(const struct kg_room_enrolment *e, int64_t now_us, int64_t wall_us,
                            struct kg_room_state *state)
{
    enum kg_problem problem = e->failures > 0 ? kg_problem_of_close(e->failure.failure) : KG_PROBLEM_NONE;
    if (e->failures > 0 && problem == KG_PROBLEM_NONE)
        problem = KG_PROBLEM_RELAY_UNREACHABLE; /* the line was cut */
    state->wall_us = wall_us;
    state->enrolment.step = e->step;
    state->enrolment.until_us = e->known ? wall_us + e->until_us - now_us : 0;
    state->enrolment.away = e->known && is_passing(problem);
    if (problem != KG_PROBLEM_NONE && !state->enrolment.away) {
        state->screen = KG_SCREEN_ERROR;
        kg_problem_fill(&state->error, problem, e->failure.detail);
        state->error.retryable = state->error.no_home = true;
        return;
    }
    state->screen = KG_SCREEN_ENROLMENT;
    memset(&state->error, 0, sizeof state->error);
}

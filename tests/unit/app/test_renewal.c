#include "app/renewal.h"

#include "unit/cmocka_all.h"

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)
#define BEGIN_S   INT64_C(1795219200)

static const struct kg_identity_times ninety_days = {BEGIN_S, BEGIN_S + 90 * DAY_S};
static const struct kg_est_reply away = {
    .outcome = KG_EST_AWAY, .retry_s = -1, .close = {.detail = "a test"}};

static struct kg_renewal with(const struct kg_identity_times *times, uint32_t seed)
{
    struct kg_renewal r;
    kg_renewal_init(&r, seed);
    kg_renewal_certificate(&r, times);
    return r;
}

static bool next(struct kg_renewal *r, int64_t now_us, int64_t wall_s)
{
    return kg_renewal_next(r, now_us, wall_s * SECOND_US);
}

/* From two thirds of its life, spread over a day, and every room at another time. */
static void test_when(void **state)
{
    (void)state;
    int64_t first_s = INT64_MAX, last_s = 0;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct kg_renewal r = with(&ninety_days, seed * 2654435761u);
        assert_in_range(r.due_s, BEGIN_S + 60 * DAY_S, BEGIN_S + 61 * DAY_S);
        first_s = KG_MIN(first_s, r.due_s);
        last_s = KG_MAX(last_s, r.due_s);
        assert_false(next(&r, 0, r.due_s - 1));
        assert_true(next(&r, 0, r.due_s));
        assert_false(next(&r, 0, r.due_s)); /* one request at a time */
    }
    assert_true(last_s - first_s > DAY_S * 3 / 4);
}

static void test_not_when_it_cannot(void **state)
{
    (void)state;
    const struct kg_identity_times none = {0};
    struct kg_renewal r = with(&none, 1);
    assert_false(next(&r, 0, BEGIN_S));
    assert_int_equal(kg_renewal_end_us(&r, BEGIN_S * SECOND_US), 0);
    r = with(&ninety_days, 1);
    assert_true(next(&r, 0, ninety_days.not_after_s - 1));
    r = with(&ninety_days, 1);
    assert_false(next(&r, 0, ninety_days.not_after_s)); /* nobody listens to one that has ended */
}

static void test_again_within_the_hour(void **state)
{
    (void)state;
    struct kg_renewal r = with(&ninety_days, 9);
    int64_t now_us = 0, wall_s = BEGIN_S + 70 * DAY_S;
    for (int i = 0; i < 20; i++) {
        assert_true(next(&r, now_us, wall_s));
        kg_renewal_answered(&r, false, &away, now_us);
        assert_false(next(&r, now_us + 2600 * SECOND_US, wall_s));
        now_us += 3600 * SECOND_US;
    }
    struct kg_est_reply busy = away;
    busy.retry_s = 7200;
    assert_true(next(&r, now_us, wall_s));
    kg_renewal_answered(&r, false, &busy, now_us);
    assert_false(next(&r, now_us + 7199 * SECOND_US, wall_s));
    assert_true(next(&r, now_us + 7200 * SECOND_US, wall_s));
    /* The next certificate begins anew. */
    const struct kg_identity_times later = {wall_s, wall_s + 90 * DAY_S};
    kg_renewal_answered(&r, true, &away, now_us);
    kg_renewal_certificate(&r, &later);
    assert_false(next(&r, now_us + 7200 * SECOND_US, wall_s));
}

static void test_home_tells_of_the_end(void **state)
{
    (void)state;
    struct kg_renewal r = with(&ninety_days, 1);
    int64_t end_us = ninety_days.not_after_s * SECOND_US, days14_us = 14 * DAY_S * SECOND_US;
    assert_int_equal(kg_renewal_end_us(&r, end_us - days14_us - 1), 0);
    assert_int_equal(kg_renewal_end_us(&r, end_us - days14_us), end_us);
    assert_int_equal(kg_renewal_end_us(&r, end_us + DAY_S), end_us);
    /* One of two days is not announced from its first minute. */
    const struct kg_identity_times two_days = {BEGIN_S, BEGIN_S + 2 * DAY_S};
    r = with(&two_days, 1);
    assert_int_equal(kg_renewal_end_us(&r, (BEGIN_S + DAY_S) * SECOND_US), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_not_when_it_cannot),
        cmocka_unit_test(test_again_within_the_hour),
        cmocka_unit_test(test_home_tells_of_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* So many at once, then one each interval, for each name. */
#include "unit/cmocka_all.h"

#include <stdio.h>

#include "relay/pace.h"

#define SECOND INT64_C(1000000)

static const struct kg_pace_params params = {.burst = 5, .interval_us = 2 * SECOND, .names = 3};

static unsigned use(struct kg_pace *pace, const char *name, int64_t now_us)
{
    if (kg_pace_wait_us(pace, name, now_us) > 0)
        return 0;
    kg_pace_use(pace, name, now_us);
    return 1;
}

static void test_burst_and_interval(void **state)
{
    (void)state;
    struct kg_pace *pace = kg_pace_create(&params);
    int64_t t = 100 * SECOND;
    unsigned used = 0;
    for (int i = 0; i < 100; i++)
        used += use(pace, "a", t);
    assert_int_equal(used, 5);
    assert_int_equal(kg_pace_wait_us(pace, "a", t), 2 * SECOND);
    assert_int_equal(kg_pace_wait_us(pace, "a", t + SECOND / 2), SECOND * 3 / 2);
    assert_int_equal(use(pace, "b", t), 1); /* each has its own */
    kg_pace_use(pace, "a", t);              /* with none left: nothing */
    for (int i = 0; i < 100; i++)
        used += use(pace, "a", t += SECOND / 10);
    assert_int_equal(used, 10);
    /* A quiet time gives the burst back, and no more. */
    t += 3600 * SECOND;
    for (int i = 0; i < 100; i++)
        used += use(pace, "a", t);
    assert_int_equal(used, 15);
    kg_pace_destroy(pace);
}

static void test_the_quietest_is_forgotten(void **state)
{
    (void)state;
    struct kg_pace *pace = kg_pace_create(&params);
    for (int i = 0; i < 5; i++)
        (void)use(pace, "loud", SECOND);
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(use(pace, name, SECOND), 1);
    }
    assert_int_equal(use(pace, "loud", SECOND), 0);
    kg_pace_destroy(pace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_interval),
        cmocka_unit_test(test_the_quietest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Block times come out steady, and follow a device's own pace. */
#include "unit/cmocka_all.h"

#include "gst/stream_clock.h"

static void bursts_are_smoothed(void **state)
{
    (void)state;
    struct kg_stream_clock clock = {0};
    int64_t last_us = 0,
            mean_us = 5000000 + 15000; /* three blocks at once, the first 0 and the last 20 ms early */
    for (int64_t b = 0; b < 3000; b++) {
        int64_t now_us = 5000000 + b / 3 * 30000 + 25000;
        int64_t at_us = kg_stream_clock_at(&clock, b * 480, now_us);
        if (b > 600) {
            assert_in_range(at_us - last_us, 9800, 10200);
            assert_in_range(at_us - b * 10000, mean_us - 2000, mean_us + 2000);
        }
        last_us = at_us;
    }
}

static void drift_is_followed(void **state)
{
    (void)state;
    struct kg_stream_clock clock = {0};
    int64_t at_us = 0, now_us = 0;
    for (int64_t b = 0; b < 60000; b++) { /* ten minutes at 100 ppm: 60 ms */
        now_us = b * 10001;
        at_us = kg_stream_clock_at(&clock, b * 480, now_us);
    }
    assert_in_range(now_us - at_us, 0, 2000);
}

static void a_stop_starts_anew(void **state)
{
    (void)state;
    struct kg_stream_clock clock = {0};
    for (int64_t b = 0; b < 100; b++)
        kg_stream_clock_at(&clock, b * 480, b * 10000);
    assert_int_equal(kg_stream_clock_at(&clock, 48000, 9000000), 9000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_are_smoothed),
        cmocka_unit_test(drift_is_followed),
        cmocka_unit_test(a_stop_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

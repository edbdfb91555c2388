/* What is asked for again, when, and when not any more. */
#include "unit/cmocka_all.h"

#include "rtp/nack.h"

enum { RTT_US = 40000 };

static struct kg_nack fresh(void)
{
    struct kg_nack nack;
    struct kg_nack_params params = kg_nack_params_default();
    kg_nack_init(&nack, &params);
    return nack;
}

static void gap_is_asked_for_over_the_wrap(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    kg_nack_receive(&n, 65534, 0);
    assert_int_equal(kg_nack_next_us(&n, RTT_US), INT64_MAX);
    kg_nack_receive(&n, 1, 1000); /* 65535 and 0 are missing; 65535 is two behind, 0 may be reordered */
    assert_int_equal(kg_nack_due(&n, 1000, RTT_US, out, 8), 1);
    assert_int_equal(out[0], 65535);
    assert_int_equal(kg_nack_due(&n, 10999, RTT_US, out, 8), 0);
    assert_int_equal(kg_nack_next_us(&n, RTT_US), 11000);
    assert_int_equal(kg_nack_due(&n, 11000, RTT_US, out, 8), 1);
    assert_int_equal(out[0], 0);
    kg_nack_receive(&n, 65535, 30000);
    assert_int_equal(n.recovered, 1);
    assert_int_equal(kg_nack_due(&n, 11000 + RTT_US, RTT_US, out, 8), 1);
    assert_int_equal(out[0], 0);
}

static void reordering_is_not_asked_for(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    kg_nack_receive(&n, 5, 0);
    kg_nack_receive(&n, 7, 100);
    assert_int_equal(kg_nack_due(&n, 200, RTT_US, out, 8), 0);
    kg_nack_receive(&n, 6, 300);
    assert_int_equal(kg_nack_due(&n, 1000000, RTT_US, out, 8), 0);
    assert_int_equal(n.recovered, 0);
    kg_nack_receive(&n, 6, 400); /* doubled */
    kg_nack_receive(&n, 7, 400);
    assert_int_equal(n.count, 0);
    assert_false(kg_nack_take_keyframe_request(&n));
}

static void repeats_wait_longer_and_end(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    int tries = 0;
    int64_t last_us = 0, pause_us = 0;
    kg_nack_receive(&n, 1, 0);
    kg_nack_receive(&n, 4, 0);
    for (int64_t now_us = 0; now_us < 2000000; now_us += 1000) {
        size_t count = kg_nack_due(&n, now_us, 10000, out, 8);
        if (count > 0 && out[0] == 2) {
            if (tries > 0) {
                assert_true(now_us - last_us >= 20000 && now_us - last_us > pause_us);
                pause_us = now_us - last_us;
            }
            last_us = now_us;
            tries++;
        }
    }
    assert_int_equal(tries, 10);
    assert_int_equal(n.count, 0);
    assert_int_equal(n.given_up, 2);
    assert_true(kg_nack_take_keyframe_request(&n));
    assert_false(kg_nack_take_keyframe_request(&n));
}

static void too_old_is_given_up(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    kg_nack_receive(&n, 1, 0);
    kg_nack_receive(&n, 3, 0);
    assert_int_equal(kg_nack_due(&n, 10000, 900000, out, 8), 1);
    assert_int_equal(kg_nack_next_us(&n, 2000000), 1000001);
    assert_int_equal(kg_nack_due(&n, 1000001, 900000, out, 8), 0);
    assert_true(kg_nack_take_keyframe_request(&n));
}

static void long_gap_and_full_list_ask_for_a_keyframe(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[300];
    kg_nack_receive(&n, 1, 0);
    kg_nack_receive(&n, 300, 0);
    assert_true(kg_nack_take_keyframe_request(&n));
    assert_int_equal(kg_nack_due(&n, 50000, RTT_US, out, 300), 0);
    n = fresh();
    kg_nack_receive(&n, 1, 0);
    kg_nack_receive(&n, 253, 0); /* 251 missing: it would fit, but is no longer worth it */
    assert_true(kg_nack_take_keyframe_request(&n));
    assert_int_equal(n.count, 0);
    kg_nack_receive(&n, 300, 0);
    kg_nack_keyframe(&n, 300);
    kg_nack_receive(&n, 500, 0); /* 199 missing */
    assert_int_equal(kg_nack_due(&n, 50000, RTT_US, out, 300), 199);
    for (int i = 1; i < 199; i++) {
        assert_int_equal(out[i], out[i - 1] + 1);
    }
    assert_false(kg_nack_take_keyframe_request(&n));
    kg_nack_receive(&n, 600, 60000); /* 99 more do not fit */
    assert_true(kg_nack_take_keyframe_request(&n));
    assert_int_equal(n.count, 0);
}

static void keyframe_makes_older_gaps_pointless(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    kg_nack_receive(&n, 65530, 0);
    kg_nack_receive(&n, 65533, 0);
    kg_nack_receive(&n, 2, 0);
    kg_nack_keyframe(&n, 65535);
    assert_int_equal(kg_nack_due(&n, 50000, RTT_US, out, 8), 3);
    assert_int_equal(out[0], 65535);
    assert_int_equal(out[2], 1);
}

static void few_at_a_time_are_remembered(void **state)
{
    (void)state;
    struct kg_nack n = fresh();
    uint16_t out[8];
    kg_nack_receive(&n, 0, 0);
    kg_nack_receive(&n, 6, 0);
    assert_int_equal(kg_nack_due(&n, 20000, RTT_US, out, 2), 2);
    assert_int_equal(kg_nack_due(&n, 20000, RTT_US, out, 8), 3);
    assert_int_equal(out[0], 3);
    assert_int_equal(kg_nack_due(&n, 20000, RTT_US, out, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gap_is_asked_for_over_the_wrap),
        cmocka_unit_test(reordering_is_not_asked_for),
        cmocka_unit_test(repeats_wait_longer_and_end),
        cmocka_unit_test(too_old_is_given_up),
        cmocka_unit_test(long_gap_and_full_list_ask_for_a_keyframe),
        cmocka_unit_test(keyframe_makes_older_gaps_pointless),
        cmocka_unit_test(few_at_a_time_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

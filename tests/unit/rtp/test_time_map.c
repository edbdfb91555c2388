/* RTP time ↔ wall time ↔ local time, with jitter, drift, wraps and clocks that are set. */
#include "unit/cmocka_all.h"

#include "rtp/rtcp.h"
#include "rtp/time_map.h"
#include "unit/rtp/flow_help.h"

#define WALL_US INT64_C(1790000000000000)

static void timestamps_map_both_ways_over_the_wrap(void **state)
{
    (void)state;
    struct kg_time_map m;
    int64_t wall_us;
    uint32_t rtp;
    kg_time_map_init(&m, 90000);
    assert_false(kg_time_map_wall(&m, 1, &wall_us));
    assert_false(kg_time_map_rtp(&m, WALL_US, &rtp));
    assert_false(kg_time_map_report(&m, 0, 5)); /* a sender without a clock */
    assert_true(kg_time_map_report(&m, kg_ntp_from_wall_us(WALL_US), 0xffffff00u));
    assert_true(kg_time_map_wall(&m, 0xffffff00u + 90000, &wall_us));
    assert_true(llabs(wall_us - WALL_US - 1000000) <= 1);
    assert_true(kg_time_map_wall(&m, 0xffffff00u - 45000, &wall_us));
    assert_true(llabs(wall_us - WALL_US + 500000) <= 1);
    assert_true(kg_time_map_rtp(&m, WALL_US + 1000000, &rtp));
    assert_true((uint32_t)(rtp - (0xffffff00u + 90000) + 1) <= 2);
    assert_true(kg_time_map_rtp(&m, WALL_US - 2000000, &rtp));
    assert_true((uint32_t)(rtp - (0xffffff00u - 180000) + 1) <= 2);
}

static void old_report_is_ignored_and_restart_believed(void **state)
{
    (void)state;
    struct kg_time_map m;
    int64_t wall_us;
    kg_time_map_init(&m, 48000);
    assert_true(kg_time_map_report(&m, kg_ntp_from_wall_us(WALL_US), 48000));
    assert_false(kg_time_map_report(&m, kg_ntp_from_wall_us(WALL_US - 500000), 24000));
    assert_int_equal(m.resets, 0);
    assert_true(
        kg_time_map_report(&m, kg_ntp_from_wall_us(WALL_US + 1000000), 7)); /* its timestamps began anew */
    assert_int_equal(m.resets, 1);
    assert_true(kg_time_map_wall(&m, 7, &wall_us));
    assert_true(llabs(wall_us - WALL_US - 1000000) <= 1);
}

static void offset_is_the_shortest_trip_and_follows_drift(void **state)
{
    (void)state;
    struct kg_wall_offset o;
    uint32_t seed = 5;
    int64_t local_us;
    kg_wall_offset_init(&o);
    assert_false(kg_wall_offset_local(&o, WALL_US, &local_us));
    int64_t sender_us = WALL_US;
    for (int64_t t_us = 0; t_us < INT64_C(1200000000); t_us += 500000) {
        sender_us += 500000 + (t_us < 600000000 ? 50 : -50); /* ±100 ppm */
        int64_t trip_us = 20000 + next_random(&seed) % 30000;
        kg_wall_offset_sample(&o, sender_us, t_us + trip_us);
        if (t_us > 20000000) {
            assert_true(kg_wall_offset_local(&o, sender_us, &local_us));
            int64_t error = local_us - (t_us + 20000);
            assert_true(error > -3000 && error < 8000);
        }
    }
    assert_int_equal(o.resets, 0);
}

static void set_clock_is_noticed(void **state)
{
    (void)state;
    struct kg_wall_offset o;
    int64_t local_us, now_us = 0;
    kg_wall_offset_init(&o);
    for (int i = 0; i < 10; i++) {
        kg_wall_offset_sample(&o, WALL_US + now_us, now_us);
        now_us += 1000000;
    }
    /* one report that waited 3 s changes nothing */
    kg_wall_offset_sample(&o, WALL_US + now_us - 3000000, now_us);
    assert_int_equal(o.resets, 0);
    /* forward an hour: at once */
    for (int i = 0; i < 3; i++) {
        kg_wall_offset_sample(&o, WALL_US + now_us + INT64_C(3600000000), now_us);
        assert_true(kg_wall_offset_local(&o, WALL_US + now_us + INT64_C(3600000000), &local_us));
        assert_true(llabs(local_us - now_us) < 1000);
        now_us += 1000000;
    }
    assert_int_equal(o.resets, 1);
    /* back an hour: at the third */
    for (int i = 0; i < 3; i++) {
        kg_wall_offset_sample(&o, WALL_US + now_us, now_us);
        now_us += 1000000;
    }
    assert_int_equal(o.resets, 2);
    assert_true(kg_wall_offset_local(&o, WALL_US + now_us, &local_us));
    assert_true(llabs(local_us - now_us) < 1000);
}

static void long_silence_starts_a_new_window(void **state)
{
    (void)state;
    struct kg_wall_offset o;
    int64_t local_us;
    kg_wall_offset_init(&o);
    kg_wall_offset_sample(&o, WALL_US, 0);
    /* an hour later, with 100 ppm of drift: 360 ms; the old least must not hold it back */
    kg_wall_offset_sample(&o, WALL_US + INT64_C(3600000000), INT64_C(3600000000) + 360000);
    assert_true(kg_wall_offset_local(&o, WALL_US + INT64_C(3600000000), &local_us));
    assert_int_equal(local_us, INT64_C(3600000000) + 360000);
    kg_wall_offset_sample(&o, WALL_US + INT64_C(3600500000), INT64_C(3600500000) + 400000);
    assert_true(kg_wall_offset_local(&o, WALL_US + INT64_C(3600500000), &local_us));
    assert_int_equal(local_us, INT64_C(3600500000) + 360000); /* the least again */
}

static void sound_and_picture_of_a_sender_map_alike(void **state)
{
    (void)state;
    struct kg_wall_offset o;
    struct kg_time_map audio, video;
    int64_t a_us, v_us;
    kg_wall_offset_init(&o);
    kg_time_map_init(&audio, 48000);
    kg_time_map_init(&video, 90000);
    assert_true(kg_time_map_report(&audio, kg_ntp_from_wall_us(WALL_US), 1000));
    kg_wall_offset_sample(&o, WALL_US, 30000);
    assert_true(kg_time_map_report(&video, kg_ntp_from_wall_us(WALL_US + 200000), 77));
    kg_wall_offset_sample(&o, WALL_US + 200000, 330000); /* that report was slow */
    assert_true(kg_time_map_local(&audio, &o, 1000 + 48000, &a_us));
    assert_true(kg_time_map_local(&video, &o, 77 + 72000, &v_us)); /* both captured at wall + 1 s */
    assert_true(llabs(a_us - v_us) <= 2);
    assert_true(llabs(a_us - 1030000) <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamps_map_both_ways_over_the_wrap),
        cmocka_unit_test(old_report_is_ignored_and_restart_believed),
        cmocka_unit_test(offset_is_the_shortest_trip_and_follows_drift),
        cmocka_unit_test(set_clock_is_noticed),
        cmocka_unit_test(long_silence_starts_a_new_window),
        cmocka_unit_test(sound_and_picture_of_a_sender_map_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* When pictures are shown: at once on clean lines, evenly on jittery ones, with their sound. */
#include "unit/cmocka_all.h"

#include "rtp/playout.h"
#include "unit/rtp/flow_help.h"

enum { FRAME_US = 33333, TRIP_US = 25000 };

struct shown {
    int64_t delay_most_us, delay_sum_us; /* due − arrival */
    int64_t uneven_most_us;              /* distance between two frames against 33 ms */
    int64_t last_due_us, lag_us;
    int frames;
};

struct stream {
    struct kg_playout playout;
    int64_t t_us; /* capture time of the next frame; the clocks are equal */
    uint32_t seed, source;
    int64_t noise_us, trip_us;
};

static struct stream stream_new(void)
{
    struct stream s = {.seed = 5, .source = 1, .trip_us = TRIP_US};
    struct kg_playout_params params = kg_playout_params_default();
    kg_playout_init(&s.playout, &params);
    return s;
}

static struct shown run(struct stream *s, int frames, int64_t audio_lag_us)
{
    struct shown r = {.frames = 0};
    for (int i = 0; i < frames; i++, s->t_us += FRAME_US) {
        int64_t noise_us = s->noise_us > 0 ? next_random(&s->seed) % s->noise_us : 0;
        int64_t arrival_us = s->t_us + s->trip_us + noise_us;
        uint32_t timestamp = 0xfffff000u + (uint32_t)(s->t_us * 9 / 100);
        if (audio_lag_us >= 0) {
            kg_playout_audio(&s->playout, audio_lag_us, arrival_us);
        }
        int64_t due_us = kg_playout_frame(&s->playout, timestamp, s->source, arrival_us, s->t_us);
        assert_true(due_us >= arrival_us);
        assert_true(due_us <= arrival_us + 1000000);
        assert_true(due_us >= r.last_due_us);
        r.delay_most_us = KG_MAX(r.delay_most_us, due_us - arrival_us);
        r.delay_sum_us += due_us - arrival_us;
        if (r.frames > 0) {
            r.uneven_most_us = KG_MAX(r.uneven_most_us, llabs(due_us - r.last_due_us - FRAME_US));
        }
        r.last_due_us = due_us;
        r.lag_us = due_us - s->t_us;
        r.frames++;
    }
    return r;
}

static void clean_line_shows_at_once(void **state)
{
    (void)state;
    struct stream s = stream_new();
    s.noise_us = 4000;
    struct shown r = run(&s, 900, -1);
    assert_true(r.delay_most_us <= 4000);
    assert_true(r.delay_sum_us / r.frames <= 1000);
}

static void jitter_is_evened_out_and_forgotten(void **state)
{
    (void)state;
    struct stream s = stream_new();
    run(&s, 100, -1);
    s.noise_us = 60000;
    run(&s, 100, -1);
    struct shown r = run(&s, 300, -1);
    assert_true(r.uneven_most_us < 25000);
    assert_true(r.delay_sum_us / r.frames < 50000);
    s.noise_us = 0;
    run(&s, 150, -1);
    r = run(&s, 100, -1);
    assert_true(r.delay_most_us < 1000);
}

static void pictures_wait_for_their_sound(void **state)
{
    (void)state;
    struct stream s = stream_new();
    struct shown r = run(&s, 100, 90000); /* heard 90 ms after capture; pictures could be shown after 25 */
    assert_true(llabs(r.lag_us + 5000 - 90000) < 3000);
    r = run(&s, 200, 300000);
    assert_true(llabs(r.lag_us + 5000 - 300000) < 3000);
    assert_true(r.uneven_most_us <= 20100); /* without a stop */
    r = run(&s, 200, 60000);
    assert_true(llabs(r.lag_us + 5000 - 60000) < 3000);
    assert_true(r.uneven_most_us <= 2100);
    r = run(&s, 200, 20000); /* sound earlier than pictures: they do not wait */
    assert_true(r.lag_us <= TRIP_US + 1000);
    r = run(&s, 200, 5000000); /* an absurd value stays within the limit */
    assert_true(r.delay_most_us <= 1000000);
}

static void silent_sound_is_forgotten(void **state)
{
    (void)state;
    struct stream s = stream_new();
    run(&s, 100, 90000);
    struct shown r = run(&s, 200, -1);
    assert_true(r.lag_us <= TRIP_US + 1000);
}

static void late_pictures_hold_the_sound_back(void **state)
{
    (void)state;
    struct stream s = stream_new();
    s.trip_us = 150000; /* shown at 155 ms */
    int64_t audio_delay_us = 15000, audio_lag_us = 45000;
    assert_true(kg_playout_audio_least_us(&s.playout, audio_delay_us, 0) == 0);
    for (int i = 0; i < 50; i++) {
        struct shown r = run(&s, 10, audio_lag_us);
        int64_t least_us = kg_playout_audio_least_us(&s.playout, audio_delay_us, r.last_due_us);
        int64_t next_us = KG_MAX(least_us, INT64_C(15000));
        audio_lag_us += next_us - audio_delay_us; /* the buffer follows */
        audio_delay_us = next_us;
    }
    assert_true(llabs(155000 - audio_lag_us - 40000) < 2000);
    s.trip_us = TRIP_US;
    for (int i = 0; i < 100; i++) {
        struct shown r = run(&s, 10, audio_lag_us);
        int64_t next_us =
            KG_MAX(kg_playout_audio_least_us(&s.playout, audio_delay_us, r.last_due_us), INT64_C(15000));
        audio_lag_us += next_us - audio_delay_us;
        audio_delay_us = next_us;
    }
    assert_int_equal(audio_delay_us, 15000);
}

static void longer_route_is_learnt(void **state)
{
    (void)state;
    struct stream s = stream_new();
    run(&s, 200, -1);
    s.trip_us += 100000;
    run(&s, 186, -1); /* until the old route has left the window */
    run(&s, 60, -1);
    assert_true(s.playout.delay_us < 10000);
}

static void other_source_and_jumps_start_anew(void **state)
{
    (void)state;
    struct stream s = stream_new();
    s.noise_us = 80000;
    run(&s, 200, -1);
    s.noise_us = 0;
    s.source = 2;
    struct shown r = run(&s, 1, -1);
    assert_true(r.delay_most_us < 1000);
    s.trip_us += 3000000; /* its clock was set */
    r = run(&s, 10, -1);
    assert_true(r.delay_most_us < 1000);
    s.trip_us -= 2900000;
    r = run(&s, 10, -1);
    assert_true(r.delay_most_us < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_line_shows_at_once),
        cmocka_unit_test(jitter_is_evened_out_and_forgotten),
        cmocka_unit_test(pictures_wait_for_their_sound),
        cmocka_unit_test(silent_sound_is_forgotten),
        cmocka_unit_test(late_pictures_hold_the_sound_back),
        cmocka_unit_test(longer_route_is_learnt),
        cmocka_unit_test(other_source_and_jumps_start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What looks like a queue on the line and is none: bad stamps, a receiver's clock that was set, a reader that
 * was late. The limit must stay, or come back soon; a true queue must still be seen. */
#include <stdio.h>

#include "unit/cmocka_all.h"
#include "unit/rtp/line_world.h"

#define LINE_BPS 20e6
#define MAX_BPS  2000000

/* On a wide line, at the setting. */
static struct world *settled(void)
{
    struct world *w = world_with(LINE_BPS, MAX_BPS);
    run(w, 12);
    assert_true(kg_estimator_target_bps(&w->estimator) > 0.99 * MAX_BPS);
    reset_measures(w);
    return w;
}

/* Seconds until the limit is back at 90 % and stays there for 3 s; -1: not within 30 s. */
static double recovery_s(struct world *w)
{
    int64_t began_us = w->now_us, back_us = -1;
    while (w->now_us - began_us < 30000000) {
        run_us(w, 10000);
        if (kg_estimator_target_bps(&w->estimator) < 0.9 * MAX_BPS)
            back_us = -1;
        else if (back_us < 0)
            back_us = w->now_us;
        else if (w->now_us - back_us >= 3000000)
            return (double)(back_us - began_us) / 1e6;
    }
    return -1;
}

/* least: of the limit, of the setting; most_s: until it is back. */
static void must_get_over(struct world *w, const char *what, double least, double most_s)
{
    double s = recovery_s(w);
    print_message("%s: least %.0f bps, back after %.1f s\n", what, w->target_least, s);
    assert_true(w->target_least >= least * MAX_BPS);
    assert_true(s >= 0 && s <= most_s);
    end_world(w);
}

static void one_bad_stamp_changes_nothing(void **state)
{
    (void)state;
    static const int64_t errors_us[] = {-1000000, -300000, -100000, -30000, 30000, 100000, 300000, 1000000};
    for (size_t i = 0; i < KG_ARRAY_LEN(errors_us); i++) {
        struct world *w = settled();
        for (uint32_t phase = 0; phase < 24; phase++) { /* sound, first, middle and last of a picture */
            w->stamp_error_us = errors_us[i];
            w->stamp_errors = 1 + phase % 2;
            run_us(w, 1000000 / 3 + phase * 1000);
        }
        run(w, 2);
        print_message("stamps off by %lld ms: least %.0f bps\n", (long long)errors_us[i] / 1000,
                      w->target_least);
        assert_true(w->target_least > 0.99 * MAX_BPS);
        end_world(w);
    }
}

static void bad_stamps_in_a_row_are_got_over(void **state)
{
    (void)state;
    static const int64_t errors_us[] = {-400000, -100000, 100000, 400000};
    for (size_t i = 0; i < KG_ARRAY_LEN(errors_us); i++) {
        struct world *w = settled();
        char what[40];
        w->stamp_error_us = errors_us[i];
        w->stamp_errors = 40;
        snprintf(what, sizeof what, "40 stamps off by %lld ms", (long long)errors_us[i] / 1000);
        must_get_over(w, what, 0.5, 5);
    }
}

static void a_receiver_whose_clock_is_set_is_got_over(void **state)
{
    (void)state;
    static const int64_t steps_us[] = {-2000000, -200000, -70000,  30000,   70000,
                                       200000,   700000,  2000000, 60000000};
    for (size_t i = 0; i < KG_ARRAY_LEN(steps_us); i++) {
        struct world *w = settled();
        char what[40];
        w->clock_us += steps_us[i];
        snprintf(what, sizeof what, "clock set by %lld ms", (long long)steps_us[i] / 1000);
        must_get_over(w, what, 0.5, 5);
    }
}

/* Who sends far less than it may must first come down to what it sends to learn anything. */
static void a_clock_is_set_while_little_is_sent(void **state)
{
    (void)state;
    static const uint32_t rates_bps[] = {40000, 400000};
    for (size_t i = 0; i < KG_ARRAY_LEN(rates_bps); i++) {
        struct world *w = settled();
        w->camera_off = true;
        w->audio_bps = rates_bps[i];
        run(w, 5);
        reset_measures(w);
        w->clock_us += 200000;
        run(w, 8);
        print_message("%u bps sent: least %.0f bps, then %u\n", rates_bps[i], w->target_least,
                      kg_estimator_target_bps(&w->estimator));
        assert_true(kg_estimator_target_bps(&w->estimator) > 1.4 * rates_bps[i]);
        w->camera_off = false;
        w->audio_bps = AUDIO_BPS;
        run(w, 8);
        assert_true(kg_estimator_target_bps(&w->estimator) > 0.9 * MAX_BPS);
        end_world(w);
    }
}

static void a_reader_that_stalls(void **state)
{
    (void)state;
    for (int by_reading = 0; by_reading < 2; by_reading++) {
        struct world *w = settled();
        w->stamps_by_reading = by_reading;
        w->stalled_until_us = w->now_us + 300000;
        must_get_over(w, by_reading ? "stall seen in the stamps" : "stall not seen in the stamps",
                      by_reading ? 0.7 : 0.99, by_reading ? 3 : 0.02);
    }
}

/* As on a busy machine: 120 ms of every second. */
static void a_reader_that_stalls_again_and_again(void **state)
{
    (void)state;
    for (int by_reading = 0; by_reading < 2; by_reading++) {
        struct world *w = settled();
        w->stamps_by_reading = by_reading;
        for (int i = 0; i < 20; i++) {
            w->stalled_until_us = w->now_us + 120000;
            run(w, 1);
        }
        say(by_reading ? "stalls seen in the stamps" : "stalls not seen in the stamps", w);
        assert_true(w->target_least >= (by_reading ? 0.5 : 0.99) * MAX_BPS);
        end_world(w);
    }
}

/* 10 % more comes than goes: 200 ms in 2 s. */
static void a_queue_that_grows_is_backed_off_from(void **state)
{
    (void)state;
    struct world *w = settled();
    w->line.capacity_bps = MAX_BPS / 1.1;
    run(w, 2);
    say("true queue, 2 s", w);
    assert_true(w->target_least < 0.9 * MAX_BPS);
    assert_true(w->queue_most_us < 150000); /* 200 ms if nothing were done */
    run(w, 3);
    reset_measures(w);
    run(w, 20);
    say("true queue, then", w);
    assert_true(mean_target(w) < MAX_BPS / 1.1);
    assert_true(mean_target(w) > 0.6 * MAX_BPS);
    assert_true(w->queue_sum_us / w->ticks < 25000);
    end_world(w);
}

/* A step of the clock must not blind it: the queue after it is seen as before. */
static void a_queue_is_seen_after_a_false_one(void **state)
{
    (void)state;
    struct world *w = settled();
    w->clock_us += 200000;
    run(w, 6);
    assert_true(kg_estimator_target_bps(&w->estimator) > 0.9 * MAX_BPS);
    w->line.capacity_bps = 1e6;
    reset_measures(w);
    run(w, 4);
    say("halved after a step", w);
    assert_true(kg_estimator_target_bps(&w->estimator) < 1.05e6);
    reset_measures(w);
    run(w, 20);
    say("halved after a step, then", w);
    assert_true(mean_target(w) < 1e6);
    assert_true(w->queue_sum_us / w->ticks < 30000);
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_stamp_changes_nothing),
        cmocka_unit_test(bad_stamps_in_a_row_are_got_over),
        cmocka_unit_test(a_receiver_whose_clock_is_set_is_got_over),
        cmocka_unit_test(a_clock_is_set_while_little_is_sent),
        cmocka_unit_test(a_reader_that_stalls),
        cmocka_unit_test(a_reader_that_stalls_again_and_again),
        cmocka_unit_test(a_queue_that_grows_is_backed_off_from),
        cmocka_unit_test(a_queue_is_seen_after_a_false_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

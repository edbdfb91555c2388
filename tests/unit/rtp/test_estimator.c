/* The send limit on lines wide and narrow, lossy, cut and unused. */
#include "unit/cmocka_all.h"
#include "unit/rtp/line_world.h"

static void wide_line_is_used_to_the_setting(void **state)
{
    (void)state;
    struct world *w = world_with(20e6, 2000000);
    assert_int_equal(kg_estimator_target_bps(&w->estimator), 1000000);
    run(w, 5);
    reset_measures(w);
    run(w, 20);
    say("wide", w);
    assert_true(w->target_least > 1900000);
    assert_int_equal(w->lost, 0);
    end_world(w);
}

static void narrow_lines_are_filled_but_not_stuffed(void **state)
{
    (void)state;
    static const double capacities[] = {300e3, 600e3, 1200e3, 2500e3};
    for (size_t i = 0; i < KG_ARRAY_LEN(capacities); i++) {
        struct world *w = world_with(capacities[i], 4000000);
        run(w, 10);
        reset_measures(w);
        run(w, 40);
        say("narrow", w);
        assert_true(mean_target(w) < capacities[i]);
        assert_true(mean_target(w) > 0.6 * capacities[i]);
        assert_true(w->queue_sum_us / w->ticks < 21000);
        assert_true(w->queue_most_us < 130000);
        assert_true(capacities[i] < 1e6 || w->target_most < 1.06 * capacities[i]); /* gentle near the limit */
        assert_true(w->lost * 200 <= w->sent);                                     /* ≤ 0.5 % */
        end_world(w);
    }
}

static void line_that_shrinks_and_widens_is_followed(void **state)
{
    (void)state;
    struct world *w = world_with(2e6, 3000000);
    run(w, 20);
    w->line.capacity_bps = 500e3;
    reset_measures(w);
    run(w, 3);
    say("shrinking", w);
    assert_true(w->queue_sum_us / w->ticks < 160000);
    reset_measures(w);
    run(w, 10);
    say("shrunk", w);
    assert_true(mean_target(w) < 500e3);
    assert_true(mean_target(w) > 250e3);
    assert_true(w->queue_sum_us / w->ticks < 80000);
    w->line.capacity_bps = 2e6;
    run(w, 20);
    reset_measures(w);
    run(w, 10);
    say("widened", w);
    assert_true(mean_target(w) > 1.2e6);
    end_world(w);
}

/* 2 Mbps → 150 kbps: a packet takes 60 ms. A short queue is full, and loses, at once; a deep one holds a
 * second. */
static void line_that_all_but_closes_is_left_at_once(void **state)
{
    (void)state;
    static const struct {
        int64_t limit_us, most_us;
    } table[] = {{100000, 45000}, {300000, 130000}, {1000000, 760000}};
    enum { SEEDS = 4 };
    for (size_t i = 0; i < KG_ARRAY_LEN(table); i++) {
        double queue_us = 0;
        for (uint32_t seed = 1; seed <= SEEDS; seed++) {
            struct world *w = world_with(2e6, 3000000);
            w->seed = seed * 7919;
            w->line.queue_limit_us = table[i].limit_us;
            run(w, 20);
            w->line.capacity_bps = 150e3;
            reset_measures(w);
            run(w, 4);
            queue_us += w->queue_sum_us / w->ticks / SEEDS;
            reset_measures(w);
            run(w, 10);
            assert_true(mean_target(w) < 150e3);
            assert_true(w->queue_sum_us / w->ticks < 40000);
            end_world(w);
        }
        print_message("queue of at most %lld ms: mean %.0f ms over 4 s\n",
                      (long long)table[i].limit_us / 1000, queue_us / 1000);
        assert_true(queue_us < (double)table[i].most_us);
    }
}

static void random_loss_alone_is_no_full_line(void **state)
{
    (void)state;
    struct world *w = world_with(10e6, 2000000);
    w->line.loss_permille = 50;
    run(w, 10);
    reset_measures(w);
    run(w, 20);
    say("5 % loss", w);
    assert_true(w->target_least >= 900000);
    assert_true(kg_estimator_loss(&w->estimator) > 0.02 && kg_estimator_loss(&w->estimator) < 0.1);
    w->line.loss_permille = 300; /* but a line that loses a third is unfit for this */
    run(w, 10);
    assert_true(kg_estimator_target_bps(&w->estimator) < 300000);
    w->line.loss_permille = 0;
    run(w, 25);
    assert_true(kg_estimator_target_bps(&w->estimator) > 1000000);
    end_world(w);
}

static void jitter_is_not_taken_for_a_queue(void **state)
{
    (void)state;
    struct world *w = world_with(10e6, 2000000);
    w->line.noise_us = 20000;
    run(w, 10);
    reset_measures(w);
    run(w, 20);
    say("20 ms noise", w);
    assert_true(mean_target(w) > 1.9e6);
    w->line.noise_us = 60000;
    run(w, 10);
    reset_measures(w);
    run(w, 20);
    say("60 ms noise", w);
    assert_true(mean_target(w) > 1.3e6);
    end_world(w);
}

static void dead_line_falls_to_the_least_and_comes_back(void **state)
{
    (void)state;
    struct world *w = world_with(5e6, 2000000);
    run(w, 10);
    w->line.cut = true;
    run(w, 8);
    assert_int_equal(kg_estimator_target_bps(&w->estimator), 100000);
    w->line.cut = false;
    w->line.free_us = 0;
    run(w, 10);
    assert_true(kg_estimator_target_bps(&w->estimator) > 1000000);
    end_world(w);
}

static void sound_alone_neither_proves_nor_disproves_the_line(void **state)
{
    (void)state;
    struct world *w = world_with(5e6, 2000000);
    w->audio_bps = 50000;
    w->least_video_bps = 80000; /* more than the least limit leaves beside the sound */
    run(w, 10);
    w->line.cut = true;
    run(w, 8);
    assert_int_equal(kg_estimator_target_bps(&w->estimator), 100000);
    w->line.cut = false;
    w->line.free_us = 0;
    run(w, 15);
    assert_true(kg_estimator_target_bps(&w->estimator) > 1000000);

    w->camera_off = true;
    run(w, 10);
    w->line.noise_us = 150000; /* swings that pass for a queue */
    reset_measures(w);
    run(w, 1);
    w->line.noise_us = 1000;
    run(w, 1);
    say("sound alone", w);
    assert_true(w->target_least > 500000);
    end_world(w);
}

static void who_is_muted_keeps_the_limit(void **state)
{
    (void)state;
    struct world *w = world_with(5e6, 2000000);
    run(w, 10);
    int64_t end_us = w->now_us + 60000000;
    for (; w->now_us < end_us; w->now_us += 100000) {
        feed_back(w);
        kg_estimator_tick(&w->estimator, 40000, w->now_us);
    }
    assert_int_equal(kg_estimator_target_bps(&w->estimator), 2000000);
    end_world(w);
}

/* A packet each 10 ms; every one takes slower_ppm of the time since the start longer than the first. */
static void feed_plainly(struct kg_estimator *e, uint32_t size, int64_t seconds, int64_t slower_ppm)
{
    for (int64_t i = 0; i < seconds * 100; i++) {
        struct kg_twcc_result r = {.number = i,
                                   .send_us = i * 10000,
                                   .arrival_us = i * 10000 + i * slower_ppm / 100 + 777,
                                   .size = size};
        kg_estimator_results(e, &r, 1, 40000, i * 10000 + 40000);
    }
}

static void queue_that_creeps_up_is_seen_too(void **state)
{
    (void)state;
    struct kg_estimator e;
    struct kg_estimator_params params = kg_estimator_params_default();
    kg_estimator_init(&e, &params);
    feed_plainly(&e, 1250, 6, 20000); /* 2 % over capacity: 4 ms in a window, 120 ms in all */
    assert_true(kg_estimator_target_bps(&e) < 950000);
    kg_estimator_init(&e, &params);
    feed_plainly(&e, 1250, 6, 100); /* clock drift is no queue */
    assert_true(kg_estimator_target_bps(&e) > 1400000);
}

static void unused_rate_is_not_believed(void **state)
{
    (void)state;
    struct kg_estimator e;
    struct kg_estimator_params params = kg_estimator_params_default();
    kg_estimator_init(&e, &params);
    feed_plainly(&e, 250, 10, 0); /* 200 kbps sent */
    assert_int_equal(kg_estimator_target_bps(&e), 1000000);
}

static void sound_is_taken_off_first(void **state)
{
    (void)state;
    struct kg_estimator e;
    struct kg_estimator_params params = {.min_bps = 100000, .start_bps = 100000, .max_bps = 100000};
    kg_estimator_init(&e, &params);
    assert_int_equal(kg_estimator_video_bps(&e, 40000, 50000), 60000);
    assert_int_equal(kg_estimator_video_bps(&e, 60000, 50000), 0);
    assert_int_equal(kg_estimator_video_bps(&e, 200000, 50000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_line_is_used_to_the_setting),
        cmocka_unit_test(narrow_lines_are_filled_but_not_stuffed),
        cmocka_unit_test(line_that_shrinks_and_widens_is_followed),
        cmocka_unit_test(line_that_all_but_closes_is_left_at_once),
        cmocka_unit_test(random_loss_alone_is_no_full_line),
        cmocka_unit_test(jitter_is_not_taken_for_a_queue),
        cmocka_unit_test(dead_line_falls_to_the_least_and_comes_back),
        cmocka_unit_test(sound_alone_neither_proves_nor_disproves_the_line),
        cmocka_unit_test(who_is_muted_keeps_the_limit),
        cmocka_unit_test(queue_that_creeps_up_is_seen_too),
        cmocka_unit_test(unused_rate_is_not_believed),
        cmocka_unit_test(sound_is_taken_off_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The send limit on a simulated line: 30 frames a second through the pacer, one bottleneck with a queue,
 * feedback every 50 ms on the way back. Time is the simulation's. */
#include "unit/cmocka_all.h"

#include "rtp/estimator.h"
#include "rtp/pacer.h"
#include "rtp/twcc_receiver.h"
#include "rtp/twcc_sender.h"
#include "unit/rtp_flow/flow_help.h"

enum { WIRE = 4096, TRIP_US = 20000, AUDIO_BPS = 32000, BACK = 16 };

struct line {
    double capacity_bps;
    int64_t queue_limit_us;
    int64_t noise_us;       /* random extra delay */
    uint32_t loss_permille; /* random, apart from the full queue */
    bool cut;
    int64_t free_us; /* when the bottleneck has sent what it holds */
    struct {
        uint16_t number;
        int64_t arrival_us;
    } wire[WIRE];
    uint32_t head, tail;
    struct kg_rtcp back[BACK];
    int64_t back_us[BACK];
    uint32_t back_head, back_tail;
};

struct world {
    struct kg_twcc_sender sender;
    struct kg_twcc_receiver receiver;
    struct kg_estimator estimator;
    struct kg_pacer *pacer;
    struct line line;
    int64_t now_us;
    uint32_t seed;
    uint32_t audio_bps, least_video_bps;
    bool camera_off;
    /* measured since the last reset */
    double target_sum, queue_sum_us;
    int64_t queue_most_us;
    uint32_t ticks, sent, lost;
    double target_least, target_most;
};

static struct world *world_with(double capacity_bps, uint32_t max_bps)
{
    struct world *w = calloc(1, sizeof(*w));
    struct kg_estimator_params params = kg_estimator_params_default();
    struct kg_pacer_params pacing = kg_pacer_params_default();
    assert_non_null(w);
    params.max_bps = max_bps;
    kg_estimator_init(&w->estimator, &params);
    kg_twcc_sender_init(&w->sender);
    kg_twcc_receiver_init(&w->receiver, 1);
    w->pacer = kg_pacer_create(&pacing);
    w->line.capacity_bps = capacity_bps;
    w->line.queue_limit_us = 300000;
    w->line.noise_us = 1000;
    w->seed = 11;
    w->audio_bps = AUDIO_BPS;
    w->least_video_bps = 50000;
    return w;
}

static void end_world(struct world *w)
{
    kg_pacer_destroy(w->pacer);
    free(w);
}

static void transmit(struct world *w, const struct kg_packet *packet)
{
    struct line *l = &w->line;
    uint16_t number = kg_twcc_sender_packet(&w->sender, packet->size, w->now_us);
    int64_t queue_us = KG_MAX(l->free_us - w->now_us, INT64_C(0));
    kg_estimator_sent(&w->estimator, w->now_us);
    w->sent++;
    if (l->cut || queue_us > l->queue_limit_us || next_random(&w->seed) % 1000 < l->loss_permille) {
        w->lost++;
        return;
    }
    l->free_us = KG_MAX(l->free_us, w->now_us) + (int64_t)(packet->size * 8e6 / l->capacity_bps);
    int64_t noise_us = l->noise_us > 0 ? next_random(&w->seed) % l->noise_us : 0;
    uint32_t at = l->tail++ % WIRE;
    assert_true(l->tail - l->head <= WIRE);
    l->wire[at].number = number;
    l->wire[at].arrival_us = l->free_us + TRIP_US + noise_us;
}

static void make_packets(struct world *w, uint32_t bytes, enum kg_pacer_class class_)
{
    while (bytes > 0) {
        struct kg_packet *p = kg_packet_create();
        p->size = KG_MIN(bytes, 1130u);
        bytes -= p->size;
        if (!kg_pacer_push(w->pacer, class_, p, w->now_us)) {
            kg_packet_unref(p);
        }
    }
}

static void feed_back(struct world *w)
{
    struct line *l = &w->line;
    static struct kg_twcc_result results[512];
    while (l->head != l->tail && l->wire[l->head % WIRE].arrival_us <= w->now_us) {
        uint32_t at = l->head++ % WIRE;
        kg_twcc_receiver_packet(&w->receiver, l->wire[at].number, 1, l->wire[at].arrival_us + 5000000);
    }
    while (!l->cut && l->back_tail - l->back_head < BACK &&
           kg_twcc_receiver_build(&w->receiver, w->now_us + 5000000, &l->back[l->back_tail % BACK])) {
        l->back_us[l->back_tail++ % BACK] = w->now_us + TRIP_US;
    }
    while (l->back_head != l->back_tail && l->back_us[l->back_head % BACK] <= w->now_us) {
        const struct kg_rtcp *report = &l->back[l->back_head++ % BACK];
        size_t count = kg_twcc_sender_feedback(&w->sender, report, w->now_us, results, 512);
        kg_estimator_results(&w->estimator, results, count, 2 * TRIP_US, w->now_us);
    }
}

static void measure(struct world *w)
{
    double target = kg_estimator_target_bps(&w->estimator);
    int64_t queue_us = KG_MAX(w->line.free_us - w->now_us, INT64_C(0));
    w->target_sum += target;
    w->target_least = w->ticks == 0 ? target : KG_MIN(w->target_least, target);
    w->target_most = w->ticks == 0 ? target : KG_MAX(w->target_most, target);
    w->queue_sum_us += (double)queue_us;
    w->queue_most_us = KG_MAX(w->queue_most_us, queue_us);
    w->ticks++;
}

static void reset_measures(struct world *w)
{
    w->target_sum = w->queue_sum_us = 0;
    w->queue_most_us = 0;
    w->ticks = w->sent = w->lost = 0;
}

static void run(struct world *w, int64_t seconds)
{
    int64_t end_us = w->now_us + seconds * 1000000;
    for (; w->now_us < end_us; w->now_us += 1000) {
        int64_t ms = w->now_us / 1000;
        if (ms % 20 == 0) {
            make_packets(w, w->audio_bps / 8 / 50, KG_PACER_AUDIO);
        }
        if (ms % 33 == 0 && !w->camera_off) {
            uint32_t bps = kg_estimator_video_bps(&w->estimator, w->audio_bps, w->least_video_bps);
            uint32_t size = bps / 8 / 30;
            make_packets(w, size * (80 + next_random(&w->seed) % 40) / 100, KG_PACER_VIDEO);
        }
        if (ms % 100 == 0) {
            kg_estimator_tick(&w->estimator, 2 * TRIP_US, w->now_us);
            kg_pacer_set_target(w->pacer, kg_estimator_target_bps(&w->estimator));
        }
        enum kg_pacer_class class_;
        struct kg_packet *p;
        while ((p = kg_pacer_take(w->pacer, w->now_us, &class_)) != NULL) {
            transmit(w, p);
            kg_packet_unref(p);
        }
        feed_back(w);
        measure(w);
    }
}

static double mean_target(const struct world *w)
{
    return w->target_sum / w->ticks;
}

static void say(const char *what, const struct world *w)
{
    print_message(
        "%s: target mean %.0f least %.0f most %.0f bps, queue mean %.1f most %.1f ms, lost %u of %u\n", what,
        mean_target(w), w->target_least, w->target_most, w->queue_sum_us / w->ticks / 1000,
        (double)w->queue_most_us / 1000, w->lost, w->sent);
}

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

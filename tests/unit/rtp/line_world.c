#include "unit/rtp/line_world.h"

#include "unit/cmocka_all.h"
#include "unit/rtp/flow_help.h"

enum { CLOCK_US = 5000000 }; /* the receiver's timers are ahead of ours; its stamps may be by more */

struct world *world_with(double capacity_bps, uint32_t max_bps)
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
    w->clock_us = CLOCK_US;
    w->line.queue_limit_us = 300000;
    w->line.noise_us = 1000;
    w->seed = 11;
    w->audio_bps = AUDIO_BPS;
    w->least_video_bps = 50000;
    return w;
}

void end_world(struct world *w)
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

void feed_back(struct world *w)
{
    struct line *l = &w->line;
    static struct kg_twcc_result results[512];
    bool reads = w->now_us >= w->stalled_until_us;
    while (reads && l->head != l->tail && l->wire[l->head % WIRE].arrival_us <= w->now_us) {
        uint32_t at = l->head++ % WIRE;
        int64_t stamp_us = (w->stamps_by_reading ? w->now_us : l->wire[at].arrival_us) + w->clock_us;
        if (w->stamp_errors > 0) {
            w->stamp_errors--;
            stamp_us += w->stamp_error_us;
        }
        kg_twcc_receiver_packet(&w->receiver, l->wire[at].number, 1, stamp_us);
    }
    while (reads && !l->cut && l->back_tail - l->back_head < BACK &&
           kg_twcc_receiver_build(&w->receiver, w->now_us + CLOCK_US, &l->back[l->back_tail % BACK])) {
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

void reset_measures(struct world *w)
{
    w->target_sum = w->queue_sum_us = 0;
    w->queue_most_us = 0;
    w->ticks = w->sent = w->lost = 0;
}

void run(struct world *w, int64_t seconds)
{
    run_us(w, seconds * 1000000);
}

void run_us(struct world *w, int64_t us)
{
    int64_t end_us = w->now_us + us;
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

double mean_target(const struct world *w)
{
    return w->target_sum / w->ticks;
}

void say(const char *what, const struct world *w)
{
    print_message(
        "%s: target mean %.0f least %.0f most %.0f bps, queue mean %.1f most %.1f ms, lost %u of %u\n", what,
        mean_target(w), w->target_least, w->target_most, w->queue_sum_us / w->ticks / 1000,
        (double)w->queue_most_us / 1000, w->lost, w->sent);
}

/* Pacing: audio at once, video spread, nothing longer than the limit. */
#include "unit/cmocka_all.h"

#include "rtp/pacer.h"

static bool push(struct kg_pacer *pacer, enum kg_pacer_class class_, uint32_t size, int64_t now_us)
{
    struct kg_packet *p = kg_packet_create();
    assert_non_null(p);
    p->size = size;
    if (!kg_pacer_push(pacer, class_, p, now_us)) {
        kg_packet_unref(p);
        return false;
    }
    return true;
}

/* Bytes of the class taken at this moment. */
static uint32_t drain(struct kg_pacer *pacer, int64_t now_us, enum kg_pacer_class wanted)
{
    enum kg_pacer_class class_;
    uint32_t bytes = 0;
    struct kg_packet *p;
    while ((p = kg_pacer_take(pacer, now_us, &class_)) != NULL) {
        bytes += class_ == wanted ? p->size : 0;
        kg_packet_unref(p);
    }
    return bytes;
}

static struct kg_pacer *pacer_at(uint32_t bps)
{
    struct kg_pacer_params params = kg_pacer_params_default();
    struct kg_pacer *pacer = kg_pacer_create(&params);
    assert_non_null(pacer);
    kg_pacer_set_target(pacer, bps);
    return pacer;
}

static void video_leaves_at_a_multiple_of_the_target(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(800000); /* × 2.5: 250 bytes a millisecond */
    assert_int_equal(kg_pacer_next_us(pacer, 0), INT64_MAX);
    for (int i = 0; i < 20; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 1000, 0));
    }
    assert_true(kg_pacer_queue_us(pacer) == 80000);
    uint32_t sent = 0;
    for (int64_t now_us = 0; now_us <= 100000; now_us += 1000) {
        uint32_t bytes = drain(pacer, now_us, KG_PACER_VIDEO);
        sent += bytes;
        assert_true(bytes <= 2500);
        if (now_us <= 70000) {
            assert_true(sent >= now_us / 1000 * 250 * 9 / 10);
            assert_true(sent <= now_us / 1000 * 250 + 2500);
        }
    }
    assert_int_equal(sent, 20000);
    assert_int_equal(kg_pacer_next_us(pacer, 100000), INT64_MAX);
    kg_pacer_destroy(pacer);
    kg_pacer_destroy(NULL);
}

static void waking_when_told_sends_whole_bursts(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(800000);
    for (int i = 0; i < 40; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 400, 0));
    }
    int64_t now_us = 0;
    int wakes = 0;
    uint32_t sent = 0;
    while (sent < 16000) {
        sent += drain(pacer, now_us, KG_PACER_VIDEO);
        wakes++;
        int64_t next_us = kg_pacer_next_us(pacer, now_us);
        assert_true(next_us > now_us);
        now_us = next_us;
        assert_true(wakes < 100);
    }
    assert_true(wakes <= 16); /* 40 packets, some three at a time */
    kg_pacer_destroy(pacer);
}

static void rest_earns_no_flood(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(800000);
    assert_true(push(pacer, KG_PACER_VIDEO, 100, 0));
    drain(pacer, 0, KG_PACER_VIDEO);
    for (int i = 0; i < 30; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 1000, 10000000));
    }
    assert_true(drain(pacer, 10000000, KG_PACER_VIDEO) <= 2250); /* 5 ms and the packet that overdraws */
    kg_pacer_destroy(pacer);
}

static void audio_never_waits(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(100000);
    enum kg_pacer_class class_;
    for (int i = 0; i < 50; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 1000, 0));
    }
    drain(pacer, 0, KG_PACER_VIDEO);
    assert_true(push(pacer, KG_PACER_AUDIO, 200, 1000));
    assert_int_equal(kg_pacer_next_us(pacer, 1000), 1000);
    struct kg_packet *p = kg_pacer_take(pacer, 1000, &class_);
    assert_non_null(p);
    assert_int_equal(class_, KG_PACER_AUDIO);
    kg_packet_unref(p);
    kg_pacer_destroy(pacer);
}

static void resent_goes_before_new(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(800000);
    enum kg_pacer_class class_;
    assert_true(push(pacer, KG_PACER_VIDEO, 1000, 0));
    assert_true(push(pacer, KG_PACER_RESENT, 500, 0));
    struct kg_packet *p = kg_pacer_take(pacer, 0, &class_);
    assert_int_equal(class_, KG_PACER_RESENT);
    kg_packet_unref(p);
    kg_pacer_clear_video(pacer);
    assert_null(kg_pacer_take(pacer, 1000000, &class_));
    kg_pacer_destroy(pacer);
}

static void nothing_waits_longer_than_the_limit(void **state)
{
    (void)state;
    struct kg_pacer *pacer = pacer_at(50000); /* far too slow for what comes: 2 s of it */
    for (int i = 0; i < 32; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 1000, 0));
    }
    uint32_t sent = 0;
    for (int64_t now_us = 0; now_us <= 255000; now_us += 5000) {
        sent += drain(pacer, now_us, KG_PACER_VIDEO);
    }
    assert_int_equal(sent, 32000);
    kg_pacer_destroy(pacer);
}

static void full_queue_refuses(void **state)
{
    (void)state;
    struct kg_pacer_params params = kg_pacer_params_default();
    params.max_packets = 4;
    struct kg_pacer *pacer = kg_pacer_create(&params);
    for (int i = 0; i < 4; i++) {
        assert_true(push(pacer, KG_PACER_VIDEO, 1000, 0));
    }
    assert_false(push(pacer, KG_PACER_VIDEO, 1000, 0));
    assert_true(push(pacer, KG_PACER_AUDIO, 1000, 0));
    kg_pacer_destroy(pacer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(video_leaves_at_a_multiple_of_the_target),
        cmocka_unit_test(waking_when_told_sends_whole_bursts),
        cmocka_unit_test(rest_earns_no_flood),
        cmocka_unit_test(audio_never_waits),
        cmocka_unit_test(resent_goes_before_new),
        cmocka_unit_test(nothing_waits_longer_than_the_limit),
        cmocka_unit_test(full_queue_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Transport-wide feedback from arrivals, over the wire, to results. */
#include "unit/cmocka_all.h"

#include "rtp/twcc_receiver.h"
#include "rtp/twcc_sender.h"
#include "unit/rtp/flow_help.h"

/* Over the wire and back: what the sender would see. */
static struct kg_rtcp carried(const struct kg_rtcp *in)
{
    uint8_t bytes[KG_RTCP_MAX_BYTES];
    struct kg_rtcp out;
    size_t at = 0;
    bool malformed = false;
    size_t size = kg_rtcp_append(in, bytes, sizeof(bytes), 0);
    assert_true(size > 0);
    assert_true(kg_rtcp_next(bytes, size, &at, &out, &malformed));
    return out;
}

static void results_match_what_happened(void **state)
{
    (void)state;
    static struct kg_twcc_sender s;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    kg_twcc_sender_init(&s);
    kg_twcc_receiver_init(&r, 1);
    assert_int_equal(kg_twcc_receiver_next_us(&r), INT64_MAX);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(kg_twcc_sender_packet(&s, 1000 + (uint32_t)i, i * 5000), i);
    }
    int64_t clock_us = INT64_C(777777777); /* the receiver's has its own zero */
    for (int i = 0; i < 10; i++) {
        if (i != 3 && i != 4) {
            kg_twcc_receiver_packet(&r, (uint16_t)i, 5, clock_us + i * 5000 + i * 100);
        }
    }
    assert_int_equal(kg_twcc_receiver_next_us(&r), clock_us + 50000);
    assert_false(kg_twcc_receiver_build(&r, clock_us + 49999, &feedback));
    assert_true(kg_twcc_receiver_build(&r, clock_us + 50000, &feedback));
    struct kg_rtcp seen = carried(&feedback);
    assert_false(kg_twcc_receiver_build(&r, clock_us + 200000, &feedback));
    struct kg_twcc_result results[16];
    size_t count = kg_twcc_sender_feedback(&s, &seen, 100000, results, 16);
    assert_int_equal(count, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(results[i].number, i);
        assert_int_equal(results[i].send_us, i * 5000);
        assert_int_equal(results[i].size, 1000 + i);
        assert_int_equal(results[i].lost, i == 3 || i == 4);
        if (i > 0 && !results[i].lost) {
            int64_t moved = results[i].arrival_us - results[0].arrival_us;
            assert_true(llabs(moved - i * 5100) <= 250);
        }
    }
    assert_int_equal(kg_twcc_sender_feedback(&s, &seen, 100000, results, 16), 0); /* told before */
}

static void late_packet_is_reported_as_received(void **state)
{
    (void)state;
    static struct kg_twcc_sender s;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    struct kg_twcc_result results[16];
    kg_twcc_sender_init(&s);
    kg_twcc_receiver_init(&r, 1);
    for (int i = 0; i < 4; i++) {
        kg_twcc_sender_packet(&s, 100, i * 1000);
    }
    kg_twcc_receiver_packet(&r, 0, 5, 0);
    kg_twcc_receiver_packet(&r, 2, 5, 2000);
    assert_true(kg_twcc_receiver_build(&r, 60000, &feedback));
    assert_int_equal(kg_twcc_sender_feedback(&s, &feedback, 0, results, 16), 3);
    assert_true(results[1].lost);
    kg_twcc_receiver_packet(&r, 1, 5, 61000);
    kg_twcc_receiver_packet(&r, 1, 5, 62000); /* doubled: the first arrival counts */
    kg_twcc_receiver_packet(&r, 3, 5, 63000);
    assert_true(kg_twcc_receiver_build(&r, 120000, &feedback));
    size_t count = kg_twcc_sender_feedback(&s, &feedback, 0, results, 16);
    assert_int_equal(count, 2);
    assert_int_equal(results[0].number, 1);
    assert_false(results[0].lost);
    assert_int_equal(results[1].number, 3);
    assert_int_equal(results[1].arrival_us - results[0].arrival_us, 2000);
}

static void long_run_over_the_wrap_is_complete(void **state)
{
    (void)state;
    static struct kg_twcc_sender s;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    static struct kg_twcc_result results[512];
    uint32_t seed = 3;
    uint64_t received = 0, lost = 0, sent = 0, arrived = 0;
    int64_t offset_us = (INT64_C(64000) << 24) - 3000000; /* the reference time wraps after 3 s */
    int64_t first_arrival = INT64_MIN, last_number = -1;
    kg_twcc_sender_init(&s);
    kg_twcc_receiver_init(&r, 1);
    for (int64_t now_us = 0; now_us < 70000000; now_us += 1000) {
        uint16_t number = kg_twcc_sender_packet(&s, 1200, now_us);
        sent++;
        if (next_random(&seed) % 20 != 0) {
            arrived++;
            kg_twcc_receiver_packet(&r, number, 5, now_us + offset_us);
        }
        while (kg_twcc_receiver_build(&r, now_us + offset_us, &feedback)) {
            struct kg_rtcp seen = carried(&feedback);
            size_t count = kg_twcc_sender_feedback(&s, &seen, now_us, results, 512);
            for (size_t i = 0; i < count; i++) {
                assert_true(results[i].number > last_number);
                last_number = results[i].number;
                if (results[i].lost) {
                    lost++;
                    continue;
                }
                received++;
                int64_t delay = results[i].arrival_us - results[i].send_us;
                first_arrival = first_arrival == INT64_MIN ? delay : first_arrival;
                assert_true(llabs(delay - first_arrival) <= 500);
            }
        }
    }
    assert_true(arrived - received < 60);
    assert_true(received + lost <= sent);
    assert_true(sent - received - lost <
                100 + sent / 100); /* a loss in front of a feedback is not reported */
}

static void many_packets_fit_one_feedback(void **state)
{
    (void)state;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    kg_twcc_receiver_init(&r, 1);
    uint32_t seed = 9;
    int64_t now_us = 0;
    for (int i = 0; i < 1500; i++) { /* worst case: no run of equal sizes, large deltas */
        now_us += next_random(&seed) % 2 == 0 ? 100 : 70000;
        if (next_random(&seed) % 3 != 0) {
            kg_twcc_receiver_packet(&r, (uint16_t)i, 5, now_us);
        }
    }
    int built = 0;
    while (kg_twcc_receiver_build(&r, now_us + 50000, &feedback)) {
        assert_true(feedback.twcc.count <= KG_TWCC_MAX_REPORTED);
        carried(&feedback);
        built++;
    }
    assert_true(built >= 4);
}

static void outage_is_told_as_losses(void **state)
{
    (void)state;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    kg_twcc_receiver_init(&r, 1);
    kg_twcc_receiver_packet(&r, 65000, 5, 0);
    assert_true(kg_twcc_receiver_build(&r, 50000, &feedback));
    kg_twcc_receiver_packet(&r, 65004, 5, 60000); /* 65001 … 65003 lost between two feedbacks */
    assert_true(kg_twcc_receiver_build(&r, 100000, &feedback));
    assert_int_equal(feedback.twcc.base_sequence, 65001);
    assert_int_equal(feedback.twcc.count, 4);
    assert_false(feedback.twcc.packets[0].received);
    assert_true(feedback.twcc.packets[3].received);
    kg_twcc_receiver_packet(&r, (uint16_t)(65004 + 1500), 5, 120000); /* too many to tell */
    assert_true(kg_twcc_receiver_build(&r, 160000, &feedback));
    assert_int_equal(feedback.twcc.count, 201);
    kg_twcc_receiver_packet(&r, (uint16_t)(65004 + 1500 + 5000), 5, 170000); /* out of the window */
    assert_true(kg_twcc_receiver_build(&r, 220000, &feedback));
    assert_int_equal(feedback.twcc.count, 1);
}

static void pause_longer_than_a_delta_is_split(void **state)
{
    (void)state;
    static struct kg_twcc_receiver r;
    static struct kg_rtcp feedback;
    kg_twcc_receiver_init(&r, 1);
    kg_twcc_receiver_packet(&r, 0, 5, 0);
    kg_twcc_receiver_packet(&r, 1, 5, 20000000);
    assert_true(kg_twcc_receiver_build(&r, 20000000, &feedback));
    assert_int_equal(feedback.twcc.count, 1);
    assert_true(kg_twcc_receiver_build(&r, 20050000, &feedback));
    assert_int_equal(feedback.twcc.base_sequence, 1);
    assert_int_equal(feedback.twcc.reference_us + feedback.twcc.packets[0].delta_us, 20000000);
}

static void invented_feedback_is_harmless(void **state)
{
    (void)state;
    static struct kg_twcc_sender s;
    static struct kg_rtcp feedback;
    struct kg_twcc_result results[4];
    kg_twcc_sender_init(&s);
    feedback = (struct kg_rtcp){.kind = KG_RTCP_TWCC, .twcc = {.base_sequence = 60000, .count = 400}};
    assert_int_equal(kg_twcc_sender_feedback(&s, &feedback, 0, results, 4), 0);
    kg_twcc_sender_packet(&s, 100, 0);
    assert_int_equal(kg_twcc_sender_feedback(&s, &feedback, 0, results, 4), 0);
    feedback.twcc.base_sequence = 65535;
    assert_int_equal(kg_twcc_sender_feedback(&s, &feedback, 0, results, 4), 1);
    assert_true(results[0].lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_match_what_happened),
        cmocka_unit_test(late_packet_is_reported_as_received),
        cmocka_unit_test(long_run_over_the_wrap_is_complete),
        cmocka_unit_test(many_packets_fit_one_feedback),
        cmocka_unit_test(outage_is_told_as_losses),
        cmocka_unit_test(pause_longer_than_a_delta_is_split),
        cmocka_unit_test(invented_feedback_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reception and sender statistics, and the advice on FEC. */
#include "unit/cmocka_all.h"

#include "rtp/fec_policy.h"
#include "rtp/receive_stats.h"
#include "rtp/sender_stats.h"

static void loss_is_counted_over_the_wrap(void **state)
{
    (void)state;
    struct kg_receive_stats s;
    struct kg_rtcp_report_block b;
    kg_receive_stats_init(&s, 9, 90000);
    assert_false(kg_receive_stats_report(&s, 0, &b));
    for (uint32_t i = 0; i < 100; i++) {
        if (i % 4 != 1) {
            assert_true(kg_receive_stats_packet(&s, (uint16_t)(65500 + i), i * 3000, 1000, i * 33333));
        }
    }
    assert_true(kg_receive_stats_report(&s, 0, &b));
    assert_int_equal(b.ssrc, 9);
    assert_int_equal(b.fraction_lost, 64); /* 25 of 100 */
    assert_int_equal(b.cumulative_lost, 25);
    assert_int_equal(b.highest_sequence, 65536 + 63);
    assert_int_equal(b.last_sr, 0);
    assert_int_equal(b.delay_since, 0);
    /* a clean interval reports no loss, the sum stays */
    for (uint32_t i = 100; i < 110; i++) {
        assert_true(kg_receive_stats_packet(&s, (uint16_t)(65500 + i), i * 3000, 1000, i * 33333));
    }
    assert_true(kg_receive_stats_report(&s, 0, &b));
    assert_int_equal(b.fraction_lost, 0);
    assert_int_equal(b.cumulative_lost, 25);
    for (uint32_t i = 110; i < 120; i += 2) {
        assert_true(kg_receive_stats_packet(&s, (uint16_t)(65500 + i), i * 3000, 1000, i * 33333));
    }
    assert_true(kg_receive_stats_report(&s, 0, &b));
    assert_int_equal(b.fraction_lost, 4 * 256 / 9);
    assert_int_equal(b.cumulative_lost, 29);
    /* an empty one reports none */
    assert_true(kg_receive_stats_report(&s, 0, &b));
    assert_int_equal(b.fraction_lost, 0);
}

static void duplicates_make_loss_negative_but_the_fraction_zero(void **state)
{
    (void)state;
    struct kg_receive_stats s;
    struct kg_rtcp_report_block b;
    kg_receive_stats_init(&s, 9, 48000);
    for (int i = 0; i < 10; i++) {
        assert_true(kg_receive_stats_packet(&s, 5, 0, 100, 0));
    }
    assert_true(kg_receive_stats_report(&s, 0, &b));
    assert_int_equal(b.cumulative_lost, -9);
    assert_int_equal(b.fraction_lost, 0);
    assert_true(kg_receive_stats_lost(&s) == -9);
}

static void far_jump_is_believed_at_the_second_packet(void **state)
{
    (void)state;
    struct kg_receive_stats s;
    kg_receive_stats_init(&s, 9, 48000);
    assert_true(kg_receive_stats_packet(&s, 5, 0, 100, 0));
    assert_false(kg_receive_stats_packet(&s, 30000, 0, 100, 0));
    assert_true(kg_receive_stats_packet(&s, 6, 0, 100, 0));
    assert_false(kg_receive_stats_packet(&s, 30001, 0, 100, 0));
    assert_true(kg_receive_stats_packet(&s, 30002, 0, 100, 0));
    assert_int_equal(kg_receive_stats_lost(&s), 0);
}

static void jitter_follows_a8(void **state)
{
    (void)state;
    struct kg_receive_stats s;
    kg_receive_stats_init(&s, 9, 48000);
    for (uint32_t i = 0; i < 500; i++) { /* every other packet 10 ms late: |D| is always 480 */
        kg_receive_stats_packet(&s, (uint16_t)i, 0xffff0000u + i * 960, 100, i * 20000 + i % 2 * 10000);
    }
    assert_true(llabs(kg_receive_stats_jitter_us(&s) - 10000) < 50);
    kg_receive_stats_init(&s, 9, 90000);
    for (uint32_t i = 0; i < 500; i++) { /* ten packets of a frame do not look like jitter */
        kg_receive_stats_packet(&s, (uint16_t)i, i / 10 * 3000, 100, i / 10 * 33333 + i % 10 * 1000);
    }
    assert_true(kg_receive_stats_jitter_us(&s) < 100);
}

static void round_trip_comes_from_lsr_and_dlsr(void **state)
{
    (void)state;
    struct kg_sender_stats sent;
    struct kg_receive_stats got;
    struct kg_rtcp sr;
    struct kg_rtcp_report_block b;
    int64_t wall_us = INT64_C(1790000000000000);
    kg_sender_stats_init(&sent, 5, 90000);
    kg_receive_stats_init(&got, 5, 90000);
    assert_false(kg_sender_stats_due(&sent, 1000000, 0));
    assert_false(kg_sender_stats_report(&sent, 0, wall_us, &sr));
    kg_sender_stats_packet(&sent, 0xfffffff0u, 1100, 0);
    kg_sender_stats_packet(&sent, 0xfffffff0u, 900, 0);
    assert_true(kg_sender_stats_due(&sent, 1000000, 10));
    assert_true(kg_sender_stats_report(&sent, 100000, wall_us, &sr));
    assert_false(kg_sender_stats_due(&sent, 1000000, 1099999));
    assert_true(kg_sender_stats_due(&sent, 1000000, 1100000));
    assert_int_equal(sr.kind, KG_RTCP_SR);
    assert_int_equal(sr.report.packets, 2);
    assert_int_equal(sr.report.bytes, 2000);
    assert_int_equal(sr.report.rtp_timestamp, 0xfffffff0u + 9000);
    assert_true(llabs(kg_ntp_to_wall_us(sr.report.ntp) - wall_us) <= 1);

    assert_true(kg_receive_stats_packet(&got, 1, 0, 100, 0));
    kg_receive_stats_sender_report(&got, sr.report.ntp, 7000000);
    assert_true(kg_receive_stats_report(&got, 7500000, &b)); /* half a second later */
    kg_sender_stats_block(&sent, &b, wall_us + 540000);
    assert_true(llabs(sent.rtt_us - 40000) < 100);
    b.last_sr = 0;
    kg_sender_stats_block(&sent, &b, wall_us + 999999);
    assert_true(llabs(sent.rtt_us - 40000) < 100);
    b.last_sr = (uint32_t)(sr.report.ntp >> 16);
    kg_sender_stats_block(&sent, &b, wall_us); /* the clock was set back: no negative trip */
    assert_true(llabs(sent.rtt_us - 40000) < 100);
}

static void clean_line_needs_no_fec(void **state)
{
    (void)state;
    struct kg_fec_policy p;
    kg_fec_policy_init(&p);
    for (int i = 0; i < 100; i++) {
        assert_false(
            kg_fec_policy_report(&p, i % 50 == 0 ? 5 : 0, i * INT64_C(1000000))); /* 2 % once a minute */
        assert_int_equal(kg_fec_policy_percent(&p), 0);
    }
}

static void fec_comes_fast_and_goes_slowly(void **state)
{
    (void)state;
    struct kg_fec_policy p;
    int64_t now_us = 0;
    kg_fec_policy_init(&p);
    assert_true(kg_fec_policy_report(&p, 26, now_us)); /* 10 % */
    assert_int_equal(kg_fec_policy_percent(&p), 5);
    for (int i = 0; i < 5; i++) {
        kg_fec_policy_report(&p, 26, now_us += 1000000);
    }
    assert_int_equal(kg_fec_policy_percent(&p), 10);
    kg_fec_policy_report(&p, 0, now_us += 1000000);
    assert_in_range(kg_fec_policy_percent(&p), 8, 10);
    int seconds = 0;
    while (kg_fec_policy_percent(&p) > 0) {
        kg_fec_policy_report(&p, 0, now_us += 1000000);
        seconds++;
    }
    assert_in_range(seconds, 15, 40);
    for (int i = 0; i < 20; i++) {
        kg_fec_policy_report(&p, 255, now_us += 1000000);
    }
    assert_int_equal(kg_fec_policy_percent(&p), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_counted_over_the_wrap),
        cmocka_unit_test(duplicates_make_loss_negative_but_the_fraction_zero),
        cmocka_unit_test(far_jump_is_believed_at_the_second_packet),
        cmocka_unit_test(jitter_follows_a8),
        cmocka_unit_test(round_trip_comes_from_lsr_and_dlsr),
        cmocka_unit_test(clean_line_needs_no_fec),
        cmocka_unit_test(fec_comes_fast_and_goes_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

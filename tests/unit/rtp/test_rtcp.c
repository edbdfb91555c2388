#include "unit/cmocka_all.h"

#include "rtp/rtcp.h"

static struct kg_rtcp in, out;

/* Appends `in` to a buffer, reads it back into `out`, and checks that nothing is left over. */
static size_t round_trip(uint8_t *data, size_t size)
{
    size_t n = kg_rtcp_append(&in, data, size, 0), at = 0;
    bool malformed;
    assert_true(n > 0 && n % 4 == 0);
    memset(&out, 0xa5, sizeof out);
    assert_true(kg_rtcp_next(data, n, &at, &out, &malformed));
    assert_int_equal(at, n);
    assert_int_equal(out.kind, in.kind);
    assert_int_equal(out.sender_ssrc, in.sender_ssrc);
    assert_int_equal(kg_rtcp_append(&in, data, n - 1, 0), 0);
    return n;
}

static void reports_round_trip(void **state)
{
    (void)state;
    uint8_t data[KG_RTCP_MAX_BYTES];
    in = (struct kg_rtcp){.kind = KG_RTCP_SR, .sender_ssrc = 0x11223344};
    in.report.ntp = UINT64_C(0xe1234567deadbeef);
    in.report.rtp_timestamp = 90000;
    in.report.packets = 10;
    in.report.bytes = 11000;
    in.report.report_count = 2;
    in.report.reports[1] = (struct kg_rtcp_report_block){.ssrc = 9,
                                                         .fraction_lost = 128,
                                                         .cumulative_lost = -3,
                                                         .highest_sequence = 0x1ffff,
                                                         .jitter = 77,
                                                         .last_sr = 0x4567dead,
                                                         .delay_since = 65536};
    assert_int_equal(round_trip(data, sizeof data), 28 + 48);
    assert_true(out.report.ntp == in.report.ntp);
    const struct kg_rtcp_report_block *got = &out.report.reports[1];
    assert_true(got->ssrc == 9 && got->fraction_lost == 128 && got->cumulative_lost == -3);
    assert_true(got->highest_sequence == 0x1ffff && got->jitter == 77 && got->last_sr == 0x4567dead &&
                got->delay_since == 65536);
    in.kind = KG_RTCP_RR;
    assert_int_equal(round_trip(data, sizeof data), 8 + 48);
    in = (struct kg_rtcp){.kind = KG_RTCP_SDES, .sender_ssrc = 5, .sdes.cname = "room"};
    round_trip(data, sizeof data);
    assert_string_equal(out.sdes.cname, "room");
    in = (struct kg_rtcp){.kind = KG_RTCP_BYE, .sender_ssrc = 5, .bye = {.count = 2, .ssrc = {5, 6}}};
    round_trip(data, sizeof data);
    assert_int_equal(out.bye.ssrc[1], 6);
}

static void feedback_round_trips(void **state)
{
    (void)state;
    uint8_t data[KG_RTCP_MAX_BYTES];
    static const uint16_t lost[] = {65530, 65535, 3, 10, 100, 116, 117};
    in = (struct kg_rtcp){.kind = KG_RTCP_NACK, .sender_ssrc = 1, .media_ssrc = 2, .nack.count = 7};
    memcpy(in.nack.sequence, lost, sizeof lost);
    assert_int_equal(round_trip(data, sizeof data), 12 + 3 * 4); /* {65530…10}, {100, 116}, {117} */
    assert_int_equal(out.nack.count, 7);
    assert_memory_equal(out.nack.sequence, lost, sizeof lost);
    assert_int_equal(out.media_ssrc, 2);
    in = (struct kg_rtcp){.kind = KG_RTCP_PLI, .sender_ssrc = 1, .media_ssrc = 2};
    assert_int_equal(round_trip(data, sizeof data), 12);
    in = (struct kg_rtcp){.kind = KG_RTCP_FIR, .sender_ssrc = 1, .fir = {.count = 1, .entry = {{77, 3}}}};
    round_trip(data, sizeof data);
    assert_true(out.fir.entry[0].ssrc == 77 && out.fir.entry[0].sequence == 3);
    in = (struct kg_rtcp){
        .kind = KG_RTCP_REMB, .sender_ssrc = 1, .remb = {.rate_bps = 1500000, .count = 1, .ssrc = {7}}};
    round_trip(data, sizeof data);
    assert_true(out.remb.rate_bps <= 1500000 && out.remb.rate_bps > 1499990);
    assert_int_equal(out.remb.ssrc[0], 7);
}

static void twcc_round_trips_every_chunk_kind(void **state)
{
    (void)state;
    uint8_t data[KG_RTCP_MAX_BYTES];
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        in = (struct kg_rtcp){.kind = KG_RTCP_TWCC, .sender_ssrc = 1, .media_ssrc = 2};
        in.twcc.base_sequence = (uint16_t)(65500 + round);
        in.twcc.count = (uint16_t)(1 + round % 200);
        in.twcc.reference_us = INT64_C(64000) * round;
        in.twcc.feedback_count = (uint8_t)round;
        for (uint16_t i = 0; i < in.twcc.count; i++) {
            seed = seed * 1103515245 + 12345;
            unsigned kind = round % 3 == 0 ? 1 : seed >> 16 & 3; /* all alike, or mixed */
            in.twcc.packets[i].received = kind != 0;
            in.twcc.packets[i].delta_us = kind == 0   ? 0
                                          : kind == 2 ? -250 * (int64_t)(seed >> 20 & 0xff)
                                                      : 250 * (int64_t)(seed >> 20 & 0x1ff);
        }
        round_trip(data, sizeof data);
        assert_int_equal(out.twcc.base_sequence, in.twcc.base_sequence);
        assert_int_equal(out.twcc.count, in.twcc.count);
        assert_true(out.twcc.reference_us == in.twcc.reference_us);
        for (uint16_t i = 0; i < in.twcc.count; i++) {
            assert_int_equal(out.twcc.packets[i].received, in.twcc.packets[i].received);
            assert_int_equal(out.twcc.packets[i].delta_us, in.twcc.packets[i].delta_us);
        }
    }
    in.twcc.count = 1;
    in.twcc.packets[0] =
        (struct kg_rtcp_twcc_packet){.received = true, .delta_us = 9000000}; /* over 8.19 s */
    assert_int_equal(kg_rtcp_append(&in, data, sizeof data, 0), 0);
}

/* A one-bit vector, which we read but never write, worked out by hand from the draft's §3.1.4. */
static void twcc_reads_one_bit_vectors(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x8f, 205, 0, 5, 0, 0, 0, 1, 0,           0,    0, 2,
                                     0,    100, 0, 3, 0, 0, 1, 9, 0xa8 | 0x00, 0x00, 4, 8};
    static const bool want[] = {true, false, true};
    size_t at = 0;
    bool malformed;
    assert_true(kg_rtcp_next(packet, sizeof packet, &at, &out, &malformed));
    assert_int_equal(out.kind, KG_RTCP_TWCC);
    for (int i = 0; i < 3; i++)
        assert_int_equal(out.twcc.packets[i].received, want[i]);
    assert_int_equal(out.twcc.packets[0].delta_us, 1000);
    assert_int_equal(out.twcc.packets[2].delta_us, 2000);
    assert_int_equal(out.twcc.reference_us, 64000);
}

static void compound_is_stepped_and_malformed_said(void **state)
{
    (void)state;
    uint8_t data[200];
    bool malformed;
    in = (struct kg_rtcp){.kind = KG_RTCP_RR, .sender_ssrc = 3};
    size_t n = kg_rtcp_append(&in, data, sizeof data, 0);
    in.kind = KG_RTCP_PLI;
    n = kg_rtcp_append(&in, data, sizeof data, n);
    size_t at = 0;
    assert_true(kg_rtcp_next(data, n, &at, &out, &malformed) && out.kind == KG_RTCP_RR);
    assert_true(kg_rtcp_next(data, n, &at, &out, &malformed) && out.kind == KG_RTCP_PLI);
    assert_false(kg_rtcp_next(data, n, &at, &out, &malformed));
    assert_false(malformed);
    at = 0;
    assert_false(kg_rtcp_next(data, 7, &at, &out, &malformed)); /* cut in the middle */
    assert_true(malformed);
    static const uint8_t endless_run[] = {0x8f, 205, 0, 5, 0, 0, 0, 1, 0,    0, 0, 2,
                                          0,    100, 0, 3, 0, 0, 1, 9, 0x20, 0, 4, 8};
    at = 0;
    assert_false(kg_rtcp_next(endless_run, sizeof endless_run, &at, &out, &malformed));
    static const uint8_t sr_claims_two_blocks[28] = {0x82, 200, 0, 6};
    at = 0;
    assert_false(kg_rtcp_next(sr_claims_two_blocks, 28, &at, &out, &malformed));
    assert_true(malformed);
}

static void ntp_time_round_trips(void **state)
{
    (void)state;
    assert_true(kg_ntp_from_wall_us(0) == UINT64_C(2208988800) << 32);
    for (int64_t us = 1700000000000000; us < 1700000000000000 + 3000000; us += 33333)
        assert_int_equal(kg_ntp_to_wall_us(kg_ntp_from_wall_us(us)), us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_round_trip),
        cmocka_unit_test(feedback_round_trips),
        cmocka_unit_test(twcc_round_trips_every_chunk_kind),
        cmocka_unit_test(twcc_reads_one_bit_vectors),
        cmocka_unit_test(compound_is_stepped_and_malformed_said),
        cmocka_unit_test(ntp_time_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

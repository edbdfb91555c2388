#include "unit/cmocka_all.h"

#include "rtp/rtp.h"

static void header_round_trips(void **state)
{
    (void)state;
    static const uint8_t level[] = {0x85}, mid[] = {'1', '2'}, twcc[] = {0x12, 0x34};
    struct kg_rtp_header h = {
        .marker = true,
        .payload_type = 96,
        .sequence = 65535,
        .timestamp = 0x89abcdef,
        .ssrc = 0x01020304,
        .csrc_count = 1,
        .csrc = {0xcafebabe},
        .extension_count = 3,
        .extensions = {{1, 1, level}, {4, 2, mid}, {5, 2, twcc}},
    };
    uint8_t packet[200];
    size_t n = kg_rtp_write_header(&h, packet, sizeof packet);
    assert_int_equal(n, 12 + 4 + 4 + 8);
    assert_int_equal(packet[16], 0xbe); /* one-byte form */
    memcpy(packet + n, "payload", 7);
    struct kg_rtp_packet p;
    assert_true(kg_rtp_parse(packet, n + 7, &p));
    assert_int_equal(p.header.sequence, 65535);
    assert_int_equal(p.header.timestamp, 0x89abcdef);
    assert_int_equal(p.header.csrc[0], 0xcafebabe);
    assert_true(p.header.marker);
    assert_memory_equal(p.payload, "payload", 7);
    assert_int_equal(p.payload_size, 7);
    struct kg_audio_level audio;
    assert_true(kg_audio_level_read(kg_rtp_find(&p.header, 1), &audio));
    assert_true(audio.voice);
    assert_int_equal(audio.level, 5);
    assert_int_equal(kg_audio_level_byte(audio), 0x85);
    assert_memory_equal(kg_rtp_find(&p.header, 4)->data, mid, 2);
    assert_null(kg_rtp_find(&p.header, 0));
    assert_null(kg_rtp_find(&p.header, 9));
    assert_true(kg_rtp_patch_extension(packet, n + 7, 5, "\x43\x21", 2));
    assert_false(kg_rtp_patch_extension(packet, n + 7, 5, "\x43", 1));
    assert_true(kg_rtp_parse(packet, n + 7, &p));
    assert_memory_equal(kg_rtp_find(&p.header, 5)->data, "\x43\x21", 2);
    assert_int_equal(kg_rtp_write_header(&h, packet, n - 1), 0);
}

static void large_ids_and_empty_values_take_the_two_byte_form(void **state)
{
    (void)state;
    static const uint8_t long_value[17] = "abcdefghijklmnopq";
    struct kg_rtp_header h = {.extension_count = 2, .extensions = {{20, 0, long_value}, {3, 17, long_value}}};
    uint8_t packet[100];
    size_t n = kg_rtp_write_header(&h, packet, sizeof packet);
    assert_int_equal(packet[12], 0x10);
    struct kg_rtp_packet p;
    assert_true(kg_rtp_parse(packet, n, &p));
    assert_int_equal(kg_rtp_find(&p.header, 20)->size, 0);
    assert_memory_equal(kg_rtp_find(&p.header, 3)->data, long_value, 17);
    assert_int_equal(p.payload_size, 0);
}

static void malformed_packets_are_refused(void **state)
{
    (void)state;
    struct kg_rtp_packet p;
    static const struct {
        const char *name, *bytes;
        size_t size;
    } bad[] = {
        {"empty", "", 0},
        {"version 1", "\x40\x60\0\1\0\0\0\0\0\0\0\1", 12},
        {"short", "\x80\x60\0\1\0\0\0\0\0\0\0", 11},
        {"csrc past the end", "\x81\x60\0\1\0\0\0\0\0\0\0\1", 12},
        {"extension past the end", "\x90\x60\0\1\0\0\0\0\0\0\0\1\xbe\xde\0\2\x10\1\0\0", 20},
        {"extension value past its block", "\x90\x60\0\1\0\0\0\0\0\0\0\1\xbe\xde\0\1\x1f\1\0\0", 20},
        {"padding longer than the payload", "\xa0\x60\0\1\0\0\0\0\0\0\0\1\0\0\4", 15},
        {"padding of zero", "\xa0\x60\0\1\0\0\0\0\0\0\0\1\0\0\0", 15},
        {"padding without payload", "\xa0\x60\0\1\0\0\0\0\0\0\0\1", 12},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++) {
        if (kg_rtp_parse(bad[i].bytes, bad[i].size, &p))
            fail_msg("taken: %s", bad[i].name);
    }
    assert_true(kg_rtp_parse("\xa0\x60\0\1\0\0\0\0\0\0\0\1\0\0\3", 15, &p)); /* padding only: a probe */
    assert_int_equal(p.payload_size, 0);
    assert_int_equal(p.padding_size, 3);
}

static void rtx_wraps_and_unwraps(void **state)
{
    (void)state;
    static const uint8_t mid[] = {'7'};
    struct kg_rtp_header h = {.marker = true,
                              .payload_type = 96,
                              .sequence = 4711,
                              .timestamp = 90000,
                              .ssrc = 1111,
                              .csrc_count = 1,
                              .csrc = {5},
                              .extension_count = 1,
                              .extensions = {{2, 1, mid}}};
    uint8_t original[64], rtx[64];
    size_t n = kg_rtp_write_header(&h, original, sizeof original);
    memcpy(original + n, "frame", 5);
    size_t size = kg_rtx_wrap(original, n + 5, 2222, 97, 65535, rtx, sizeof rtx);
    assert_int_equal(size, n + 7);
    struct kg_rtp_packet p;
    assert_true(kg_rtp_parse(rtx, size, &p));
    assert_int_equal(p.header.ssrc, 2222);
    assert_int_equal(p.header.payload_type, 97);
    assert_int_equal(p.header.sequence, 65535);
    assert_true(p.header.marker);
    assert_memory_equal(p.payload,
                        "\x12\x67"
                        "frame",
                        7);
    assert_int_equal(kg_rtx_unwrap(rtx, size, 1111, 96), n + 5);
    assert_memory_equal(rtx, original, n + 5);
    assert_int_equal(kg_rtx_wrap(original, n + 5, 1, 97, 1, rtx, n + 6), 0);
    assert_int_equal(kg_rtx_unwrap(original, n, 1, 96), 0); /* no payload: a probe */
}

static void sequence_arithmetic_wraps(void **state)
{
    (void)state;
    assert_true(kg_timestamp_newer(5, 0xfffffff0u) && kg_timestamp_newer(0x7fffffff, 0));
    assert_false(kg_timestamp_newer(0, 0) || kg_timestamp_newer(0, 1) || kg_timestamp_newer(0x80000000u, 0));
    struct kg_unwrapper u = {0};
    static const uint16_t in[] = {65000, 65535, 0, 65534, 10, 30000, 60000, 100};
    static const int64_t out[] = {65000, 65535, 65536, 65534, 65546, 95536, 125536, 131172};
    for (size_t i = 0; i < KG_ARRAY_LEN(in); i++)
        assert_int_equal(kg_unwrap16(&u, in[i]), out[i]);
    struct kg_unwrapper t = {0};
    assert_int_equal(kg_unwrap32(&t, 0xffffff00u), 0xffffff00u);
    assert_true(kg_unwrap32(&t, 0x100) == INT64_C(0x100000100));
    assert_true(kg_unwrap32(&t, 0xffffff00u) == INT64_C(0xffffff00));
}

/* RFC 6464 §3: Figures 1 (one-byte form) and 2 (two-byte form), for extension 1. */
static void audio_level_is_laid_out_as_rfc_6464_draws_it(void **state)
{
    (void)state;
    static const uint8_t one_byte[] = {0x90, 111,  0, 1, 0,   0, 0, 0, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, /* */
                                       0x10, 0xaa, 0, 0, 0xff};
    static const uint8_t two_byte[] = {0x90, 111, 0,    1, 0,   0, 0, 0, 0, 0, 0, 7, 0x10, 0x00, 0, 1, /* */
                                       1,    1,   0x7f, 0, 0xff};
    struct kg_rtp_packet p;
    struct kg_audio_level level;
    assert_true(kg_rtp_parse(one_byte, sizeof one_byte, &p));
    assert_true(kg_audio_level_read(kg_rtp_find(&p.header, 1), &level));
    assert_true(level.voice);
    assert_int_equal(level.level, 42); /* -42 dBov */
    assert_true(kg_rtp_parse(two_byte, sizeof two_byte, &p));
    assert_true(kg_audio_level_read(kg_rtp_find(&p.header, 1), &level));
    assert_false(level.voice);
    assert_int_equal(level.level, 127); /* digital silence */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trips),
        cmocka_unit_test(audio_level_is_laid_out_as_rfc_6464_draws_it),
        cmocka_unit_test(large_ids_and_empty_values_take_the_two_byte_form),
        cmocka_unit_test(malformed_packets_are_refused),
        cmocka_unit_test(rtx_wraps_and_unwraps),
        cmocka_unit_test(sequence_arithmetic_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

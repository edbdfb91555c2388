#include "unit/cmocka_all.h"

#include "rtp/vp8.h"

static void descriptors_round_trip(void **state)
{
    (void)state;
    /* Every combination of present fields. */
    for (unsigned bits = 0; bits < 64; bits++) {
        struct kg_vp8_descriptor d = {
            .start = bits & 1,
            .non_reference = bits >> 1 & 1,
            .partition = bits & 7,
            .has_picture_id = bits >> 2 & 1,
            .picture_id = 0x5abc & 0x7fff,
            .has_tl0_picture_index = bits >> 3 & 1,
            .tl0_picture_index = 0xee,
            .has_temporal = bits >> 4 & 1,
            .temporal_id = 2,
            .layer_sync = true,
            .has_key_index = bits >> 5 & 1,
            .key_index = 21,
        };
        uint8_t payload[16] = {0};
        size_t n = kg_vp8_write(&d, payload, sizeof payload);
        struct kg_vp8_descriptor got;
        assert_true(n > 0);
        assert_true(kg_vp8_parse(payload, n + 1, &got));
        assert_false(kg_vp8_parse(payload, n, &got) && n == got.size); /* no frame bytes after it */
        assert_int_equal(got.size, n);
        assert_int_equal(got.start, d.start);
        assert_int_equal(got.non_reference, d.non_reference);
        assert_int_equal(got.partition, d.partition);
        assert_int_equal(got.has_picture_id, d.has_picture_id);
        assert_int_equal(got.picture_id, d.has_picture_id ? d.picture_id : 0);
        assert_int_equal(got.tl0_picture_index, d.has_tl0_picture_index ? 0xee : 0);
        assert_int_equal(got.temporal_id, d.has_temporal || d.has_key_index ? 2 : 0);
        assert_int_equal(kg_vp8_write(&d, payload, n - 1), 0);
        if (!d.has_picture_id)
            continue;
        kg_vp8_patch(payload, &got, 0x0123, 0x45);
        assert_true(kg_vp8_parse(payload, n + 1, &got));
        assert_int_equal(got.picture_id, 0x0123);
        assert_int_equal(got.tl0_picture_index, d.has_tl0_picture_index ? 0x45 : 0);
        assert_int_equal(got.size, n);
    }
}

/* RFC 7741 §4.6.3: a packet with a 15-bit picture id; and a short (7-bit) one keeps its width when patched.
 */
static void rfc_7741_examples(void **state)
{
    (void)state;
    struct kg_vp8_descriptor d;
    assert_true(kg_vp8_parse("\x80\x80\x81\x00\x9d", 5, &d));
    assert_int_equal(d.picture_id, 256);
    assert_true(d.picture_id_long);
    assert_false(d.start);
    uint8_t with_7_bits[] = {0x90, 0xc0, 0x11, 0x22, 0x00};
    assert_true(kg_vp8_parse(with_7_bits, sizeof with_7_bits, &d));
    assert_true(d.start && !d.picture_id_long && d.picture_id == 0x11 && d.tl0_picture_index == 0x22);
    kg_vp8_patch(with_7_bits, &d, 0x3ff, 0x99);
    assert_memory_equal(with_7_bits, "\x90\xc0\x7f\x99\x00", 5);
    assert_false(kg_vp8_parse("\x80\x80\x81", 3, &d));
    assert_false(kg_vp8_parse("", 0, &d));
}

static void keyframe_header_is_read(void **state)
{
    (void)state;
    uint16_t width, height;
    static const uint8_t key[] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02};
    assert_true(kg_vp8_is_keyframe(key, sizeof key));
    assert_true(kg_vp8_keyframe_size(key, sizeof key, &width, &height));
    assert_int_equal(width, 1280);
    assert_int_equal(height, 720);
    assert_false(kg_vp8_is_keyframe("\x11", 1));
    assert_false(kg_vp8_is_keyframe("", 0));
    assert_false(kg_vp8_keyframe_size(key, sizeof key - 1, &width, &height));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_round_trip),
        cmocka_unit_test(rfc_7741_examples),
        cmocka_unit_test(keyframe_header_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Frames → packets → (lost, reordered, doubled) → frames. */
#include "unit/cmocka_all.h"

#include "rtp/rtp.h"
#include "rtp/vp8.h"
#include "rtp/vp8_assembler.h"
#include "rtp/vp8_packetiser.h"
#include "unit/rtp/flow_help.h"

enum { SSRC = 77, MAX_WAIT_US = 200000 };

struct flow {
    struct kg_vp8_packetiser packetiser;
    struct kg_vp8_assembler *assembler;
    uint32_t timestamp;
    struct kg_packet *packets[64];
    size_t count;
};

static struct flow flow_from(uint16_t sequence)
{
    struct flow f = {.assembler = kg_vp8_assembler_create(MAX_WAIT_US), .timestamp = 0xfffff000u};
    kg_vp8_packetiser_init(&f.packetiser, SSRC, 96, sequence, 0x7ffe, 255);
    return f;
}

static void end_flow(struct flow *f)
{
    kg_vp8_assembler_destroy(f->assembler);
}

/* Bytes of a frame: a keyframe starts with RFC 6386 §9.1's tag, start code and 320×180. */
static void fill_frame(uint8_t *data, size_t size, bool keyframe, uint8_t seed)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(seed + i * 7);
    }
    data[0] = (uint8_t)((data[0] & 0xfe) | (keyframe ? 0 : 1));
    if (keyframe) {
        static const uint8_t head[7] = {0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
        memcpy(data + 3, head, sizeof(head));
    }
}

static void make(struct flow *f, size_t size, bool keyframe, uint8_t seed)
{
    static uint8_t data[70000];
    fill_frame(data, size, keyframe, seed);
    struct kg_vp8_input input = {
        .data = data, .size = size, .timestamp = f->timestamp += 3000, .keyframe = keyframe};
    f->count = kg_vp8_packetiser_frame(&f->packetiser, &input, NULL, 1000, f->packets, 64);
    assert_true(f->count > 0);
}

static bool push(struct flow *f, size_t i, int64_t now_us)
{
    struct kg_rtp_packet rtp;
    f->packets[i]->arrival_us = now_us;
    assert_true(kg_rtp_parse(f->packets[i]->data, f->packets[i]->size, &rtp));
    return kg_vp8_assembler_push(f->assembler, f->packets[i], &rtp);
}

static void release(struct flow *f)
{
    for (size_t i = 0; i < f->count; i++) {
        kg_packet_unref(f->packets[i]);
    }
    f->count = 0;
}

static void send_all(struct flow *f, size_t size, bool keyframe, uint8_t seed, int64_t now_us)
{
    make(f, size, keyframe, seed);
    for (size_t i = 0; i < f->count; i++) {
        assert_true(push(f, i, now_us));
    }
    release(f);
}

static void expect_frame(struct flow *f, size_t size, bool keyframe, uint8_t seed, int64_t now_us)
{
    static uint8_t data[70000];
    struct kg_vp8_frame *frame = kg_vp8_assembler_take(f->assembler, now_us);
    assert_non_null(frame);
    fill_frame(data, size, keyframe, seed);
    assert_int_equal(frame->size, size);
    assert_memory_equal(frame->data, data, size);
    assert_int_equal(frame->keyframe, keyframe);
    assert_int_equal(frame->width, keyframe ? 320 : 0);
    assert_int_equal(frame->height, keyframe ? 180 : 0);
    kg_vp8_frame_destroy(frame);
}

static void expect_none(struct flow *f, int64_t now_us)
{
    assert_null(kg_vp8_assembler_take(f->assembler, now_us));
}

static void packets_are_equal_and_small_enough(void **state)
{
    (void)state;
    uint8_t number[2] = {0}, level[1] = {0};
    struct kg_rtp_extension extensions[2] = {{.id = 3, .size = 2, .data = number},
                                             {.id = 4, .size = 1, .data = level}};
    static uint8_t data[70000];
    for (size_t size = 1; size < 40000; size = size * 5 / 4 + 1) {
        struct kg_vp8_packetiser p;
        struct kg_packet *packets[64];
        kg_vp8_packetiser_init(&p, SSRC, 96, 65530, 0x7fff, 255);
        struct kg_vp8_input in = {.data = data, .size = size, .extension_count = 2, .extensions = extensions};
        size_t count = kg_vp8_packetiser_frame(&p, &in, NULL, 5, packets, 64);
        size_t total = 0;
        uint32_t first_size = packets[0]->size;
        for (size_t i = 0; i < count; i++) {
            struct kg_rtp_packet rtp;
            struct kg_vp8_descriptor d;
            assert_true(packets[i]->size <= KG_VP8_MAX_PACKET);
            assert_true(i + 1 == count ? packets[i]->size <= first_size : packets[i]->size == first_size);
            assert_true(kg_rtp_parse(packets[i]->data, packets[i]->size, &rtp));
            assert_int_equal(rtp.header.sequence, (uint16_t)(65530 + i));
            assert_int_equal(rtp.header.marker, i + 1 == count);
            assert_non_null(kg_rtp_find(&rtp.header, 3));
            assert_true(kg_vp8_parse(rtp.payload, rtp.payload_size, &d));
            assert_int_equal(d.start, i == 0);
            assert_true(d.picture_id_long);
            assert_int_equal(d.picture_id, 0x7fff);
            assert_int_equal(d.tl0_picture_index, 255);
            assert_true(first_size - packets[i]->size < count); /* the last is hardly shorter */
            total += rtp.payload_size - d.size;
            kg_packet_unref(packets[i]);
        }
        assert_int_equal(total, size);
        assert_int_equal(p.picture_id, 0);
    }
    struct kg_vp8_input empty = {.data = data};
    struct kg_vp8_packetiser p = {.ssrc = SSRC};
    struct kg_packet *packets[1];
    assert_int_equal(kg_vp8_packetiser_frame(&p, &empty, NULL, 5, packets, 1), 0);
    assert_int_equal(p.picture_id, 0);
}

static void short_pool_consumes_nothing(void **state)
{
    (void)state;
    static uint8_t data[5000];
    struct kg_packet *packets[8];
    struct kg_packet_pool *pool = kg_packet_pool_create(3);
    struct kg_vp8_packetiser p;
    kg_vp8_packetiser_init(&p, SSRC, 96, 1, 1, 1);
    struct kg_vp8_input in = {.data = data, .size = sizeof(data)};
    assert_int_equal(kg_vp8_packetiser_frame(&p, &in, pool, 0, packets, 8), 0);
    assert_int_equal(p.sequence, 1);
    in.size = 3000;
    assert_int_equal(kg_vp8_packetiser_frame(&p, &in, pool, 0, packets, 8), 3);
    for (int i = 0; i < 3; i++) {
        kg_packet_unref(packets[i]);
    }
    kg_packet_pool_destroy(pool);
}

static void frames_come_back_whole_over_the_wrap(void **state)
{
    (void)state;
    struct flow f = flow_from(65500);
    assert_true(kg_vp8_assembler_needs_keyframe(f.assembler));
    send_all(&f, 500, false, 1, 0);
    expect_none(&f, 0); /* nothing can be decoded before a keyframe */
    send_all(&f, 9000, true, 2, 0);
    expect_frame(&f, 9000, true, 2, 0);
    assert_false(kg_vp8_assembler_needs_keyframe(f.assembler));
    for (int i = 0; i < 60; i++) {
        send_all(&f, 100 + (size_t)i * 60, false, (uint8_t)i, i);
        expect_frame(&f, 100 + (size_t)i * 60, false, (uint8_t)i, i);
    }
    end_flow(&f);
}

static void reordered_and_doubled_packets_do_no_harm(void **state)
{
    (void)state;
    struct flow f = flow_from(65534);
    make(&f, 6000, true, 3);
    for (size_t i = f.count; i-- > 0;) {
        expect_none(&f, 5);
        assert_true(push(&f, i, (int64_t)(100 - i)));
        assert_false(push(&f, i, 200));
    }
    struct kg_vp8_frame *frame = kg_vp8_assembler_take(f.assembler, 5);
    assert_non_null(frame);
    assert_int_equal(frame->first_sequence, 65534);
    assert_int_equal(frame->source, SSRC);
    kg_vp8_frame_destroy(frame);
    assert_false(push(&f, 0, 5)); /* too late */
    release(&f);
    end_flow(&f);
}

static void gap_waits_for_the_resent_packet(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 3000, true, 1, 0);
    expect_frame(&f, 3000, true, 1, 0);
    struct flow lost = f;
    make(&lost, 3000, false, 2);
    assert_true(push(&lost, 0, 0));
    assert_true(push(&lost, 2, 0));
    f.packetiser = lost.packetiser;
    f.timestamp = lost.timestamp;
    send_all(&f, 900, false, 3, 33000);
    expect_none(&f, 33000);
    expect_none(&f, 33000 + MAX_WAIT_US);
    assert_false(kg_vp8_assembler_needs_keyframe(f.assembler));
    expect_none(&f, 33001 + MAX_WAIT_US);
    assert_true(kg_vp8_assembler_needs_keyframe(f.assembler)); /* gave up, and yet ... */
    assert_true(push(&lost, 1, 400000));
    expect_frame(&f, 3000, false, 2, 400000); /* ... it came */
    expect_frame(&f, 900, false, 3, 400000);
    assert_false(kg_vp8_assembler_needs_keyframe(f.assembler));
    release(&lost);
    end_flow(&f);
}

static void each_gap_has_its_own_time(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    struct flow lost[2];
    for (int i = 0; i < 2; i++) {
        make(&f, 1000, false, 2);
        lost[i] = f;
        send_all(&f, 1000, false, 3, 0);
    }
    expect_none(&f, 0);
    assert_true(push(&lost[0], 0, 0));
    expect_frame(&f, 1000, false, 2, MAX_WAIT_US - 1000);
    expect_frame(&f, 1000, false, 3, MAX_WAIT_US - 1000);
    expect_none(&f, MAX_WAIT_US - 1000);
    expect_none(&f, MAX_WAIT_US + 1000); /* the second is in the way for 2 ms only */
    assert_false(kg_vp8_assembler_needs_keyframe(f.assembler));
    release(&lost[0]);
    release(&lost[1]);
    end_flow(&f);
}

static void keyframe_ends_a_gap_at_once(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    make(&f, 1000, false, 2); /* wholly lost */
    release(&f);
    send_all(&f, 1000, false, 3, 0);
    expect_none(&f, 0);
    send_all(&f, 1000, true, 4, 0);
    send_all(&f, 1000, false, 5, 0);
    expect_frame(&f, 1000, true, 4, 0);
    expect_frame(&f, 1000, false, 5, 0);
    expect_none(&f, 0);
    end_flow(&f);
}

static void failed_decoder_gets_a_keyframe_first(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    kg_vp8_assembler_require_keyframe(f.assembler);
    send_all(&f, 1000, false, 2, 0);
    expect_none(&f, 0);
    send_all(&f, 1000, true, 3, 0);
    expect_frame(&f, 1000, true, 3, 0);
    end_flow(&f);
}

static void another_source_starts_with_its_keyframe(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    f.packetiser.ssrc = SSRC + 1; /* as the CSRC would */
    send_all(&f, 1000, false, 2, 0);
    expect_none(&f, 0);
    assert_true(kg_vp8_assembler_needs_keyframe(f.assembler));
    send_all(&f, 1000, true, 3, 0);
    expect_frame(&f, 1000, true, 3, 0);
    end_flow(&f);
}

static void far_jump_asks_for_a_keyframe(void **state)
{
    (void)state;
    struct flow f = flow_from(10);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    f.packetiser.sequence = (uint16_t)(f.packetiser.sequence + 5000);
    send_all(&f, 1000, false, 2, 0);
    expect_none(&f, 0);
    assert_true(kg_vp8_assembler_needs_keyframe(f.assembler));
    send_all(&f, 1000, true, 3, 0);
    expect_frame(&f, 1000, true, 3, 0);
    end_flow(&f);
}

static void padding_between_frames_is_no_gap(void **state)
{
    (void)state;
    struct flow f = flow_from(65535);
    send_all(&f, 1000, true, 1, 0);
    expect_frame(&f, 1000, true, 1, 0);
    struct kg_packet *padding = kg_packet_create();
    struct kg_rtp_packet rtp = {.header = {.sequence = f.packetiser.sequence++, .ssrc = SSRC}};
    assert_true(kg_vp8_assembler_push(f.assembler, padding, &rtp));
    kg_packet_unref(padding);
    send_all(&f, 1000, false, 2, 0);
    expect_frame(&f, 1000, false, 2, 0);
    end_flow(&f);
}

/* Loss, reordering and doubling at random, all lost packets resent in the end: every frame comes, once, in
 * order. */
static void property_repaired_streams_are_complete(void **state)
{
    (void)state;
    uint32_t seed = 7;
    struct flow f = flow_from(65000);
    uint8_t expected = 0;
    for (int round = 0; round < 300; round++) {
        struct kg_packet *all[128];
        size_t total = 0;
        for (int k = 0; k < 3; k++) {
            make(&f, 11 + next_random(&seed) % 6000, round == 0 && k == 0, (uint8_t)(round * 3 + k));
            for (size_t i = 0; i < f.count; i++)
                all[total++] = f.packets[i];
            f.count = 0;
        }
        for (size_t i = total - 1; i > 0; i--) { /* any order at all is some loss and resending */
            size_t j = next_random(&seed) % (i + 1);
            struct kg_packet *swap = all[i];
            all[i] = all[j];
            all[j] = swap;
        }
        for (size_t i = 0; i < total; i++) {
            struct kg_rtp_packet rtp;
            assert_true(kg_rtp_parse(all[i]->data, all[i]->size, &rtp));
            assert_true(kg_vp8_assembler_push(f.assembler, all[i], &rtp));
            struct kg_vp8_frame *frame;
            while ((frame = kg_vp8_assembler_take(f.assembler, round)) != NULL) {
                assert_int_equal(frame->data[1], (uint8_t)(expected + 7));
                expected++;
                kg_vp8_frame_destroy(frame);
            }
        }
        for (size_t i = 0; i < total; i++) {
            kg_packet_unref(all[i]);
        }
    }
    assert_int_equal(expected, (uint8_t)(300 * 3));
    end_flow(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_equal_and_small_enough),
        cmocka_unit_test(short_pool_consumes_nothing),
        cmocka_unit_test(frames_come_back_whole_over_the_wrap),
        cmocka_unit_test(reordered_and_doubled_packets_do_no_harm),
        cmocka_unit_test(gap_waits_for_the_resent_packet),
        cmocka_unit_test(each_gap_has_its_own_time),
        cmocka_unit_test(keyframe_ends_a_gap_at_once),
        cmocka_unit_test(failed_decoder_gets_a_keyframe_first),
        cmocka_unit_test(another_source_starts_with_its_keyframe),
        cmocka_unit_test(far_jump_asks_for_a_keyframe),
        cmocka_unit_test(padding_between_frames_is_no_gap),
        cmocka_unit_test(property_repaired_streams_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

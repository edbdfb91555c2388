/* Slot rewriting: one continuous stream over switches, drops, losses and wraps. */
#include "unit/cmocka_all.h"

#include "rtp/slot_rewrite.h"
#include "unit/rtp/flow_help.h"

enum { SLOT = 0x510, A = 0xa, B = 0xb };

static struct kg_slot_fields packet_of(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint16_t picture,
                                       uint8_t tl0)
{
    return (struct kg_slot_fields){.ssrc = ssrc,
                                   .sequence = sequence,
                                   .timestamp = timestamp,
                                   .has_picture_id = true,
                                   .picture_id_long = true,
                                   .picture_id = picture,
                                   .has_tl0_picture_index = true,
                                   .tl0_picture_index = tl0};
}

static struct kg_slot_rewrite video_slot(uint16_t first_sequence)
{
    struct kg_slot_rewrite slot;

    kg_slot_rewrite_init(&slot, SLOT, 90000, false, first_sequence, 1000);
    return slot;
}

static void switch_continues_every_counter(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(65534);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 500, 7000, 100, 9);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 1000000));
    assert_int_equal(f.ssrc, SLOT);
    assert_int_equal(f.sequence, 65534);
    assert_int_equal(f.timestamp, 1000);
    assert_int_equal(f.picture_id, 100);
    f = packet_of(A, 501, 7000 + 3000, 101, 10);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 1033333));
    assert_int_equal(f.sequence, 65535);
    assert_int_equal(f.timestamp, 4000);

    kg_slot_rewrite_switch(&slot, B);
    f = packet_of(B, 40000, 4000000000u, 0x7fff, 255);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 1033333 + 500000));
    assert_int_equal(f.sequence, 0);
    assert_int_equal(f.timestamp, 4000 + 45000);
    assert_int_equal(f.picture_id, 102);
    assert_int_equal(f.tl0_picture_index, 11);
    f = packet_of(B, 40001, 4000003000u, 0, 0);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 99));
    assert_int_equal(f.sequence, 1);
    assert_int_equal(f.timestamp, 4000 + 48000);
    assert_int_equal(f.picture_id, 103);
    assert_int_equal(f.tl0_picture_index, 12);
    /* the old source, and the new one's packets from before its keyframe, stay out */
    f = packet_of(A, 502, 13000, 102, 11);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 1600000));
    f = packet_of(B, 39999, 3999997000u, 0x7ffe, 254);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 1600000));
    assert_int_equal(f.sequence, 39999);
}

static void time_that_runs_back_still_moves_on(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(0);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 1, 0, 1, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 5000000));
    uint32_t before = f.timestamp;
    kg_slot_rewrite_switch(&slot, B);
    f = packet_of(B, 1, 0, 1, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 4000000));
    assert_true(kg_timestamp_newer(f.timestamp, before));
    assert_int_equal(f.timestamp - before, 900);
}

static void drops_leave_no_gap_and_losses_do(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(10);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 65533, 0, 5, 0);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0)); /* slot 10 */
    f = packet_of(A, 65534, 3000, 6, 0);
    assert_true(kg_slot_rewrite_drop(&slot, &f));
    f = packet_of(A, 65535, 3000, 6, 0);
    assert_true(kg_slot_rewrite_drop(&slot, &f));
    /* 0 is lost on its way to the relay: slot 11 is kept for it */
    f = packet_of(A, 1, 6000, 7, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    assert_int_equal(f.sequence, 12);
    assert_int_equal(f.picture_id, 6); /* the dropped picture left no gap */

    uint32_t ssrc;
    uint16_t sequence;
    assert_true(kg_slot_rewrite_lookup(&slot, 11, &ssrc, &sequence));
    assert_int_equal(ssrc, A);
    assert_int_equal(sequence, 0);
    assert_true(kg_slot_rewrite_lookup(&slot, 10, &ssrc, &sequence));
    assert_int_equal(sequence, 65533);
    assert_false(kg_slot_rewrite_lookup(&slot, 13, &ssrc, &sequence));
    assert_false(kg_slot_rewrite_lookup(&slot, 9, &ssrc, &sequence));

    /* recovered, it goes out under its number; it can no longer be dropped unseen */
    f = packet_of(A, 0, 6000, 7, 1);
    assert_false(kg_slot_rewrite_drop(&slot, &f));
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    assert_int_equal(f.sequence, 11);
    assert_int_equal(f.picture_id, 6);
    /* a dropped one that comes again has no number */
    f = packet_of(A, 65535, 3000, 6, 0);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 0));
    assert_true(kg_slot_rewrite_drop(&slot, &f));
}

static void again_repeats_what_was_sent_even_of_a_former_source(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(100);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 7, 900, 3, 2);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    struct kg_slot_fields sent = f;
    kg_slot_rewrite_switch(&slot, B);
    f = packet_of(B, 7, 5, 1, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 40000));

    struct kg_slot_fields again = packet_of(A, 7, 900, 3, 2);
    assert_true(kg_slot_rewrite_again(&slot, 100, &again));
    assert_memory_equal(&again, &sent, sizeof(sent));
    struct kg_slot_fields other = packet_of(B, 7, 900, 3, 2);
    assert_false(kg_slot_rewrite_again(&slot, 100, &other));
}

static void source_that_comes_back_brings_no_old_packets(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(0);
    struct kg_slot_fields f;
    for (uint16_t i = 100; i < 110; i++) {
        kg_slot_rewrite_switch(&slot, A);
        f = packet_of(A, i, i * 3000u, i, 0);
        assert_true(kg_slot_rewrite_packet(&slot, &f, i * 33000));
    }
    kg_slot_rewrite_switch(&slot, B);
    f = packet_of(B, 500, 0, 0, 0);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 4000000));
    kg_slot_rewrite_switch(&slot, A);
    f = packet_of(A, 120, 120 * 3000u, 120, 0);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 5000000));
    assert_int_equal(f.sequence, 11);
    f = packet_of(A, 105, 105 * 3000u, 105, 0);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 5000000));
}

static void restarted_source_goes_on_without_a_hole(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(0);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 100, 0, 1, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    f = packet_of(A, 30000, 88, 900, 9);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 50000)); /* one stray packet is not believed */
    f = packet_of(A, 101, 3000, 2, 2);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 33000));
    assert_int_equal(f.sequence, 1);
    f = packet_of(A, 30000, 88, 900, 9);
    assert_false(kg_slot_rewrite_packet(&slot, &f, 100000));
    f = packet_of(A, 30001, 88, 900, 9);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 133000));
    assert_int_equal(f.sequence, 2);
    assert_int_equal(f.timestamp, 1000 + 3000 + 9000);
    assert_int_equal(f.picture_id, 3);
}

static void audio_marks_and_maps_time(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot;
    uint32_t timestamp;
    kg_slot_rewrite_init(&slot, SLOT, 48000, true, 1, 10);
    assert_false(kg_slot_rewrite_timestamp(&slot, 5, &timestamp));
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = {.ssrc = A, .sequence = 9, .timestamp = 0xffffff00u};
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    assert_true(f.marker);
    f = (struct kg_slot_fields){.ssrc = A, .sequence = 10, .timestamp = 0xffffff00u + 960};
    assert_true(kg_slot_rewrite_packet(&slot, &f, 20000));
    assert_false(f.marker);
    assert_int_equal(f.timestamp, 970);
    assert_true(kg_slot_rewrite_timestamp(&slot, 0xffffff00u, &timestamp));
    assert_int_equal(timestamp, 10);
    kg_slot_rewrite_clear(&slot);
    assert_false(kg_slot_rewrite_timestamp(&slot, 5, &timestamp));
    /* silence for an hour: time went on */
    kg_slot_rewrite_switch(&slot, B);
    f = (struct kg_slot_fields){.ssrc = B, .sequence = 3, .timestamp = 77};
    assert_true(kg_slot_rewrite_packet(&slot, &f, 20000 + INT64_C(3600000000)));
    assert_int_equal(f.timestamp, (uint32_t)(970 + UINT64_C(3600) * 48000));
    assert_int_equal(f.sequence, 3);
}

static void short_picture_ids_keep_seven_bits(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(0);
    kg_slot_rewrite_switch(&slot, A);
    struct kg_slot_fields f = packet_of(A, 1, 0, 1000, 1);
    assert_true(kg_slot_rewrite_packet(&slot, &f, 0));
    kg_slot_rewrite_switch(&slot, B);
    uint16_t last = 1000 & 0x7f;
    for (uint16_t i = 0; i < 300; i++) {
        f = packet_of(B, i, i * 3000u, (120 + i) & 0x7f, 0);
        f.picture_id_long = false;
        assert_true(kg_slot_rewrite_packet(&slot, &f, i * 33000));
        assert_int_equal(f.picture_id, (last + 1) & 0x7f);
        last = f.picture_id;
    }
}

/* Whatever is lost, reordered, dropped and switched: numbers given are unique, and every one leads back. */
static void property_numbers_are_unique_and_lead_back(void **state)
{
    (void)state;
    struct kg_slot_rewrite slot = video_slot(60000);
    static uint32_t owner[65536]; /* slot number → source ssrc << 16 | sequence */
    uint32_t seed = 1, given = 0;
    uint16_t next[2] = {65000, 100};

    for (int round = 0; round < 400; round++) {
        uint32_t source = next_random(&seed) % 2;
        kg_slot_rewrite_switch(&slot, A + source);
        for (int i = 0; i < 20; i++) {
            uint16_t sequence = next[source]++;
            struct kg_slot_fields f = packet_of(A + source, sequence, sequence * 100u, sequence & 0x7fff, 0);
            uint32_t luck = next_random(&seed) % 10;
            if (luck == 0) {
                continue; /* lost */
            }
            if (luck < 3 && kg_slot_rewrite_drop(&slot, &f)) {
                continue;
            }
            if (!kg_slot_rewrite_packet(&slot, &f, round * 700000 + i * 1000)) {
                continue;
            }
            uint32_t me = (A + source) << 16 | sequence;
            assert_int_equal(owner[f.sequence], 0);
            owner[f.sequence] = me;
            given++;
            uint32_t ssrc;
            uint16_t back;
            assert_true(kg_slot_rewrite_lookup(&slot, f.sequence, &ssrc, &back));
            assert_int_equal(ssrc << 16 | back, me);
        }
    }
    assert_true(given > 4000);
    assert_true((uint16_t)((uint16_t)slot.next_slot - 60000) < 400 * 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switch_continues_every_counter),
        cmocka_unit_test(time_that_runs_back_still_moves_on),
        cmocka_unit_test(drops_leave_no_gap_and_losses_do),
        cmocka_unit_test(again_repeats_what_was_sent_even_of_a_former_source),
        cmocka_unit_test(source_that_comes_back_brings_no_old_packets),
        cmocka_unit_test(restarted_source_goes_on_without_a_hole),
        cmocka_unit_test(audio_marks_and_maps_time),
        cmocka_unit_test(short_picture_ids_keep_seven_bits),
        cmocka_unit_test(property_numbers_are_unique_and_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

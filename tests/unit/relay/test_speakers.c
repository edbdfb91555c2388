/* Who is heard, by table: levels over time against places. */
#include "relay/slot_speakers.h"
#include "unit/cmocka_all.h"

enum { PEOPLE = 6, SILENT = 127, QUIET = 90, NORMAL = 30, LOUD = 15 };

struct talk {
    struct kg_speakers speakers;
    struct kg_speaker who[PEOPLE];
    int64_t now_us;
    unsigned place_changes;
};

static void talk(struct talk *t, const uint8_t level[PEOPLE], int ms)
{
    for (int64_t end_us = t->now_us + (int64_t)ms * 1000; t->now_us < end_us; t->now_us += 20000) {
        for (int i = 0; i < PEOPLE; i++) {
            if (level[i] != 255 &&
                kg_speakers_hear(&t->speakers, &t->who[i], level[i], t->now_us) & KG_SPEAKERS_PLACES)
                t->place_changes++;
        }
        kg_speakers_tick(&t->speakers, t->now_us);
    }
}

/* Bit i: person i is heard by `own` (-1: a listener). */
static unsigned heard_by(struct talk *t, int own)
{
    struct kg_speaker *slots[KG_AUDIO_SLOTS] = {0};
    (void)!kg_speakers_choose(&t->speakers, own < 0 ? NULL : &t->who[own], slots);
    unsigned heard = 0;
    for (int s = 0; s < KG_AUDIO_SLOTS; s++) {
        for (int i = 0; i < PEOPLE; i++)
            heard |= slots[s] == &t->who[i] ? 1u << i : 0;
    }
    return heard;
}

static void the_loudest_are_heard(void **state)
{
    (void)state;
    static const struct {
        uint8_t level[PEOPLE];
        int ms;
        unsigned listener, first; /* heard by a listener; by person 0 */
    } table[] = {
        {{NORMAL, NORMAL, NORMAL, 255, 255, 255}, 100, 0x07, 0x06},
        {{NORMAL, NORMAL, NORMAL, QUIET, QUIET, QUIET}, 5000, 0x07, 0x0e},
        {{NORMAL, NORMAL, SILENT, QUIET, LOUD, QUIET},
         3000,
         0x13,
         0x16},                                                        /* 4 takes 2's place, 2 the reserve */
        {{QUIET, QUIET, QUIET, QUIET, LOUD, QUIET}, 5000, 0x13, 0x16}, /* nobody is louder: all stay */
        {{SILENT, SILENT, SILENT, LOUD, LOUD, LOUD}, 4000, 0x38, 0x38},
    };
    struct talk t = {.now_us = 1000000};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        talk(&t, table[i].level, table[i].ms);
        if (heard_by(&t, -1) != table[i].listener)
            fail_msg("row %zu: a listener hears %02x, not %02x", i, heard_by(&t, -1), table[i].listener);
        if (i + 1 < sizeof(table) / sizeof(table[0]) && heard_by(&t, 0) != table[i].first)
            fail_msg("row %zu: person 0 hears %02x, not %02x", i, heard_by(&t, 0), table[i].first);
    }
}

static void nobody_hears_himself(void **state)
{
    (void)state;
    struct talk t = {.now_us = 1000000};
    static const uint8_t all[PEOPLE] = {LOUD, LOUD, NORMAL, NORMAL, QUIET, QUIET};
    talk(&t, all, 3000);
    for (int i = 0; i < PEOPLE; i++) {
        unsigned heard = heard_by(&t, i);
        assert_false(heard & 1u << i);
        assert_int_equal(__builtin_popcount(heard), KG_AUDIO_SLOTS);
    }
}

/* Two of like loudness in turn, word by word: the third place must not flap. */
static void pauses_between_words_change_nothing(void **state)
{
    (void)state;
    struct talk t = {.now_us = 1000000};
    static const uint8_t start[PEOPLE] = {NORMAL, NORMAL, NORMAL, 28, 255, 255};
    talk(&t, start, 3000);
    unsigned before = t.place_changes;
    for (int i = 0; i < 20; i++) {
        const uint8_t words[PEOPLE] = {NORMAL, i % 2 ? SILENT : NORMAL, NORMAL, i % 2 ? 28 : SILENT, 255,
                                       255};
        talk(&t, words, 200);
    }
    assert_true(t.place_changes - before <= 2);
}

static void a_new_voice_waits_for_the_hold_but_not_long(void **state)
{
    (void)state;
    struct talk t = {.now_us = 1000000};
    static const uint8_t three[PEOPLE] = {NORMAL, NORMAL, QUIET, 255, 255, 255};
    static const uint8_t fourth[PEOPLE] = {NORMAL, NORMAL, QUIET, LOUD, 255, 255};
    talk(&t, three, 500);
    talk(&t, fourth, 500);
    assert_false(heard_by(&t, -1) & 1u << 3); /* the third has just got its place */
    talk(&t, fourth, 1200);
    assert_true(heard_by(&t, -1) & 1u << 3);
}

static void a_muted_one_makes_room_at_once(void **state)
{
    (void)state;
    struct talk t = {.now_us = 1000000};
    static const uint8_t four[PEOPLE] = {LOUD, NORMAL, NORMAL, NORMAL, 255, 255};
    talk(&t, four, 500);
    assert_true(kg_speakers_remove(&t.speakers, &t.who[0]) & KG_SPEAKERS_PLACES);
    assert_int_equal(heard_by(&t, -1), 0x0e);
    assert_ptr_not_equal(t.speakers.dominant, &t.who[0]);
    for (int i = 0; i < KG_SPEAKER_PLACES; i++)
        assert_ptr_not_equal(t.speakers.place[i], &t.who[0]);
}

static void slots_stay_where_they_are(void **state)
{
    (void)state;
    struct talk t = {.now_us = 1000000};
    static const uint8_t three[PEOPLE] = {NORMAL, NORMAL, NORMAL, 255, 255, 255};
    talk(&t, three, 500);
    struct kg_speaker *slots[KG_AUDIO_SLOTS] = {0};
    assert_true(kg_speakers_choose(&t.speakers, NULL, slots));
    struct kg_speaker *third = slots[2];
    kg_speakers_remove(&t.speakers, slots[0]);
    assert_true(kg_speakers_choose(&t.speakers, NULL, slots));
    assert_null(slots[0]);
    assert_ptr_equal(slots[2], third);
    assert_false(kg_speakers_choose(&t.speakers, NULL, slots));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loudest_are_heard),
        cmocka_unit_test(nobody_hears_himself),
        cmocka_unit_test(pauses_between_words_change_nothing),
        cmocka_unit_test(a_new_voice_waits_for_the_hold_but_not_long),
        cmocka_unit_test(a_muted_one_makes_room_at_once),
        cmocka_unit_test(slots_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

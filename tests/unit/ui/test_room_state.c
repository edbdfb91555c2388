/* Plain data helpers: text cut at characters, who sends a source, which meeting home offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/i18n.h"
#include "core/problems.h"
#include "core/words.h"
#include "states.h"

static void text_is_cut_at_a_character(void **state)
{
    (void)state;
    char text[8];
    kg_room_text_set(text, sizeof(text), "会議室");
    assert_string_equal(text, "会議");
    kg_room_text_set(text, sizeof(text), "abcdefgh");
    assert_string_equal(text, "abcdefg");
    kg_room_text_set(text, sizeof(text), "a\nb\xff");
    assert_string_equal(text, "a b\xef\xbf\xbd");
    kg_room_text_set(text, sizeof(text), "\xe4\xbc");
    assert_string_equal(text, "\xef\xbf\xbd\xef\xbf\xbd");
    char name[64];
    kg_room_text_set(name, sizeof name, "\u202e架\u2028空\xc2\x9b市\u2066\u200b\ufeff\U000e0041");
    assert_string_equal(name, "架 空 市");
    kg_room_text_set(name, sizeof name, "葛\U000E0100飾　ｶﾞ か\u3099\u309A辻\uFE00");
    assert_string_equal(name, "葛\U000E0100飾　ｶﾞ か\u3099\u309A辻\uFE00");
    kg_room_text_set(text, sizeof(text), "");
    for (size_t i = 0; i < sizeof(text); i++)
        assert_int_equal(text[i], 0);
}

static void source_names_its_sender(void **state)
{
    (void)state;
    static struct kg_room_in_meeting m;
    memset(&m, 0, sizeof(m));
    m.participant_count = 2;
    m.participants[0].camera = 5;
    m.participants[1].presentation = 7;
    assert_ptr_equal(kg_room_participant_of(&m, 5), &m.participants[0]);
    assert_ptr_equal(kg_room_participant_of(&m, 7), &m.participants[1]);
    assert_null(kg_room_participant_of(&m, 0));
    assert_null(kg_room_participant_of(&m, 6));
}

static void offered_meeting(void **state)
{
    (void)state;
    static struct kg_room_state s;
    kg_room_state_init(&s);
    assert_null(kg_room_meeting_offered(&s));
    s.meeting_count = 4;
    for (int i = 0; i < 4; i++)
        s.meetings[i].start_us = 1000 + i;
    s.meetings[0].state = KG_MEETING_ENDED;
    s.meetings[1].state = s.meetings[2].state = KG_MEETING_NOW;
    assert_ptr_equal(kg_room_meeting_offered(&s), &s.meetings[1]); /* none joinable: the first ahead */
    s.meetings[3].joinable = true;
    assert_ptr_equal(kg_room_meeting_offered(&s), &s.meetings[3]);
    s.meetings[1].joinable = s.meetings[2].joinable = true;
    assert_ptr_equal(kg_room_meeting_offered(&s), &s.meetings[2]); /* runs, begun last */
}

static void other_rooms(void **state)
{
    (void)state;
    static struct kg_room_meeting m;
    char text[256];
    kg_words_sites(text, sizeof(text), &m, KG_ROOM_MAX_SITES);
    assert_string_equal(text, "");
    kg_room_text_set(m.sites[0].organization, sizeof(m.sites[0].organization), "見本町");
    kg_room_text_set(m.sites[0].name, sizeof(m.sites[0].name), "大会議室");
    assert_int_equal(kg_room_sites_named(&m), 0); /* counted first, named second */
    m.site_count = 2;
    assert_int_equal(kg_room_sites_named(&m), 1);
    kg_room_text_set(m.sites[1].name, sizeof(m.sites[1].name), "会議室");
    kg_words_sites(text, sizeof(text), &m, KG_ROOM_MAX_SITES);
    assert_string_equal(text, "見本町 大会議室、会議室");
    kg_words_sites(text, sizeof(text), &m, 1);
    assert_string_equal(text, "見本町 大会議室 ほか1会議室");
    kg_words_sites(text, sizeof(text), &m, 0);
    assert_string_equal(text, "ほか2会議室");
}

static void dates_and_durations(void **state)
{
    (void)state;
    char text[128];
    const int64_t minute_us = INT64_C(60000000), year_us = INT64_C(31556952) * 1000000;
    kg_i18n_set_language(KG_UI_JAPANESE);
    kg_words_date(text, sizeof(text), STATES_WALL_US);
    assert_string_equal(text, "令和8年11月21日(土)");
    kg_words_date(text, sizeof(text), STATES_WALL_US - 7 * year_us);
    assert_memory_equal(text, "令和元年11月", strlen("令和元年11月"));
    kg_words_date(text, sizeof(text), 0); /* a clock that was never set */
    assert_string_equal(text, "1970年1月1日(木)");
    kg_words_clock(text, sizeof(text), STATES_WALL_US);
    assert_string_equal(text, "14:28");
    kg_words_remaining(text, sizeof(text), STATES_WALL_US, STATES_WALL_US + 32 * minute_us);
    assert_string_equal(text, "残り 32分");
    kg_words_remaining(text, sizeof(text), STATES_WALL_US, STATES_WALL_US + 92 * minute_us);
    assert_string_equal(text, "残り 1時間32分");
    kg_words_remaining(text, sizeof(text), STATES_WALL_US, STATES_WALL_US - minute_us);
    assert_string_equal(text, "終了時刻を過ぎました");
    kg_words_duration(text, sizeof(text), 30 * 1000000);
    assert_string_equal(text, "1分未満");
    kg_i18n_set_language(KG_UI_ENGLISH);
    kg_words_date(text, sizeof(text), STATES_WALL_US);
    assert_string_equal(text, "Saturday, 21 November 2026");
    kg_i18n_set_language(KG_UI_JAPANESE);
}

static void every_problem_has_words_and_its_own_code(void **state)
{
    (void)state;
    kg_i18n_set_language(KG_UI_ENGLISH);
    size_t missing = kg_i18n_missing(NULL);
    for (int i = 1; i < KG_PROBLEM_COUNT; i++) {
        const struct kg_problem_text *t = kg_problem_text((enum kg_problem)i);
        assert_non_null(t->code);
        assert_non_null(t->remedies[0]);
        (void)kg_tr(t->headline);
        (void)kg_tr(t->cause);
        for (int r = 0; r < KG_PROBLEM_REMEDIES && t->remedies[r]; r++)
            (void)kg_tr(t->remedies[r]);
        for (int j = 1; j < i; j++)
            assert_string_not_equal(t->code, kg_problem_text((enum kg_problem)j)->code);
    }
    const char *last = NULL;
    if (kg_i18n_missing(&last) != missing)
        print_error("no English for: %s\n", last);
    assert_int_equal(kg_i18n_missing(NULL), missing);
    kg_i18n_set_language(KG_UI_JAPANESE);
    assert_ptr_equal(kg_problem_text((enum kg_problem)999), kg_problem_text(KG_PROBLEM_INTERNAL));
}

int main(void)
{
    setenv("TZ", "Asia/Tokyo", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_at_a_character),
        cmocka_unit_test(source_names_its_sender),
        cmocka_unit_test(offered_meeting),
        cmocka_unit_test(other_rooms),
        cmocka_unit_test(dates_and_durations),
        cmocka_unit_test(every_problem_has_words_and_its_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

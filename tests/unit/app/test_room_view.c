#include "unit/cmocka_all.h"

#include <string.h>

#include "app/room_view.h"

static void test_meeting_of_the_agenda(void **state)
{
    (void)state;
    static struct kg_agenda_entry entry = {
        .uid = "one@test",
        .title = "定例会",
        .start_us = 1000,
        .end_us = 2000,
        .sites = {{"見本町", "企画財政課", "大会議室"}, {"例示村", "", "会議室"}},
        .site_count = 12};
    static struct kg_room_meeting meeting;
    memset(&meeting, 0xff, sizeof meeting);
    kg_room_view_meeting(&meeting, &entry);
    assert_string_equal(meeting.uid, "one@test");
    assert_string_equal(meeting.title, "定例会");
    assert_int_equal(meeting.start_us, 1000);
    assert_int_equal(meeting.end_us, 2000);
    assert_int_equal(meeting.state, KG_MEETING_UPCOMING);
    assert_false(meeting.joinable);
    assert_int_equal(meeting.site_count, 12);
    assert_int_equal(kg_room_sites_named(&meeting), 2);
    assert_string_equal(meeting.sites[0].organization, "見本町");
    assert_string_equal(meeting.sites[0].department, "企画財政課");
    assert_string_equal(meeting.sites[0].name, "大会議室");
    assert_string_equal(meeting.sites[1].name, "会議室");
    entry.cancelled = true;
    kg_room_view_meeting(&meeting, &entry);
    assert_int_equal(meeting.state, KG_MEETING_CANCELLED);
}

static void test_coming_days(void **state)
{
    (void)state;
    static struct kg_room_state s;
    static struct kg_agenda_day next = {.count = KG_ROOM_MAX_NEXT + 1};
    for (uint32_t i = 0; i < next.count; i++) {
        next.entries[i] = (struct kg_agenda_entry){.title = "定例会", .start_us = i + 1, .end_us = i + 2};
    }
    kg_room_view_next(&s, &next);
    assert_int_equal(s.next_count, KG_ROOM_MAX_NEXT);
    assert_string_equal(s.next[0].title, "定例会");
    assert_int_equal(s.next[KG_ROOM_MAX_NEXT - 1].start_us, KG_ROOM_MAX_NEXT);
    assert_int_equal(s.next[KG_ROOM_MAX_NEXT - 1].end_us, KG_ROOM_MAX_NEXT + 1);
    next.count = 1;
    kg_room_view_next(&s, &next); /* nothing of before stays */
    assert_int_equal(s.next_count, 1);
    assert_int_equal(s.next[1].start_us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meeting_of_the_agenda),
        cmocka_unit_test(test_coming_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

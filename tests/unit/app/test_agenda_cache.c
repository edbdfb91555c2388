#include "unit/cmocka_all.h"

#include <string.h>
#include <time.h>

#include "app/agenda_cache.h"
#include "unit/app/folder.h"

#define HOUR_US INT64_C(3600000000)
/* 2026-11-21 09:00 in Japan. */
#define MORNING_US INT64_C(1795219200000000)

static const char calendar[] =
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
    "BEGIN:VEVENT\r\nUID:one@test\r\nDTSTAMP:20261101T000000Z\r\n"
    "DTSTART:20261121T010000Z\r\nDTEND:20261121T020000Z\r\nSUMMARY:定例会\r\n"
    "ATTENDEE;CUTYPE=ROOM:mailto:here@kaigi.invalid\r\n"
    "ATTENDEE;CUTYPE=ROOM;CN=大会議室;X-KAIGI-ORGANIZATION=見本町;X-KAIGI-DEPARTMENT=企画財政課:"
    "urn:x-kaigi:other-room\r\nX-KAIGI-OTHER-ROOMS:12\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:two@test\r\nDTSTAMP:20261101T000000Z\r\n"
    "DTSTART:20261122T010000Z\r\nDTEND:20261122T020000Z\r\nSUMMARY:あした\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n";

static void test_kept_over_restarts(void **state)
{
    (void)state;
    struct kg_agenda_day day;
    struct kg_agenda_cache *cache = kg_agenda_cache_create(folder);
    kg_agenda_cache_day(cache, MORNING_US, &day);
    assert_int_equal(day.count, 0);
    assert_int_equal(kg_agenda_cache_time_us(cache), 0);
    assert_true(kg_agenda_cache_put(cache, calendar, MORNING_US));
    assert_int_equal(kg_agenda_cache_time_us(cache), MORNING_US);
    kg_agenda_cache_destroy(cache);

    cache = kg_agenda_cache_create(folder);
    assert_int_not_equal(kg_agenda_cache_time_us(cache), 0);
    kg_agenda_cache_day(cache, MORNING_US, &day);
    assert_int_equal(day.count, 1);
    assert_string_equal(day.entries[0].uid, "one@test");
    assert_string_equal(day.entries[0].title, "定例会");
    assert_int_equal(day.entries[0].start_us, MORNING_US + HOUR_US);
    assert_int_equal(day.entries[0].end_us, MORNING_US + 2 * HOUR_US);
    assert_int_equal(day.entries[0].site_count, 12);
    assert_string_equal(day.entries[0].sites[0].organization, "見本町");
    assert_string_equal(day.entries[0].sites[0].department, "企画財政課");
    assert_string_equal(day.entries[0].sites[0].name, "大会議室");
    assert_string_equal(day.entries[0].sites[1].name, "");
    kg_agenda_cache_day(cache, kg_agenda_next_day_us(MORNING_US), &day);
    assert_int_equal(day.count, 1);
    assert_string_equal(day.entries[0].uid, "two@test");
    kg_agenda_cache_destroy(cache);
}

static void test_coming_days(void **state)
{
    (void)state;
    static const char more[] =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
        "BEGIN:VEVENT\r\nUID:today@test\r\nDTSTART:20261121T010000Z\r\nDTEND:20261121T020000Z\r\nEND:"
        "VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:over midnight@test\r\nDTSTART:20261121T140000Z\r\nDTEND:20261121T160000Z\r\n"
        "END:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:later@test\r\nDTSTART:20261130T010000Z\r\nDTEND:20261130T020000Z\r\nEND:"
        "VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:off@test\r\nDTSTART:20261123T010000Z\r\nDTEND:20261123T020000Z\r\n"
        "STATUS:CANCELLED\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:first@test\r\nDTSTART:20261121T150000Z\r\nDTEND:20261121T160000Z\r\nEND:"
        "VEVENT\r\n"
        "END:VCALENDAR\r\n";
    struct kg_agenda_day next;
    struct kg_agenda_cache *cache = kg_agenda_cache_create(folder);
    kg_agenda_cache_next(cache, MORNING_US, &next);
    assert_int_equal(next.count, 0);
    assert_true(kg_agenda_cache_put(cache, more, MORNING_US));
    kg_agenda_cache_next(cache, MORNING_US, &next);
    assert_int_equal(next.count, 2);
    assert_string_equal(next.entries[0].uid, "first@test"); /* at midnight */
    assert_string_equal(next.entries[1].uid, "later@test");
    kg_agenda_cache_destroy(cache);
}

static void test_next_day(void **state)
{
    (void)state;
    assert_int_equal(kg_agenda_next_day_us(MORNING_US), MORNING_US + 15 * HOUR_US);
    assert_int_equal(kg_agenda_next_day_us(MORNING_US + 15 * HOUR_US), MORNING_US + 39 * HOUR_US);
}

static void test_damaged_file(void **state)
{
    (void)state;
    struct kg_agenda_day day;
    write_file("agenda.ics", "BEGIN:VCALENDAR\r\nthis is no calend");
    struct kg_agenda_cache *cache = kg_agenda_cache_create(folder);
    assert_non_null(cache);
    kg_agenda_cache_day(cache, MORNING_US, &day);
    assert_int_equal(day.count, 0);
    assert_true(kg_agenda_cache_put(cache, calendar, MORNING_US));
    kg_agenda_cache_day(cache, MORNING_US, &day);
    assert_int_equal(day.count, 1);
    kg_agenda_cache_destroy(cache);
}

/* A folder that cannot be written costs the next start its agenda, not this one. */
static void test_unwritable_folder(void **state)
{
    (void)state;
    char path[128];
    struct kg_agenda_day day;
    write_file("state", "a file where the folder should be");
    snprintf(path, sizeof path, "%s/state", folder);
    struct kg_agenda_cache *cache = kg_agenda_cache_create(path);
    assert_non_null(cache);
    assert_true(kg_agenda_cache_put(cache, calendar, MORNING_US));
    kg_agenda_cache_day(cache, MORNING_US, &day);
    assert_int_equal(day.count, 1);
    kg_agenda_cache_destroy(cache);
}

int main(void)
{
    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_over_restarts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_coming_days, make_folder, remove_folder),
        cmocka_unit_test(test_next_day),
        cmocka_unit_test_setup_teardown(test_damaged_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_unwritable_folder, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

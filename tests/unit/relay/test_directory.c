#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/directory.h"

static struct kg_store_room room_of(char *id, uint8_t mark)
{
    struct kg_store_room room = {.id = id, .organization = "架空市", .department = "", .name = id};
    memset(room.fingerprint, mark, sizeof room.fingerprint);
    return room;
}

static struct kg_meeting meeting_of(char *uid, int64_t start_s, char **rooms, uint16_t count)
{
    return (struct kg_meeting){.uid = uid,
                               .title = uid,
                               .description = "",
                               .organizer = "",
                               .location = "",
                               .start_us = start_s * 1000000,
                               .end_us = (start_s + 3600) * 1000000,
                               .rooms = rooms,
                               .room_count = count};
}

static void test_rooms(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    struct kg_store_room b = room_of("b", 2), a = room_of("a", 1), renewed = room_of("a", 9);
    assert_true(kg_directory_put_room(d, &b) && kg_directory_put_room(d, &a));
    const struct kg_store_room *kept = kg_directory_room(d, "a");
    assert_ptr_equal(kg_directory_room_of(d, a.fingerprint), kept);
    assert_true(kg_directory_put_room(d, &renewed));
    /* Sessions hold the pointer: it stays, and the old certificate is nobody's. */
    assert_ptr_equal(kg_directory_room(d, "a"), kept);
    assert_ptr_equal(kg_directory_room_of(d, renewed.fingerprint), kept);
    assert_null(kg_directory_room_of(d, a.fingerprint));
    size_t count;
    const struct kg_store_room **rooms = kg_directory_rooms(d, &count);
    assert_int_equal(count, 2);
    assert_string_equal(rooms[0]->id, "a");
    free(rooms);
    assert_null(kg_directory_room(d, "c"));
    kg_directory_destroy(d);
}

static void test_calendar_is_the_rooms_own(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    char *both[] = {"a", "b"}, *only_b[] = {"b"};
    struct kg_meeting shared = meeting_of("shared", 1795222800, both, 2),
                      secret = meeting_of("secret", 1795222800, only_b, 1),
                      far = meeting_of("far", 1895222800, both, 2);
    assert_true(kg_directory_put_meeting(d, &shared) && kg_directory_put_meeting(d, &secret) &&
                kg_directory_put_meeting(d, &far));
    const int64_t from_us = INT64_C(1795000000) * 1000000, to_us = INT64_C(1796000000) * 1000000;
    char *text = kg_directory_calendar(d, "a", from_us, to_us, 100000);
    assert_non_null(strstr(text, "UID:shared"));
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "UID:far"));
    assert_null(strstr(text, "mailto:b@"));
    free(text);
    text = kg_directory_calendar(d, "nobody", from_us, to_us, 100000);
    assert_non_null(strstr(text, "BEGIN:VCALENDAR"));
    assert_null(strstr(text, "VEVENT"));
    free(text);
    assert_true(kg_directory_invites(kg_directory_meeting(d, "secret"), "b"));
    assert_false(kg_directory_invites(kg_directory_meeting(d, "secret"), "a"));
    kg_directory_prune(d, INT64_C(1895222800) * 1000000);
    assert_null(kg_directory_meeting(d, "shared"));
    assert_non_null(kg_directory_meeting(d, "far"));
    kg_directory_destroy(d);
}

static void test_calendar_is_cut_to_fit(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    char *rooms[] = {"a"};
    for (int i = 0; i < 100; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "uid-%03d", i);
        struct kg_meeting m = meeting_of(uid, 1795222800 + i * 60, rooms, 1);
        assert_true(kg_directory_put_meeting(d, &m));
    }
    char *text = kg_directory_calendar(d, "a", 0, INT64_MAX, 4000);
    assert_true(strlen(text) <= 4000);
    assert_non_null(strstr(text, "UID:uid-000"));
    assert_null(strstr(text, "UID:uid-099"));
    assert_non_null(strstr(text, "END:VCALENDAR"));
    free(text);
    kg_directory_destroy(d);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms),
        cmocka_unit_test(test_calendar_is_the_rooms_own),
        cmocka_unit_test(test_calendar_is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "relay/hall.h"

enum { MINUTE_US = 60000000 };

static struct kg_store_room room_of(char *id, uint8_t mark)
{
    struct kg_store_room room = {.id = id,
                                 .organization_id = "kaku",
                                 .department = "",
                                 .department_reading = "",
                                 .name = id,
                                 .name_reading = "",
                                 .serial = "01"};
    memset(room.fingerprint, mark, sizeof room.fingerprint);
    return room;
}

static void test_admission(void **state)
{
    (void)state;
    char *rooms[] = {"a", "b"};
    const int64_t start = INT64_C(100) * MINUTE_US, end = INT64_C(160) * MINUTE_US,
                  before = INT64_C(10) * MINUTE_US;
    struct kg_meeting m = {
        .uid = "kaku/m", .start_us = start, .end_us = end, .rooms = rooms, .room_count = 2};
    struct kg_directory *d = kg_directory_create();
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2);
    assert_true(kg_directory_put_room(d, &a) && kg_directory_put_room(d, &b));
    static const struct {
        const char *room;
        int64_t minute;
        enum kg_error_code code;
    } cases[] = {
        {"a", 89, KG_ERROR_NOT_OPEN_YET}, {"a", 90, KG_ERROR_NONE},        {"b", 130, KG_ERROR_NONE},
        {"a", 159, KG_ERROR_NONE},        {"a", 160, KG_ERROR_ENDED},      {"c", 130, KG_ERROR_NOT_INVITED},
        {"c", 10, KG_ERROR_NOT_INVITED},  {"", 130, KG_ERROR_NOT_INVITED},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++)
        assert_int_equal(kg_hall_admits(d, &m, cases[i].room, cases[i].minute * MINUTE_US, before),
                         cases[i].code);
    assert_int_equal(kg_hall_admits(d, NULL, "a", start, before), KG_ERROR_UNKNOWN_MEETING);
    /* Another organization's, which lists the room but may not invite it: unless an operator did. */
    m.uid = "mihon/m";
    assert_int_equal(kg_hall_admits(d, &m, "a", start, before), KG_ERROR_NOT_INVITED);
    kg_store_meeting_set_by_operator(&m, 0);
    assert_int_equal(kg_hall_admits(d, &m, "a", start, before), KG_ERROR_NONE);
    assert_int_equal(kg_hall_admits(d, &m, "b", start, before), KG_ERROR_NOT_INVITED);
    m.status = KG_MEETING_CANCELLED;
    assert_int_equal(kg_hall_admits(d, &m, "a", start, before), KG_ERROR_ENDED);
    kg_directory_destroy(d);
}

static void put_names(struct kg_directory *d, char *organization, char *name, struct kg_store_room *room)
{
    const struct kg_store_organization named = {.id = organization, .name = name, .reading = ""};
    const struct kg_store_change change = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &named};
    room->organization_id = organization;
    assert_true(kg_directory_apply(d, &change) && kg_directory_put_room(d, room));
}

/* Names that change are new where such a room or organization sits, and nowhere else. */
static void test_whose_names_are_new(void **state)
{
    (void)state;
    struct kg_hall *hall = kg_hall_create();
    struct kg_directory *d = kg_directory_create();
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2), c = room_of("c", 3);
    put_names(d, "kaku", "架空市", &a);
    put_names(d, "mihon", "見本町", &b);
    put_names(d, "kaku", "架空市", &c);
    struct kg_gathering *ours = kg_hall_open(hall, "kaku/m", 1, 30),
                        *theirs = kg_hall_open(hall, "mihon/m", 1, 30);
    assert_non_null(kg_hall_seat_add(ours, kg_directory_room(d, "a"), 100));
    assert_non_null(kg_hall_seat_add(theirs, kg_directory_room(d, "b"), 100));
    uint64_t before = kg_hall_names(d, ours), untouched = kg_hall_names(d, theirs);
    c.name = "控室"; /* sits nowhere */
    put_names(d, "kaku", "架空市", &c);
    assert_true(kg_hall_names(d, ours) == before);
    for (int i = 0; i < 3; i++) {
        a.name = i >= 0 ? "大会議室" : a.name;
        a.department = i >= 1 ? "防災課" : a.department;
        put_names(d, "kaku", i >= 2 ? "新架空市" : "架空市", &a);
        assert_true(kg_hall_names(d, ours) != before);
        before = kg_hall_names(d, ours);
        assert_true(kg_hall_names(d, theirs) == untouched);
    }
    assert_non_null(kg_hall_seat_add(theirs, kg_directory_room(d, "a"), 100));
    assert_true(kg_hall_names(d, theirs) != untouched);
    kg_hall_destroy(hall);
    kg_directory_destroy(d);
}

static void test_seats(void **state)
{
    (void)state;
    struct kg_hall *hall = kg_hall_create();
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2);
    struct kg_gathering *g = kg_hall_open(hall, "m", 1, 30);
    assert_ptr_equal(kg_hall_find(hall, "m"), g);
    assert_null(kg_hall_find(hall, "n"));
    struct kg_hall_seat *seat_a = kg_hall_seat_add(g, &a, 100), *seat_b = kg_hall_seat_add(g, &b, 200);
    const uint32_t ids[] = {seat_a->party, seat_a->source[0], seat_a->source[1], seat_a->source[2],
                            seat_b->party, seat_b->source[0], seat_b->source[1], seat_b->source[2]};
    for (size_t i = 0; i < KG_ARRAY_LEN(ids); i++) {
        assert_int_not_equal(ids[i], 0);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(ids[i], ids[j]);
    }
    assert_ptr_equal(kg_hall_seat_of(g, &b), seat_b);
    seat_b->worker_party = 7;
    assert_ptr_equal(kg_hall_seat_of_party(hall, 7), seat_b);
    assert_null(kg_hall_seat_of_party(hall, 0));

    assert_null(kg_hall_expired(hall, 129));
    assert_ptr_equal(kg_hall_expired(hall, 130), seat_a);
    seat_a->session = (struct kg_session *)&a; /* anything: here it is only there or not */
    assert_null(kg_hall_expired(hall, 229));
    assert_ptr_equal(kg_hall_expired(hall, 230), seat_b);
    assert_false(kg_hall_seat_remove(seat_b));
    assert_true(kg_hall_seat_remove(seat_a));
    assert_null(kg_hall_first(hall));
    struct kg_gathering *empty = kg_hall_open(hall, "n", 0, 30);
    assert_int_not_equal(empty->number, 1);
    kg_hall_close_if_empty(empty);
    assert_null(kg_hall_first(hall));
    kg_hall_open(hall, "left open", 0, 30);
    kg_hall_destroy(hall);
}

static void test_tokens(void **state)
{
    (void)state;
    struct kg_hall *hall = kg_hall_create();
    struct kg_store_room a = room_of("a", 1);
    struct kg_hall_seat *seat = kg_hall_seat_add(kg_hall_open(hall, "m", 0, 30), &a, 0);
    char first[KG_HALL_TOKEN_SIZE], second[KG_HALL_TOKEN_SIZE];
    assert_false(kg_hall_token_check(seat, ""));
    kg_hall_token_issue(seat, first);
    assert_int_equal(strlen(first), 32);
    assert_true(kg_hall_token_check(seat, first));
    kg_hall_token_issue(seat, second);
    assert_false(kg_hall_token_check(seat, first));
    assert_true(kg_hall_token_check(seat, second));
    second[31] ^= 1;
    assert_false(kg_hall_token_check(seat, second));
    second[31] ^= 1;
    a.fingerprint[0] ^= 1; /* another certificate of the same room */
    assert_false(kg_hall_token_check(seat, second));
    assert_null(memmem(seat, sizeof *seat, second, 8));
    kg_hall_destroy(hall);
}

static void test_restore(void **state)
{
    (void)state;
    struct kg_hall *hall = kg_hall_create();
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2);
    struct kg_gathering *g = kg_hall_open(hall, "m", 0, 30);
    struct kg_store_seat stored = {
        .party = 5, .source = {6, 7, 8}, .muted = {true, false, false}, .token_hash = {1}};
    assert_true(kg_hall_seat_restore(g, &a, &stored, 50));
    struct kg_hall_seat *seat = kg_hall_seat_of(g, &a);
    assert_int_equal(seat->party, 5);
    assert_int_equal(seat->source[2], 8);
    assert_true(seat->muted[0]);
    assert_true(seat->has_token);
    assert_int_equal(seat->away_since_us, 50);
    assert_false(
        kg_hall_seat_restore(g, &a, &(struct kg_store_seat){.party = 15, .source = {16, 17, 18}}, 50));
    assert_false(
        kg_hall_seat_restore(g, &b, &(struct kg_store_seat){.party = 15, .source = {16, 7, 18}}, 50));
    assert_false(
        kg_hall_seat_restore(g, &b, &(struct kg_store_seat){.party = 0, .source = {16, 17, 18}}, 50));
    assert_true(
        kg_hall_seat_restore(g, &b, &(struct kg_store_seat){.party = 15, .source = {16, 17, 18}}, 50));
    kg_hall_destroy(hall);
}

static void test_full(void **state)
{
    (void)state;
    struct kg_hall *hall = kg_hall_create();
    struct kg_gathering *g = kg_hall_open(hall, "m", 0, 30);
    static struct kg_store_room rooms[KG_HALL_MAX_SEATS + 1];
    for (int i = 0; i < KG_HALL_MAX_SEATS; i++)
        assert_non_null(kg_hall_seat_add(g, &rooms[i], 0));
    assert_null(kg_hall_seat_add(g, &rooms[KG_HALL_MAX_SEATS], 0));
    kg_hall_destroy(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admission), cmocka_unit_test(test_whose_names_are_new),
        cmocka_unit_test(test_seats),     cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_restore),   cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

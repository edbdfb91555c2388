/* What the store keeps, refuses and tells, and that stores of every version are read. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_schema.h"
#include "unit/relay/store_world.h"

static void test_round_trip(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    assert_int_equal(s.room_count + s.meeting_count + s.seat_count, 0);
    put_organization(store, "kaku", "架空市");
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2);
    char *rooms[] = {"b", "a"};
    struct kg_meeting meetings[] = {meeting_of("kaku/m2", rooms, 2), meeting_of("kaku/m1", rooms, 1)};
    kg_store_meeting_set_by_operator(&meetings[0], 1);
    struct kg_store_seat seat = {.meeting_uid = "kaku/m2",
                                 .room = "a",
                                 .party = 4000000000u,
                                 .source = {1, 4294967295u, 3},
                                 .muted = {true, false, true},
                                 .token_hash = {9}};
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(1), KG_STORE_OK);
    PUT(store, 2, PUT_ROOM, .room = &b);
    assert_int_equal(result_of(2), KG_STORE_OK);
    struct kg_store_change both[] = {{.kind = KG_STORE_PUT_MEETING, .meeting = &meetings[0]},
                                     {.kind = KG_STORE_PUT_MEETING, .meeting = &meetings[1]}};
    assert_true(kg_store_write(store, 3, both, 2, &entry));
    assert_int_equal(result_of(3), KG_STORE_OK);
    assert_true(kg_store_put_seat(store, 0, &seat));
    assert_true(kg_store_write(store, 0, NULL, 0, &entry));
    b.revoked_s = 77;
    PUT(store, 4, PUT_ROOM, .room = &b);
    assert_int_equal(result_of(4), KG_STORE_OK);
    kg_store_close(store);

    store = open_store(&s);
    assert_int_equal(s.room_count, 2);
    assert_string_equal(s.rooms[0].name, "大会議室");
    assert_int_equal(s.rooms[0].not_after_s, 7);
    assert_int_equal(s.rooms[1].revoked_s, 77);
    assert_memory_equal(s.rooms[1].fingerprint, b.fingerprint, sizeof b.fingerprint);
    assert_string_equal(s.rooms[1].serial, "02");
    assert_int_equal(s.meeting_count, 2);
    assert_string_equal(s.meetings[1].uid, "kaku/m2");
    assert_int_equal(s.meetings[1].room_count, 2);
    assert_string_equal(s.meetings[1].rooms[0], "b");
    assert_true(!kg_store_meeting_by_operator(&s.meetings[1], 0) &&
                kg_store_meeting_by_operator(&s.meetings[1], 1));
    assert_int_equal(s.meetings[1].sequence, 3);
    assert_int_equal(s.seat_count, 1);
    assert_int_equal(s.seats[0].party, 4000000000u);
    assert_int_equal(s.seats[0].source[1], 4294967295u);
    assert_true(s.seats[0].muted[0] && !s.seats[0].muted[1]);
    assert_int_equal(s.seats[0].token_hash[0], 9);
    kg_store_snapshot_finish(&s);

    /* A room enrolled anew has the new certificate, valid again; a meeting put again is replaced. */
    struct kg_store_room again = room_of("b", 3);
    PUT(store, 5, PUT_ROOM, .room = &again);
    assert_int_equal(result_of(5), KG_STORE_OK);
    meetings[0].room_count = 1;
    PUT(store, 6, PUT_MEETING, .meeting = &meetings[0]);
    assert_int_equal(result_of(6), KG_STORE_OK);
    assert_true(kg_store_remove_seat(store, 0, "kaku/m2", "a"));
    kg_store_close(store);
    store = open_store(&s);
    assert_int_equal(s.rooms[1].revoked_s, 0);
    assert_int_equal(s.rooms[1].fingerprint[0], 3);
    assert_int_equal(s.meetings[1].room_count, 1);
    assert_int_equal(s.seat_count, 0);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* A store of every version there ever was is brought to the newest. */
static void test_migrations(void **state)
{
    (void)state;
    for (int from = 0; from <= kg_store_schema_version(); from++) {
        sqlite3 *db;
        char sql[64];
        unlink(path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        for (int step = 0; step < from; step++)
            assert_int_equal(sqlite3_exec(db, kg_store_schema_step(step), NULL, NULL, NULL), SQLITE_OK);
        snprintf(sql, sizeof sql, "INSERT INTO schema_version VALUES(%d)", from);
        sqlite3_exec(db, "CREATE TABLE schema_version(version INTEGER NOT NULL) STRICT", NULL, NULL, NULL);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        struct kg_store_snapshot s = {0};
        struct kg_store *store = open_store(&s);
        struct kg_store_room a = room_of("a", 1);
        put_organization(store, "kaku", "架空市");
        kg_store_snapshot_finish(&s);
        PUT(store, 1, PUT_ROOM, .room = &a);
        assert_int_equal(result_of(1), KG_STORE_OK);
        kg_store_close(store);
    }
    assert_null(kg_store_schema_step(kg_store_schema_version()));
    assert_null(kg_store_schema_step(-1));
}

/* The version before it was kept on whose word a room is invited: what a community permits rests on it, what
 * nothing permits only an operator can have written. */
static void test_invitations_of_the_second_version(void **state)
{
    (void)state;
    sqlite3 *db;
    struct kg_store_snapshot s = {0};
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (int step = 0; step < 2; step++)
        assert_int_equal(sqlite3_exec(db, kg_store_schema_step(step), NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db,
            "CREATE TABLE schema_version(version INTEGER NOT NULL) STRICT; INSERT INTO schema_version "
            "VALUES(2);"
            "INSERT INTO organization VALUES('kaku', '架空市', ''), ('mihon', '見本町', '');"
            "INSERT INTO room VALUES('a', 'kaku', '', '', '会議室', '', NULL), ('b', 'mihon', '', '', "
            "'会議室', '', NULL), ('c', 'mihon', '', '', '控室', '', NULL);"
            "INSERT INTO community VALUES('fire', '消防', '');"
            "INSERT INTO community_organization VALUES('fire', 'kaku'), ('fire', 'mihon');"
            "INSERT INTO community_room VALUES('fire', 'b');"
            "INSERT INTO meeting VALUES('kaku/m', 'kaku', '定例会', '', '', '', 1, 2, 0, 0);"
            "INSERT INTO meeting_room VALUES('kaku/m', 0, 'a'), ('kaku/m', 1, 'b'), ('kaku/m', 2, 'c')",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    kg_store_close(open_store(&s));
    assert_int_equal(s.meetings[0].room_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(kg_store_meeting_by_operator(&s.meetings[0], i), i == 2);
    kg_store_snapshot_finish(&s);
}

static void test_every_kind(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    put_organization(store, "mihon", "見本町");
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2), later = room_of("later", 0);
    later.name_reading = "しょうかいぎしつ";
    later.serial[0] = '\0';
    b.organization_id = "mihon";
    PUT(store, 0, PUT_ROOM, .room = &a);
    PUT(store, 0, PUT_ROOM, .room = &b);
    PUT(store, 0, PUT_ROOM, .room = &later);
    struct kg_store_administrator boss = {.id = "boss",
                                          .role = "operator",
                                          .name = "運用",
                                          .fingerprint = {3},
                                          .serial = "03",
                                          .not_after_s = 9},
                                  clerk = {.id = "clerk",
                                           .role = "administrator",
                                           .organization_id = "kaku",
                                           .name = "担当",
                                           .fingerprint = {4},
                                           .serial = "04"};
    PUT(store, 0, PUT_ADMINISTRATOR, .administrator = &boss);
    PUT(store, 0, PUT_ADMINISTRATOR, .administrator = &clerk);
    /* A renewed certificate is the room's too until it is revoked with the room. */
    struct kg_store_certificate renewed = {
        .fingerprint = {5}, .kind = "room", .owner = "a", .serial = "05", .not_after_s = 99};
    PUT(store, 0, PUT_CERTIFICATE, .certificate = &renewed);
    char *members[] = {"kaku", "mihon"};
    struct kg_store_community fire = {
        .id = "fire", .name = "消防", .theme = "広域", .organizations = members, .organization_count = 2};
    PUT(store, 0, PUT_COMMUNITY, .community = &fire);
    PUT(store, 0, JOIN_COMMUNITY, .id = "fire", .member = "a");
    PUT(store, 0, JOIN_COMMUNITY, .id = "fire", .member = "a");
    PUT(store, 0, JOIN_COMMUNITY, .id = "fire", .member = "b");
    struct kg_store_setting setting = {
        .scope = "organization", .scope_id = "mihon", .key = "media.udp", .value = "never"};
    PUT(store, 0, PUT_SETTING, .setting = &setting);
    setting.value = "auto";
    PUT(store, 0, PUT_SETTING, .setting = &setting);
    char *rooms[] = {"b"};
    struct kg_meeting meeting = meeting_of("mihon/m@x/1", rooms, 1);
    PUT(store, 1, PUT_MEETING, .meeting = &meeting);
    assert_int_equal(result_of(1), KG_STORE_OK);
    kg_store_close(store);

    store = open_store(&s);
    assert_int_equal(s.organization_count, 2);
    assert_string_equal(s.organizations[1].name, "見本町");
    assert_int_equal(s.room_count, 3);
    assert_string_equal(s.rooms[1].organization_id, "mihon");
    assert_string_equal(s.rooms[2].serial, "");
    assert_string_equal(s.rooms[2].name_reading, "しょうかいぎしつ");
    assert_int_equal(s.administrator_count, 2);
    assert_string_equal(s.administrators[0].organization_id, "");
    assert_string_equal(s.administrators[0].role, "operator");
    assert_int_equal(s.administrators[0].not_after_s, 9);
    assert_string_equal(s.administrators[1].organization_id, "kaku");
    assert_int_equal(s.certificate_count, 5);
    assert_string_equal(s.certificates[0].kind, "administrator");
    assert_int_equal(s.community_count, 1);
    assert_int_equal(s.communities[0].organization_count, 2);
    assert_int_equal(s.communities[0].room_count, 2);
    assert_string_equal(s.communities[0].rooms[1], "b");
    assert_int_equal(s.setting_count, 1);
    assert_string_equal(s.settings[0].value, "auto");
    assert_string_equal(s.meetings[0].uid, "mihon/m@x/1");
    kg_store_snapshot_finish(&s);

    a.revoked_s = 55;
    PUT(store, 0, PUT_ROOM, .room = &a);
    fire.organization_count = 1; /* mihon leaves, and its room with it */
    PUT(store, 0, PUT_COMMUNITY, .community = &fire);
    PUT(store, 0, REMOVE_SETTING, .setting = &setting);
    PUT(store, 1, LEAVE_COMMUNITY, .id = "fire", .member = "a");
    assert_int_equal(result_of(1), KG_STORE_OK);
    kg_store_close(store);
    store = open_store(&s);
    for (size_t i = 0; i < s.certificate_count; i++)
        assert_int_equal(s.certificates[i].revoked_s, strcmp(s.certificates[i].owner, "a") == 0 ? 55 : 0);
    assert_int_equal(s.communities[0].organization_count, 1);
    assert_int_equal(s.communities[0].room_count, 0);
    assert_int_equal(s.setting_count, 0);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
}

/* Each contradiction changes nothing at all, its audit row included, and the store stays in order. */
static void test_contradictions_are_refused(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    put_organization(store, "mihon", "見本町");
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2), stranger = room_of("x", 9),
                         thief = room_of("thief", 1);
    b.organization_id = "mihon";
    stranger.organization_id = "nowhere";
    char *members[] = {"kaku"};
    struct kg_store_community fire = {
        .id = "fire", .name = "消防", .theme = "", .organizations = members, .organization_count = 1};
    struct kg_store_administrator odd = {.id = "odd", .role = "king", .name = "", .serial = "1"};
    struct kg_meeting homeless = meeting_of("nowhere/m", NULL, 0), nameless = meeting_of("m", NULL, 0);
    PUT(store, 0, PUT_ROOM, .room = &a);
    PUT(store, 0, PUT_ROOM, .room = &b);
    PUT(store, 0, PUT_COMMUNITY, .community = &fire);
    const struct kg_store_change refused[] = {
        {.kind = KG_STORE_PUT_ROOM, .room = &stranger},
        {.kind = KG_STORE_PUT_ROOM, .room = &thief}, /* with a's certificate */
        {.kind = KG_STORE_REMOVE_ORGANIZATION, .id = "kaku"},
        {.kind = KG_STORE_JOIN_COMMUNITY, .id = "fire", .member = "b"},
        {.kind = KG_STORE_JOIN_COMMUNITY, .id = "fire", .member = "nobody"},
        {.kind = KG_STORE_PUT_ADMINISTRATOR, .administrator = &odd},
        {.kind = KG_STORE_PUT_MEETING, .meeting = &homeless},
        {.kind = KG_STORE_PUT_MEETING, .meeting = &nameless},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(refused); i++) {
        struct kg_store_organization good = {.id = "good", .name = "よい", .reading = ""};
        struct kg_store_change both[] = {{.kind = KG_STORE_PUT_ORGANIZATION, .organization = &good},
                                         refused[i]};
        uint64_t lost;
        assert_true(kg_store_write(store, i + 1, both, 2, &entry));
        if (result_of(i + 1) != KG_STORE_REFUSED)
            fail_msg("contradiction %zu was not refused", i);
        assert_int_equal(kg_store_health(store, &lost), KG_STORE_OK);
    }
    kg_store_close(store);
    store = open_store(&s);
    assert_int_equal(s.organization_count, 2);
    assert_int_equal(s.room_count, 2);
    assert_int_equal(s.meeting_count, 0);
    kg_store_snapshot_finish(&s);
    struct kg_audit_filter all = {0};
    assert_true(kg_store_audit_list(store, 7, &all));
    struct kg_store_answer *answer = answer_of(7, KG_STORE_OK);
    assert_int_equal(json_array_size(answer->rows), 5);
    kg_store_answer_destroy(answer);
    kg_store_close(store);
}

static void test_reads_answer(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    char large[3000];
    memset(large, 'x', sizeof large);
    /* Cut at a character, and never half a one. */
    memcpy(large + 998, "\xe3\x81\x82", 3);
    large[2999] = '\0';
    struct kg_audit_entry hostile = {.event_id = "test.hostile", .detail = large, .actor = "\xff\xfe\"\n"};
    assert_true(kg_store_write(store, 1, NULL, 0, &hostile));
    assert_int_equal(result_of(1), KG_STORE_OK);
    struct kg_audit_filter all = {.organization = ""};
    assert_true(kg_store_audit_export(store, 2, &all));
    struct kg_store_answer *answer = answer_of(2, KG_STORE_OK);
    assert_int_equal(answer->anchor.seq, 1);
    assert_int_equal(answer->row_count, 1);
    assert_non_null(strstr(answer->text, "xxx\",\"prev\""));
    struct kg_audit_anchor anchor = answer->anchor;
    kg_store_answer_destroy(answer);
    assert_true(kg_store_audit_verify(store, 3, &anchor));
    answer = answer_of(3, KG_STORE_OK);
    assert_int_equal(answer->verdict.fault, KG_AUDIT_SOUND);
    kg_store_answer_destroy(answer);
    anchor.hash[0] ^= 1;
    assert_true(kg_store_audit_verify(store, 4, &anchor));
    answer = answer_of(4, KG_STORE_OK);
    assert_int_equal(answer->verdict.fault, KG_AUDIT_FORKED);
    kg_store_answer_destroy(answer);
    kg_store_close(store);
}

static void test_an_export_goes_as_far_as_the_trail(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    assert_true(kg_store_write(store, 1, NULL, 0, &entry));
    assert_int_equal(result_of(1), KG_STORE_OK);
    struct kg_audit_filter beyond = {.until_seq = 99};
    assert_true(kg_store_audit_export(store, 2, &beyond));
    struct kg_store_answer *answer = answer_of(2, KG_STORE_OK);
    assert_int_equal(answer->row_count, 1);
    assert_int_equal(answer->until_seq, 1);
    assert_int_equal(answer->anchor.seq, 1);
    kg_store_answer_destroy(answer);
    kg_store_close(store);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_every_kind, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions_are_refused, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_reads_answer, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_an_export_goes_as_far_as_the_trail, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(test_migrations, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_invitations_of_the_second_version, store_set_up,
                                        store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

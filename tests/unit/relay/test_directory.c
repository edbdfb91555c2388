#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/directory.h"

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

/* As an operator plans it: every room it lists is invited, whosever it is. */
static struct kg_meeting meeting_of(char *uid, int64_t start_s, char **rooms, uint16_t count)
{
    struct kg_meeting m = {.uid = uid,
                           .title = uid,
                           .description = "",
                           .organizer = "",
                           .location = "",
                           .start_us = start_s * 1000000,
                           .end_us = (start_s + 3600) * 1000000,
                           .rooms = rooms,
                           .room_count = count};
    for (uint16_t i = 0; i < count; i++)
        kg_store_meeting_set_by_operator(&m, i);
    return m;
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
    /* Its former certificate opens the door until it is retired: rooms renew while they are connected. */
    assert_ptr_equal(kg_directory_room_of(d, a.fingerprint), kept);
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
    assert_true(kg_directory_still_invites(d, kg_directory_meeting(d, "secret"), "b"));
    assert_false(kg_directory_still_invites(d, kg_directory_meeting(d, "secret"), "a"));
    kg_directory_prune(d, INT64_C(1895222800) * 1000000);
    assert_null(kg_directory_meeting(d, "shared"));
    assert_non_null(kg_directory_meeting(d, "far"));
    kg_directory_destroy(d);
}

static void add_room_named(struct kg_directory *d, char *id, char *organization, char *name,
                           int64_t revoked_s)
{
    struct kg_store_room room = room_of(id, 1);
    const struct kg_store_organization named = {.id = organization, .name = organization, .reading = ""};
    const struct kg_store_change change = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &named};
    assert_true(kg_directory_apply(d, &change));
    room.organization_id = organization;
    room.name = name;
    room.revoked_s = revoked_s;
    assert_true(kg_directory_put_room(d, &room));
}

static void test_other_rooms_by_name_only(void **state)
{
    (void)state;
    const int64_t from_us = INT64_C(1795000000) * 1000000, to_us = INT64_C(1796000000) * 1000000;
    struct kg_directory *d = kg_directory_create();
    char *rooms[] = {"id-mihon", "id-kaku", "id-unknown", "id-revoked"};
    struct kg_meeting m = meeting_of("shared", 1795222800, rooms, 4);
    assert_true(kg_directory_put_meeting(d, &m));
    add_room_named(d, "id-kaku", "架空市", "第一会議室", 0);
    add_room_named(d, "id-mihon", "見本町", "大会議室", 0);
    add_room_named(d, "id-revoked", "例示村", "会議室", 1795000000);
    char *text = kg_directory_calendar(d, "id-kaku", from_us, to_us, 100000);
    assert_non_null(strstr(text, "mailto:id-kaku@"));
    assert_null(strstr(text, "id-mihon"));
    assert_null(strstr(text, "id-unknown"));
    assert_null(strstr(text, "id-revoked"));
    struct kg_agenda *a = kg_agenda_parse(text, strlen(text), from_us, to_us);
    assert_int_equal(a->report_count, 0);
    assert_int_equal(a->meetings[0].site_count, 1);
    assert_int_equal(a->meetings[0].site_total, 1);
    assert_string_equal(a->meetings[0].sites[0].organization, "見本町");
    assert_string_equal(a->meetings[0].sites[0].name, "大会議室");
    kg_agenda_destroy(a);
    free(text);
    add_room_named(d, "id-mihon", "見本町", "新しい会議室", 0);
    text = kg_directory_calendar(d, "id-kaku", from_us, to_us, 100000);
    a = kg_agenda_parse(text, strlen(text), from_us, to_us);
    assert_string_equal(a->meetings[0].sites[0].name, "新しい会議室");
    kg_agenda_destroy(a);
    free(text);
    kg_directory_destroy(d);
}

/* Names give way before meetings do, and rooms without a name are still counted. */
static void test_names_are_cut_to_fit(void **state)
{
    (void)state;
    static char ids[12][16];
    char *rooms[12];
    struct kg_directory *d = kg_directory_create();
    for (int i = 0; i < 12; i++) {
        snprintf(ids[i], sizeof ids[i], "r%d", i);
        rooms[i] = ids[i];
        add_room_named(d, ids[i], "架空郡架空町外三箇町村衛生施設一部事務組合", "会議室", 0);
    }
    for (int i = 0; i < 10; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "m%d", i);
        struct kg_meeting m = meeting_of(uid, 1795222800 + i, rooms, 12);
        assert_true(kg_directory_put_meeting(d, &m));
    }
    const struct {
        size_t max_bytes, meetings, named;
    } table[] = {{100000, 10, KG_AGENDA_MAX_SITES}, {8000, 10, 2}, {4000, 10, 0}, {2000, 7, 0}};
    for (size_t i = 0; i < KG_ARRAY_LEN(table); i++) {
        char *text = kg_directory_calendar(d, "r3", 0, INT64_MAX, table[i].max_bytes);
        assert_true(strlen(text) <= table[i].max_bytes);
        struct kg_agenda *a = kg_agenda_parse(text, strlen(text), 0, INT64_MAX);
        assert_int_equal(a->meeting_count, table[i].meetings);
        assert_int_equal(a->meetings[0].site_count, table[i].named);
        assert_int_equal(a->meetings[0].site_total, 11);
        kg_agenda_destroy(a);
        free(text);
    }
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

/* Who shares a community with a room may fill its agenda, but not push the room's own meetings out of it. */
static void test_own_meetings_are_cut_last(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    char *rooms[] = {"a"};
    add_room_named(d, "a", "kaku", "会議室", 0);
    for (int i = 0; i < 50; i++) {
        char own_uid[32], others_uid[32];
        snprintf(own_uid, sizeof own_uid, "kaku/uid-%03d", i);
        snprintf(others_uid, sizeof others_uid, "mihon/uid-%03d", i);
        struct kg_meeting own = meeting_of(own_uid, 1795222800 + i * 60, rooms, 1),
                          others = meeting_of(others_uid, 1795000000 + i * 60, rooms, 1);
        assert_true(kg_directory_put_meeting(d, &own) && kg_directory_put_meeting(d, &others));
    }
    char *text = kg_directory_calendar(d, "a", 0, INT64_MAX, 100000);
    size_t whole = strlen(text);
    free(text);
    text = kg_directory_calendar(d, "a", 0, INT64_MAX, whole * 6 / 10);
    assert_true(strlen(text) <= whole * 6 / 10);
    assert_non_null(strstr(text, "UID:kaku/uid-049"));
    assert_non_null(strstr(text, "UID:mihon/uid-000"));
    assert_null(strstr(text, "UID:mihon/uid-049"));
    free(text);
    text = kg_directory_calendar(d, "a", 0, INT64_MAX, whole * 2 / 10);
    assert_non_null(strstr(text, "UID:kaku/uid-000"));
    assert_null(strstr(text, "UID:kaku/uid-049"));
    assert_null(strstr(text, "UID:mihon/"));
    free(text);
    kg_directory_destroy(d);
}

/* Names of rooms alone could fill what one calendar may hold: they give way, the agenda comes all the same.
 */
static void test_many_meetings_of_many_rooms(void **state)
{
    (void)state;
    static char ids[64][16];
    char *rooms[64];
    struct kg_directory *d = kg_directory_create();
    for (int i = 0; i < 64; i++) {
        snprintf(ids[i], sizeof ids[i], "r%d", i);
        rooms[i] = ids[i];
        add_room_named(d, ids[i], "架空郡架空町外三箇町村衛生施設一部事務組合", "会議室", 0);
    }
    for (int i = 0; i < 6000; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "m%d", i);
        struct kg_meeting m = meeting_of(uid, 1795222800 + i, rooms, 64);
        assert_true(kg_directory_put_meeting(d, &m));
    }
    char *text = kg_directory_calendar(d, "r5", 0, INT64_MAX, 200000);
    assert_non_null(text);
    assert_true(strlen(text) <= 200000);
    assert_true(strlen(text) > 100000);
    assert_non_null(strstr(text, "UID:m0\r\n"));
    free(text);
    kg_directory_destroy(d);
}

static char *agenda_of(const struct kg_directory *d, const char *room)
{
    return kg_directory_calendar(d, room, 0, INT64_C(2000000000) * 1000000, 100000);
}

static bool lists(const struct kg_directory *d, const char *room, const char *words)
{
    char *text = agenda_of(d, room);
    bool found = strstr(text, words) != NULL;
    free(text);
    return found;
}

/* Whoever is no longer invited, or whose meeting is gone in any way, has it in no agenda. */
static void test_invitations_follow_their_meetings(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    char *both[] = {"a", "b"}, *only_b[] = {"b"};
    struct kg_meeting m = meeting_of("x/m", 1795222800, both, 2),
                      less = meeting_of("x/m", 1795222800, only_b, 1),
                      old = meeting_of("x/old", 1695222800, both, 2),
                      other = meeting_of("y/m", 1795222800, both, 2);
    assert_true(kg_directory_put_meeting(d, &m) && kg_directory_put_meeting(d, &old) &&
                kg_directory_put_meeting(d, &other));
    assert_true(lists(d, "a", "UID:x/m") && lists(d, "b", "UID:x/m") && lists(d, "a", "UID:x/old"));
    assert_true(kg_directory_put_meeting(d, &less));
    assert_true(!lists(d, "a", "UID:x/m") && lists(d, "b", "UID:x/m"));
    kg_directory_prune(d, INT64_C(1700000000) * 1000000);
    assert_true(!lists(d, "a", "UID:x/old") && !lists(d, "b", "UID:x/old"));
    const struct kg_store_change gone = {.kind = KG_STORE_REMOVE_ORGANIZATION, .id = "x"};
    assert_true(kg_directory_apply(d, &gone));
    assert_true(!lists(d, "b", "UID:x/m") && lists(d, "b", "UID:y/m"));
    assert_null(kg_directory_meeting(d, "x/m"));
    kg_directory_destroy(d);
}

/* A UID with an invisible character, from an older relay: the room's other meetings must not suffer for it.
 */
static void test_unclean_uids_stay_in_the_store(void **state)
{
    (void)state;
    char *rooms[] = {"a"};
    struct kg_meeting meetings[] = {
        meeting_of("x/good", 1795222800, rooms, 1), meeting_of("x/bad\u202e", 1795222800, rooms, 1),
        meeting_of("x/bad\t", 1795222800, rooms, 1), meeting_of("y/good", 1795222800, rooms, 1)};
    const struct kg_store_snapshot snapshot = {.meetings = meetings, .meeting_count = KG_ARRAY_LEN(meetings)};
    struct kg_directory *d = kg_directory_create();
    assert_true(kg_directory_load(d, &snapshot, 0));
    assert_true(lists(d, "a", "UID:x/good") && lists(d, "a", "UID:y/good"));
    assert_false(lists(d, "a", "UID:x/bad"));
    assert_int_equal(kg_directory_meeting_count(d, "x"), 1);
    kg_directory_destroy(d);
}

static uint64_t told[3];

/* Whose agenda counts as changed since the last call: a bit for each of a, b, c. */
static unsigned stamped(const struct kg_directory *d)
{
    static const char *const rooms[] = {"a", "b", "c"};
    unsigned changed = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t stamp = kg_directory_agenda_stamp(d, rooms[i]);
        changed |= (unsigned)(stamp != told[i]) << i;
        told[i] = stamp;
    }
    return changed;
}

/* Where nothing can be new, no agenda is written again; where something is, it always is. */
static void test_whose_agenda_may_be_new(void **state)
{
    (void)state;
    enum { A = 1, B = 2, C = 4 };
    struct kg_directory *d = kg_directory_create();
    char *both[] = {"a", "b"}, *only_b[] = {"b"};
    struct kg_meeting m = meeting_of("kaku/m", 1795222800, both, 2),
                      less = meeting_of("kaku/m", 1795222800, only_b, 1);
    struct kg_store_room a = room_of("a", 1), c = room_of("c", 3);
    struct kg_store_organization kaku = {.id = "kaku", .name = "架空市", .reading = ""};
    const struct kg_store_change renamed = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &kaku},
                                 gone = {.kind = KG_STORE_REMOVE_ORGANIZATION, .id = "kaku"};
    (void)stamped(d);
    assert_true(kg_directory_put_meeting(d, &m));
    assert_int_equal(stamped(d), A | B);
    assert_true(kg_directory_put_room(d, &a)); /* whose name stands in b's */
    assert_int_equal(stamped(d), A | B);
    assert_true(kg_directory_put_room(d, &c));
    assert_int_equal(stamped(d), 0);
    assert_true(kg_directory_put_meeting(d, &less));
    assert_int_equal(stamped(d), A | B);
    assert_true(kg_directory_put_room(d, &a));
    assert_int_equal(stamped(d), 0);
    assert_true(kg_directory_apply(d, &renamed));
    assert_int_equal(stamped(d), A | B | C);
    kg_directory_prune(d, 0);
    assert_int_equal(stamped(d), A | B | C);
    assert_true(kg_directory_apply(d, &gone));
    assert_int_equal(stamped(d), A | B | C);
    assert_int_equal(stamped(d), 0);
    kg_directory_destroy(d);
}

static void put_certificate(struct kg_directory *d, uint8_t mark, const char *owner, int64_t revoked_s,
                            int64_t retired_s)
{
    struct kg_store_certificate certificate = {.kind = "room",
                                               .owner = (char *)owner,
                                               .serial = "02",
                                               .revoked_s = revoked_s,
                                               .retired_s = retired_s};
    memset(certificate.fingerprint, mark, sizeof certificate.fingerprint);
    const struct kg_store_change change = {.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &certificate};
    assert_true(kg_directory_apply(d, &change));
}

static void test_certificates(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    struct kg_store_room room = room_of("a", 1), next = room_of("a", 2);
    uint8_t second[KG_CA_FINGERPRINT_BYTES];
    memset(second, 2, sizeof second);
    assert_true(kg_directory_put_room(d, &room));
    put_certificate(d, 2, "a", 0, 0);
    const struct kg_store_room *kept = kg_directory_room(d, "a");
    /* Renewal: both open the door, until the older is retired. */
    assert_ptr_equal(kg_directory_room_of(d, room.fingerprint), kept);
    assert_ptr_equal(kg_directory_room_of(d, second), kept);
    assert_null(kg_directory_administrator_of(d, second));
    assert_true(kg_directory_put_room(d, &next));
    put_certificate(d, 1, "a", 0, 1795000000);
    assert_null(kg_directory_room_of(d, room.fingerprint));
    assert_ptr_equal(kg_directory_room_of(d, second), kept);
    /* One that was replaced for good is nobody's; those of a revoked room still say whose they were. */
    put_certificate(d, 3, "a", 1795000000, 0);
    uint8_t third[KG_CA_FINGERPRINT_BYTES];
    memset(third, 3, sizeof third);
    assert_null(kg_directory_room_of(d, third));
    next.revoked_s = 1795000001;
    assert_true(kg_directory_put_room(d, &next));
    assert_ptr_equal(kg_directory_room_of(d, second), kept);
    assert_true(kg_directory_certificate(d, second)->revoked_s && kept->revoked_s);
    next.revoked_s = 0; /* an older copy of its row */
    assert_true(kg_directory_put_room(d, &next));
    assert_true(kept->revoked_s);
    kg_directory_destroy(d);
}

static void put_organization(struct kg_directory *d, char *id)
{
    const struct kg_store_organization organization = {.id = id, .name = id, .reading = ""};
    const struct kg_store_change change = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization};
    assert_true(kg_directory_apply(d, &change));
}

static void test_whose_an_id_is_and_who_may_be_invited(void **state)
{
    (void)state;
    struct kg_directory *d = kg_directory_create();
    put_organization(d, "a-shi");
    put_organization(d, "b-cho");
    assert_null(kg_directory_id_owner(d, "a-shi-1", "a-shi"));
    assert_string_equal(kg_directory_id_owner(d, "a-shi-1", "b-cho")->id, "a-shi");
    assert_null(kg_directory_id_owner(d, "a-shi", "b-cho"));
    assert_null(kg_directory_id_owner(d, "a-shi1", "b-cho"));
    struct kg_store_room room = room_of("r", 1);
    room.organization_id = "b-cho";
    assert_true(kg_directory_put_room(d, &room));
    assert_true(kg_directory_may_invite(d, "b-cho", "r") &&
                kg_directory_may_invite(d, "a-shi", "a-shi-later"));
    assert_false(kg_directory_may_invite(d, "a-shi", "r") ||
                 kg_directory_may_invite(d, "a-shi", "b-cho-later") ||
                 kg_directory_may_invite(d, "a-shi", "unknown"));
    char *members[] = {"a-shi", "b-cho"};
    struct kg_store_community community = {
        .id = "c", .name = "c", .theme = "", .organizations = members, .organization_count = 2};
    struct kg_store_change change = {.kind = KG_STORE_PUT_COMMUNITY, .community = &community};
    const struct kg_store_change join = {.kind = KG_STORE_JOIN_COMMUNITY, .id = "c", .member = "r"};
    assert_true(kg_directory_apply(d, &change));
    assert_false(kg_directory_may_invite(d, "a-shi", "r"));
    assert_true(kg_directory_apply(d, &join) && kg_directory_apply(d, &join));
    assert_int_equal(kg_directory_community(d, "c")->room_count, 1);
    assert_true(kg_directory_may_invite(d, "a-shi", "r"));
    /* Its organization leaves, and the room with it. */
    community.organization_count = 1;
    assert_true(kg_directory_apply(d, &change));
    assert_int_equal(kg_directory_community(d, "c")->room_count, 0);
    assert_false(kg_directory_may_invite(d, "a-shi", "r"));
    kg_directory_destroy(d);
}

struct shared {
    struct kg_directory *d;
    struct kg_store_community community;
};

/* a-shi, b-cho and x-son in one community, of which b-cho's room "b" and x-son's "x" are; a-shi's meeting
 * lists these, its own "a" and b-cho's "o", the last on an operator's word. */
static void make_shared(struct shared *s)
{
    static char *members[] = {"a-shi", "b-cho", "x-son"}, *all[] = {"a", "b", "x", "o"};
    struct kg_meeting m = meeting_of("a-shi/m", 1795222800, all, 4);
    *s = (struct shared){
        .d = kg_directory_create(),
        .community = {
            .id = "c", .name = "c", .theme = "", .organizations = members, .organization_count = 3}};
    add_room_named(s->d, "a", "a-shi", "庁議室", 0);
    add_room_named(s->d, "b", "b-cho", "大会議室", 0);
    add_room_named(s->d, "x", "x-son", "集会室", 0);
    add_room_named(s->d, "o", "b-cho", "控室", 0);
    const struct kg_store_change put = {.kind = KG_STORE_PUT_COMMUNITY, .community = &s->community},
                                 b = {.kind = KG_STORE_JOIN_COMMUNITY, .id = "c", .member = "b"},
                                 x = {.kind = KG_STORE_JOIN_COMMUNITY, .id = "c", .member = "x"};
    assert_true(kg_directory_apply(s->d, &put) && kg_directory_apply(s->d, &b) &&
                kg_directory_apply(s->d, &x));
    memset(m.by_operator, 0, sizeof m.by_operator);
    kg_store_meeting_set_by_operator(&m, 3);
    assert_true(kg_directory_put_meeting(s->d, &m));
}

/* Whether the community's room may be in the meeting, in every place that says so; the others always are. */
static void expect_invited(const struct kg_directory *d, bool b, bool x)
{
    const struct kg_meeting *m = kg_directory_meeting(d, "a-shi/m");
    assert_int_equal(kg_directory_still_invites(d, m, "b"), b);
    assert_int_equal(kg_directory_still_invites(d, m, "x"), x);
    assert_true(kg_directory_still_invites(d, m, "a") && kg_directory_still_invites(d, m, "o"));
    assert_false(kg_directory_still_invites(d, m, "nobody"));
    assert_int_equal(lists(d, "b", "UID:a-shi/m"), b);
    assert_int_equal(lists(d, "x", "UID:a-shi/m"), x);
    assert_int_equal(lists(d, "a", "大会議室"), b);
    assert_int_equal(lists(d, "o", "集会室"), x);
    assert_true(lists(d, "o", "庁議室") && lists(d, "a", "控室"));
}

static void test_what_rests_on_a_community_ends_with_it(void **state)
{
    (void)state;
    struct shared s;
    make_shared(&s);
    expect_invited(s.d, true, true);
    const struct kg_store_change leave = {.kind = KG_STORE_LEAVE_COMMUNITY, .id = "c", .member = "b"},
                                 back = {.kind = KG_STORE_JOIN_COMMUNITY, .id = "c", .member = "b"},
                                 put = {.kind = KG_STORE_PUT_COMMUNITY, .community = &s.community},
                                 gone = {.kind = KG_STORE_REMOVE_COMMUNITY, .id = "c"};
    assert_true(kg_directory_apply(s.d, &leave));
    expect_invited(s.d, false, true);
    assert_true(kg_directory_apply(s.d, &back));
    expect_invited(s.d, true, true);
    s.community.organization_count = 2; /* x-son leaves, and its room with it */
    assert_true(kg_directory_apply(s.d, &put));
    expect_invited(s.d, true, false);
    s.community.organization_count = 3; /* back, but its room has not joined again */
    assert_true(kg_directory_apply(s.d, &put));
    expect_invited(s.d, true, false);
    s.community.organizations++; /* a-shi itself leaves: nobody of the others is its to invite */
    s.community.organization_count = 2;
    assert_true(kg_directory_apply(s.d, &put));
    expect_invited(s.d, false, false);
    s.community.organizations--;
    s.community.organization_count = 3;
    assert_true(kg_directory_apply(s.d, &put));
    expect_invited(s.d, true, false);
    assert_true(kg_directory_apply(s.d, &gone));
    expect_invited(s.d, false, false);
    kg_directory_destroy(s.d);
}

/* Whatever a community permits or ends is told to all who share a meeting with the room, and to nobody else.
 */
static void test_communities_make_agendas_new(void **state)
{
    (void)state;
    enum { A = 1, B = 2 };
    struct shared s;
    make_shared(&s);
    const struct kg_store_change leave = {.kind = KG_STORE_LEAVE_COMMUNITY, .id = "c", .member = "b"},
                                 back = {.kind = KG_STORE_JOIN_COMMUNITY, .id = "c", .member = "b"},
                                 put = {.kind = KG_STORE_PUT_COMMUNITY, .community = &s.community},
                                 gone = {.kind = KG_STORE_REMOVE_COMMUNITY, .id = "c"},
                                 *const changes[] = {&leave, &back, &put, &gone};
    (void)stamped(s.d);
    for (size_t i = 0; i < KG_ARRAY_LEN(changes); i++) {
        s.community.organization_count = changes[i] == &put ? 2 : 3;
        assert_true(kg_directory_apply(s.d, changes[i]));
        assert_int_equal(stamped(s.d), A | B); /* not "c", in no meeting */
    }
    kg_directory_destroy(s.d);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms),
        cmocka_unit_test(test_calendar_is_the_rooms_own),
        cmocka_unit_test(test_other_rooms_by_name_only),
        cmocka_unit_test(test_names_are_cut_to_fit),
        cmocka_unit_test(test_calendar_is_cut_to_fit),
        cmocka_unit_test(test_own_meetings_are_cut_last),
        cmocka_unit_test(test_many_meetings_of_many_rooms),
        cmocka_unit_test(test_invitations_follow_their_meetings),
        cmocka_unit_test(test_unclean_uids_stay_in_the_store),
        cmocka_unit_test(test_whose_agenda_may_be_new),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_whose_an_id_is_and_who_may_be_invited),
        cmocka_unit_test(test_what_rests_on_a_community_ends_with_it),
        cmocka_unit_test(test_communities_make_agendas_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

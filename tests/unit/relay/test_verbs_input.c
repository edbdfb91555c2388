/* Every verb with missing, wrong, oversized and hostile values: each is refused with the field's name, leaves
 * a row and changes nothing; two administrators at once; a store that fails. */
#include "unit/cmocka_all.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/queue.h"
#include "signal/agenda.h"
#include "unit/relay/verbs_world.h"

/* A value that is good for the field, as JSON. */
static json_t *good_value(const struct kg_verb_field *field)
{
    static const char *const texts[KG_CHECK_KINDS] = {
        [KG_CHECK_ID] = "a-shi-1",
        [KG_CHECK_NAME] = "名前",
        [KG_CHECK_TEXT] = "主題",
        [KG_CHECK_READING] = "よみ",
        [KG_CHECK_WORD] = "media.udp",
        [KG_CHECK_MEETING] = "a-shi/plan",
        [KG_CHECK_PEM] = "x",
        [KG_CHECK_CALENDAR] = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        [KG_CHECK_PATH] = "/nowhere/copy",
        [KG_CHECK_DIGEST] = "0000000000000000000000000000000000000000000000000000000000000000",
    };
    if (field->kind == KG_CHECK_IDS)
        return json_pack("[s]", "a-shi");
    if (field->kind == KG_CHECK_BOOL)
        return json_true();
    if (field->kind == KG_CHECK_INTEGER)
        return json_integer(1);
    assert_non_null(texts[field->kind]);
    return json_string(texts[field->kind]);
}

/* A whole good request but for `bad`, which is left out when value (taken) is NULL. */
static json_t *request_but(const struct kg_verb *verb, const struct kg_verb_field *bad, json_t *value)
{
    json_t *request = json_pack("{s:s}", "command", verb->name);
    for (size_t i = 0; i < KG_VERB_MAX_FIELDS && verb->fields[i].name; i++) {
        const struct kg_verb_field *field = &verb->fields[i];
        if (field != bad && field->required)
            json_object_set_new(request, field->name, good_value(field));
        if (field == bad && value)
            json_object_set_new(request, field->name, value);
    }
    return request;
}

struct still {
    char *dump, *view;
    int64_t rows;
};

static struct still look(struct verbs_world *w)
{
    struct still still = {verbs_dump(w), verbs_view(w), 0};
    still.rows = verbs_settle(w);
    return still;
}

static void must_be_as(struct verbs_world *w, struct still *before, int64_t rows)
{
    assert_int_equal(verbs_settle(w), before->rows + rows + 1);
    struct still after = look(w);
    assert_string_equal(before->dump, after.dump);
    assert_string_equal(before->view, after.view);
    free(before->dump);
    free(before->view);
    *before = after;
}

/* Refused, naming `field`; *rows counts. */
static void must_refuse(struct verbs_world *w, json_t *request, const char *field, int64_t *rows)
{
    const struct kg_principal by = verbs_operator();
    char *text = json_dumps(request, JSON_COMPACT);
    json_t *reply = verbs_ask_json(w, &by, request);
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (json_is_true(json_object_get(reply, "ok")) || !error || !strstr(error, field))
        fail_msg("%.300s: %s, which does not name %s", text, error ? error : "done", field);
    /* It may stand on a terminal. */
    for (const char *p = error; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    assert_null(strstr(error, "\u202e"));
    (*rows)++;
    free(text);
    json_decref(reply);
}

static bool kind_takes(enum kg_check_kind kind, const char *text, size_t size)
{
    struct kg_problem problem;
    json_t *value = json_stringn_nocheck(text, size);
    bool taken = kg_check_value(kind, "x", value, &problem);
    json_decref(value);
    return taken;
}

static void try_values(struct verbs_world *w, const struct kg_verb *verb, const struct kg_verb_field *field,
                       int64_t *rows)
{
    static const struct {
        const char *bytes;
        size_t size;
    } hostile[] = {
        {"a\"b", 3},      {"a'); DROP TABLE room;--", 23},
        {"a\nb", 3},      {"a\r\n", 3},
        {"a\u202eb", 5},  {"a\0b", 3},
        {"\x1b[2J", 4},   {"", 0},
        {"../../etc", 9}, {"%s%n", 4},
        {"a\u2066", 4},   {"\u3000", 3},
    };
    static char large[9 << 20];
    if (field->required)
        must_refuse(w, request_but(verb, field, NULL), field->name, rows);
    json_t *const wrong[] = {json_integer(-1), json_real(1.5), json_pack("{s:i}", "a", 1),
                             json_pack("[i]", 1),
                             field->kind == KG_CHECK_BOOL ? json_string("true") : json_true()};
    for (size_t i = 0; i < KG_ARRAY_LEN(wrong); i++)
        must_refuse(w, request_but(verb, field, wrong[i]), field->name, rows);
    for (size_t i = 0; i < KG_ARRAY_LEN(hostile); i++) {
        /* What the kind takes (a quote in a name) is another test's. */
        if (!kind_takes(field->kind, hostile[i].bytes, hostile[i].size))
            must_refuse(w, request_but(verb, field, json_stringn_nocheck(hostile[i].bytes, hostile[i].size)),
                        field->name, rows);
    }
    size_t size = field->kind == KG_CHECK_CALENDAR ? KG_AGENDA_MAX_BYTES + 1
                  : field->kind == KG_CHECK_PEM    ? KG_CHECK_PEM_BYTES + 1
                                                   : 1100;
    memset(large, 'a', size);
    if (field->kind == KG_CHECK_PATH)
        large[0] = '/';
    must_refuse(w, request_but(verb, field, json_stringn(large, size)), field->name, rows);
}

static void test_every_field_of_every_verb(void **state)
{
    struct verbs_world w;
    const struct kg_verb *verb;
    unsigned tried = 0;
    (void)state;
    verbs_world_fill(&w);
    struct still before = look(&w);
    for (size_t i = 0; (verb = kg_verb_at(i)); i++) {
        int64_t rows = 0;
        for (size_t f = 0; f < KG_VERB_MAX_FIELDS && verb->fields[f].name; f++)
            try_values(&w, verb, &verb->fields[f], &rows);
        json_t *request = request_but(verb, NULL, NULL);
        json_object_set_new(request, "zz\u202e\n", json_integer(1));
        must_refuse(&w, request, "zz??", &rows);
        tried += (unsigned)rows;
        must_be_as(&w, &before, rows);
    }
    free(before.dump);
    free(before.view);
    print_message("%u bad requests\n", tried);
    assert_in_range(tried, 1000, 100000);
    assert_int_equal(w.signed_count, 8); /* those of the beginning alone */
    verbs_world_end(&w);
}

static void test_requests_that_are_none(void **state)
{
    struct verbs_world w;
    (void)state;
    verbs_world_begin(&w);
    struct still before = look(&w);
    int64_t rows = 0;
    must_refuse(&w, json_object(), "command", &rows);
    must_refuse(&w, json_pack("{s:i}", "command", 7), "command", &rows);
    must_refuse(&w, json_pack("{s:s}", "command", "fly\n"), "\"fly?\"", &rows);
    must_refuse(&w, json_pack("{s:o}", "command", json_stringn_nocheck("room-list\0x", 11)), "room-list?x",
                &rows);
    must_be_as(&w, &before, rows);
    free(before.dump);
    free(before.view);
    verbs_world_end(&w);
}

/* What a name may hold comes back as it went in. */
static void test_quotes_are_letters(void **state)
{
    static const char name[] = "'); DROP TABLE room;--\\\"<b>%s";
    const struct kg_principal by = verbs_operator();
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    json_decref(verbs_ask_json(
        &w, &by, json_pack("{s:s, s:s, s:s}", "command", "org-set", "id", "a-shi", "name", name)));
    json_decref(verbs_ask_json(
        &w, &by, json_pack("{s:s, s:s, s:s}", "command", "room-set", "id", "a-shi-1", "name", name)));
    assert_string_equal(kg_directory_organization_name(w.directory, "a-shi"), name);
    assert_string_equal(kg_directory_room(w.directory, "a-shi-1")->name, name);
    char *dump = verbs_dump(&w);
    assert_non_null(strstr(strstr(dump, name) + 1, name));
    free(dump);
    verbs_world_end(&w);
}

static void expect(struct verbs_world *w, bool ok, const char *words)
{
    json_t *reply = verbs_next_reply(w);
    char *text = json_dumps(reply, JSON_COMPACT);
    if (json_is_true(json_object_get(reply, "ok")) != ok || !strstr(text, words))
        fail_msg("expected %s, not %s", words, text);
    free(text);
    json_decref(reply);
}

static void test_two_administrators_at_once(void **state)
{
    const struct kg_principal one = verbs_operator(),
                              other = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    /* Both before either is written: the second sees what the first has made. */
    verbs_post(&w, &one, "{\"command\":\"org-add\",\"id\":\"c-son\",\"name\":\"x\"}");
    verbs_post(&w, &one, "{\"command\":\"org-add\",\"id\":\"c-son\",\"name\":\"y\"}");
    expect(&w, true, "c-son");
    expect(&w, false, "exists already");
    assert_string_equal(kg_directory_organization_name(w.directory, "c-son"), "x");
    /* Two that looked at the same state: the second is told. */
    json_t *list = verbs_ask(&w, &one, "{\"command\":\"room-list\",\"organization\":\"a-shi\"}");
    json_int_t revision =
        json_integer_value(json_object_get(json_array_get(json_object_get(list, "rooms"), 0), "revision"));
    json_decref(list);
    char text[200];
    snprintf(text, sizeof text,
             "{\"command\":\"room-set\",\"id\":\"a-shi-1\",\"name\":\"先\",\"if_revision\":%lld}",
             (long long)revision);
    verbs_post(&w, &other, text);
    snprintf(text, sizeof text,
             "{\"command\":\"room-set\",\"id\":\"a-shi-1\",\"name\":\"後\",\"if_revision\":%lld}",
             (long long)revision);
    verbs_post(&w, &one, text);
    expect(&w, true, "revision");
    expect(&w, false, "somebody changed a-shi-1 meanwhile");
    assert_string_equal(kg_directory_room(w.directory, "a-shi-1")->name, "先");
    /* A revocation does not wait for the certificate that is being signed for the room, and outlives it. */
    verbs_post(&w, &other,
               "{\"command\":\"room-add\",\"id\":\"a-shi-1\",\"name\":\"x\",\"csr\":\"x\",\"replace\":true}");
    verbs_post(&w, &one, "{\"command\":\"room-revoke\",\"id\":\"a-shi-1\"}");
    assert_int_equal(w.rooms_shut_out, 1);
    assert_true(kg_directory_room(w.directory, "a-shi-1")->revoked_s);
    expect(&w, true, "a-shi-1");
    expect(&w, false, "revoked while its certificate");
    assert_true(kg_directory_room(w.directory, "a-shi-1")->revoked_s);
    char *dump = verbs_dump(&w);
    assert_non_null(strstr(dump, "owner=a-shi-1|"));
    for (const char *p = dump; (p = strstr(p, "owner=a-shi-1|")); p++)
        assert_null(strstr(strndupa(p, strcspn(p, "\n")), "revoked_at=0|"));
    free(dump);
    verbs_world_end(&w);
}

/* A name set while a revocation is on its way must not bring the room back. */
static void test_a_revocation_is_not_undone_by_an_older_change(void **state)
{
    const struct kg_principal by = verbs_operator();
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    verbs_post(&w, &by, "{\"command\":\"room-set\",\"id\":\"b-cho-1\",\"name\":\"x\"}");
    verbs_post(&w, &by, "{\"command\":\"room-revoke\",\"id\":\"b-cho-1\"}");
    expect(&w, true, "b-cho-1");
    assert_true(kg_directory_room(w.directory, "b-cho-1")->revoked_s);
    expect(&w, true, "b-cho-1");
    verbs_must(&w, &by, "{\"command\":\"room-set\",\"id\":\"b-cho-1\",\"name\":\"y\"}");
    assert_true(kg_directory_room(w.directory, "b-cho-1")->revoked_s);
    char *dump = verbs_dump(&w);
    assert_null(strstr(strstr(dump, "owner=b-cho-1|"),
                       "owner=b-cho-1|serial=0005|not_after=2000000000|revoked_at=0|"));
    free(dump);
    /* Nobody is revoked twice, nor by himself. */
    verbs_post(&w, &by, "{\"command\":\"room-revoke\",\"id\":\"b-cho-1\"}");
    expect(&w, false, "revoked already");
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho");
    verbs_post(&w, &boss, "{\"command\":\"admin-revoke\",\"id\":\"b-cho-boss\"}");
    expect(&w, false, "nobody revokes himself");
    assert_int_equal(w.administrators_shut_out, 0);
    verbs_must(&w, &by, "{\"command\":\"admin-revoke\",\"id\":\"b-cho-boss\"}");
    assert_true(w.administrators_shut_out > 0);
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    memcpy(fingerprint, kg_directory_administrator(w.directory, "b-cho-boss")->fingerprint,
           sizeof fingerprint);
    assert_true(kg_directory_administrator_of(w.directory, fingerprint)->revoked_s);
    verbs_world_end(&w);
}

/* Nothing is acknowledged that is not written; a revocation acts all the same. */
static void test_a_store_that_is_held_by_another(void **state)
{
    const struct kg_principal by = verbs_operator();
    struct verbs_world w;
    sqlite3 *holder;
    (void)state;
    verbs_world_fill(&w);
    char *before = verbs_view(&w);
    verbs_settle(&w);
    assert_int_equal(sqlite3_open(w.path, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    verbs_post(&w, &by, "{\"command\":\"org-set\",\"id\":\"a-shi\",\"name\":\"別名\"}");
    expect(&w, false, "nothing was changed");
    assert_string_equal(kg_directory_organization_name(w.directory, "a-shi"), "架空市");
    verbs_post(&w, &by, "{\"command\":\"room-revoke\",\"id\":\"a-shi-1\"}");
    assert_int_equal(w.rooms_shut_out, 1);
    expect(&w, false, "revoke again");
    assert_true(kg_directory_room(w.directory, "a-shi-1")->revoked_s);
    assert_int_equal(sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(holder);
    verbs_must(&w, &by, "{\"command\":\"org-set\",\"id\":\"a-shi\",\"name\":\"別名\"}");
    free(before);
    verbs_world_end(&w);
}

/* Whoever has an answer is in the trail. While it cannot be written only the operator at the relay sees
 * anything, and is told what is missing; and nothing is done to devices that wait. */
static void test_nobody_looks_unnoted(void **state)
{
    static const char list[] = "{\"command\":\"room-list\"}";
    const struct kg_principal by = verbs_operator(), afar = verbs_someone(KG_ROLE_OPERATOR, "chief", ""),
                              eyes = verbs_someone(KG_ROLE_AUDITOR, "a-shi-eyes", "a-shi");
    struct verbs_world w;
    const struct kg_enrolment_entry *entry;
    char row[500];
    sqlite3 *holder;
    (void)state;
    verbs_world_fill(&w);
    int64_t rows = verbs_settle(&w);
    json_t *reply = verbs_ask(&w, &eyes, list);
    assert_null(json_object_get(reply, "warning"));
    json_decref(reply);
    verbs_row(&w, rows + 1, row);
    assert_string_equal(row, "room.listed|a-shi-eyes|auditor|a-shi||ok");
    verbs_post(&w, &eyes, "{\"command\":\"audit-verify\"}");
    expect(&w, true, "\"sound\":true");
    verbs_row(&w, rows + 2, row);
    assert_string_equal(row, "audit.verified|a-shi-eyes|auditor|a-shi||ok");

    assert_int_equal(sqlite3_open(w.path, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    verbs_post(&w, &by, list); /* before anybody knows that the store is held */
    verbs_post(&w, &eyes, list);
    expect(&w, true, "\"warning\":\"this request is missing in the audit trail: another program");
    expect(&w, false, "nothing is shown, because it cannot be noted: another program holds the store");
    verbs_post(&w, &by, list);
    assert_int_equal(kg_queue_count(w.replies), 1); /* at once */
    expect(&w, true, "a-shi-1");
    verbs_post(&w, &afar, "{\"command\":\"room-reject\",\"code\":\"ZZZ-ZZZ-ZZZ\"}");
    expect(&w, false, "nothing was changed");
    assert_int_equal(kg_enrolment_find(w.enrolment, "ZZZZZZZZZ", kg_clock_now_us(), &entry), 1);

    assert_int_equal(sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(holder);
    verbs_post(&w, &afar, "{\"command\":\"room-reject\",\"code\":\"ZZZ-ZZZ-ZZZ\"}");
    expect(&w, true, "\"rejected\":1");
    assert_int_equal(kg_enrolment_find(w.enrolment, "ZZZZZZZZZ", kg_clock_now_us(), &entry), 0);
    reply = verbs_ask(&w, &by, list);
    assert_null(json_object_get(reply, "warning"));
    json_decref(reply);
    verbs_world_end(&w);
}

static void test_the_signer_says_no(void **state)
{
    const struct kg_principal by = verbs_operator();
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    struct still before = look(&w);
    w.signer_refuses = true;
    verbs_post(
        &w, &by,
        "{\"command\":\"room-add\",\"id\":\"r\",\"organization\":\"a-shi\",\"name\":\"x\",\"csr\":\"x\"}");
    expect(&w, false, "the signer refuses");
    must_be_as(&w, &before, 1);
    free(before.dump);
    free(before.view);
    verbs_world_end(&w);
}

static void test_settings_in_layers(void **state)
{
    const struct kg_principal by = verbs_operator(),
                              boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    verbs_must(&w, &by, "{\"command\":\"setting-set\",\"key\":\"media.video-kbps\",\"value\":\"500\"}");
    verbs_must(&w, &boss,
               "{\"command\":\"setting-set\",\"scope\":\"room\",\"id\":\"a-shi-1\",\"key\":\"media.video-"
               "kbps\",\"value\":\"900\"}");
    json_t *list = verbs_ask(&w, &boss, "{\"command\":\"setting-list\",\"room\":\"a-shi-1\"}");
    json_t *kbps = json_object_get(json_object_get(list, "effective"), "media.video-kbps");
    assert_string_equal(json_string_value(json_object_get(kbps, "value")), "900");
    assert_string_equal(json_string_value(json_object_get(kbps, "from")), "room");
    json_decref(list);
    verbs_must(
        &w, &boss,
        "{\"command\":\"setting-unset\",\"scope\":\"room\",\"id\":\"a-shi-1\",\"key\":\"media.video-kbps\"}");
    verbs_must(&w, &boss,
               "{\"command\":\"setting-unset\",\"key\":\"media.video-kbps\"}"); /* its organization's */
    list = verbs_ask(&w, &boss, "{\"command\":\"setting-list\",\"room\":\"a-shi-1\"}");
    kbps = json_object_get(json_object_get(list, "effective"), "media.video-kbps");
    assert_string_equal(json_string_value(json_object_get(kbps, "value")), "500");
    assert_string_equal(json_string_value(json_object_get(kbps, "from")), "relay");
    json_decref(list);
    static const struct {
        const char *fields, *words;
    } bad[] = {
        {"\"key\":\"media.video-kbps\",\"value\":\"99\"", "100 to 8000"},
        {"\"key\":\"media.udp\",\"value\":\"sometimes\"", "auto or never"},
        {"\"key\":\"media\",\"value\":\"1\"", "there is no setting"},
        {"\"key\":\"meeting.seat-seconds\",\"value\":\"5\",\"scope\":\"room\",\"id\":\"a-shi-1\"",
         "cannot be set for one room"},
        {"\"key\":\"media.udp\",\"value\":\"auto\",\"scope\":\"world\"", "scope must be"},
        {"\"key\":\"media.udp\",\"value\":\"auto\",\"scope\":\"relay\"", "the operator's to set"},
        {"\"key\":\"media.udp\",\"value\":\"auto\",\"if_revision\":1", "meanwhile"},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"command\":\"setting-set\",%s}", bad[i].fields);
        verbs_post(&w, &boss, text);
        expect(&w, false, bad[i].words);
    }
    assert_int_equal(w.settings_changed, 4 + 4);
    verbs_world_end(&w);
}

/* Rooms in meetings are counted together: a full list takes changes that list no more, but nothing new. */
static void test_an_organization_lists_so_many_rooms(void **state)
{
    static const char import[] = "{\"command\":\"agenda-import\",\"organization\":\"a-shi\",\"calendar\":"
                                 "\"BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\n"
                                 "PRODID:x\\r\\nBEGIN:VEVENT\\r\\nUID:%s\\r\\nDTSTART:"
                                 "20300101T000000Z\\r\\nDTEND:20300101T010000Z\\r\\n"
                                 "%sEND:VEVENT\\r\\nEND:VCALENDAR\\r\\n\"}";
    static const char one[] = "ATTENDEE;CUTYPE=ROOM:mailto:a-shi-1@x.invalid\\r\\n",
                      two[] = "ATTENDEE;CUTYPE=ROOM:mailto:a-shi-1@x.invalid\\r\\n"
                              "ATTENDEE;CUTYPE=ROOM:mailto:a-shi-2@x.invalid\\r\\n";
    static const struct {
        const char *uid, *rooms;
        bool taken;
    } calendars[] = {{"last", one, true},
                     {"last", one, true},
                     {"last", two, false},
                     {"next", one, false},
                     {"bare", "", true}};
    char uid[40], *rooms[100], request[1000];
    struct kg_meeting m = {
        .uid = uid, .title = "", .description = "", .organizer = "", .location = "", .rooms = rooms};
    const struct kg_principal by = verbs_operator();
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    for (unsigned i = 0; i < KG_ARRAY_LEN(rooms); i++)
        rooms[i] = (char *)"a-shi-3";
    for (unsigned i = 0;; i++) {
        size_t left = KG_DIRECTORY_MAX_INVITATIONS - 1 - kg_directory_invitation_count(w.directory, "a-shi");
        snprintf(uid, sizeof uid, "a-shi/full-%u", i);
        m.room_count = (uint16_t)KG_MIN(left, KG_ARRAY_LEN(rooms));
        if (left == 0)
            break;
        assert_true(kg_directory_put_meeting(w.directory, &m));
    }
    for (size_t i = 0; i < KG_ARRAY_LEN(calendars); i++) {
        snprintf(request, sizeof request, import, calendars[i].uid, calendars[i].rooms);
        json_t *reply = verbs_ask(&w, &by, request);
        char *text = json_dumps(reply, 0);
        assert_int_equal(json_integer_value(json_object_get(reply, "imported")), calendars[i].taken);
        assert_int_equal(strstr(text, "list more than 200000 rooms") == NULL, calendars[i].taken);
        free(text);
        json_decref(reply);
    }
    assert_int_equal(kg_directory_invitation_count(w.directory, "a-shi"), KG_DIRECTORY_MAX_INVITATIONS);
    verbs_world_end(&w);
}

/* The store's own reading gives the same directory. */
static void test_a_restart_knows_all(void **state)
{
    struct verbs_world w;
    const struct kg_principal by = verbs_operator();
    (void)state;
    verbs_world_fill(&w);
    verbs_must(&w, &by, "{\"command\":\"community-set\",\"id\":\"theirs\",\"organizations\":[\"a-shi\"]}");
    verbs_must(&w, &by, "{\"command\":\"meeting-cancel\",\"meeting\":\"a-shi/plan\"}");
    verbs_must(&w, &by, "{\"command\":\"org-add\",\"id\":\"gone\",\"name\":\"x\"}");
    verbs_must(&w, &by, "{\"command\":\"org-remove\",\"id\":\"gone\"}");
    char *before = verbs_view(&w);
    verbs_settle(&w);
    verbs_world_reopen(&w);
    char *after = verbs_view(&w);
    assert_string_equal(before, after);
    free(before);
    free(after);
    verbs_world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_every_verb),
        cmocka_unit_test(test_requests_that_are_none),
        cmocka_unit_test(test_quotes_are_letters),
        cmocka_unit_test(test_two_administrators_at_once),
        cmocka_unit_test(test_a_revocation_is_not_undone_by_an_older_change),
        cmocka_unit_test(test_a_store_that_is_held_by_another),
        cmocka_unit_test(test_nobody_looks_unnoted),
        cmocka_unit_test(test_the_signer_says_no),
        cmocka_unit_test(test_settings_in_layers),
        cmocka_unit_test(test_an_organization_lists_so_many_rooms),
        cmocka_unit_test(test_a_restart_knows_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

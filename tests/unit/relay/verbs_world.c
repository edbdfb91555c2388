#include "unit/relay/verbs_world.h"

#include "unit/cmocka_all.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/queue.h"
#include "relay/agenda_read.h"
#include "relay/relay_settings.h"
#include "signal/agenda.h"
#include "unit/folder.h"

enum { WAIT_US = 20000000 };

static void count_room(void *user, const struct kg_store_room *room)
{
    assert_non_null(room);
    ((struct verbs_world *)user)->rooms_shut_out++;
}

static void count_administrator(void *user, const struct kg_store_administrator *administrator)
{
    assert_non_null(administrator);
    ((struct verbs_world *)user)->administrators_shut_out++;
}

static void count_names(void *user)
{
    ((struct verbs_world *)user)->names_changed++;
}

static void count_agenda(void *user)
{
    ((struct verbs_world *)user)->agenda_changed++;
}

static void count_settings(void *user)
{
    ((struct verbs_world *)user)->settings_changed++;
}

static void nobody_connected(void *user, void (*tell)(void *to, const struct kg_store_room *room), void *to)
{
    (void)user;
    (void)tell;
    (void)to;
}

static bool sign(void *user, uint64_t request, const struct kg_ca_subject *subject, const char *csr)
{
    struct verbs_world *w = user;
    assert_true(*subject->id && *csr && w->to_sign == 0);
    w->to_sign = request;
    return true;
}

/* By his id: nobody here has come with a certificate. */
static bool stands(void *user, const struct kg_principal *by)
{
    const struct verbs_world *w = user;
    const struct kg_store_administrator *a = kg_directory_administrator(w->directory, by->id);
    return !a || !a->revoked_s;
}

static void status(void *user, struct kg_call *call)
{
    (void)user;
    kg_call_reply(call, json_pack("{s:b}", "ok", 1));
}

static const struct kg_verbs_effects effects = {
    .room_shut_out = count_room,
    .administrator_shut_out = count_administrator,
    .names_changed = count_names,
    .agenda_changed = count_agenda,
    .settings_changed = count_settings,
    .connected = nobody_connected,
    .sign = sign,
    .stands = stands,
    .status = status,
};

static void open_world(struct verbs_world *w)
{
    struct kg_problem problem;
    struct kg_store_snapshot snapshot;
    w->settings =
        (struct kg_relay_settings){.open_before_minutes = 10, .seat_seconds = 30, .state = w->folder};
    const struct kg_store_params params = {.path = w->path, .results = w->results};
    w->store = kg_store_open(&params, &snapshot, &problem);
    w->directory = kg_directory_create();
    assert_true(w->store && w->directory);
    assert_true(kg_directory_load(w->directory, &snapshot, 0));
    kg_store_snapshot_finish(&snapshot);
    w->enrolment = kg_enrolment_create();
    assert_non_null(w->enrolment);
    const struct kg_verbs_params verbs = {.directory = w->directory,
                                          .enrolment = w->enrolment,
                                          .store = w->store,
                                          .settings = &w->settings,
                                          .effects = &effects,
                                          .user = w,
                                          .next_request = &w->next_request};
    w->verbs = kg_verbs_create(&verbs);
    assert_non_null(w->verbs);
}

static void close_world(struct verbs_world *w)
{
    struct kg_store_result result;
    kg_verbs_destroy(w->verbs);
    kg_enrolment_destroy(w->enrolment);
    kg_store_close(w->store);
    while (kg_queue_pop(w->results, &result))
        kg_store_answer_destroy(result.answer);
    kg_directory_destroy(w->directory);
}

void verbs_world_begin(struct verbs_world *w)
{
    *w = (struct verbs_world){.next_request = 1};
    assert_true(folder_make(w->folder, "verbs"));
    snprintf(w->path, sizeof w->path, "%s/kaigi.db", w->folder);
    w->results = kg_queue_create(64, sizeof(struct kg_store_result));
    w->replies = kg_queue_create(64, sizeof(json_t *));
    assert_true(w->results && w->replies);
    open_world(w);
}

void verbs_world_reopen(struct verbs_world *w)
{
    close_world(w);
    open_world(w);
}

void verbs_world_end(struct verbs_world *w)
{
    close_world(w);
    kg_queue_destroy(w->results);
    kg_queue_destroy(w->replies);
    assert_true(folder_remove(w->folder));
}

struct kg_principal verbs_someone(enum kg_role_kind role, const char *id, const char *organization)
{
    struct kg_principal by = {.role = role, .source = "192.0.2.1:5"};
    snprintf(by.id, sizeof by.id, "%s", id);
    snprintf(by.organization, sizeof by.organization, "%s", organization);
    return by;
}

struct kg_principal verbs_operator(void)
{
    return verbs_someone(KG_ROLE_OPERATOR, "local:0", "");
}

static void answer_signer(struct verbs_world *w)
{
    struct kg_signing_answer answer = {.request = w->to_sign, .ok = !w->signer_refuses};
    if (!w->to_sign)
        return;
    w->to_sign = 0;
    w->signed_count++;
    if (answer.ok) {
        answer.certificate.pem = strdup("-----BEGIN CERTIFICATE-----\n");
        answer.certificate.not_after_s = 2000000000;
        memset(answer.certificate.fingerprint, (int)(0x40 + w->signed_count), KG_CA_FINGERPRINT_BYTES);
        snprintf(answer.certificate.serial, sizeof answer.certificate.serial, "%04X", w->signed_count);
    }
    snprintf(answer.problem.text, sizeof answer.problem.text, "the signer refuses: this is no request");
    assert_true(kg_verbs_signed(w->verbs, &answer));
    kg_ca_certificate_finish(&answer.certificate);
}

/* What kaigi-agenda-reader would give. */
static struct kg_agenda_reading *read_calendar(const json_t *request)
{
    const json_t *text = json_object_get(request, "calendar");
    struct kg_agenda_reading *reading = json_is_string(text) ? calloc(1, sizeof *reading) : NULL;
    if (reading)
        reading->agenda =
            kg_agenda_parse(json_string_value(text), json_string_length(text), 0, INT64_MAX / 2);
    return reading;
}

static void post_json(struct verbs_world *w, const struct kg_principal *by, json_t *request)
{
    kg_verbs_ask(w->verbs, by, request, read_calendar(request), false, w->replies);
}

void verbs_post(struct verbs_world *w, const struct kg_principal *by, const char *text)
{
    json_error_t error;
    json_t *request = json_loads(text, 0, &error);
    if (!request)
        fail_msg("%s in %s", error.text, text);
    post_json(w, by, request);
}

json_t *verbs_next_reply(struct verbs_world *w)
{
    json_t *reply = NULL;
    struct kg_store_result result;
    int64_t deadline_us = kg_clock_now_us() + WAIT_US;
    answer_signer(w);
    while (!kg_queue_pop(w->replies, &reply)) {
        assert_true(kg_queue_pop_wait(w->results, &result, deadline_us));
        assert_true(kg_verbs_stored(w->verbs, &result));
        answer_signer(w);
    }
    return reply;
}

json_t *verbs_ask_json(struct verbs_world *w, const struct kg_principal *by, json_t *request)
{
    post_json(w, by, request);
    json_t *reply = verbs_next_reply(w);
    assert_int_equal(kg_queue_count(w->replies), 0);
    return reply;
}

json_t *verbs_ask(struct verbs_world *w, const struct kg_principal *by, const char *request)
{
    verbs_post(w, by, request);
    json_t *reply = verbs_next_reply(w);
    assert_int_equal(kg_queue_count(w->replies), 0);
    return reply;
}

void verbs_must(struct verbs_world *w, const struct kg_principal *by, const char *request)
{
    json_t *reply = verbs_ask(w, by, request);
    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s: %s", request, json_string_value(json_object_get(reply, "error")));
    json_decref(reply);
}

#define CALENDAR(uid, rooms)                                                                                 \
    "BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:-//t//t//EN\\r\\nBEGIN:VEVENT\\r\\nUID:" uid               \
    "\\r\\nDTSTAMP:20260101T000000Z\\r\\nDTSTART:20300101T000000Z\\r\\nDTEND:20300101T010000Z\\r\\n"         \
    "SUMMARY:secret of " uid "\\r\\n" rooms "END:VEVENT\\r\\nEND:VCALENDAR\\r\\n"
#define ROOM(id) "ATTENDEE;CUTYPE=ROOM:mailto:" id "@x.invalid\\r\\n"

static void fill_organization(struct verbs_world *w, const char *id, const char *name)
{
    const struct kg_principal by = verbs_operator();
    static const char *const requests[] = {
        "{\"command\":\"org-add\",\"id\":\"%s\",\"name\":\"%s\",\"reading\":\"よみ\"}",
        "{\"command\":\"room-add\",\"organization\":\"%s\",\"id\":\"%1$s-1\",\"name\":\"%s会議室\",\"csr\":"
        "\"x\"}",
        "{\"command\":\"room-add\",\"organization\":\"%s\",\"id\":\"%1$s-2\",\"name\":\"%s控室\",\"csr\":"
        "\"x\"}",
        "{\"command\":\"room-add\",\"organization\":\"%s\",\"id\":\"%1$s-3\",\"name\":\"%s待合\"}",
        "{\"command\":\"admin-add\",\"organization\":\"%s\",\"id\":\"%1$s-boss\",\"name\":\"%s\",\"csr\":"
        "\"x\","
        "\"role\":\"administrator\"}",
        "{\"command\":\"admin-add\",\"organization\":\"%s\",\"id\":\"%1$s-eyes\",\"name\":\"%s\",\"csr\":"
        "\"x\","
        "\"role\":\"auditor\"}",
        "{\"command\":\"setting-set\",\"scope\":\"organization\",\"id\":\"%s\",\"key\":\"media.video-kbps\","
        "\"value\":\"700\"}",
        "{\"command\":\"setting-set\",\"scope\":\"room\",\"id\":\"%s-1\",\"key\":\"media.udp\",\"value\":"
        "\"never\"}",
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(requests); i++) {
        char text[500];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, requests[i], id, name);
#pragma GCC diagnostic pop
        verbs_must(w, &by, text);
    }
}

static void add_device(struct verbs_world *w, int mark)
{
    uint8_t hash[KG_EST_HASH_BYTES];
    static const struct kg_enrolment_source source = {.text = "192.0.2.7"};
    const struct kg_enrolment_entry *entry;
    memset(hash, mark, sizeof hash);
    const struct kg_enrolment_request request = {
        .hash = hash, .serial = "KT-0001", .der = (const uint8_t *)"x", .der_size = 1, .source = &source};
    assert_int_equal(kg_enrolment_post(w->enrolment, &request, kg_clock_now_us(), &entry),
                     KG_ENROLMENT_ADDED);
}

void verbs_world_fill(struct verbs_world *w)
{
    const struct kg_principal by = verbs_operator();
    verbs_world_begin(w);
    add_device(w, 0);
    add_device(w, 0xff);
    fill_organization(w, "a-shi", "架空市");
    fill_organization(w, "b-cho", "見本町");
    verbs_must(w, &by,
               "{\"command\":\"community-add\",\"id\":\"mutual\",\"name\":\"防災\","
               "\"organizations\":[\"a-shi\",\"b-cho\"]}");
    verbs_must(w, &by,
               "{\"command\":\"community-add\",\"id\":\"theirs\",\"name\":\"水道\","
               "\"organizations\":[\"b-cho\"]}");
    verbs_must(w, &by, "{\"command\":\"community-join\",\"community\":\"mutual\",\"room\":\"a-shi-3\"}");
    verbs_must(w, &by, "{\"command\":\"community-join\",\"community\":\"theirs\",\"room\":\"b-cho-1\"}");
    verbs_must(w, &by,
               "{\"command\":\"agenda-import\",\"organization\":\"a-shi\",\"calendar\":\"" CALENDAR(
                   "plan", ROOM("a-shi-1")) "\"}");
    verbs_must(w, &by,
               "{\"command\":\"agenda-import\",\"organization\":\"b-cho\",\"calendar\":\"" CALENDAR(
                   "plan", ROOM("b-cho-1")) "\"}");
}

/* What is there. */

struct text {
    char *bytes;
    size_t size;
};

static int append_row(void *user, int columns, char **values, char **names)
{
    FILE *out = user;
    for (int i = 0; i < columns; i++)
        fprintf(out, "%s=%s|", names[i], values[i] ? values[i] : "NULL");
    fputc('\n', out);
    return 0;
}

static int append_table(void *user, int columns, char **values, char **names)
{
    void **both = user;
    char sql[200];
    (void)columns;
    (void)names;
    fprintf(both[1], "[%s]\n", values[0]);
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" ORDER BY 1", values[0]);
    return sqlite3_exec(both[0], sql, append_row, both[1], NULL);
}

static sqlite3 *open_read_only(const struct verbs_world *w)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(w->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

char *verbs_dump(const struct verbs_world *w)
{
    sqlite3 *db = open_read_only(w);
    struct text text = {0};
    FILE *out = open_memstream(&text.bytes, &text.size);
    void *both[] = {db, out};
    assert_int_equal(sqlite3_exec(db,
                                  "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE "
                                  "'audit%' AND name NOT LIKE 'sqlite%' ORDER BY name",
                                  append_table, both, NULL),
                     SQLITE_OK);
    fclose(out);
    sqlite3_close(db);
    return text.bytes;
}

char *verbs_view(struct verbs_world *w)
{
    static const char *const lists[] = {"{\"command\":\"org-list\"}",     "{\"command\":\"admin-list\"}",
                                        "{\"command\":\"room-list\"}",    "{\"command\":\"community-list\"}",
                                        "{\"command\":\"setting-list\"}", "{\"command\":\"meeting-list\"}"};
    const struct kg_principal by = verbs_operator();
    struct text text = {0};
    FILE *out = open_memstream(&text.bytes, &text.size);
    for (size_t i = 0; i < KG_ARRAY_LEN(lists); i++) {
        json_t *reply = verbs_ask(w, &by, lists[i]);
        json_dumpf(reply, out, JSON_INDENT(1) | JSON_SORT_KEYS);
        json_decref(reply);
    }
    fclose(out);
    return text.bytes;
}

static int copy_row(void *user, int columns, char **values, char **names)
{
    char *text = user;
    (void)names;
    text[0] = '\0';
    for (int i = 1; i < columns; i++)
        snprintf(text + strlen(text), 500 - strlen(text), "%s%s", i > 1 ? "|" : "", values[i]);
    return 0;
}

void verbs_row(const struct verbs_world *w, int64_t seq, char text[500])
{
    sqlite3 *db = open_read_only(w);
    char sql[160];
    text[0] = '\0';
    snprintf(sql, sizeof sql,
             "SELECT seq, event_id, actor, role, organization, object, result FROM audit WHERE seq = %lld",
             (long long)seq);
    assert_int_equal(sqlite3_exec(db, sql, copy_row, text, NULL), SQLITE_OK);
    sqlite3_close(db);
}

int64_t verbs_settle(struct verbs_world *w)
{
    const struct kg_principal by = verbs_operator();
    sqlite3_stmt *count;
    /* A refusal is answered once its row is written, and rows are written in order. */
    json_decref(verbs_ask(w, &by, "{\"command\":\"settle\"}"));
    sqlite3 *db = open_read_only(w);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT max(seq) FROM audit", -1, &count, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(db);
    return rows;
}

#include "unit/cmocka_all.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "relay/store_db.h"
#include "relay/store_restore.h"
#include "relay/store_schema.h"

static char folder[64], path[128];
static struct kg_queue *results;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kaigi-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/kaigi.db", folder);
    results = kg_queue_create(16, sizeof(struct kg_store_result));
    return results ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(name);
}

static int tear_down(void **state)
{
    (void)state;
    kg_queue_destroy(results);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct kg_store *open_store(struct kg_store_snapshot *snapshot)
{
    struct kg_problem problem;
    struct kg_store_params params = {.path = path, .results = results};
    struct kg_store *store = kg_store_open(&params, snapshot, &problem);
    if (!store)
        fail_msg("%s", problem.text);
    return store;
}

static enum kg_store_status result_of(uint64_t request)
{
    struct kg_store_result result;
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_int_equal(result.request, request);
    return result.status;
}

static struct kg_store_answer *answer_of(uint64_t request, enum kg_store_status status)
{
    struct kg_store_result result;
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_int_equal(result.request, request);
    assert_int_equal(result.status, status);
    assert_non_null(result.answer);
    return result.answer;
}

static struct kg_store_room room_of(char *id, uint8_t mark)
{
    struct kg_store_room room = {
        .id = id, .organization_id = "kaku", .department = "総務課", .name = "大会議室", .not_after_s = 7};
    memset(room.fingerprint, mark, sizeof room.fingerprint);
    snprintf(room.serial, sizeof room.serial, "%02X", mark);
    return room;
}

static struct kg_meeting meeting_of(char *uid, char **rooms, uint16_t count)
{
    return (struct kg_meeting){.uid = uid,
                               .title = "定例会",
                               .description = "",
                               .organizer = "",
                               .location = "本庁",
                               .start_us = 1000,
                               .end_us = 2000,
                               .sequence = 3,
                               .rooms = rooms,
                               .room_count = count};
}

static const struct kg_audit_entry entry = {
    .event_id = "test.changed", .actor = "local:0", .role = "operator", .organization = "kaku"};

static bool put(struct kg_store *store, uint64_t request, struct kg_store_change change)
{
    return kg_store_write(store, request, &change, 1, &entry);
}
#define PUT(store, request, what, ...)                                                                       \
    assert_true(put(store, request, (struct kg_store_change){.kind = KG_STORE_##what, __VA_ARGS__}))

static void put_organization(struct kg_store *store, char *id, char *name)
{
    struct kg_store_organization organization = {.id = id, .name = name, .reading = ""};
    PUT(store, 99, PUT_ORGANIZATION, .organization = &organization);
    assert_int_equal(result_of(99), KG_STORE_OK);
}

/* Without the control thread: rooms need their organization. */
static void make_organization(sqlite3 *db)
{
    struct kg_store_organization organization = {.id = "kaku", .name = "架空市"};
    struct kg_store_change change = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization};
    struct kg_store_job *job = kg_store_job_create(0, &change, 1, &entry);
    assert_non_null(job);
    assert_int_equal(kg_store_db_run(db, job, NULL), KG_STORE_OK);
    kg_store_job_destroy(job);
}

/* A job as the control thread posts it: a room and the row that tells of it. */
static struct kg_store_job *job_of(const struct kg_store_room *room)
{
    struct kg_store_change change = {.kind = KG_STORE_PUT_ROOM, .room = room};
    struct kg_store_job *job = kg_store_job_create(0, &change, 1, &entry);
    assert_non_null(job);
    return job;
}

static enum kg_store_status run_room(sqlite3 *db, const struct kg_store_room *room)
{
    struct kg_store_job *job = job_of(room);
    enum kg_store_status status = kg_store_db_run(db, job, NULL);
    kg_store_job_destroy(job);
    return status;
}

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

static void overwrite(const char *name, const char *bytes, off_t at)
{
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0);
    for (int i = 0; i < 64; i++)
        assert_int_equal(pwrite(fd, bytes, strlen(bytes), at + i * (off_t)strlen(bytes)), strlen(bytes));
    close(fd);
}

static size_t count_files(const char *pattern)
{
    char full[200];
    glob_t found;
    snprintf(full, sizeof full, "%s/%s", folder, pattern);
    size_t count = glob(full, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void test_corrupt_goes_back_to_the_good_copy(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    struct kg_store_room a = room_of("a", 1);
    put_organization(store, "kaku", "架空市");
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(1), KG_STORE_OK);
    kg_store_close(store);
    /* What was written since the copy is in the log alone; the file has page 1 there too, so it goes. */
    overwrite(path, "no database any more ", 0);
    assert_int_equal(truncate(path, 100), 0);
    store = open_store(&s);
    assert_int_equal(s.room_count, 1);
    assert_int_equal(count_files("kaigi.db.corrupt-*[0-9]"), 1);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);

    /* No copy either: an empty one, so that the relay runs. */
    char copy[160];
    snprintf(copy, sizeof copy, "%s.backup", path);
    assert_int_equal(unlink(copy), 0);
    snprintf(copy, sizeof copy, "%s-wal", path);
    assert_int_equal(unlink(copy), 0);
    overwrite(path, "no database any more ", 0);
    assert_int_equal(truncate(path, 100), 0);
    store = open_store(&s);
    assert_int_equal(s.room_count, 0);
    assert_int_equal(count_files("kaigi.db.corrupt-*[0-9]"), 2);
    kg_store_close(store);
}

static void test_corrupt_while_running(void **state)
{
    (void)state;
    enum kg_store_status status;
    struct kg_problem problem;
    sqlite3 *db = kg_store_db_open(path, &status, &problem);
    assert_non_null(db);
    make_organization(db);
    struct kg_store_room a = room_of("a", 1);
    assert_int_equal(run_room(db, &a), KG_STORE_OK);
    sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    kg_store_db_close(db);
    db = kg_store_db_open(path, &status, &problem);
    assert_non_null(db);
    sqlite3_db_release_memory(db);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096)
        overwrite(path, "garbage over every page but the first ", at);
    assert_int_equal(run_room(db, &a), KG_STORE_CORRUPT);
    struct kg_store_snapshot s = {0};
    assert_false(kg_store_db_load(db, &s, &status));
    assert_int_equal(status, KG_STORE_CORRUPT);
    kg_store_db_close(db);
    assert_null(kg_store_db_open(path, &status, &problem));
    assert_int_equal(status, KG_STORE_CORRUPT);
}

static void test_full_changes_nothing(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    enum kg_store_status status;
    struct kg_problem problem;
    sqlite3 *db = kg_store_db_open(path, &status, &problem);
    assert_non_null(db);
    make_organization(db);
    struct kg_store_room first = room_of("a", 1);
    assert_int_equal(run_room(db, &first), KG_STORE_OK);
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %d", 1);
    assert_int_equal(sqlite3_exec(db, limit, NULL, NULL, NULL), SQLITE_OK);
    char *large = malloc(200001);
    memset(large, 'x', 200000);
    large[200000] = '\0';
    struct kg_store_room second = room_of("b", 2);
    second.name = large;
    assert_int_equal(run_room(db, &second), KG_STORE_FULL);
    free(large);
    assert_true(kg_store_db_load(db, &s, &status));
    assert_int_equal(s.room_count, 1);
    kg_store_snapshot_finish(&s);
    /* Small things still fit, and space helps. */
    sqlite3_exec(db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
    second.name = "小会議室";
    assert_int_equal(run_room(db, &second), KG_STORE_OK);
    kg_store_db_close(db);
}

static void test_locked_refuses_and_recovers(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    sqlite3 *thief;
    assert_int_equal(sqlite3_open(path, &thief), SQLITE_OK);
    assert_int_equal(sqlite3_exec(thief, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct kg_store_room a = room_of("a", 1);
    uint64_t lost;
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_true(kg_store_write(store, 0, NULL, 0, &entry));
    assert_int_equal(result_of(1), KG_STORE_LOCKED);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_LOCKED);
    sqlite3_exec(thief, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(thief);
    PUT(store, 2, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(2), KG_STORE_OK);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_OK);
    kg_store_close(store);
}

static void test_read_only(void **state)
{
    (void)state;
    enum kg_store_status status;
    struct kg_problem problem;
    kg_store_db_close(kg_store_db_open(path, &status, &problem));
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    struct kg_store_room a = room_of("a", 1);
    assert_int_equal(run_room(db, &a), KG_STORE_FAILED);
    sqlite3_close(db);
    /* A folder where the file should be. */
    snprintf(path, sizeof path, "%s", folder);
    assert_null(kg_store_db_open(path, &status, &problem));
    assert_non_null(strstr(problem.text, "cannot use the store"));
}

static void test_newer_store_is_refused(void **state)
{
    (void)state;
    enum kg_store_status status;
    struct kg_problem problem;
    sqlite3 *db = kg_store_db_open(path, &status, &problem);
    assert_int_equal(sqlite3_exec(db, "UPDATE schema_version SET version = version + 1", NULL, NULL, NULL),
                     SQLITE_OK);
    kg_store_db_close(db);
    struct kg_store_snapshot s = {0};
    struct kg_store_params params = {.path = path, .results = results};
    assert_null(kg_store_open(&params, &s, &problem));
    assert_non_null(strstr(problem.text, "newer kaigi-relay"));
    assert_int_equal(count_files("*.corrupt-*"), 0);
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

static bool backup(struct kg_store *store, const char *to, char *problem)
{
    assert_true(kg_store_backup(store, 50, to));
    struct kg_store_result result;
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_non_null(result.answer);
    snprintf(problem, 512, "%s", result.answer->problem.text);
    bool ok = result.status == KG_STORE_OK && result.answer->anchor.seq > 0;
    kg_store_answer_destroy(result.answer);
    return ok;
}

static void test_backup_and_restore(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    struct kg_audit_verdict verdict;
    char to[160], text[512], kept[4096];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    snprintf(to, sizeof to, "%s/copy.db", folder);
    assert_true(backup(store, to, text));
    /* Not over another file, not to a place that is none, not by a path that depends on where the relay is.
     */
    assert_false(backup(store, to, text));
    assert_non_null(strstr(text, "exists already"));
    assert_false(backup(store, "/proc/copy.db", text));
    assert_non_null(strstr(text, "allowed to write"));
    assert_false(backup(store, "copy.db", text));
    assert_non_null(strstr(text, "whole path"));
    assert_int_equal(count_files("copy.db*"), 1);
    struct stat st;
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    put_organization(store, "mihon", "見本町");
    kg_store_close(store);
    /* A relay that runs holds the lock. */
    char lock_path[160];
    snprintf(lock_path, sizeof lock_path, "%s/relay.lock", folder);
    int lock = open(lock_path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_false(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_non_null(strstr(problem.text, "stop it"));
    close(lock);

    /* What root restores belongs to whom the folder does. */
    struct stat restored;
    assert_int_equal(geteuid() == 0 ? chown(folder, 65534, 65534) : 0, 0);
    assert_true(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_int_equal(stat(path, &restored), 0);
    assert_int_equal(restored.st_uid, geteuid() == 0 ? 65534 : geteuid());
    assert_int_equal(verdict.count, 1);
    assert_int_equal(access(kept, F_OK), 0);
    store = open_store(&s);
    assert_int_equal(s.organization_count, 1);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
    /* What was there before is whole: its log went with it. */
    char old[4096 + 8];
    snprintf(to, sizeof to, "%s/again.db", folder);
    assert_int_equal(rename(kept, to), 0);
    snprintf(old, sizeof old, "%s-wal", kept);
    assert_int_equal(access(old, F_OK), 0);

    /* Damaged, tampered with, of a newer version, none at all: nothing changes. */
    assert_int_equal(count_files("*.before-restore-*[0-9]"), 0);
    overwrite(to, "no backup ", 0);
    assert_false(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_non_null(strstr(problem.text, "damaged"));
    snprintf(to, sizeof to, "%s/missing.db", folder);
    assert_false(kg_store_restore(folder, to, kept, &verdict, &problem));
    snprintf(to, sizeof to, "%s/copy.db", folder);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(to, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DROP TRIGGER audit_fixed; UPDATE audit SET detail = 'x'", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_false(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_non_null(strstr(problem.text, "row 1 was altered"));
    assert_int_equal(sqlite3_open(to, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE schema_version SET version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_false(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_non_null(strstr(problem.text, "newer kaigi-relay"));
    assert_int_equal(count_files("*.before-restore-*[0-9]") + count_files("*.restoring*"), 0);
    store = open_store(&s);
    assert_int_equal(s.organization_count, 1);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
}

/* The file is damaged at any page, long after the copy was made: the log over the copy gives everything. */
static void test_damaged_file_loses_nothing(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct stat st;
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    struct kg_store_room a = room_of("a", 1);
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(1), KG_STORE_OK);
    PUT(store, 2, LEAVE_COMMUNITY, .id = "none", .member = "a");
    assert_int_equal(result_of(2), KG_STORE_OK);
    /* Rows of the trail alone ask for no copy: these are in the log and nowhere else. */
    for (int i = 1; i <= 40; i++)
        assert_true(kg_store_write(store, i == 40 ? 3 : 0, NULL, 0, &entry));
    assert_int_equal(result_of(3), KG_STORE_OK);
    kg_store_close(store);
    assert_int_equal(stat(path, &st), 0);
    /* And the trail tells, each time it is noticed: a page that the log has too is not missed. */
    size_t rows = 43, last = 0;
    for (off_t at = 0; at + 4096 <= st.st_size; at += 4096) {
        /* 40 × 64 bytes: most of the page. */
        overwrite(path, "this page is not what it was any more: ", at);
        store = open_store(&s);
        assert_int_equal(s.room_count, 1);
        assert_int_equal(s.organization_count, 1);
        kg_store_snapshot_finish(&s);
        struct kg_audit_filter all = {0};
        assert_true(kg_store_audit_list(store, 3, &all));
        struct kg_store_answer *answer = answer_of(3, KG_STORE_OK);
        last = json_array_size(answer->rows);
        assert_true(last == rows || last == rows + 1);
        rows = last;
        kg_store_answer_destroy(answer);
        kg_store_close(store);
    }
    assert_true(rows > 43);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reads_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_export_goes_as_far_as_the_trail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backup_and_restore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_file_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_corrupt_goes_back_to_the_good_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_corrupt_while_running, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locked_refuses_and_recovers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newer_store_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_migrations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/cmocka_all.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "relay/store_db.h"
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

static struct kg_store_room room_of(char *id, uint8_t mark)
{
    struct kg_store_room room = {
        .id = id, .organization = "架空市", .department = "総務課", .name = "大会議室", .not_after_s = 7};
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

/* A job as the control thread posts it: a room and the row that tells of it. */
static struct kg_store_job *job_of(const struct kg_store_room *room)
{
    struct kg_store_change change = {.kind = KG_STORE_PUT_ROOM, .room = room};
    struct kg_audit_entry entry = {.event_id = "room.added", .object = room->id, .wall_us = 1};
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
    struct kg_store_room a = room_of("a", 1), b = room_of("b", 2);
    char *rooms[] = {"b", "a"};
    struct kg_meeting meetings[] = {meeting_of("m2", rooms, 2), meeting_of("m1", rooms, 1)};
    struct kg_store_seat seat = {.meeting_uid = "m2",
                                 .room = "a",
                                 .party = 4000000000u,
                                 .source = {1, 4294967295u, 3},
                                 .muted = {true, false, true},
                                 .token_hash = {9}};
    assert_true(kg_store_put_room(store, 1, &a));
    assert_int_equal(result_of(1), KG_STORE_OK);
    assert_true(kg_store_put_room(store, 2, &b));
    assert_int_equal(result_of(2), KG_STORE_OK);
    assert_true(kg_store_put_meetings(store, 3, meetings, 2));
    assert_int_equal(result_of(3), KG_STORE_OK);
    assert_true(kg_store_put_seat(store, 0, &seat));
    assert_true(kg_store_put_event(store, 5, "room.joined", "m2", "a", ""));
    b.revoked_s = 77;
    assert_true(kg_store_put_room(store, 4, &b));
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
    assert_string_equal(s.meetings[1].uid, "m2");
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
    assert_true(kg_store_put_room(store, 5, &again));
    assert_int_equal(result_of(5), KG_STORE_OK);
    meetings[0].room_count = 1;
    assert_true(kg_store_put_meetings(store, 6, meetings, 1));
    assert_int_equal(result_of(6), KG_STORE_OK);
    assert_true(kg_store_remove_seat(store, 0, "m2", "a"));
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
    assert_true(kg_store_put_room(store, 1, &a));
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
    sqlite3 *thief;
    assert_int_equal(sqlite3_open(path, &thief), SQLITE_OK);
    assert_int_equal(sqlite3_exec(thief, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct kg_store_room a = room_of("a", 1);
    uint64_t lost;
    assert_true(kg_store_put_room(store, 1, &a));
    assert_true(kg_store_put_event(store, 1, "room.joined", "", "", ""));
    assert_int_equal(result_of(1), KG_STORE_LOCKED);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_LOCKED);
    sqlite3_exec(thief, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(thief);
    assert_true(kg_store_put_room(store, 2, &a));
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
        assert_true(kg_store_put_room(store, 1, &a));
        assert_int_equal(result_of(1), KG_STORE_OK);
        kg_store_close(store);
    }
    assert_null(kg_store_schema_step(kg_store_schema_version()));
    assert_null(kg_store_schema_step(-1));
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
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

/* Power cuts, full disks and failing ones at every single operation the store asks of them: nothing that was
 * acknowledged is lost, and no change is there without its audit row, nor the other way round. */
#include "unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fakes/failing_vfs.h"
#include "relay/store_audit.h"
#include "relay/store_db.h"
#include "relay/store_schema.h"
#include "relay/store_sql.h"

enum { JOBS = 8, EMPTY_LOG_AFTER = 4, FOR_EVER = 1000000 };

static const char path[] = "/kaigi.db";
static struct kg_store_job *jobs[JOBS];
/* How to see that a job's change is there; the last has none. */
static const char *const effects[JOBS] = {
    "SELECT count(*) FROM organization WHERE id = 'kaku'",
    "SELECT count(*) FROM room WHERE id = 'a'",
    "SELECT count(*) = 3 FROM meeting",
    "SELECT count(*) FROM setting WHERE value = '900'",
    "SELECT count(*) FROM seat WHERE party = 7",
    "SELECT count(*) FROM certificate WHERE revoked_at = 77",
    "SELECT count(*) = 0 FROM setting WHERE value = '900'",
    NULL,
};

static void make_job(int i, const struct kg_store_change *changes, size_t count)
{
    char name[24];
    snprintf(name, sizeof name, "job.%d", i);
    struct kg_audit_entry entry = {
        .event_id = name, .actor = "local:0", .role = "operator", .wall_us = i + 1};
    jobs[i] = kg_store_job_create(0, changes, count, &entry);
    assert_non_null(jobs[i]);
}

static int make_jobs(void **state)
{
    (void)state;
    char *rooms[] = {"a"};
    struct kg_store_organization organization = {.id = "kaku", .name = "架空市"};
    struct kg_store_room room = {
        .id = "a", .organization_id = "kaku", .name = "大会議室", .serial = "01", .fingerprint = {1}};
    struct kg_store_room revoked = room;
    revoked.revoked_s = 77;
    struct kg_meeting meetings[3];
    struct kg_store_change puts[3];
    static char *const uids[] = {"kaku/1", "kaku/2", "kaku/3"};
    for (int i = 0; i < 3; i++) {
        meetings[i] = (struct kg_meeting){
            .uid = uids[i], .title = "定例会", .start_us = 1, .end_us = 2, .rooms = rooms, .room_count = 1};
        puts[i] = (struct kg_store_change){.kind = KG_STORE_PUT_MEETING, .meeting = &meetings[i]};
    }
    struct kg_store_setting setting = {
        .scope = "room", .scope_id = "a", .key = "media.video-kbps", .value = "900"};
    struct kg_store_seat seat = {.meeting_uid = "kaku/1", .room = "a", .party = 7};
    make_job(0, &(struct kg_store_change){.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization},
             1);
    make_job(1, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &room}, 1);
    make_job(2, puts, 3);
    make_job(3, &(struct kg_store_change){.kind = KG_STORE_PUT_SETTING, .setting = &setting}, 1);
    make_job(4, &(struct kg_store_change){.kind = KG_STORE_PUT_SEAT, .seat = &seat}, 1);
    make_job(5, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &revoked}, 1);
    make_job(6, &(struct kg_store_change){.kind = KG_STORE_REMOVE_SETTING, .setting = &setting}, 1);
    make_job(7, NULL, 0);
    return 0;
}

static int free_jobs(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++)
        kg_store_job_destroy(jobs[i]);
    kg_failing_vfs_reset();
    return 0;
}

static sqlite3 *open_db(void)
{
    enum kg_store_status status;
    struct kg_problem problem;
    sqlite3 *db = kg_store_db_open(path, &status, &problem);
    if (!db)
        fail_msg("%s", problem.text);
    return db;
}

/* The jobs in order, the log emptied in their middle, as behind a good copy; the trail shortened at the end.
 * Each acknowledged job's bit. */
static unsigned run_jobs(sqlite3 *db)
{
    unsigned acknowledged = 0;
    for (int i = 0; i < JOBS; i++) {
        if (kg_store_db_run(db, jobs[i], NULL) == KG_STORE_OK)
            acknowledged |= 1u << i;
        if (i == EMPTY_LOG_AFTER)
            sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    return acknowledged;
}

static int64_t count(sqlite3 *db, const char *sql)
{
    int64_t value = -1;
    assert_int_equal(kg_sql_integer(db, sql, &value), SQLITE_OK);
    return value;
}

static bool is_written(sqlite3 *db, int i)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM audit WHERE event_id = 'job.%d'", i);
    return count(db, sql) > 0;
}

static bool is_there(sqlite3 *db, int i)
{
    bool row = is_written(db, i);
    if (!effects[i] || (count(db, effects[i]) == 1) == row)
        return row;
    /* One job's change seen through another's: the revoked room is a room too, the setting is removed again,
     * and without it there is nothing to remove. */
    bool explained =
        (i == 1 && is_written(db, 5)) || (i == 3 && is_written(db, 6)) || (i == 6 && !is_written(db, 3));
    if (!explained)
        fail_msg("job %d: its change is %s, its audit row %s", i, row ? "missing" : "there",
                 row ? "there" : "missing");
    return row;
}

static void check_whole(sqlite3 *db, unsigned acknowledged, unsigned number)
{
    struct kg_audit_verdict verdict;
    assert_int_equal(kg_store_audit_check(db, NULL, 0, &verdict), SQLITE_OK);
    if (verdict.fault != KG_AUDIT_SOUND)
        fail_msg("at operation %u: %s", number, verdict.text);
    for (int i = 0; i < JOBS; i++) {
        bool there = is_there(db, i);
        if ((acknowledged & 1u << i) && !there)
            fail_msg("at operation %u: job %d was acknowledged and is lost", number, i);
    }
}

static bool cut_power_at(unsigned number, enum kg_failing_survival survival)
{
    enum kg_store_status status;
    unsigned acknowledged = 0;
    kg_failing_vfs_go_back();
    kg_failing_vfs_arm(KG_FAIL_POWER, number, FOR_EVER);
    sqlite3 *db = kg_store_db_open(path, &status, NULL);
    if (db)
        acknowledged = run_jobs(db);
    kg_store_db_close(db);
    bool cut = kg_failing_vfs_failed();
    kg_failing_vfs_reboot(survival);
    db = open_db();
    check_whole(db, acknowledged, number);
    if (!cut)
        assert_int_equal(acknowledged, (1u << JOBS) - 1);
    /* And it goes on. */
    assert_int_equal(kg_store_db_run(db, jobs[JOBS - 1], NULL), KG_STORE_OK);
    kg_store_db_close(db);
    return cut;
}

static void test_power_cut_at_every_operation(void **state)
{
    (void)state;
    kg_failing_vfs_reset();
    kg_store_db_close(open_db());
    kg_failing_vfs_keep();
    for (int survival = 0; survival < KG_SURVIVALS; survival++) {
        for (unsigned number = 1; cut_power_at(number, (enum kg_failing_survival)survival); number++)
            ;
    }
}

/* The very first start: no file yet. */
static void test_power_cut_while_making_the_store(void **state)
{
    (void)state;
    kg_failing_vfs_reset();
    for (int survival = 0; survival < KG_SURVIVALS; survival++) {
        enum kg_store_status status;
        bool cut = true;
        for (unsigned number = 1; cut; number++) {
            kg_failing_vfs_go_back();
            kg_failing_vfs_arm(KG_FAIL_POWER, number, FOR_EVER);
            kg_store_db_close(kg_store_db_open(path, &status, NULL));
            cut = kg_failing_vfs_failed();
            kg_failing_vfs_reboot((enum kg_failing_survival)survival);
            sqlite3 *db = open_db();
            check_whole(db, 0, number);
            kg_store_db_close(db);
        }
    }
}

static void fail_and_recover(enum kg_failing_kind kind, unsigned failures, unsigned number, bool *failed)
{
    kg_failing_vfs_go_back();
    sqlite3 *db = open_db();
    kg_failing_vfs_arm(kind, number, failures);
    unsigned acknowledged = 0;
    for (int i = 0; i < JOBS; i++) {
        enum kg_store_status status = kg_store_db_run(db, jobs[i], NULL);
        if (status == KG_STORE_OK)
            acknowledged |= 1u << i;
        else if (kind == KG_FAIL_FULL)
            assert_non_null(strstr(kg_store_status_text(status),
                                   i > 0 && status == KG_STORE_REFUSED ? "contradicts" : "free space"));
        else
            assert_non_null(strstr(kg_store_status_text(status),
                                   status == KG_STORE_REFUSED ? "contradicts" : "check the state folder"));
        if (i == EMPTY_LOG_AFTER)
            sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    *failed = kg_failing_vfs_failed();
    kg_failing_vfs_arm(KG_FAIL_NOTHING, 0, 0);
    /* The same connection works again, and what it said holds: now, and after the power went. */
    check_whole(db, acknowledged, number);
    assert_int_equal(kg_store_db_run(db, jobs[JOBS - 1], NULL), KG_STORE_OK);
    kg_store_db_close(db);
    kg_failing_vfs_reboot(KG_SURVIVE_NONE);
    db = open_db();
    check_whole(db, acknowledged | 1u << (JOBS - 1), number);
    kg_store_db_close(db);
}

static void fail_everywhere(enum kg_failing_kind kind, unsigned failures)
{
    kg_failing_vfs_reset();
    kg_store_db_close(open_db());
    kg_failing_vfs_keep();
    bool failed = true;
    for (unsigned number = 1; failed; number++)
        fail_and_recover(kind, failures, number, &failed);
}

static void test_full_disk_at_every_write(void **state)
{
    (void)state;
    fail_everywhere(KG_FAIL_FULL, 1);
    fail_everywhere(KG_FAIL_FULL, FOR_EVER);
}

static void test_failing_disk_at_every_operation(void **state)
{
    (void)state;
    fail_everywhere(KG_FAIL_IO, 1);
    fail_everywhere(KG_FAIL_IO, FOR_EVER);
}

/* The trail's shortening, cut anywhere: either all of a batch or none of it. */
static void test_power_cut_while_pruning(void **state)
{
    (void)state;
    kg_failing_vfs_reset();
    sqlite3 *db = open_db();
    assert_int_equal(run_jobs(db), (1u << JOBS) - 1);
    sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    kg_store_db_close(db);
    kg_failing_vfs_keep();
    bool cut = true;
    for (unsigned number = 1; cut; number++) {
        int64_t pruned;
        struct kg_audit_verdict verdict;
        kg_failing_vfs_go_back();
        db = open_db();
        kg_failing_vfs_arm(KG_FAIL_POWER, number, FOR_EVER);
        int code = kg_store_audit_prune(db, 5, 100, 100, &pruned);
        kg_store_db_close(db);
        cut = kg_failing_vfs_failed();
        kg_failing_vfs_reboot(KG_SURVIVE_TORN);
        db = open_db();
        assert_int_equal(kg_store_audit_check(db, NULL, 0, &verdict), SQLITE_OK);
        assert_int_equal(verdict.fault, KG_AUDIT_SOUND);
        int64_t rows = count(db, "SELECT count(*) FROM audit");
        assert_true(rows == JOBS || (code == SQLITE_OK && rows == JOBS - 4 + 1));
        if (!cut)
            assert_int_equal(pruned, 4);
        kg_store_db_close(db);
    }
}

/* A store of the first version with rows of every kind, as that version's relay left them. */
static void make_first_version(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_wal_autocheckpoint(db, 0);
    assert_int_equal(kg_sql_exec(db, "PRAGMA journal_mode = WAL; BEGIN"), SQLITE_OK);
    assert_int_equal(kg_sql_exec(db, kg_store_schema_step(0)), SQLITE_OK);
    char *error = NULL;
    int code = sqlite3_exec(
        db,
        "CREATE TABLE schema_version(version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES(1);"
        "INSERT INTO room VALUES('b', '架空市', '総務課', '大会議室', zeroblob(32)),"
        "  ('a', '見本町', '', '会議室', randomblob(32)), ('c', '架空市', '', '小会議室', randomblob(32));"
        "INSERT INTO certificate SELECT fingerprint, id, 'AB', 7, iif(id = 'c', 9, 0) FROM room;"
        "INSERT INTO certificate VALUES(randomblob(32), 'b', 'OLD', 1, 2);"
        "INSERT INTO meeting VALUES('m@x', '定例会', '', '', '', 1, 2, 0, 0), ('none', '', '', '', '', 1, 2, "
        "3, 2),"
        "  ('r/20261121T010000Z', '', '', '', '', 1, 2, 0, 0);"
        "INSERT INTO meeting_room VALUES('m@x', 0, 'stranger'), ('m@x', 1, 'a'), ('m@x', 2, 'b'),"
        "  ('r/20261121T010000Z', 0, 'b');"
        "INSERT INTO seat VALUES('m@x', 'a', zeroblob(32), 4000000000, 1, 2, 3, 1, 0, 1);"
        "INSERT INTO event(wall_us, kind, meeting, room, detail) VALUES(5, 'room.added', '', 'a', 'AB'),"
        "  (6, 'meeting.started', 'm@x', '', ''), (7, 'room.joined', 'm@x', 'b', ''),"
        "  (8, 'room.refused', 'gone', 'a', 'not-invited'), (9, 'agenda.imported', '', '', '3 meetings');"
        "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
        NULL, NULL, &error);
    if (code != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

static void check_row(sqlite3 *db, int seq, const char *expected)
{
    sqlite3_stmt *q;
    struct kg_sql_value values[] = {KG_SQL_INTEGER(seq)};
    assert_int_equal(
        kg_sql_prepare(db, &q,
                       "SELECT wall_us || ' ' || event_id || ' ' || actor || ' ' || role || ' ' || "
                       "organization || ' ' || object || ' ' || result || ' ' || detail FROM audit "
                       "WHERE seq = ?1",
                       values, 1),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), expected);
    sqlite3_finalize(q);
}

static void check_upgraded(sqlite3 *db)
{
    struct kg_store_snapshot s = {0};
    enum kg_store_status status;
    struct kg_audit_verdict verdict;
    assert_true(kg_store_db_load(db, &s, &status));
    assert_int_equal(s.organization_count, 2);
    assert_string_equal(s.organizations[0].id, "org-1");
    assert_string_equal(s.organizations[0].name, "架空市");
    assert_string_equal(s.organizations[1].name, "見本町");
    assert_int_equal(s.room_count, 3);
    assert_string_equal(s.rooms[0].organization_id, "org-2");
    assert_string_equal(s.rooms[1].organization_id, "org-1");
    assert_string_equal(s.rooms[1].department, "総務課");
    assert_string_equal(s.rooms[1].name_reading, "");
    assert_int_equal(s.rooms[2].revoked_s, 9);
    assert_int_equal(s.certificate_count, 4);
    assert_string_equal(s.certificates[0].kind, "room");
    assert_int_equal(s.meeting_count, 3);
    /* The first listed room that is known owns it; with none, the first organization. */
    assert_string_equal(s.meetings[0].uid, "org-1/none");
    assert_int_equal(s.meetings[0].status, KG_MEETING_CANCELLED);
    assert_string_equal(s.meetings[1].uid, "org-1/r/20261121T010000Z");
    assert_string_equal(s.meetings[2].uid, "org-2/m@x");
    assert_int_equal(s.meetings[2].room_count, 3);
    assert_string_equal(s.meetings[2].rooms[0], "stranger");
    /* There were no communities: whom the organization may not invite by itself stays all the same. */
    assert_true(kg_store_meeting_by_operator(&s.meetings[2], 0) &&
                !kg_store_meeting_by_operator(&s.meetings[2], 1) &&
                kg_store_meeting_by_operator(&s.meetings[2], 2));
    assert_int_equal(s.seat_count, 1);
    assert_string_equal(s.seats[0].meeting_uid, "org-2/m@x");
    assert_int_equal(s.seats[0].party, 4000000000u);
    kg_store_snapshot_finish(&s);
    assert_int_equal(kg_store_audit_check(db, NULL, 0, &verdict), SQLITE_OK);
    assert_int_equal(verdict.fault, KG_AUDIT_SOUND);
    assert_int_equal(verdict.count, 5);
    check_row(db, 1, "5 room.added  operator org-2 a ok AB");
    check_row(db, 2, "6 meeting.started  relay org-2 org-2/m@x ok ");
    check_row(db, 3, "7 room.joined b room org-1 org-2/m@x ok ");
    check_row(db, 4, "8 room.refused a room org-2 gone refused not-invited");
    check_row(db, 5, "9 agenda.imported  operator   ok 3 meetings");
    assert_int_equal(count(db, "SELECT count(*) FROM sqlite_master WHERE name IN ('event', 'meeting_key') OR "
                               "name LIKE '%\\_2' ESCAPE '\\'"),
                     0);
    assert_int_equal(count(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static void test_upgrade_from_the_first_version(void **state)
{
    (void)state;
    kg_failing_vfs_reset();
    make_first_version();
    sqlite3 *db = open_db();
    check_upgraded(db);
    kg_store_db_close(db);
    /* Once is enough. */
    db = open_db();
    check_upgraded(db);
    kg_store_db_close(db);
}

static void test_power_cut_while_upgrading(void **state)
{
    (void)state;
    kg_failing_vfs_reset();
    make_first_version();
    kg_failing_vfs_keep();
    for (int survival = 0; survival < KG_SURVIVALS; survival++) {
        bool cut = true;
        for (unsigned number = 1; cut; number++) {
            enum kg_store_status status;
            kg_failing_vfs_go_back();
            kg_failing_vfs_arm(KG_FAIL_POWER, number, FOR_EVER);
            kg_store_db_close(kg_store_db_open(path, &status, NULL));
            cut = kg_failing_vfs_failed();
            kg_failing_vfs_reboot((enum kg_failing_survival)survival);
            sqlite3 *db = open_db();
            check_upgraded(db);
            kg_store_db_close(db);
        }
    }
}

/* As the first version's relay would find it. */
static void check_first_version(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(count(db, "SELECT version FROM schema_version"), 1);
    assert_int_equal(count(db, "SELECT count(*) FROM room"), 3);
    assert_int_equal(count(db, "SELECT count(*) FROM event"), 5);
    assert_int_equal(count(db, "SELECT count(*) FROM seat"), 1);
    assert_int_equal(count(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
                     0);
    /* And it still takes what that relay writes. */
    assert_int_equal(kg_sql_exec(db, "BEGIN; INSERT INTO event(wall_us, kind, meeting, room, detail) "
                                     "VALUES(10, 'room.left', 'm@x', 'b', ''); ROLLBACK"),
                     SQLITE_OK);
    sqlite3_close(db);
}

/* An upgrade that does not fit is none: the store is what it was, and the next start upgrades it. */
static void test_failing_disk_while_upgrading(void **state)
{
    (void)state;
    static const enum kg_failing_kind kinds[] = {KG_FAIL_FULL, KG_FAIL_IO};
    for (size_t k = 0; k < KG_ARRAY_LEN(kinds); k++) {
        kg_failing_vfs_reset();
        make_first_version();
        kg_failing_vfs_keep();
        unsigned refused = 0;
        bool failed = true;
        for (unsigned number = 1; failed; number++) {
            struct kg_problem problem;
            enum kg_store_status status;
            kg_failing_vfs_go_back();
            kg_failing_vfs_arm(kinds[k], number, FOR_EVER);
            sqlite3 *db = kg_store_db_open(path, &status, &problem);
            failed = kg_failing_vfs_failed();
            kg_failing_vfs_arm(KG_FAIL_NOTHING, 0, 0);
            kg_store_db_close(db);
            if (!db) {
                refused++;
                assert_int_equal(status, kinds[k] == KG_FAIL_FULL ? KG_STORE_FULL : KG_STORE_FAILED);
                assert_non_null(strstr(problem.text, kinds[k] == KG_FAIL_FULL ? "free space in the state"
                                                                              : "check the state folder"));
                check_first_version();
            }
            db = open_db();
            check_upgraded(db);
            kg_store_db_close(db);
        }
        assert_true(refused > 10);
    }
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    kg_failing_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_at_every_operation),
        cmocka_unit_test(test_power_cut_while_making_the_store),
        cmocka_unit_test(test_full_disk_at_every_write),
        cmocka_unit_test(test_failing_disk_at_every_operation),
        cmocka_unit_test(test_power_cut_while_pruning),
        cmocka_unit_test(test_upgrade_from_the_first_version),
        cmocka_unit_test(test_power_cut_while_upgrading),
        cmocka_unit_test(test_failing_disk_while_upgrading),
    };
    return cmocka_run_group_tests(tests, make_jobs, free_jobs);
}

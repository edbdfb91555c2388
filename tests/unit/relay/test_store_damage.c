/* Files that are damaged, full, locked, not writable or too new: what is kept, and what is refused. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/relay/store_world.h"

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
    assert_true(kg_store_write(store, 0, NULL, 0, &entry));
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(1), KG_STORE_LOCKED);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_LOCKED);
    assert_int_equal(lost, 1);
    PUT(store, 1, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(1), KG_STORE_LOCKED);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_LOCKED);
    sqlite3_exec(thief, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(thief);
    PUT(store, 2, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(2), KG_STORE_OK);
    assert_int_equal(kg_store_health(store, &lost), KG_STORE_OK);
    /* The trail tells of the gap once, before the first row that follows it. */
    PUT(store, 3, PUT_ROOM, .room = &a);
    assert_int_equal(result_of(3), KG_STORE_OK);
    struct kg_audit_filter filter = {.event_id = "audit.rows-lost"};
    assert_true(kg_store_audit_list(store, 4, &filter));
    struct kg_store_answer *answer = answer_of(4, KG_STORE_OK);
    assert_int_equal(json_array_size(answer->rows), 1);
    const char *detail = json_string_value(json_object_get(json_array_get(answer->rows, 0), "detail"));
    assert_int_equal(strncmp(detail, "count=1 since=20", 16), 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(answer->rows, 0), "seq")), 2);
    kg_store_answer_destroy(answer);
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

/* Store, good copy and log are damaged: an empty store, and each of the three is kept for whoever may rescue
 * it. */
static void test_nothing_damaged_is_thrown_away(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", ".backup"};
    struct kg_store_snapshot s = {0};
    char name[160];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    assert_true(kg_store_write(store, 1, NULL, 0, &entry));
    assert_int_equal(result_of(1), KG_STORE_OK);
    kg_store_close(store);
    for (size_t i = 0; i < KG_ARRAY_LEN(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        overwrite(name, "no database any more ", 0);
        assert_int_equal(truncate(name, 1000), 0);
    }
    store = open_store(&s);
    assert_int_equal(s.organization_count, 0);
    kg_store_close(store);
    assert_int_equal(count_files("kaigi.db.corrupt-*[0-9]"), 1);
    assert_int_equal(count_files("kaigi.db.corrupt-*-wal"), 1);
    assert_int_equal(count_files("kaigi.db.backup.corrupt-*[0-9]"), 1);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damaged_file_loses_nothing, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_corrupt_goes_back_to_the_good_copy, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(test_corrupt_while_running, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_full_changes_nothing, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_locked_refuses_and_recovers, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_damaged_is_thrown_away, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(test_newer_store_is_refused, store_set_up, store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

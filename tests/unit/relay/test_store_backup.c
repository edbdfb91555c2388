/* Copies of the store that an administrator makes, and what is put back from one. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/store_restore.h"
#include "unit/relay/store_world.h"

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

    /* What root restores belongs to whom the folder does, the lock of a relay that never ran there too. */
    struct stat restored;
    assert_int_equal(unlink(lock_path), 0);
    assert_int_equal(geteuid() == 0 ? chown(folder, 65534, 65534) : 0, 0);
    assert_true(kg_store_restore(folder, to, kept, &verdict, &problem));
    assert_int_equal(stat(path, &restored), 0);
    assert_int_equal(restored.st_uid, geteuid() == 0 ? 65534 : geteuid());
    assert_int_equal(stat(lock_path, &restored), 0);
    assert_int_equal(restored.st_uid, geteuid() == 0 ? 65534 : geteuid());
    assert_int_equal(verdict.count, 1);
    assert_int_equal(access(kept, F_OK), 0);
    store = open_store(&s);
    assert_int_equal(s.organization_count, 1);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
    /* What was there before is whole, in its one file. */
    enum kg_store_status status;
    snprintf(to, sizeof to, "%s/again.db", folder);
    assert_int_equal(rename(kept, to), 0);
    sqlite3 *old = kg_store_db_open(to, &status, &problem);
    assert_true(old && kg_store_db_load(old, &s, &status));
    assert_int_equal(s.organization_count, 2);
    kg_store_snapshot_finish(&s);
    kg_store_db_close(old);

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

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backup_and_restore, store_set_up, store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

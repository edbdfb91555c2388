/* The power goes at each step in which a store's files change places: in a recovery and in a restoration.
 * What the next start finds holds all that was acknowledged. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_file.h"
#include "relay/store_recover.h"
#include "relay/store_restore.h"
#include "relay/store_sql.h"
#include "unit/relay/store_world.h"

enum { CUT = 9, MOST_STEPS = 200, LATER_ROWS = 40, TRAIL_ROWS = 2 + LATER_ROWS };

static char work[96], work_path[128], backup_path[128];
static int steps_left; /* counted down while armed: the last one does not happen, and nothing after it */

static void step(void)
{
    if (steps_left > 0 && --steps_left == 0)
        _exit(CUT);
}

int rename(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    step();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *name)
{
    step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
}

int fsync(int fd)
{
    step();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    step();
    return (int)syscall(SYS_fdatasync, fd);
}

/* A store with rows that only its log has, and a backup from before its second organization. */
static int make_store(void **state)
{
    struct kg_store_snapshot s = {0};
    if (store_set_up(state) != 0)
        return -1;
    snprintf(work, sizeof work, "%s/work", folder);
    snprintf(work_path, sizeof work_path, "%s/kaigi.db", work);
    snprintf(backup_path, sizeof backup_path, "%s/backup", folder);
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    assert_true(kg_store_backup(store, 1, backup_path));
    kg_store_answer_destroy(answer_of(1, KG_STORE_OK));
    put_organization(store, "mihon", "見本町");
    for (int i = 1; i <= LATER_ROWS; i++)
        assert_true(kg_store_write(store, i == LATER_ROWS ? 2 : 0, NULL, 0, &entry));
    assert_int_equal(result_of(2), KG_STORE_OK);
    kg_store_close(store);
    return 0;
}

static void remove_work(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", work);
    assert_int_equal(system(command), 0);
}

static void copy_store(void)
{
    static const char *const suffixes[] = {"", "-wal", ".backup"};
    char from[160], to[160];
    remove_work();
    assert_int_equal(mkdir(work, 0700), 0);
    for (size_t i = 0; i < KG_ARRAY_LEN(suffixes); i++) {
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s%s", work_path, suffixes[i]);
        assert_true(kg_store_copy_file(from, to));
    }
}

static bool recover(void)
{
    char copy[160];
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    snprintf(copy, sizeof copy, "%s.backup", work_path);
    sqlite3 *db = kg_store_open_or_recover(work_path, copy, &s, &problem);
    kg_store_snapshot_finish(&s);
    kg_store_db_close(db);
    return db != NULL;
}

static bool restore(void)
{
    char kept[4096];
    struct kg_problem problem;
    return kg_store_restore(work, backup_path, kept, NULL, &problem);
}

/* The exit code of a process whose change was cut at step number. */
static int cut_at(int number, bool (*change)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        steps_left = number;
        _exit(change() ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

struct found {
    int64_t organizations, rows;
};

/* At the next start. */
static struct found look(int number)
{
    struct found found;
    char copy[160];
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    snprintf(copy, sizeof copy, "%s.backup", work_path);
    sqlite3 *db = kg_store_open_or_recover(work_path, copy, &s, &problem);
    if (!db)
        fail_msg("step %d: %s", number, problem.text);
    kg_store_snapshot_finish(&s);
    assert_int_equal(kg_sql_integer(db, "SELECT count(*) FROM organization", &found.organizations),
                     SQLITE_OK);
    assert_int_equal(kg_sql_integer(db, "SELECT count(*) FROM audit", &found.rows), SQLITE_OK);
    kg_store_db_close(db);
    return found;
}

static void test_a_recovery_cut_at_each_step(void **state)
{
    (void)state;
    int code = CUT, number;
    for (number = 1; code == CUT && number < MOST_STEPS; number++) {
        copy_store();
        /* The log has page 1 too, so it must be more than that. */
        overwrite(work_path, "this page is not what it was any more: ", 0);
        assert_int_equal(truncate(work_path, 100), 0);
        code = cut_at(number, recover);
        struct found found = look(number);
        if (found.organizations != 2 || found.rows < TRAIL_ROWS)
            fail_msg("step %d: %d organizations, %d rows", number, (int)found.organizations, (int)found.rows);
    }
    assert_int_equal(code, EXIT_SUCCESS);
    assert_true(number > 3);
}

/* Either the old store with all of it, or the backup. */
static void test_a_restoration_cut_at_each_step(void **state)
{
    (void)state;
    int code = CUT, number;
    unsigned old = 0;
    for (number = 1; code == CUT && number < MOST_STEPS; number++) {
        copy_store();
        code = cut_at(number, restore);
        struct found found = look(number);
        if (found.organizations == 1)
            continue;
        old++;
        if (found.organizations != 2 || found.rows < TRAIL_ROWS)
            fail_msg("step %d: %d organizations, %d rows", number, (int)found.organizations, (int)found.rows);
    }
    assert_int_equal(code, EXIT_SUCCESS);
    assert_true(old > 3);
    assert_int_equal(look(0).organizations, 1);
}

/* A log whose store is gone must not be taken for the restored one's. */
static void test_a_log_without_its_store(void **state)
{
    (void)state;
    char name[160];
    copy_store();
    assert_int_equal(unlink(work_path), 0);
    assert_true(restore());
    snprintf(name, sizeof name, "%s-wal", work_path);
    assert_int_not_equal(access(name, F_OK), 0);
    struct found found = look(0);
    assert_int_equal(found.organizations, 1);
    assert_int_equal(found.rows, 2); /* the backup's, and that it was restored */
    assert_int_equal(count_files("work/kaigi.db.before-restore-*-wal"), 1);
}

/* Somebody may still rescue what it holds. */
static void test_a_log_alone_is_kept(void **state)
{
    (void)state;
    char copy[160];
    copy_store();
    snprintf(copy, sizeof copy, "%s.backup", work_path);
    assert_int_equal(unlink(work_path) + unlink(copy), 0);
    assert_int_equal(look(0).organizations, 0);
    assert_int_equal(count_files("work/kaigi.db.corrupt-*-wal"), 1);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_recovery_cut_at_each_step, make_store, store_tear_down),
        cmocka_unit_test_setup_teardown(test_a_restoration_cut_at_each_step, make_store, store_tear_down),
        cmocka_unit_test_setup_teardown(test_a_log_alone_is_kept, make_store, store_tear_down),
        cmocka_unit_test_setup_teardown(test_a_log_without_its_store, make_store, store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

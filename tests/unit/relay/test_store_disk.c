/* Copies and restorations beside a disk that is full, and in folders that others may write to. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fakes/hooked_vfs.h"
#include "relay/store_restore.h"
#include "unit/relay/store_world.h"

static char victim[128];
static const char precious[] = "not a copy of anything\n";

/* What the hook does. */
static const char *_Atomic full_name; /* no room for files with this in their names */
static atomic_int room_for;           /* writes that still fit there */
static atomic_int denied;             /* that did not */
static atomic_bool unreadable;        /* the store, from now on */
static atomic_int unread;
static enum { LEAVE, BY_LINK, BY_FILE, BY_FOLDER } swap;

/* As whoever may write to the folder would: our draft's file, or all of its folder, goes, and his comes. */
static void swap_draft(const char *name)
{
    char parent[4096], away[4200];
    snprintf(away, sizeof away, "%s.away", name);
    if (swap == BY_FOLDER) {
        snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(name, '/') - name), name);
        snprintf(away, sizeof away, "%s.away", parent);
        assert_int_equal(rename(parent, away), 0);
        assert_int_equal(mkdir(parent, 0777), 0);
    } else {
        assert_int_equal(rename(name, away), 0);
    }
    if (swap == BY_LINK)
        assert_int_equal(symlink(victim, name), 0);
    else
        close(open(name, O_CREAT | O_RDWR, 0666));
}

static int on_file(enum kg_hooked_what what, const char *name)
{
    const char *full = atomic_load(&full_name), *end = strrchr(name, '/');
    if (what == KG_HOOKED_OPEN && strstr(name, "/copy.new-") && strcmp(end, "/copy.db") == 0 && swap != LEAVE)
        swap_draft(name);
    if (what == KG_HOOKED_READ && atomic_load(&unreadable)) {
        atomic_fetch_add(&unread, 1);
        return SQLITE_IOERR_READ;
    }
    if (what != KG_HOOKED_WRITE || !full || !strstr(name, full) || atomic_fetch_sub(&room_for, 1) > 0)
        return SQLITE_OK;
    atomic_fetch_add(&denied, 1);
    return SQLITE_FULL;
}

static void fill(const char *name, int room)
{
    atomic_store(&room_for, room);
    atomic_store(&denied, 0);
    atomic_store(&full_name, name);
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int set_up(void **state)
{
    if (store_set_up(state) != 0)
        return -1;
    snprintf(victim, sizeof victim, "%s/victim", folder);
    write_file(victim, precious);
    swap = LEAVE;
    fill(NULL, 0);
    kg_hooked_vfs_install(on_file);
    return 0;
}

static int tear_down(void **state)
{
    kg_hooked_vfs_remove();
    return store_tear_down(state);
}

static void victim_is_whole(void)
{
    char text[64] = "";
    FILE *in = fopen(victim, "r");
    assert_non_null(in);
    assert_non_null(fgets(text, sizeof text, in));
    fclose(in);
    assert_string_equal(text, precious);
}

/* The copy's outcome; text: why. */
static enum kg_store_status backup(struct kg_store *store, const char *to, char text[512])
{
    struct kg_store_result result;
    assert_true(kg_store_backup(store, 50, to));
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_non_null(result.answer);
    snprintf(text, 512, "%s", result.answer->problem.text);
    kg_store_answer_destroy(result.answer);
    return result.status;
}

static void test_planted_links_are_not_followed(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    struct kg_store_snapshot s = {0};
    struct stat st;
    char to[160], planted[256], text[512];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    snprintf(to, sizeof to, "%s/copy", folder);
    for (size_t i = 0; i < KG_ARRAY_LEN(suffixes); i++) {
        snprintf(planted, sizeof planted, "%s.new-%d%s", to, (int)getpid(), suffixes[i]);
        assert_int_equal(symlink(victim, planted), 0);
    }
    assert_int_equal(backup(store, to, text), KG_STORE_OK);
    victim_is_whole();
    assert_int_equal(lstat(to, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count_files("copy.new-*"), KG_ARRAY_LEN(suffixes));
    /* Nor one in its very place, wherever it leads. */
    snprintf(to, sizeof to, "%s/link", folder);
    snprintf(planted, sizeof planted, "%s/target", folder);
    assert_int_equal(symlink(planted, to), 0);
    assert_int_equal(backup(store, to, text), KG_STORE_REFUSED);
    assert_non_null(strstr(text, "exists already"));
    assert_int_not_equal(access(planted, F_OK), 0);
    kg_store_close(store);
}

/* Nothing of the store gets into another's file, even one put there at the last moment. */
static void test_a_draft_that_was_swapped_is_given_up(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct stat st;
    char to[160], text[512];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    snprintf(to, sizeof to, "%s/copy", folder);
    for (swap = BY_LINK; swap <= BY_FOLDER; swap++) {
        assert_int_equal(backup(store, to, text), KG_STORE_FAILED);
        assert_non_null(strstr(text, "no copy was made"));
        victim_is_whole();
        assert_int_not_equal(lstat(to, &st), 0);
    }
    swap = LEAVE;
    assert_int_equal(backup(store, to, text), KG_STORE_OK);
    kg_store_close(store);
}

static void test_what_a_power_cut_left_is_removed(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    char name[200];
    snprintf(name, sizeof name, "%s.backup.new-Ab12Cd", path);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof name, "%s.backup.new-Ab12Cd/copy.db", path);
    write_file(name, "half");
    snprintf(name, sizeof name, "%s.backup.new-77", path);
    write_file(name, "half");
    snprintf(name, sizeof name, "%s.backup.newer", path);
    write_file(name, "somebody's");
    kg_store_close(open_store(&s));
    assert_int_equal(count_files("kaigi.db.backup.new-*"), 0);
    assert_int_equal(count_files("kaigi.db.backup.newer"), 1);
    assert_int_equal(count_files("kaigi.db.backup"), 1);
}

static bool appears(const char *name)
{
    int64_t until_us = kg_clock_now_us() + 10000000;
    while (access(name, F_OK) != 0 && kg_clock_now_us() < until_us)
        usleep(5000);
    return access(name, F_OK) == 0;
}

/* Without another change: the next damage would find an old copy, or none. */
static void test_a_good_copy_that_failed_is_made_later(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    const struct kg_store_params params = {.path = path, .results = results, .copy_retry_us = 20000};
    char copy[160];
    snprintf(copy, sizeof copy, "%s.backup", path);
    fill(".backup.new-", 0);
    struct kg_store *store = kg_store_open(&params, &s, &problem);
    assert_non_null(store);
    /* At the start, by the thread that reads, and once more. */
    int64_t until_us = kg_clock_now_us() + 10000000;
    while (atomic_load(&denied) < 3 && kg_clock_now_us() < until_us)
        usleep(5000);
    assert_true(atomic_load(&denied) >= 3);
    assert_int_not_equal(access(copy, F_OK), 0);
    put_organization(store, "kaku", "架空市");
    fill(NULL, 0);
    assert_true(appears(copy));
    kg_store_close(store);
    assert_int_equal(count_files("kaigi.db.backup*"), 1);
}

/* A store that cannot be read for a copy is looked at again after the same pause, not all the time. */
static void test_an_unreadable_store_is_left_in_peace(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    const struct kg_store_params params = {.path = path, .results = results, .copy_retry_us = 20000};
    sqlite3 *other;
    fill(".backup.new-", 0);
    struct kg_store *store = kg_store_open(&params, &s, &problem);
    assert_non_null(store);
    /* What it remembers of the file is out of date: it must read. */
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA user_version = 5", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&unreadable, true);
    int64_t until_us = kg_clock_now_us() + 10000000;
    while (atomic_load(&unread) == 0 && kg_clock_now_us() < until_us)
        usleep(5000);
    atomic_store(&unread, 0);
    usleep(200000);
    int looks = atomic_load(&unread);
    atomic_store(&unreadable, false);
    if (looks > 100)
        fail_msg("read %d times in 200 ms", looks);
    fill(NULL, 0);
    char copy[160];
    snprintf(copy, sizeof copy, "%s.backup", path);
    assert_true(appears(copy));
    sqlite3_close(other);
    kg_store_close(store);
}

static void check_untouched(struct kg_problem *problem)
{
    struct kg_store_snapshot s = {0};
    enum kg_store_status status;
    if (!strstr(problem->text, "free space"))
        fail_msg("\"%s\" does not say what helps", problem->text);
    assert_int_equal(count_files("*.before-restore-*") + count_files("*.restoring*"), 0);
    sqlite3 *db = kg_store_db_open(path, &status, problem);
    assert_non_null(db);
    assert_true(kg_store_db_load(db, &s, &status));
    assert_int_equal(s.organization_count, 2);
    kg_store_snapshot_finish(&s);
    kg_store_db_close(db);
}

/* Of one organization of the two there are then. */
static void make_backup(const char *name)
{
    struct kg_store_snapshot s = {0};
    char text[512];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    assert_int_equal(backup(store, name, text), KG_STORE_OK);
    put_organization(store, "mihon", "見本町");
    kg_store_close(store);
}

static void test_a_full_disk_while_restoring(void **state)
{
    (void)state;
    struct kg_problem problem = {""};
    struct kg_store_snapshot s = {0};
    struct rlimit before, little;
    char to[160], kept[4096];
    snprintf(to, sizeof to, "%s/copy", folder);
    make_backup(to);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = (struct rlimit){5000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    bool restored = kg_store_restore(folder, to, kept, NULL, &problem);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(restored);
    check_untouched(&problem);
    int room = 0;
    /* The very last write, which says that there is no log, may fail: nothing hangs on it. */
    for (restored = false; !restored; room++) {
        fill(".restoring", room);
        restored = kg_store_restore(folder, to, kept, NULL, &problem);
        fill(NULL, 0);
        if (!restored)
            check_untouched(&problem);
    }
    assert_true(room > 10);
    assert_int_equal(count_files("*.restoring*"), 0);
    struct kg_store *store = open_store(&s);
    assert_int_equal(s.organization_count, 1);
    kg_store_snapshot_finish(&s);
    kg_store_close(store);
}

static void holds_one_organization(const char *name)
{
    struct kg_store_snapshot s = {0};
    struct kg_problem problem;
    enum kg_store_status status;
    assert_int_equal(count_files("copy*"), 1);
    sqlite3 *db = kg_store_db_open(name, &status, &problem);
    assert_non_null(db);
    assert_true(kg_store_db_load(db, &s, &status));
    assert_int_equal(s.organization_count, 1);
    kg_store_snapshot_finish(&s);
    kg_store_db_close(db);
}

/* A copy that did not fit is none, and the store goes on. */
static void test_a_full_disk_while_copying(void **state)
{
    (void)state;
    struct kg_store_snapshot s = {0};
    char to[160], text[512];
    struct kg_store *store = open_store(&s);
    put_organization(store, "kaku", "架空市");
    snprintf(to, sizeof to, "%s/copy", folder);
    enum kg_store_status status = KG_STORE_FULL;
    for (int room = 0; status != KG_STORE_OK; room++) {
        fill("/copy.new-", room);
        status = backup(store, to, text);
        if (status == KG_STORE_OK)
            holds_one_organization(to);
        else if (status != KG_STORE_FULL || !strstr(text, "free space"))
            fail_msg("write %d: \"%s\" does not say what helps", room, text);
        else
            assert_int_equal(count_files("copy*"), 0);
    }
    put_organization(store, "mihon", "見本町");
    kg_store_close(store);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_planted_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_draft_that_was_swapped_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_power_cut_left_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_good_copy_that_failed_is_made_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unreadable_store_is_left_in_peace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_disk_while_restoring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_disk_while_copying, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "relay/store_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_audit.h"
#include "relay/store_backup.h"
#include "relay/store_db.h"
#include "relay/store_file.h"
#include "relay/store_sql.h"

enum { PATH_BYTES = 4096 };

/* What is tried, in this order. */
enum attempt { AS_IT_IS, COPY_AND_LOG, COPY_ALONE, EMPTY, ATTEMPTS };

static void suffixed(char out[PATH_BYTES], const char *path, const char *suffix)
{
    if (snprintf(out, PATH_BYTES, "%s%s", path, suffix) >= PATH_BYTES)
        out[0] = '\0'; /* names nothing: whatever is done with it fails */
}

static void remove_beside(const char *path, const char *suffix)
{
    char beside[PATH_BYTES];
    suffixed(beside, path, suffix);
    unlink(beside);
}

/* A name beside it that nothing has. */
static bool name_aside(const char *path, char aside[PATH_BYTES], struct kg_problem *problem)
{
    char log[PATH_BYTES];
    for (long long number = (long long)time(NULL);; number++) {
        if (snprintf(aside, PATH_BYTES, "%s.corrupt-%lld", path, number) >= PATH_BYTES)
            return kg_problem_set(problem, "the path %s is too long", path);
        suffixed(log, aside, "-wal");
        if (access(aside, F_OK) != 0 && access(log, F_OK) != 0)
            return true;
    }
}

/* Never deleted: somebody may rescue it. */
static bool put_aside(const char *path, const char *aside, struct kg_problem *problem)
{
    return renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0 ||
           kg_problem_set(problem, "%s is damaged and cannot be put aside: %s", path, strerror(errno));
}

/* A copy, for the log itself is tried with the good copy next. Without it, the log is put aside when it is
 * given up. */
static void copy_log_aside(const char *path, const char *aside)
{
    char log[PATH_BYTES], aside_log[PATH_BYTES];
    suffixed(log, path, "-wal");
    suffixed(aside_log, aside, "-wal");
    if (access(log, F_OK) != 0 || kg_store_copy_file(log, aside_log))
        return;
    kg_log(KG_LOG_WARN, "relay", NULL, "the damaged store's log cannot be kept as %s yet: %s", aside_log,
           strerror(errno));
    unlink(aside_log);
}

static bool give_up_log(const char *path, const char *aside, struct kg_problem *problem)
{
    char log[PATH_BYTES], aside_log[PATH_BYTES];
    suffixed(log, path, "-wal");
    suffixed(aside_log, aside, "-wal");
    if (access(log, F_OK) != 0)
        return true;
    if (access(aside_log, F_OK) != 0)
        return put_aside(log, aside_log, problem);
    return unlink(log) == 0 || kg_problem_set(problem, "cannot remove %s: %s", log, strerror(errno));
}

/* Where neither the store nor a copy is left, a log alone would be deleted by SQLite. */
static bool keep_orphan(const char *path, struct kg_problem *problem)
{
    char aside[PATH_BYTES], log[PATH_BYTES];
    suffixed(log, path, "-wal");
    if (access(log, F_OK) != 0)
        return true;
    if (!name_aside(path, aside, problem) || !give_up_log(path, aside, problem))
        return false;
    kg_log(KG_LOG_ERROR, "relay", "store.lost",
           "the store %s is gone, its log is kept as %s-wal: restore a backup with \"kaigi-ctl restore\", or "
           "add "
           "rooms and import the agenda again",
           path, aside);
    return true;
}

/* A log that is not this copy's would give a mixture: only what is sound throughout counts. */
static bool is_sound(sqlite3 *db)
{
    struct kg_audit_verdict verdict;
    int64_t ignored;
    return kg_store_check_pages(db, false) == SQLITE_OK &&
           kg_sql_integer(db, "SELECT 1 FROM pragma_foreign_key_check LIMIT 1", &ignored) == SQLITE_DONE &&
           kg_store_audit_check(db, NULL, 0, &verdict) == SQLITE_OK && verdict.fault == KG_AUDIT_SOUND;
}

static sqlite3 *try_open(const char *path, enum attempt attempt, struct kg_store_snapshot *snapshot,
                         enum kg_store_status *status, struct kg_problem *problem)
{
    sqlite3 *db = kg_store_db_open(path, status, problem);
    if (!db)
        return NULL;
    if (attempt == COPY_AND_LOG && !is_sound(db))
        *status = KG_STORE_CORRUPT;
    else if (kg_store_db_load(db, snapshot, status))
        return db;
    kg_problem_set(problem, "cannot read the store %s: %s", path, kg_store_status_text(*status));
    kg_store_db_close(db);
    return NULL;
}

/* Whole under its name, or not there at all: a copy that was cut off must not pass for a store. */
static bool put_copy_in_place(const char *path, const char *copy_path, struct kg_problem *problem)
{
    char fresh[PATH_BYTES];
    suffixed(fresh, path, ".recovering");
    if (kg_store_copy_file(copy_path, fresh) && rename(fresh, path) == 0 && kg_store_sync_folder(path))
        return true;
    kg_problem_set(problem, "the good copy %s cannot be put in place: %s; free space in the state folder",
                   copy_path, strerror(errno));
    unlink(fresh);
    return false;
}

/* Lays out the files of an attempt. The good copy itself stays where it is, for the next. */
static bool arrange(const char *path, const char *copy_path, const char *aside, enum attempt attempt,
                    struct kg_problem *problem)
{
    char copy_aside[PATH_BYTES];
    remove_beside(path, "-shm");
    if (attempt != COPY_AND_LOG && !give_up_log(path, aside, problem))
        return false;
    if (attempt != EMPTY)
        return put_copy_in_place(path, copy_path, problem);
    unlink(path); /* what the attempt before made of the copy */
    return access(copy_path, F_OK) != 0 ||
           (name_aside(copy_path, copy_aside, problem) && put_aside(copy_path, copy_aside, problem));
}

static void say(sqlite3 *db, enum attempt attempt, const char *aside)
{
    static const char *const outcome[] = {
        [COPY_AND_LOG] = "continuing with its last good copy and all that was written since",
        [COPY_ALONE] =
            "continuing with its last good copy; what was written since is in the damaged files only",
        [EMPTY] =
            "there is no good copy: restore a backup with \"kaigi-ctl restore\", or add rooms and import "
            "the agenda again",
    };
    kg_log(KG_LOG_ERROR, "relay", attempt == EMPTY ? "store.lost" : "store.restored",
           "the store was damaged%s%s: %s", aside[0] ? " and is kept as " : " or gone", aside,
           outcome[attempt]);
    if (kg_store_audit_tell(db, attempt == EMPTY ? "store.lost" : "store.restored", "kaigi-relay",
                            outcome[attempt]) != SQLITE_OK)
        kg_log(KG_LOG_ERROR, "relay", NULL, "the audit trail cannot tell of it");
}

sqlite3 *kg_store_open_or_recover(const char *path, const char *copy_path, struct kg_store_snapshot *snapshot,
                                  struct kg_problem *problem)
{
    char aside[PATH_BYTES];
    enum kg_store_status status;
    bool gone = access(path, F_OK) != 0, has_copy = access(copy_path, F_OK) == 0;
    if (gone && !has_copy && !keep_orphan(path, problem))
        return NULL;
    sqlite3 *db = gone && has_copy ? NULL : try_open(path, AS_IT_IS, snapshot, &status, problem);
    if (db)
        return db;
    if ((!gone && status != KG_STORE_CORRUPT) || (gone && !has_copy) || !name_aside(path, aside, problem))
        return NULL;
    if (!gone && !put_aside(path, aside, problem))
        return NULL;
    if (!gone)
        copy_log_aside(path, aside);
    for (enum attempt attempt = has_copy ? COPY_AND_LOG : EMPTY; attempt < ATTEMPTS; attempt++) {
        if (!arrange(path, copy_path, aside, attempt, problem))
            return NULL;
        db = try_open(path, attempt, snapshot, &status, problem);
        if (db) {
            say(db, attempt, gone ? "" : aside);
            return db;
        }
        if (status != KG_STORE_CORRUPT)
            return NULL;
    }
    return NULL;
}

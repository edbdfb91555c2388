#include "relay/store_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_db.h"

/* The old write-ahead log belongs to the old file. */
static void remove_log(const char *path)
{
    char extra[4096 + 8];
    snprintf(extra, sizeof extra, "%s-wal", path);
    unlink(extra);
    snprintf(extra, sizeof extra, "%s-shm", path);
    unlink(extra);
}

static void restore_missing(const char *path, const char *copy_path)
{
    if (access(path, F_OK) == 0 || errno != ENOENT || access(copy_path, F_OK) != 0)
        return;
    remove_log(path);
    if (rename(copy_path, path) == 0)
        kg_log(KG_LOG_ERROR, "relay", "store.restored",
               "the store %s was gone: continuing with the last good copy", path);
}

/* Puts a damaged database aside (never deleted: somebody may rescue it) and the last good copy in its place.
 */
static bool put_aside(const char *path, const char *copy_path, struct kg_problem *problem)
{
    char aside[4096 + 40];
    int taken = -1;
    for (long long number = (long long)time(NULL); taken != 0; number++) {
        snprintf(aside, sizeof aside, "%s.corrupt-%lld", path, number);
        taken = renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE);
        if (taken != 0 && errno != EEXIST)
            break;
    }
    if (taken != 0)
        return kg_problem_set(problem, "the store %s is damaged and cannot be put aside: %s", path,
                              strerror(errno));
    remove_log(path);
    bool restored = rename(copy_path, path) == 0;
    kg_log(KG_LOG_ERROR, "relay", restored ? "store.restored" : "store.lost",
           restored
               ? "the store was damaged: kept as %s, continuing with the last good copy"
               : "the store was damaged: kept as %s; there is no good copy, so rooms must be added and the "
                 "agenda imported again",
           aside);
    return true;
}

sqlite3 *kg_store_open_or_recover(const char *path, const char *copy_path, struct kg_store_snapshot *snapshot,
                                  struct kg_problem *problem)
{
    restore_missing(path, copy_path);
    /* The file, then its backup, then an empty one. */
    for (int attempt = 0; attempt < 3; attempt++) {
        enum kg_store_status status;
        sqlite3 *db = kg_store_db_open(path, &status, problem);
        if (db && kg_store_db_load(db, snapshot, &status))
            return db;
        if (db)
            kg_problem_set(problem, "cannot read the store %s: %s", path, kg_store_status_text(status));
        kg_store_db_close(db);
        if (status != KG_STORE_CORRUPT || !put_aside(path, copy_path, problem))
            break;
    }
    return NULL;
}

#include "relay/store_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "relay/store_audit.h"
#include "relay/store_backup.h"
#include "relay/store_db.h"
#include "relay/store_file.h"
#include "relay/store_schema.h"
#include "relay/store_sql.h"

enum { PATH_BYTES = 4096 };

/* The relay's own lock, also where no relay has made one yet: none may run on this folder meanwhile, and none
 * may start. */
static int lock_state(const char *state, struct kg_problem *problem)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/relay.lock", state);
    /* Only a file made here is given away: what lies there already may be a link somebody put there. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && kg_store_give_to_owner(fd, path);
    if (fd < 0 && errno == EEXIST)
        ok = (fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) >= 0;
    if (ok && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (ok && errno == EWOULDBLOCK)
        kg_problem_set(problem, "a kaigi-relay is running on %s; stop it, restore, then start it again",
                       state);
    else
        kg_problem_set(problem, "cannot use the state folder %s: %s; run this as the relay's user", state,
                       strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* An older version's backup is brought to this one's in its copy, never in the medium's file. */
static bool check_version(sqlite3 *db, const char *backup, struct kg_problem *problem)
{
    int64_t version = 0;
    if (kg_sql_integer(db, "SELECT version FROM schema_version", &version) != SQLITE_OK)
        return kg_problem_set(problem, "%s is no backup of a kaigi-relay's store", backup);
    if (version > kg_store_schema_version())
        return kg_problem_set(
            problem,
            "%s was written by a newer kaigi-relay (version %d, this one knows %d); install "
            "that one first",
            backup, (int)version, kg_store_schema_version());
    return true;
}

/* Copied before anything is looked at: reading a medium's file must neither change nor lock it. */
static bool copy_backup(const char *from, const char *to, struct kg_problem *problem)
{
    if (kg_store_copy_file(from, to))
        return true;
    int why = errno;
    return kg_problem_set(problem, "cannot copy %s to %s: %s%s", from, to, strerror(why),
                          why == ENOSPC ? "; free space in the state folder" : "");
}

static bool tell(sqlite3 *db, const char *backup)
{
    char actor[32], detail[300];
    snprintf(actor, sizeof actor, "local:%u", (unsigned)getuid());
    snprintf(detail, sizeof detail, "from %.250s", backup);
    return kg_store_audit_tell(db, "store.restored", actor, detail) == SQLITE_OK;
}

static bool check_backup(const char *copy, const char *backup, struct kg_audit_verdict *verdict,
                         struct kg_problem *problem)
{
    enum kg_store_status status;
    struct kg_store_snapshot snapshot = {0};
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        kg_store_check_pages(db, false) != SQLITE_OK) {
        sqlite3_close(db);
        return kg_problem_set(problem, "%s is damaged, or no backup at all: take another one", backup);
    }
    bool ok = check_version(db, backup, problem);
    sqlite3_close(db);
    if (!ok)
        return false;
    db = kg_store_db_open(copy, &status, problem);
    if (!db)
        return false;
    if (kg_store_audit_check(db, NULL, 0, verdict) != SQLITE_OK || verdict->fault != KG_AUDIT_SOUND)
        ok = kg_problem_set(problem, "the audit trail in %s is not sound: %s; take another backup", backup,
                            verdict->text);
    else if (!kg_store_db_load(db, &snapshot, &status))
        ok = kg_problem_set(problem, "%s cannot be read: %s", backup, kg_store_status_text(status));
    kg_store_snapshot_finish(&snapshot);
    /* Rows from after the backup are in the old store alone: whoever reads the trail must know. */
    if (ok && !tell(db, backup))
        ok = kg_problem_set(problem, "the copy of %s cannot be written: free space in the state folder",
                            backup);
    /* One file again, without a log beside it. */
    if (ok && kg_sql_make_one_file(db) != SQLITE_OK)
        ok = kg_problem_set(problem, "the copy of %s cannot be written: free space in the state folder",
                            backup);
    kg_store_db_close(db);
    return ok;
}

static void move_beside(const char *store, const char *kept, const char *suffix)
{
    char from[PATH_BYTES + 8], to[PATH_BYTES + 8];
    snprintf(from, sizeof from, "%s%s", store, suffix);
    snprintf(to, sizeof to, "%s%s", kept, suffix);
    rename(from, to);
}

/* false: a log is still there, which SQLite would take for the next store's. */
static bool move_log(const char *store, const char *kept, struct kg_problem *problem)
{
    char log[PATH_BYTES + 8];
    snprintf(log, sizeof log, "%s-wal", store);
    move_beside(store, kept, "-wal");
    move_beside(store, kept, "-shm");
    return access(log, F_OK) != 0 || kg_problem_set(problem, "cannot put %s aside: %s", log, strerror(errno));
}

/* The old store's log holds acknowledged writes that its file does not have: one file of both can be replaced
 * in one step. A damaged one keeps its log, which goes along with it. */
static bool fold_log(const char *store, struct kg_problem *problem)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(store, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = kg_sql_make_one_file(db);
    sqlite3_close(db);
    enum kg_store_status status = kg_store_db_status(code);
    return (status != KG_STORE_FULL && status != KG_STORE_LOCKED) ||
           kg_problem_set(problem, "cannot put %s aside: %s", store, kg_store_status_text(status));
}

/* A name beside it that neither a store nor its log has. */
static bool name_kept(const char *store, char kept[PATH_BYTES], struct kg_problem *problem)
{
    char log[PATH_BYTES + 8];
    for (long long number = (long long)time(NULL);; number++) {
        int size = snprintf(kept, PATH_BYTES, "%s.before-restore-%lld", store, number);
        if (size < 0 || size >= PATH_BYTES)
            return kg_problem_set(problem, "the path %s is too long", store);
        snprintf(log, sizeof log, "%s-wal", kept);
        if (access(kept, F_OK) != 0 && access(log, F_OK) != 0)
            return true;
    }
}

/* It has both names until the new one takes its place; where a file can have only one, its old one is gone
 * meanwhile. A log without its store goes too. */
static bool keep_old(const char *store, char kept[PATH_BYTES], struct kg_problem *problem)
{
    bool gone = access(store, F_OK) != 0;
    if (!name_kept(store, kept, problem) || (!gone && !fold_log(store, problem)))
        return false;
    if (!gone && link(store, kept) != 0 && renameat2(AT_FDCWD, store, AT_FDCWD, kept, RENAME_NOREPLACE) != 0)
        return kg_problem_set(problem, "cannot put %s aside: %s", store, strerror(errno));
    return move_log(store, kept, problem) &&
           (kg_store_sync_folder(kept) ||
            kg_problem_set(problem, "cannot put %s aside: %s", store, strerror(errno)));
}

/* As it was before, whatever of it was put aside. */
static void take_back(const char *store, const char *kept)
{
    struct stat is, was;
    if (stat(kept, &was) == 0) {
        bool both = stat(store, &is) == 0 && is.st_dev == was.st_dev && is.st_ino == was.st_ino;
        if ((both ? unlink(kept) : rename(kept, store)) != 0)
            return;
    } else if (access(store, F_OK) == 0) {
        return;
    }
    move_beside(kept, store, "-wal");
    move_beside(kept, store, "-shm");
}

static bool swap_in(const char *copy, const char *store, char kept[PATH_BYTES], struct kg_problem *problem)
{
    bool ok = keep_old(store, kept, problem);
    if (ok && (rename(copy, store) != 0 || !kg_store_sync_folder(store)))
        ok = kg_problem_set(problem, "cannot put the backup in place: %s", strerror(errno));
    if (!ok) {
        take_back(store, kept);
        kept[0] = '\0';
        return false;
    }
    if (access(kept, F_OK) != 0)
        kept[0] = '\0';
    /* The good copy beside the store is of the old one; the relay makes a new one at its start. */
    char good[PATH_BYTES + 8];
    snprintf(good, sizeof good, "%s.backup", store);
    unlink(good);
    return true;
}

static void remove_copy(const char *copy)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_BYTES + 16];
    for (size_t i = 0; i < KG_ARRAY_LEN(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", copy, suffixes[i]);
        unlink(name);
    }
}

bool kg_store_restore(const char *state, const char *backup, char kept[PATH_BYTES],
                      struct kg_audit_verdict *verdict, struct kg_problem *problem)
{
    char store[PATH_BYTES], copy[PATH_BYTES];
    struct kg_audit_verdict found = {0};
    kept[0] = '\0';
    if (strlen(state) > PATH_BYTES - 64)
        return kg_problem_set(problem, "the state folder's path is too long");
    int lock = lock_state(state, problem);
    if (lock < 0)
        return false;
    snprintf(store, sizeof store, "%s/kaigi.db", state);
    snprintf(copy, sizeof copy, "%s/kaigi.db.restoring", state);
    remove_copy(copy); /* of a restoration that was cut off */
    bool ok = copy_backup(backup, copy, problem) && check_backup(copy, backup, &found, problem) &&
              swap_in(copy, store, kept, problem);
    if (!ok)
        remove_copy(copy);
    close(lock);
    if (verdict)
        *verdict = found;
    return ok;
}

#include "relay/store_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/store_audit.h"
#include "relay/store_db.h"
#include "relay/store_sql.h"

enum { PAGES_A_STEP = 1024, PATH_BYTES = 4096 };

int kg_store_check_pages(sqlite3 *db, bool quick)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)",
                              NULL, 0);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        code = verdict && strcmp(verdict, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return code;
}

bool kg_store_sync_folder(const char *path)
{
    char copy[PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Within the source's read transaction: other connections' writes neither wait nor show. */
static int copy_pages(sqlite3 *from, sqlite3 *to, atomic_bool *stop)
{
    int code = SQLITE_OK;
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return sqlite3_extended_errcode(to);
    while (code == SQLITE_OK) {
        code = sqlite3_backup_step(backup, PAGES_A_STEP);
        if (code == SQLITE_OK && stop && atomic_load(stop))
            code = SQLITE_INTERRUPT;
    }
    int ended = sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? ended : code;
}

/* A copy is one file: no log beside it that somebody could leave behind. */
static int make_copy(sqlite3 *db, const char *path, atomic_bool *stop, struct kg_audit_verdict *verdict)
{
    sqlite3 *out = NULL;
    mode_t before = umask(0077);
    int code =
        sqlite3_open_v2(path, &out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    umask(before);
    if (code == SQLITE_OK)
        code = copy_pages(db, out, stop);
    if (code == SQLITE_OK)
        code = kg_sql_exec(out, "PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE");
    if (code == SQLITE_OK)
        code = kg_store_check_pages(out, verdict == NULL);
    if (code == SQLITE_OK && verdict)
        code = kg_store_audit_check(out, NULL, verdict);
    sqlite3_close(out);
    return code;
}

static bool sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

static enum kg_store_status give_name(const char *temporary, const char *path, bool replace,
                                      struct kg_problem *problem)
{
    bool ok = sync_file(temporary) &&
              renameat2(AT_FDCWD, temporary, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) == 0;
    if (ok && kg_store_sync_folder(path))
        return KG_STORE_OK;
    int why = errno;
    unlink(temporary);
    if (why == EEXIST)
        kg_problem_set(problem, "%s exists already; name another file, or move that one away", path);
    else
        kg_problem_set(problem, "cannot finish the copy %s: %s", path, strerror(why));
    return why == ENOSPC || why == EDQUOT ? KG_STORE_FULL : KG_STORE_FAILED;
}

static const char *remedy_of(enum kg_store_status status)
{
    switch (status) {
    case KG_STORE_FULL:
        return "the disk is full; free space there, or name a file on another disk";
    case KG_STORE_CORRUPT:
        return "the copy is not sound: either the store or that disk is damaged; look at the relay's log and "
               "at \"kaigi-ctl audit verify\"";
    case KG_STORE_LOCKED:
        return "another program holds the file; close it and try again";
    default:
        return "the relay must be allowed to write there (its own user; not under /home or read-only "
               "folders)";
    }
}

static enum kg_store_status copy_moment(sqlite3 *db, const struct kg_store_copy *copy,
                                        struct kg_audit_verdict *verdict, struct kg_problem *problem)
{
    char temporary[PATH_BYTES], unsound[PATH_BYTES];
    if (copy->path[0] != '/' || strlen(copy->path) > PATH_BYTES - 64) {
        kg_problem_set(problem, "give the copy's whole path, from \"/\" on, of at most %d bytes",
                       PATH_BYTES - 64);
        return KG_STORE_REFUSED;
    }
    if (!copy->replace && access(copy->path, F_OK) == 0) {
        kg_problem_set(problem, "%s exists already; name another file, or move that one away", copy->path);
        return KG_STORE_REFUSED;
    }
    snprintf(temporary, sizeof temporary, "%s.new-%d", copy->path, (int)getpid());
    unlink(temporary);
    int code = make_copy(db, temporary, copy->stop, verdict);
    bool sound = !verdict || verdict->fault == KG_AUDIT_SOUND;
    enum kg_store_status status = kg_store_db_status(code);
    if (code != SQLITE_OK) {
        unlink(temporary);
        kg_problem_set(problem, "no copy was made at %s: %s (SQLite: %s)", copy->path, remedy_of(status),
                       sqlite3_errstr(code));
        return status;
    }
    if (sound) {
        status = give_name(temporary, copy->path, copy->replace, problem);
        /* The transaction still open keeps what came after the copy in the log. */
        if (status == KG_STORE_OK && copy->empty)
            sqlite3_wal_checkpoint_v2(copy->empty, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return status;
    }
    /* Evidence is not thrown away, but nobody shall take it for a good copy either. */
    snprintf(unsound, sizeof unsound, "%s.unsound", copy->path);
    status = give_name(temporary, unsound, false, problem);
    if (status == KG_STORE_OK)
        kg_problem_set(problem, "the audit trail is not sound: %s; the copy is kept as %s", verdict->text,
                       unsound);
    return status == KG_STORE_OK ? KG_STORE_CORRUPT : status;
}

enum kg_store_status kg_store_copy(sqlite3 *db, const struct kg_store_copy *copy,
                                   struct kg_audit_verdict *verdict, struct kg_problem *problem)
{
    int64_t version;
    int code = kg_sql_exec(db, "BEGIN");
    /* Reading something is what begins it. */
    if (code == SQLITE_OK)
        code = kg_sql_integer(db, "SELECT version FROM schema_version", &version);
    if (code != SQLITE_OK) {
        kg_sql_end(db, code);
        kg_problem_set(problem, "the store cannot be read: %s",
                       kg_store_status_text(kg_store_db_status(code)));
        return kg_store_db_status(code);
    }
    enum kg_store_status status = copy_moment(db, copy, verdict, problem);
    kg_sql_end(db, SQLITE_OK);
    return status;
}

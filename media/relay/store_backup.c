#include "relay/store_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/store_audit.h"
#include "relay/store_db.h"
#include "relay/store_sql.h"

#define DRAFT      ".new-"
#define DRAFT_FILE "/copy.db"

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
    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
        return false;
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

/* A copy that has no name yet: a file in a folder of its own beside its place. The place may be a folder that
 * others write to; into this one only we can, so that nothing of SQLite's is found or followed there that was
 * not ours. */
struct draft {
    char beside[PATH_BYTES]; /* the folder of its place, without links */
    char name[NAME_MAX + 1];
    char folder[PATH_BYTES], file[PATH_BYTES + sizeof DRAFT_FILE];
    int fd; /* closed last: SQLite's locks would go with it */
};

static bool draft_name(struct draft *d, const char *path)
{
    char whole[PATH_BYTES];
    snprintf(whole, sizeof whole, "%s", path);
    char *resolved = realpath(dirname(whole), NULL);
    if (!resolved)
        return false;
    snprintf(whole, sizeof whole, "%s", path);
    int beside = snprintf(d->beside, sizeof d->beside, "%s", resolved),
        name = snprintf(d->name, sizeof d->name, "%s", basename(whole)),
        folder = snprintf(d->folder, sizeof d->folder, "%s/%s" DRAFT "XXXXXX", resolved, d->name);
    free(resolved);
    if ((size_t)beside < sizeof d->beside && (size_t)name < sizeof d->name &&
        (size_t)folder < sizeof d->folder - sizeof DRAFT_FILE)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static void draft_remove(struct draft *d)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    char name[sizeof d->file + 16];
    for (size_t i = 0; i < KG_ARRAY_LEN(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", d->file, suffixes[i]);
        unlink(name);
    }
    rmdir(d->folder);
    if (d->fd >= 0)
        close(d->fd);
}

/* false: errno. */
static bool draft_make(struct draft *d, const char *path)
{
    d->fd = -1;
    if (!draft_name(d, path) || !mkdtemp(d->folder))
        return false;
    snprintf(d->file, sizeof d->file, "%s" DRAFT_FILE, d->folder);
    d->fd = open(d->file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->fd >= 0)
        return true;
    int why = errno;
    draft_remove(d);
    errno = why;
    return false;
}

/* Its name still leads to the file we made: whoever owns the place may have moved our folder. */
static bool draft_is_ours(const struct draft *d)
{
    struct stat made, named;
    return fstat(d->fd, &made) == 0 && lstat(d->file, &named) == 0 && made.st_dev == named.st_dev &&
           made.st_ino == named.st_ino && made.st_nlink == 1;
}

/* A copy is one file: no log beside it that somebody could leave behind. */
static int make_copy(sqlite3 *db, const struct draft *d, atomic_bool *stop, struct kg_audit_verdict *verdict)
{
    sqlite3 *out = NULL;
    int code = sqlite3_open_v2(d->file, &out,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (code == SQLITE_OK && !draft_is_ours(d))
        code = SQLITE_PERM;
    if (code == SQLITE_OK)
        code = copy_pages(db, out, stop);
    if (code == SQLITE_OK)
        code = kg_sql_exec(out, "PRAGMA synchronous = FULL");
    if (code == SQLITE_OK)
        code = kg_sql_make_one_file(out);
    if (code == SQLITE_OK)
        code = kg_store_check_pages(out, verdict == NULL);
    if (code == SQLITE_OK && verdict)
        code = kg_store_audit_check(out, NULL, 0, verdict);
    sqlite3_close(out);
    return code;
}

/* Its place, with suffix. */
static enum kg_store_status give_name(const struct draft *d, const char *suffix, bool replace,
                                      struct kg_problem *problem)
{
    char path[PATH_BYTES + NAME_MAX + 16];
    snprintf(path, sizeof path, "%s/%s%s", d->beside, d->name, suffix);
    bool ok = fsync(d->fd) == 0;
    if (ok && !draft_is_ours(d)) {
        errno = EPERM;
        ok = false;
    }
    ok = ok && renameat2(AT_FDCWD, d->file, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) == 0;
    if (ok && kg_store_sync_folder(path))
        return KG_STORE_OK;
    int why = errno;
    if (ok && !replace)
        unlink(path); /* its name may not survive; it must not stand in the way of the next try */
    if (why == EEXIST)
        kg_problem_set(problem, "%s exists already; name another file, or move that one away", path);
    else
        kg_problem_set(problem, "cannot finish the copy %s: %s%s", path, strerror(why),
                       why == ENOSPC || why == EDQUOT ? "; free space there, or name a file on another disk"
                                                      : "");
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

static enum kg_store_status no_copy(const struct kg_store_copy *copy, enum kg_store_status status,
                                    const char *why, struct kg_problem *problem)
{
    kg_problem_set(problem, "no copy was made at %s: %s (%s)", copy->path, remedy_of(status), why);
    return status;
}

static enum kg_store_status copy_into(sqlite3 *db, const struct kg_store_copy *copy, const struct draft *d,
                                      struct kg_audit_verdict *verdict, struct kg_problem *problem)
{
    int code = make_copy(db, d, copy->stop, verdict);
    if (code != SQLITE_OK)
        return no_copy(copy, kg_store_db_status(code), sqlite3_errstr(code), problem);
    if (!verdict || verdict->fault == KG_AUDIT_SOUND) {
        enum kg_store_status status = give_name(d, "", copy->replace, problem);
        /* The transaction still open keeps what came after the copy in the log. */
        if (status == KG_STORE_OK && copy->empty)
            sqlite3_wal_checkpoint_v2(copy->empty, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return status;
    }
    /* Evidence is not thrown away, but nobody shall take it for a good copy either. */
    enum kg_store_status status = give_name(d, ".unsound", false, problem);
    if (status != KG_STORE_OK)
        return status;
    kg_problem_set(problem, "the audit trail is not sound: %s; the copy is kept as %s.unsound", verdict->text,
                   copy->path);
    return KG_STORE_CORRUPT;
}

static enum kg_store_status copy_moment(sqlite3 *db, const struct kg_store_copy *copy,
                                        struct kg_audit_verdict *verdict, struct kg_problem *problem)
{
    struct draft d;
    struct stat st;
    if (copy->path[0] != '/' || strlen(copy->path) > PATH_BYTES - 64) {
        kg_problem_set(problem, "give the copy's whole path, from \"/\" on, of at most %d bytes",
                       PATH_BYTES - 64);
        return KG_STORE_REFUSED;
    }
    /* A link too, wherever it leads. */
    if (!copy->replace && lstat(copy->path, &st) == 0) {
        kg_problem_set(problem, "%s exists already; name another file, or move that one away", copy->path);
        return KG_STORE_REFUSED;
    }
    if (!draft_make(&d, copy->path)) {
        int why = errno;
        return no_copy(copy, why == ENOSPC || why == EDQUOT ? KG_STORE_FULL : KG_STORE_FAILED, strerror(why),
                       problem);
    }
    enum kg_store_status status = copy_into(db, copy, &d, verdict, problem);
    draft_remove(&d);
    return status;
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

/* Also of the form earlier releases used: files beside the place. */
static void remove_left_over(const char *path)
{
    struct draft d = {.fd = -1};
    if ((size_t)snprintf(d.folder, sizeof d.folder, "%s", path) >= sizeof d.folder ||
        (size_t)snprintf(d.file, sizeof d.file, "%s" DRAFT_FILE, path) >= sizeof d.file)
        return;
    draft_remove(&d);
    unlink(path);
}

void kg_store_copy_sweep(const char *path)
{
    char folder_path[PATH_BYTES], name_path[PATH_BYTES], prefix[NAME_MAX + 16],
        left[PATH_BYTES + NAME_MAX + 2];
    snprintf(folder_path, sizeof folder_path, "%s", path);
    snprintf(name_path, sizeof name_path, "%s", path);
    const char *folder = dirname(folder_path);
    snprintf(prefix, sizeof prefix, "%.*s" DRAFT, NAME_MAX, basename(name_path));
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    while (listing && (entry = readdir(listing))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(left, sizeof left, "%s/%s", folder, entry->d_name);
        remove_left_over(left);
    }
    if (listing)
        closedir(listing);
}

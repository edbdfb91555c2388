/* The store's writes, one transaction each, and the good copy kept beside the database. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_db.h"

/* Runs one statement; args follow the letters of `types`: t text, i int64_t, b blob of 32 bytes. */
struct value {
    char type;
    int64_t integer;
    const void *data;
};
#define TEXT(s)    ((struct value){.type = 't', .data = (s)})
#define INTEGER(n) ((struct value){.type = 'i', .integer = (int64_t)(n)})
#define HASH(p)    ((struct value){.type = 'b', .data = (p)})

static int run(sqlite3 *db, const char *sql, const struct value *values, int count)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    for (int i = 0; i < count && code == SQLITE_OK; i++) {
        if (values[i].type == 'i')
            code = sqlite3_bind_int64(statement, i + 1, values[i].integer);
        else if (values[i].type == 'b')
            code = sqlite3_bind_blob(statement, i + 1, values[i].data, KG_STORE_HASH_BYTES, SQLITE_STATIC);
        else
            code = sqlite3_bind_text(statement, i + 1, values[i].data, -1, SQLITE_STATIC);
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}
#define RUN(db, sql, ...)                                                                                    \
    run(db, sql, (const struct value[]){__VA_ARGS__},                                                        \
        (int)(sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)))

static int write_room(sqlite3 *db, const struct kg_store_room *r)
{
    int code = RUN(db,
                   "INSERT INTO certificate(fingerprint, room, serial, not_after, revoked_at) VALUES(?1, ?2, "
                   "?3, ?4, ?5) "
                   "ON CONFLICT(fingerprint) DO UPDATE SET revoked_at = excluded.revoked_at",
                   HASH(r->fingerprint), TEXT(r->id), TEXT(r->serial), INTEGER(r->not_after_s),
                   INTEGER(r->revoked_s));
    if (code != SQLITE_OK)
        return code;
    return RUN(db,
               "INSERT INTO room(id, organization, department, name, fingerprint) VALUES(?1, ?2, ?3, ?4, ?5) "
               "ON CONFLICT(id) DO UPDATE SET organization = excluded.organization, "
               "department = excluded.department, name = excluded.name, fingerprint = excluded.fingerprint",
               TEXT(r->id), TEXT(r->organization), TEXT(r->department), TEXT(r->name), HASH(r->fingerprint));
}

static int write_meeting(sqlite3 *db, const struct kg_meeting *m)
{
    int code = RUN(db, "DELETE FROM meeting WHERE uid = ?1", TEXT(m->uid));
    if (code == SQLITE_OK)
        code = RUN(db,
                   "INSERT INTO meeting(uid, title, description, organizer, location, start_us, end_us, "
                   "sequence, status) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                   TEXT(m->uid), TEXT(m->title), TEXT(m->description), TEXT(m->organizer), TEXT(m->location),
                   INTEGER(m->start_us), INTEGER(m->end_us), INTEGER(m->sequence), INTEGER(m->status));
    for (int i = 0; i < m->room_count && code == SQLITE_OK; i++)
        code = RUN(db, "INSERT INTO meeting_room(meeting, place, room) VALUES(?1, ?2, ?3)", TEXT(m->uid),
                   INTEGER(i), TEXT(m->rooms[i]));
    return code;
}

static int write_seat(sqlite3 *db, const struct kg_store_seat *s)
{
    return RUN(
        db,
        "INSERT OR REPLACE INTO seat(meeting, room, token_hash, party, source_microphone, source_camera, "
        "source_presentation, muted_microphone, muted_camera, muted_presentation) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        TEXT(s->meeting_uid), TEXT(s->room), HASH(s->token_hash), INTEGER(s->party), INTEGER(s->source[0]),
        INTEGER(s->source[1]), INTEGER(s->source[2]), INTEGER(s->muted[0]), INTEGER(s->muted[1]),
        INTEGER(s->muted[2]));
}

static int write_job(sqlite3 *db, const struct kg_store_job *job)
{
    int code = SQLITE_OK;
    switch (job->kind) {
    case KG_STORE_JOB_ROOM:
        return write_room(db, &job->room);
    case KG_STORE_JOB_MEETINGS:
        for (size_t i = 0; i < job->meeting_count && code == SQLITE_OK; i++)
            code = write_meeting(db, &job->meetings[i]);
        return code;
    case KG_STORE_JOB_SEAT:
        return write_seat(db, &job->seat);
    case KG_STORE_JOB_REMOVE_SEAT:
        return RUN(db, "DELETE FROM seat WHERE meeting = ?1 AND room = ?2", TEXT(job->seat.meeting_uid),
                   TEXT(job->seat.room));
    case KG_STORE_JOB_EVENT:
        return RUN(db, "INSERT INTO event(wall_us, kind, meeting, room, detail) VALUES(?1, ?2, ?3, ?4, ?5)",
                   INTEGER(job->wall_us), TEXT(job->text[0]), TEXT(job->text[1]), TEXT(job->text[2]),
                   TEXT(job->text[3]));
    }
    return SQLITE_MISUSE;
}

/* SQLite trusts the pages it holds in memory: it would go on writing to a file that was deleted or
 * overwritten, and say that all is well. Read through its own descriptor, for closing another one would drop
 * its locks. */
static bool file_is_ours(sqlite3 *db)
{
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic];
    int moved = 0;
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return false;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file->pMethods)
        return true;
    int code = file->pMethods->xRead(file, head, sizeof head, 0);
    return code == SQLITE_OK ? memcmp(head, magic, sizeof magic) == 0 : code != SQLITE_IOERR_SHORT_READ;
}

enum kg_store_status kg_store_db_run(sqlite3 *db, const struct kg_store_job *job)
{
    if (!file_is_ours(db))
        return KG_STORE_CORRUPT;
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return kg_store_db_status(code);
    code = write_job(db, job);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    /* Some failures have rolled back by themselves already; asking again then only says so. */
    if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return kg_store_db_status(code);
}

static int copy_to(sqlite3 *db, const char *path)
{
    sqlite3 *out = NULL;
    mode_t before = umask(0077);
    int code =
        sqlite3_open_v2(path, &out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    umask(before);
    sqlite3_backup *backup = code == SQLITE_OK ? sqlite3_backup_init(out, "main", db, "main") : NULL;
    if (backup) {
        code = sqlite3_backup_step(backup, -1);
        int ended = sqlite3_backup_finish(backup);
        code = code == SQLITE_DONE ? ended : code;
    } else if (code == SQLITE_OK) {
        code = sqlite3_errcode(out);
    }
    sqlite3_close(out);
    return code;
}

bool kg_store_db_backup(sqlite3 *db, const char *path)
{
    char temporary[4096 + 8];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    unlink(temporary);
    int code = copy_to(db, temporary);
    if (code == SQLITE_OK && rename(temporary, path) == 0)
        return true;
    kg_log(KG_LOG_WARN, "relay", "store.backup-failed", "no copy of the store at %s: %s", path,
           code == SQLITE_OK ? strerror(errno) : sqlite3_errstr(code));
    unlink(temporary);
    return false;
}

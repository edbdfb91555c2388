#include "relay/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/store_schema.h"

enum { BUSY_MS = 2000 };

enum kg_store_status kg_store_db_status(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return KG_STORE_OK;
    case SQLITE_FULL:
        return KG_STORE_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return KG_STORE_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KG_STORE_CORRUPT;
    default:
        return KG_STORE_FAILED;
    }
}

static int run_sql(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int read_integer(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int step_version(sqlite3 *db, int from)
{
    char sql[80];
    int code = run_sql(db, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK)
        return code;
    code = run_sql(db, kg_store_schema_step(from));
    snprintf(sql, sizeof sql, "UPDATE schema_version SET version = %d", from + 1);
    if (code == SQLITE_OK)
        code = run_sql(db, sql);
    if (code == SQLITE_OK)
        code = run_sql(db, "COMMIT");
    if (code != SQLITE_OK)
        run_sql(db, "ROLLBACK");
    return code;
}

static int migrate(sqlite3 *db, int64_t *version)
{
    int code =
        run_sql(db, "CREATE TABLE IF NOT EXISTS schema_version(version INTEGER NOT NULL) STRICT;"
                    "INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)");
    if (code == SQLITE_OK)
        code = read_integer(db, "SELECT version FROM schema_version", version);
    while (code == SQLITE_OK && *version < kg_store_schema_version()) {
        code = step_version(db, (int)*version);
        *version += code == SQLITE_OK;
    }
    return code;
}

/* A damaged page may lie where no start-up query looks: find it now, while a backup can still replace it. */
static int check_pages(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        code = verdict && strcmp(verdict, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return code;
}

static int prepare(sqlite3 *db, int64_t *version)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    int code = run_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    if (code == SQLITE_OK)
        code = check_pages(db);
    if (code == SQLITE_OK)
        code = migrate(db, version);
    return code;
}

sqlite3 *kg_store_db_open(const char *path, enum kg_store_status *status, struct kg_problem *problem)
{
    sqlite3 *db = NULL;
    int64_t version = 0;
    mode_t before = umask(0077);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = prepare(db, &version);
    umask(before);
    *status = kg_store_db_status(code);
    if (code != SQLITE_OK) {
        kg_problem_set(problem, "cannot use the store %s: %s (SQLite: %s)", path,
                       kg_store_status_text(*status), db ? sqlite3_errmsg(db) : "no memory");
    } else if (version > kg_store_schema_version()) {
        *status = KG_STORE_FAILED;
        kg_problem_set(problem,
                       "the store %s was written by a newer kaigi-relay (version %d, this one knows %d); "
                       "install that one, or restore an older backup",
                       path, (int)version, kg_store_schema_version());
    } else {
        return db;
    }
    sqlite3_close(db);
    return NULL;
}

void kg_store_db_close(sqlite3 *db)
{
    sqlite3_close(db);
}

/* Reading. A column that is NULL or memory that is short gives NULL, which ends the load. */

static char *text_at(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? strdup((const char *)text) : NULL;
}

static bool blob_at(sqlite3_stmt *statement, int column, void *out, int size)
{
    const void *data = sqlite3_column_blob(statement, column);
    if (!data || sqlite3_column_bytes(statement, column) != size)
        return false;
    memcpy(out, data, (size_t)size);
    return true;
}

static void *grow(void *array, size_t count, size_t element)
{
    /* Doubling at powers of two: count elements always fit the power at or above it. */
    if (count & (count - 1))
        return array;
    return realloc(array, (count ? count * 2 : 1) * element);
}

static bool load_room(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    struct kg_store_room *rooms = grow(s->rooms, s->room_count, sizeof *rooms);
    if (!rooms)
        return false;
    s->rooms = rooms;
    struct kg_store_room *r = &rooms[s->room_count++];
    *r = (struct kg_store_room){.id = text_at(q, 0),
                                .organization = text_at(q, 1),
                                .department = text_at(q, 2),
                                .name = text_at(q, 3),
                                .not_after_s = sqlite3_column_int64(q, 6),
                                .revoked_s = sqlite3_column_int64(q, 7)};
    const unsigned char *serial = sqlite3_column_text(q, 5);
    snprintf(r->serial, sizeof r->serial, "%s", serial ? (const char *)serial : "");
    return r->id && r->organization && r->department && r->name &&
           blob_at(q, 4, r->fingerprint, sizeof r->fingerprint);
}

static bool load_meeting(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    struct kg_meeting *meetings = grow(s->meetings, s->meeting_count, sizeof *meetings);
    if (!meetings)
        return false;
    s->meetings = meetings;
    struct kg_meeting *m = &meetings[s->meeting_count++];
    *m = (struct kg_meeting){.uid = text_at(q, 0),
                             .title = text_at(q, 1),
                             .description = text_at(q, 2),
                             .organizer = text_at(q, 3),
                             .location = text_at(q, 4),
                             .start_us = sqlite3_column_int64(q, 5),
                             .end_us = sqlite3_column_int64(q, 6),
                             .sequence = (uint32_t)sqlite3_column_int64(q, 7),
                             .status = (enum kg_meeting_status)sqlite3_column_int(q, 8)};
    return m->uid && m->title && m->description && m->organizer && m->location;
}

static int by_uid(const void *key, const void *meeting)
{
    return strcmp(key, ((const struct kg_meeting *)meeting)->uid);
}

/* A row of a meeting that is not there (none should be: foreign keys) is passed over. */
static bool load_meeting_room(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    const char *uid = (const char *)sqlite3_column_text(q, 0);
    struct kg_meeting *m =
        uid && s->meetings ? bsearch(uid, s->meetings, s->meeting_count, sizeof *m, by_uid) : NULL;
    if (!m || m->room_count >= KG_AGENDA_MAX_ROOMS)
        return true;
    char **rooms = grow(m->rooms, m->room_count, sizeof *rooms);
    if (!rooms)
        return false;
    m->rooms = rooms;
    rooms[m->room_count] = text_at(q, 1);
    return rooms[m->room_count++] != NULL;
}

static bool load_seat(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    struct kg_store_seat *seats = grow(s->seats, s->seat_count, sizeof *seats);
    if (!seats)
        return false;
    s->seats = seats;
    struct kg_store_seat *seat = &seats[s->seat_count++];
    *seat = (struct kg_store_seat){
        .meeting_uid = text_at(q, 0), .room = text_at(q, 1), .party = (uint32_t)sqlite3_column_int64(q, 3)};
    for (int i = 0; i < 3; i++) {
        seat->source[i] = (uint32_t)sqlite3_column_int64(q, 4 + i);
        seat->muted[i] = sqlite3_column_int(q, 7 + i) != 0;
    }
    return seat->meeting_uid && seat->room && blob_at(q, 2, seat->token_hash, sizeof seat->token_hash);
}

static int load_rows(sqlite3 *db, const char *sql, bool (*take)(sqlite3_stmt *, struct kg_store_snapshot *),
                     struct kg_store_snapshot *snapshot)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!take(statement, snapshot)) {
            code = SQLITE_CORRUPT;
            break;
        }
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

bool kg_store_db_load(sqlite3 *db, struct kg_store_snapshot *snapshot, enum kg_store_status *status)
{
    struct kg_store_snapshot read = {0};
    int code = load_rows(
        db,
        "SELECT r.id, r.organization, r.department, r.name, r.fingerprint, c.serial, "
        "c.not_after, c.revoked_at FROM room r JOIN certificate c USING (fingerprint) ORDER BY r.id",
        load_room, &read);
    if (code == SQLITE_OK)
        code = load_rows(
            db,
            "SELECT uid, title, description, organizer, location, start_us, end_us, sequence, status "
            "FROM meeting ORDER BY uid",
            load_meeting, &read);
    if (code == SQLITE_OK)
        code = load_rows(db, "SELECT meeting, room FROM meeting_room ORDER BY meeting, place",
                         load_meeting_room, &read);
    if (code == SQLITE_OK)
        code = load_rows(db,
                         "SELECT meeting, room, token_hash, party, source_microphone, source_camera, "
                         "source_presentation, muted_microphone, muted_camera, muted_presentation FROM seat",
                         load_seat, &read);
    *status = kg_store_db_status(code);
    if (code == SQLITE_OK) {
        *snapshot = read;
        return true;
    }
    kg_store_snapshot_finish(&read);
    return false;
}

/* The store's writes, one transaction each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "relay/store_audit.h"
#include "relay/store_db.h"
#include "relay/store_sql.h"

static int write_certificate(sqlite3 *db, const struct kg_store_certificate *c)
{
    /* Neither mark is ever taken back: what was revoked stays so. Somebody else's certificate is refused, by
     * the NOT NULL of its owner. */
    return KG_SQL_RUN(
        db,
        "INSERT INTO certificate(fingerprint, kind, owner, serial, not_after, revoked_at, retired_at) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(fingerprint) DO UPDATE SET "
        "owner = iif(kind = excluded.kind AND owner = excluded.owner, owner, NULL), "
        "revoked_at = iif(revoked_at, revoked_at, excluded.revoked_at), "
        "retired_at = iif(retired_at, retired_at, excluded.retired_at)",
        KG_SQL_HASH(c->fingerprint), KG_SQL_TEXT(c->kind), KG_SQL_TEXT(c->owner), KG_SQL_TEXT(c->serial),
        KG_SQL_INTEGER(c->not_after_s), KG_SQL_INTEGER(c->revoked_s), KG_SQL_INTEGER(c->retired_s));
}

static int revoke_all(sqlite3 *db, const char *kind, const char *owner, int64_t revoked_s)
{
    return KG_SQL_RUN(
        db, "UPDATE certificate SET revoked_at = ?3 WHERE kind = ?1 AND owner = ?2 AND revoked_at = 0",
        KG_SQL_TEXT(kind), KG_SQL_TEXT(owner), KG_SQL_INTEGER(revoked_s));
}

/* Only those two columns: the room's row may just be on its way with new names. */
static int take_certificate(sqlite3 *db, const struct kg_store_certificate *c)
{
    int code = KG_SQL_RUN(
        db,
        "UPDATE room SET fingerprint = ?1 WHERE id = ?2 AND EXISTS(SELECT 1 FROM certificate WHERE "
        "fingerprint = ?1 AND kind = 'room' AND owner = ?2 AND revoked_at = 0 AND retired_at = 0)",
        KG_SQL_HASH(c->fingerprint), KG_SQL_TEXT(c->owner));
    if (code != SQLITE_OK)
        return code;
    return KG_SQL_RUN(
        db,
        "UPDATE certificate SET retired_at = ?3 WHERE kind = 'room' AND owner = ?2 AND fingerprint <> ?1 AND "
        "revoked_at = 0 AND retired_at = 0 AND not_after <= (SELECT not_after FROM certificate WHERE "
        "fingerprint = ?1 AND revoked_at = 0 AND retired_at = 0) AND "
        "EXISTS(SELECT 1 FROM room WHERE id = ?2 AND fingerprint = ?1)",
        KG_SQL_HASH(c->fingerprint), KG_SQL_TEXT(c->owner), KG_SQL_INTEGER(c->retired_s));
}

static int write_organization(sqlite3 *db, const struct kg_store_organization *o)
{
    return KG_SQL_RUN(db,
                      "INSERT INTO organization(id, name, reading) VALUES(?1, ?2, ?3) ON CONFLICT(id) "
                      "DO UPDATE SET name = excluded.name, reading = excluded.reading",
                      KG_SQL_TEXT(o->id), KG_SQL_TEXT(o->name), KG_SQL_TEXT(o->reading));
}

/* Meetings and places in communities go by their foreign keys. */
static int remove_organization(sqlite3 *db, const char *id)
{
    int code =
        KG_SQL_RUN(db, "DELETE FROM setting WHERE scope = 'organization' AND scope_id = ?1", KG_SQL_TEXT(id));
    return code == SQLITE_OK ? KG_SQL_RUN(db, "DELETE FROM organization WHERE id = ?1", KG_SQL_TEXT(id))
                             : code;
}

static int write_room(sqlite3 *db, const struct kg_store_room *r)
{
    struct kg_store_certificate certificate = {
        .kind = "room", .owner = r->id, .not_after_s = r->not_after_s, .revoked_s = r->revoked_s};
    bool enrolled = r->serial[0] != '\0';
    int code = SQLITE_OK;
    memcpy(certificate.fingerprint, r->fingerprint, sizeof certificate.fingerprint);
    memcpy(certificate.serial, r->serial, sizeof certificate.serial);
    if (enrolled)
        code = write_certificate(db, &certificate);
    if (code == SQLITE_OK && r->revoked_s)
        code = revoke_all(db, "room", r->id, r->revoked_s);
    if (code != SQLITE_OK)
        return code;
    return KG_SQL_RUN(
        db,
        "INSERT INTO room(id, organization_id, department, department_reading, name, name_reading, "
        "fingerprint) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET organization_id = "
        "excluded.organization_id, "
        "department = excluded.department, department_reading = excluded.department_reading, "
        "name = excluded.name, name_reading = excluded.name_reading, fingerprint = excluded.fingerprint",
        KG_SQL_TEXT(r->id), KG_SQL_TEXT(r->organization_id), KG_SQL_TEXT(r->department),
        KG_SQL_TEXT(r->department_reading), KG_SQL_TEXT(r->name), KG_SQL_TEXT(r->name_reading),
        KG_SQL_HASH(enrolled ? r->fingerprint : NULL));
}

static int write_administrator(sqlite3 *db, const struct kg_store_administrator *a)
{
    struct kg_store_certificate certificate = {
        .kind = "administrator", .owner = a->id, .not_after_s = a->not_after_s, .revoked_s = a->revoked_s};
    memcpy(certificate.fingerprint, a->fingerprint, sizeof certificate.fingerprint);
    memcpy(certificate.serial, a->serial, sizeof certificate.serial);
    int code = write_certificate(db, &certificate);
    if (code == SQLITE_OK && a->revoked_s)
        code = revoke_all(db, "administrator", a->id, a->revoked_s);
    if (code != SQLITE_OK)
        return code;
    return KG_SQL_RUN(
        db,
        "INSERT INTO administrator(id, role, organization_id, name, fingerprint) VALUES(?1, ?2, "
        "nullif(?3, ''), ?4, ?5) ON CONFLICT(id) DO UPDATE SET role = excluded.role, "
        "organization_id = excluded.organization_id, name = excluded.name, fingerprint = "
        "excluded.fingerprint",
        KG_SQL_TEXT(a->id), KG_SQL_TEXT(a->role), KG_SQL_TEXT(a->organization_id), KG_SQL_TEXT(a->name),
        KG_SQL_HASH(a->fingerprint));
}

static int write_community(sqlite3 *db, const struct kg_store_community *c)
{
    int code = KG_SQL_RUN(db,
                          "INSERT INTO community(id, name, theme) VALUES(?1, ?2, ?3) ON CONFLICT(id) "
                          "DO UPDATE SET name = excluded.name, theme = excluded.theme",
                          KG_SQL_TEXT(c->id), KG_SQL_TEXT(c->name), KG_SQL_TEXT(c->theme));
    if (code == SQLITE_OK)
        code = KG_SQL_RUN(db, "DELETE FROM community_organization WHERE community = ?1", KG_SQL_TEXT(c->id));
    for (size_t i = 0; i < c->organization_count && code == SQLITE_OK; i++)
        code = KG_SQL_RUN(db, "INSERT INTO community_organization(community, organization_id) VALUES(?1, ?2)",
                          KG_SQL_TEXT(c->id), KG_SQL_TEXT(c->organizations[i]));
    if (code != SQLITE_OK)
        return code;
    return KG_SQL_RUN(
        db,
        "DELETE FROM community_room WHERE community = ?1 AND room NOT IN (SELECT r.id FROM room "
        "r JOIN community_organization o ON o.community = ?1 AND o.organization_id = "
        "r.organization_id)",
        KG_SQL_TEXT(c->id));
}

/* Only a room of one of the community's organizations: otherwise the NOT NULL column refuses. */
static int join_community(sqlite3 *db, const char *id, const char *room)
{
    return KG_SQL_RUN(
        db,
        "INSERT INTO community_room(community, room) VALUES(?1, (SELECT r.id FROM room r JOIN "
        "community_organization o ON o.organization_id = r.organization_id AND o.community = ?1 "
        "WHERE r.id = ?2)) ON CONFLICT(community, room) DO NOTHING",
        KG_SQL_TEXT(id), KG_SQL_TEXT(room));
}

static int write_setting(sqlite3 *db, const struct kg_store_setting *s)
{
    return KG_SQL_RUN(
        db, "INSERT OR REPLACE INTO setting(scope, scope_id, key, value) VALUES(?1, ?2, ?3, ?4)",
        KG_SQL_TEXT(s->scope), KG_SQL_TEXT(s->scope_id), KG_SQL_TEXT(s->key), KG_SQL_TEXT(s->value));
}

static int remove_setting(sqlite3 *db, const struct kg_store_setting *s)
{
    return KG_SQL_RUN(db, "DELETE FROM setting WHERE scope = ?1 AND scope_id = ?2 AND key = ?3",
                      KG_SQL_TEXT(s->scope), KG_SQL_TEXT(s->scope_id), KG_SQL_TEXT(s->key));
}

/* The owner stands before the first '/' of the id. */
static int write_meeting(sqlite3 *db, const struct kg_meeting *m)
{
    int code = KG_SQL_RUN(db, "DELETE FROM meeting WHERE uid = ?1", KG_SQL_TEXT(m->uid));
    if (code == SQLITE_OK)
        code = KG_SQL_RUN(
            db,
            "INSERT INTO meeting(uid, organization_id, title, description, organizer, location, start_us, "
            "end_us, sequence, status) VALUES(?1, substr(?1, 1, instr(?1, '/') - 1), ?2, ?3, ?4, ?5, ?6, ?7, "
            "?8, ?9)",
            KG_SQL_TEXT(m->uid), KG_SQL_TEXT(m->title), KG_SQL_TEXT(m->description),
            KG_SQL_TEXT(m->organizer), KG_SQL_TEXT(m->location), KG_SQL_INTEGER(m->start_us),
            KG_SQL_INTEGER(m->end_us), KG_SQL_INTEGER(m->sequence), KG_SQL_INTEGER(m->status));
    for (int i = 0; i < m->room_count && code == SQLITE_OK; i++)
        code = KG_SQL_RUN(
            db, "INSERT INTO meeting_room(meeting, place, room, by_operator) VALUES(?1, ?2, ?3, ?4)",
            KG_SQL_TEXT(m->uid), KG_SQL_INTEGER(i), KG_SQL_TEXT(m->rooms[i]),
            KG_SQL_INTEGER(kg_store_meeting_by_operator(m, (unsigned)i)));
    return code;
}

static int write_seat(sqlite3 *db, const struct kg_store_seat *s)
{
    return KG_SQL_RUN(
        db,
        "INSERT OR REPLACE INTO seat(meeting, room, token_hash, party, source_microphone, source_camera, "
        "source_presentation, muted_microphone, muted_camera, muted_presentation) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        KG_SQL_TEXT(s->meeting_uid), KG_SQL_TEXT(s->room), KG_SQL_HASH(s->token_hash),
        KG_SQL_INTEGER(s->party), KG_SQL_INTEGER(s->source[0]), KG_SQL_INTEGER(s->source[1]),
        KG_SQL_INTEGER(s->source[2]), KG_SQL_INTEGER(s->muted[0]), KG_SQL_INTEGER(s->muted[1]),
        KG_SQL_INTEGER(s->muted[2]));
}

static int write_item(sqlite3 *db, const struct kg_store_item *item)
{
    switch (item->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        return write_organization(db, &item->organization);
    case KG_STORE_REMOVE_ORGANIZATION:
        return remove_organization(db, item->id);
    case KG_STORE_PUT_ROOM:
        return write_room(db, &item->room);
    case KG_STORE_PUT_ADMINISTRATOR:
        return write_administrator(db, &item->administrator);
    case KG_STORE_PUT_CERTIFICATE:
        return write_certificate(db, &item->certificate);
    case KG_STORE_TAKE_CERTIFICATE:
        return take_certificate(db, &item->certificate);
    case KG_STORE_PUT_COMMUNITY:
        return write_community(db, &item->community);
    case KG_STORE_REMOVE_COMMUNITY:
        return KG_SQL_RUN(db, "DELETE FROM community WHERE id = ?1", KG_SQL_TEXT(item->id));
    case KG_STORE_JOIN_COMMUNITY:
        return join_community(db, item->id, item->member);
    case KG_STORE_LEAVE_COMMUNITY:
        return KG_SQL_RUN(db, "DELETE FROM community_room WHERE community = ?1 AND room = ?2",
                          KG_SQL_TEXT(item->id), KG_SQL_TEXT(item->member));
    case KG_STORE_PUT_SETTING:
        return write_setting(db, &item->setting);
    case KG_STORE_REMOVE_SETTING:
        return remove_setting(db, &item->setting);
    case KG_STORE_PUT_MEETING:
        return write_meeting(db, &item->meeting);
    case KG_STORE_PUT_SEAT:
        return write_seat(db, &item->seat);
    case KG_STORE_REMOVE_SEAT:
        return KG_SQL_RUN(db, "DELETE FROM seat WHERE meeting = ?1 AND room = ?2",
                          KG_SQL_TEXT(item->seat.meeting_uid), KG_SQL_TEXT(item->seat.room));
    }
    return SQLITE_MISUSE;
}

/* Whoever makes the store fail would else act unseen meanwhile: the trail itself says that it has a gap. */
static int tell_lost(sqlite3 *db, const struct kg_store_job *job)
{
    char detail[120], since[40] = "";
    time_t seconds = (time_t)(job->lost_since_us / 1000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm))
        strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(detail, sizeof detail, "count=%" PRIu64 " since=%s", job->lost_rows, since);
    struct kg_audit_entry entry = {.event_id = "audit.rows-lost",
                                   .actor = "kaigi-relay",
                                   .role = "relay",
                                   .object = "audit",
                                   .detail = detail,
                                   .result = KG_AUDIT_FAILED,
                                   .wall_us = kg_clock_wall_us()};
    return kg_store_audit_append(db, &entry, NULL);
}

static int write_job(sqlite3 *db, const struct kg_store_job *job, struct kg_audit_row *row)
{
    int code = job->lost_rows > 0 ? tell_lost(db, job) : SQLITE_OK;
    for (size_t i = 0; i < job->count && code == SQLITE_OK; i++)
        code = write_item(db, &job->items[i]);
    if (code == SQLITE_OK && job->audited)
        code = kg_store_audit_append(db, &job->audit, row);
    if (code == SQLITE_OK && job->anchor.seq > 0)
        code = kg_store_audit_remember(db, &job->anchor);
    return code;
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

enum kg_store_status kg_store_db_run(sqlite3 *db, const struct kg_store_job *job, struct kg_audit_row *row)
{
    struct kg_audit_row written = {0};
    if (row)
        *row = written;
    if (!file_is_ours(db))
        return KG_STORE_CORRUPT;
    int code = kg_sql_exec(db, "BEGIN IMMEDIATE");
    if (code == SQLITE_OK)
        code = kg_sql_end(db, write_job(db, job, &written));
    if (code == SQLITE_OK && row)
        *row = written;
    return kg_store_db_status(code);
}

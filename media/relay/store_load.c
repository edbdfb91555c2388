/* Reading the tables once, at start. A column that is NULL or memory that is short gives NULL, which ends
 * the load. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/store_db.h"
#include "relay/store_sql.h"

static void *grow(void *array, size_t count, size_t element)
{
    /* Doubling at powers of two: count elements always fit the power at or above it. */
    if (count & (count - 1))
        return array;
    return realloc(array, (count ? count * 2 : 1) * element);
}

/* Declares `row`, a new zeroed element of s->list; leaves the function when memory is short. */
#define NEW_ROW(s, list, number)                                                                             \
    void *grown_ = grow((s)->list, (s)->number, sizeof *(s)->list);                                          \
    if (!grown_)                                                                                             \
        return false;                                                                                        \
    (s)->list = grown_;                                                                                      \
    memset(&(s)->list[(s)->number], 0, sizeof *(s)->list)

static void serial_at(sqlite3_stmt *q, int column, char serial[KG_CA_SERIAL_TEXT])
{
    const unsigned char *text = sqlite3_column_text(q, column);
    snprintf(serial, KG_CA_SERIAL_TEXT, "%s", text ? (const char *)text : "");
}

static bool load_organization(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, organizations, organization_count);
    struct kg_store_organization *o = &s->organizations[s->organization_count++];
    *o = (struct kg_store_organization){
        .id = kg_sql_text_at(q, 0), .name = kg_sql_text_at(q, 1), .reading = kg_sql_text_at(q, 2)};
    return o->id && o->name && o->reading;
}

static bool load_room(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, rooms, room_count);
    struct kg_store_room *r = &s->rooms[s->room_count++];
    *r = (struct kg_store_room){.id = kg_sql_text_at(q, 0),
                                .organization_id = kg_sql_text_at(q, 1),
                                .department = kg_sql_text_at(q, 2),
                                .department_reading = kg_sql_text_at(q, 3),
                                .name = kg_sql_text_at(q, 4),
                                .name_reading = kg_sql_text_at(q, 5),
                                .not_after_s = sqlite3_column_int64(q, 8),
                                .revoked_s = sqlite3_column_int64(q, 9)};
    serial_at(q, 7, r->serial);
    return r->id && r->organization_id && r->department && r->department_reading && r->name &&
           r->name_reading &&
           (sqlite3_column_type(q, 6) == SQLITE_NULL || kg_sql_hash_at(q, 6, r->fingerprint));
}

static bool load_administrator(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, administrators, administrator_count);
    struct kg_store_administrator *a = &s->administrators[s->administrator_count++];
    *a = (struct kg_store_administrator){.id = kg_sql_text_at(q, 0),
                                         .organization_id = kg_sql_text_at(q, 1),
                                         .role = kg_sql_text_at(q, 2),
                                         .name = kg_sql_text_at(q, 3),
                                         .not_after_s = sqlite3_column_int64(q, 6),
                                         .revoked_s = sqlite3_column_int64(q, 7)};
    serial_at(q, 5, a->serial);
    return a->id && a->organization_id && a->role && a->name && kg_sql_hash_at(q, 4, a->fingerprint);
}

static bool load_certificate(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, certificates, certificate_count);
    struct kg_store_certificate *c = &s->certificates[s->certificate_count++];
    *c = (struct kg_store_certificate){.kind = kg_sql_text_at(q, 1),
                                       .owner = kg_sql_text_at(q, 2),
                                       .not_after_s = sqlite3_column_int64(q, 4),
                                       .revoked_s = sqlite3_column_int64(q, 5),
                                       .retired_s = sqlite3_column_int64(q, 6)};
    serial_at(q, 3, c->serial);
    return c->kind && c->owner && kg_sql_hash_at(q, 0, c->fingerprint);
}

static bool load_community(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, communities, community_count);
    struct kg_store_community *c = &s->communities[s->community_count++];
    *c = (struct kg_store_community){
        .id = kg_sql_text_at(q, 0), .name = kg_sql_text_at(q, 1), .theme = kg_sql_text_at(q, 2)};
    return c->id && c->name && c->theme;
}

static int by_community_id(const void *key, const void *community)
{
    return strcmp(key, ((const struct kg_store_community *)community)->id);
}

static struct kg_store_community *community_at(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    const char *id = (const char *)sqlite3_column_text(q, 0);
    return id && s->communities
               ? bsearch(id, s->communities, s->community_count, sizeof *s->communities, by_community_id)
               : NULL;
}

/* Rows of a parent that is not there (none should be: foreign keys) are passed over, here and below. */
static bool load_community_organization(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    struct kg_store_community *c = community_at(q, s);
    if (!c)
        return true;
    NEW_ROW(c, organizations, organization_count);
    c->organizations[c->organization_count] = kg_sql_text_at(q, 1);
    return c->organizations[c->organization_count++] != NULL;
}

static bool load_community_room(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    struct kg_store_community *c = community_at(q, s);
    if (!c)
        return true;
    NEW_ROW(c, rooms, room_count);
    c->rooms[c->room_count] = kg_sql_text_at(q, 1);
    return c->rooms[c->room_count++] != NULL;
}

static bool load_setting(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, settings, setting_count);
    struct kg_store_setting *set = &s->settings[s->setting_count++];
    *set = (struct kg_store_setting){.scope = kg_sql_text_at(q, 0),
                                     .scope_id = kg_sql_text_at(q, 1),
                                     .key = kg_sql_text_at(q, 2),
                                     .value = kg_sql_text_at(q, 3)};
    return set->scope && set->scope_id && set->key && set->value;
}

static bool load_meeting(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, meetings, meeting_count);
    struct kg_meeting *m = &s->meetings[s->meeting_count++];
    *m = (struct kg_meeting){.uid = kg_sql_text_at(q, 0),
                             .title = kg_sql_text_at(q, 1),
                             .description = kg_sql_text_at(q, 2),
                             .organizer = kg_sql_text_at(q, 3),
                             .location = kg_sql_text_at(q, 4),
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

static bool load_meeting_room(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    const char *uid = (const char *)sqlite3_column_text(q, 0);
    struct kg_meeting *m =
        uid && s->meetings ? bsearch(uid, s->meetings, s->meeting_count, sizeof *m, by_uid) : NULL;
    if (!m || m->room_count >= KG_AGENDA_MAX_ROOMS)
        return true;
    NEW_ROW(m, rooms, room_count);
    m->rooms[m->room_count] = kg_sql_text_at(q, 1);
    if (sqlite3_column_int(q, 2))
        kg_store_meeting_set_by_operator(m, m->room_count);
    return m->rooms[m->room_count++] != NULL;
}

static bool load_seat(sqlite3_stmt *q, struct kg_store_snapshot *s)
{
    NEW_ROW(s, seats, seat_count);
    struct kg_store_seat *seat = &s->seats[s->seat_count++];
    *seat = (struct kg_store_seat){.meeting_uid = kg_sql_text_at(q, 0),
                                   .room = kg_sql_text_at(q, 1),
                                   .party = (uint32_t)sqlite3_column_int64(q, 3)};
    for (int i = 0; i < 3; i++) {
        seat->source[i] = (uint32_t)sqlite3_column_int64(q, 4 + i);
        seat->muted[i] = sqlite3_column_int(q, 7 + i) != 0;
    }
    return seat->meeting_uid && seat->room && kg_sql_hash_at(q, 2, seat->token_hash);
}

static int load_rows(sqlite3 *db, const char *sql, bool (*take)(sqlite3_stmt *, struct kg_store_snapshot *),
                     struct kg_store_snapshot *snapshot)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, sql, NULL, 0);
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

static const struct {
    const char *sql;
    bool (*take)(sqlite3_stmt *, struct kg_store_snapshot *);
} tables[] = {
    {"SELECT id, name, reading FROM organization ORDER BY id", load_organization},
    {"SELECT r.id, organization_id, department, department_reading, name, name_reading, "
     "r.fingerprint, c.serial, c.not_after, c.revoked_at FROM room r LEFT JOIN certificate c USING "
     "(fingerprint) ORDER BY r.id",
     load_room},
    {"SELECT a.id, coalesce(a.organization_id, ''), a.role, a.name, a.fingerprint, c.serial, c.not_after, "
     "c.revoked_at FROM administrator a JOIN certificate c USING (fingerprint) ORDER BY a.id",
     load_administrator},
    {"SELECT fingerprint, kind, owner, serial, not_after, revoked_at, retired_at FROM certificate "
     "ORDER BY kind, owner, not_after",
     load_certificate},
    {"SELECT id, name, theme FROM community ORDER BY id", load_community},
    {"SELECT community, organization_id FROM community_organization ORDER BY 1, 2",
     load_community_organization},
    {"SELECT community, room FROM community_room ORDER BY 1, 2", load_community_room},
    {"SELECT scope, scope_id, key, value FROM setting ORDER BY 1, 2, 3", load_setting},
    {"SELECT uid, title, description, organizer, location, start_us, end_us, sequence, status FROM meeting "
     "ORDER BY uid",
     load_meeting},
    {"SELECT meeting, room, by_operator FROM meeting_room ORDER BY meeting, place", load_meeting_room},
    {"SELECT meeting, room, token_hash, party, source_microphone, source_camera, source_presentation, "
     "muted_microphone, muted_camera, muted_presentation FROM seat",
     load_seat},
};

bool kg_store_db_load(sqlite3 *db, struct kg_store_snapshot *snapshot, enum kg_store_status *status)
{
    struct kg_store_snapshot read = {0};
    int code = SQLITE_OK;
    for (size_t i = 0; i < KG_ARRAY_LEN(tables) && code == SQLITE_OK; i++)
        code = load_rows(db, tables[i].sql, tables[i].take, &read);
    *status = kg_store_db_status(code);
    if (code == SQLITE_OK) {
        *snapshot = read;
        return true;
    }
    kg_store_snapshot_finish(&read);
    return false;
}

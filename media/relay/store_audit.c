/* Adding to the audit trail, and shortening it. */
#include "relay/store_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "relay/store_sql.h"

static int read_head(sqlite3 *db, struct kg_audit_row *row)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, "SELECT head_seq + 1, head_hash FROM audit_state", NULL, 0);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        row->seq = sqlite3_column_int64(statement, 0);
        code = kg_sql_hash_at(statement, 1, row->prev) ? SQLITE_OK : SQLITE_CORRUPT;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return code;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

int kg_store_audit_append(sqlite3 *db, const struct kg_audit_entry *entry, struct kg_audit_row *row)
{
    struct kg_audit_row next = {.entry = *entry};
    const struct kg_audit_entry *e = &next.entry;
    int code = read_head(db, &next);
    if (code == SQLITE_OK && !kg_audit_hash(&next, next.hash))
        code = SQLITE_NOMEM;
    if (code == SQLITE_OK)
        code = KG_SQL_RUN(db, "INSERT INTO audit VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                          KG_SQL_INTEGER(next.seq), KG_SQL_TEXT(or_empty(e->event_id)),
                          KG_SQL_INTEGER(e->wall_us), KG_SQL_TEXT(or_empty(e->actor)),
                          KG_SQL_TEXT(or_empty(e->role)), KG_SQL_TEXT(or_empty(e->source)),
                          KG_SQL_TEXT(or_empty(e->organization)), KG_SQL_TEXT(or_empty(e->object)),
                          KG_SQL_TEXT(kg_audit_result_name(e->result)), KG_SQL_TEXT(or_empty(e->detail)),
                          KG_SQL_HASH(next.prev), KG_SQL_HASH(next.hash));
    if (code == SQLITE_OK && row)
        *row = next;
    return code;
}

int kg_store_audit_tell(sqlite3 *db, const char *event_id, const char *actor, const char *detail)
{
    struct kg_audit_entry entry = {.event_id = event_id,
                                   .actor = actor,
                                   .role = strcmp(actor, "kaigi-relay") == 0 ? "relay" : "operator",
                                   .object = "store",
                                   .detail = detail,
                                   .wall_us = kg_clock_wall_us()};
    int code = kg_sql_exec(db, "BEGIN IMMEDIATE");
    return code == SQLITE_OK ? kg_sql_end(db, kg_store_audit_append(db, &entry, NULL)) : code;
}

/* An administrator's name was not written down then; a room spoke for itself. */
static const char read_events[] =
    "SELECT e.wall_us, e.kind, iif(by_hand, '', e.room), iif(by_hand, 'operator',"
    "  iif(e.room = '', 'relay', 'room')),"
    "  coalesce(r.organization_id, k.organization_id, ''), iif(e.meeting = '', e.room, "
    "  coalesce(k.uid, e.meeting)), e.detail, e.kind = 'room.refused'"
    " FROM (SELECT *, kind IN ('room.added', 'room.revoked', 'agenda.imported') AS by_hand FROM event) e"
    " LEFT JOIN room r ON r.id = e.room LEFT JOIN meeting_key k ON k.old = e.meeting ORDER BY e.id";

int kg_store_audit_take_events(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, read_events, NULL, 0);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct kg_audit_entry entry = {
            .wall_us = sqlite3_column_int64(statement, 0),
            .event_id = (const char *)sqlite3_column_text(statement, 1),
            .actor = (const char *)sqlite3_column_text(statement, 2),
            .role = (const char *)sqlite3_column_text(statement, 3),
            .organization = (const char *)sqlite3_column_text(statement, 4),
            .object = (const char *)sqlite3_column_text(statement, 5),
            .detail = (const char *)sqlite3_column_text(statement, 6),
            .result = sqlite3_column_int(statement, 7) ? KG_AUDIT_REFUSED : KG_AUDIT_OK,
        };
        code = kg_store_audit_append(db, &entry, NULL);
    }
    sqlite3_finalize(statement);
    if (code == SQLITE_DONE)
        code = kg_sql_exec(db, "DROP TABLE event; DROP TABLE meeting_key;");
    return code;
}

/* The last row that may go; SQLITE_DONE: none. */
static int find_mark(sqlite3 *db, int64_t cutoff_us, int max_rows, struct kg_audit_row *mark, int64_t *count)
{
    sqlite3_stmt *statement = NULL;
    struct kg_sql_value values[] = {KG_SQL_INTEGER(max_rows)};
    int code = kg_sql_prepare(db, &statement,
                              "SELECT seq, hash, wall_us FROM audit WHERE seq < (SELECT head_seq FROM "
                              "audit_state) ORDER BY seq LIMIT ?1",
                              values, 1);
    *count = 0;
    while (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
           sqlite3_column_int64(statement, 2) < cutoff_us) {
        mark->seq = sqlite3_column_int64(statement, 0);
        if (!kg_sql_hash_at(statement, 1, mark->hash))
            code = SQLITE_CORRUPT;
        ++*count;
    }
    int ended = sqlite3_finalize(statement);
    if (code == SQLITE_OK)
        code = ended;
    return code == SQLITE_OK && *count == 0 ? SQLITE_DONE : code;
}

static int cut_to(sqlite3 *db, const struct kg_audit_row *mark, int64_t count, int64_t now_us)
{
    char detail[KG_AUDIT_HASH_TEXT + 80], hash[KG_AUDIT_HASH_TEXT];
    kg_audit_hash_text(mark->hash, hash);
    snprintf(detail, sizeof detail, "seq=%" PRId64 " hash=%s count=%" PRId64, mark->seq, hash, count);
    struct kg_audit_entry entry = {.event_id = "audit.pruned",
                                   .actor = "kaigi-relay",
                                   .role = "relay",
                                   .object = "audit",
                                   .detail = detail,
                                   .wall_us = now_us};
    int code = KG_SQL_RUN(db, "UPDATE audit_state SET first_seq = ?1 + 1, first_prev = ?2",
                          KG_SQL_INTEGER(mark->seq), KG_SQL_HASH(mark->hash));
    if (code == SQLITE_OK)
        code = KG_SQL_RUN(db, "DELETE FROM audit WHERE seq <= ?1", KG_SQL_INTEGER(mark->seq));
    if (code == SQLITE_OK)
        code = KG_SQL_RUN(db, "DELETE FROM audit_anchor WHERE seq < ?1", KG_SQL_INTEGER(mark->seq));
    return code == SQLITE_OK ? kg_store_audit_append(db, &entry, NULL) : code;
}

int kg_store_audit_prune(sqlite3 *db, int64_t cutoff_us, int64_t now_us, int max_rows, int64_t *pruned)
{
    struct kg_audit_row mark;
    int64_t count = 0;
    *pruned = 0;
    int code = kg_sql_exec(db, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK)
        return code;
    code = find_mark(db, cutoff_us, max_rows, &mark, &count);
    if (code == SQLITE_DONE)
        return kg_sql_end(db, SQLITE_OK);
    if (code == SQLITE_OK)
        code = cut_to(db, &mark, count, now_us);
    code = kg_sql_end(db, code);
    if (code == SQLITE_OK)
        *pruned = count;
    return code;
}

int kg_store_audit_remember(sqlite3 *db, const struct kg_audit_anchor *anchor)
{
    /* Not one whose rows were pruned while it was on its way. */
    return KG_SQL_RUN(
        db, "INSERT OR IGNORE INTO audit_anchor SELECT ?1, ?2, ?3 FROM audit_state WHERE ?1 >= first_seq - 1",
        KG_SQL_INTEGER(anchor->seq), KG_SQL_HASH(anchor->hash), KG_SQL_INTEGER(anchor->wall_us));
}

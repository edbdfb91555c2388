/* Reading the audit trail: lists, exports, and whether it is whole. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/audit_export.h"
#include "relay/store_audit.h"
#include "relay/store_sql.h"

/* A page is one message of the administrators' connection, whatever the rows hold. */
enum { PAGE_BYTES = 8 * 1024 * 1024, MAX_CONDITIONS = 8 };

#define COLUMNS                                                                                              \
    "seq, event_id, wall_us, actor, role, source, organization, object, result, detail, prev, hash"

static const char *text_at(sqlite3_stmt *q, int column, bool *ok)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    /* A NUL within would hide what follows from the hash. */
    if (!text || strlen(text) != (size_t)sqlite3_column_bytes(q, column))
        *ok = false;
    return text ? text : "";
}

static bool row_at(sqlite3_stmt *q, struct kg_audit_row *row)
{
    bool ok = true;
    *row = (struct kg_audit_row){.seq = sqlite3_column_int64(q, 0),
                                 .entry = {.event_id = text_at(q, 1, &ok),
                                           .wall_us = sqlite3_column_int64(q, 2),
                                           .actor = text_at(q, 3, &ok),
                                           .role = text_at(q, 4, &ok),
                                           .source = text_at(q, 5, &ok),
                                           .organization = text_at(q, 6, &ok),
                                           .object = text_at(q, 7, &ok),
                                           .detail = text_at(q, 9, &ok)}};
    const char *result = text_at(q, 8, &ok);
    return ok && kg_audit_result_parse(result, &row->entry.result) && kg_sql_hash_at(q, 10, row->prev) &&
           kg_sql_hash_at(q, 11, row->hash);
}

struct query {
    char sql[1200];
    struct kg_sql_value values[MAX_CONDITIONS];
    int count;
};

/* condition holds one %d: the number of its value. */
static void require(struct query *q, const char *condition, struct kg_sql_value value)
{
    size_t at = strlen(q->sql);
    q->values[q->count++] = value;
    snprintf(q->sql + at, sizeof q->sql - at, "%s %s?%d", q->count == 1 ? " WHERE" : " AND", condition,
             q->count);
}

static void build(struct query *q, const struct kg_audit_filter *f, uint32_t limit, char event_end[64])
{
    *q = (struct query){0};
    snprintf(q->sql, sizeof q->sql, "SELECT " COLUMNS " FROM audit");
    if (f->organization)
        require(q, "organization =", KG_SQL_TEXT(f->organization));
    size_t size = f->event_id ? strlen(f->event_id) : 0;
    if (size > 0 && size < 64 && f->event_id[size - 1] == '.') {
        /* '/' follows '.': all that begins so lies between. */
        memcpy(event_end, f->event_id, size + 1);
        event_end[size - 1] = '/';
        require(q, "event_id >=", KG_SQL_TEXT(f->event_id));
        require(q, "event_id <", KG_SQL_TEXT(event_end));
    } else if (size > 0) {
        require(q, "event_id =", KG_SQL_TEXT(f->event_id));
    }
    if (f->from_us)
        require(q, "wall_us >=", KG_SQL_INTEGER(f->from_us));
    if (f->to_us)
        require(q, "wall_us <", KG_SQL_INTEGER(f->to_us));
    if (f->after_seq)
        require(q, f->newest_first ? "seq <" : "seq >", KG_SQL_INTEGER(f->after_seq));
    if (f->until_seq)
        require(q, "seq <=", KG_SQL_INTEGER(f->until_seq));
    size_t at = strlen(q->sql);
    snprintf(q->sql + at, sizeof q->sql - at, " ORDER BY seq%s LIMIT %" PRIu32,
             f->newest_first ? " DESC" : "", limit);
}

/* Calls take for each row until it says false or a page is full; *next_seq: the last row when more may
 * follow, otherwise 0. */
static int walk(sqlite3 *db, const struct kg_audit_filter *filter, uint32_t max,
                size_t (*take)(void *user, const struct kg_audit_row *row), void *user, int64_t *next_seq)
{
    char event_end[64];
    struct query query;
    sqlite3_stmt *statement = NULL;
    uint32_t limit = filter->limit && filter->limit < max ? filter->limit : max, rows = 0;
    size_t bytes = 0;
    build(&query, filter, limit, event_end);
    int code = kg_sql_prepare(db, &statement, query.sql, query.values, query.count);
    *next_seq = 0;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct kg_audit_row row;
        size_t taken = row_at(statement, &row) ? take(user, &row) : SIZE_MAX;
        if (taken == SIZE_MAX) {
            code = SQLITE_CORRUPT;
            break;
        }
        bytes += taken;
        code = SQLITE_OK;
        if (++rows == limit || bytes > PAGE_BYTES) {
            *next_seq = row.seq;
            code = SQLITE_DONE;
            break;
        }
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static size_t take_json(void *user, const struct kg_audit_row *row)
{
    struct kg_store_answer *answer = user;
    const struct kg_audit_entry *e = &row->entry;
    answer->row_count++;
    /* JSON's escapes at their worst are not counted: a list's page is far below the limit. */
    size_t size = 400 + strlen(e->actor) + strlen(e->source) + strlen(e->object) + strlen(e->detail);
    return json_array_append_new(answer->rows, kg_audit_row_json(row)) == 0 ? size : SIZE_MAX;
}

int kg_store_audit_rows(sqlite3 *db, const struct kg_audit_filter *filter, struct kg_store_answer *answer)
{
    answer->rows = json_array();
    return answer->rows ? walk(db, filter, KG_STORE_LIST_ROWS, take_json, answer, &answer->next_seq)
                        : SQLITE_NOMEM;
}

struct lines {
    char *text;
    size_t size, room;
    int64_t count;
};

static bool add_line(struct lines *l, json_t *object)
{
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    size_t size = line ? strlen(line) : 0;
    json_decref(object);
    if (line && l->size + size + 2 > l->room) {
        size_t room = 2 * l->room + size + 4096;
        char *grown = realloc(l->text, room);
        if (!grown) {
            free(line);
            return false;
        }
        l->text = grown;
        l->room = room;
    }
    if (line) {
        memcpy(l->text + l->size, line, size);
        memcpy(l->text + l->size + size, "\n", 2);
        l->size += size + 1;
    }
    free(line);
    return size > 0;
}

static size_t take_line(void *user, const struct kg_audit_row *row)
{
    struct lines *l = user;
    size_t before = l->size;
    l->count++;
    return add_line(l, kg_audit_row_json(row)) ? l->size - before : SIZE_MAX;
}

struct state {
    int64_t first_seq, head_seq;
    uint8_t first_prev[KG_AUDIT_HASH_BYTES], head_hash[KG_AUDIT_HASH_BYTES];
};

static int read_state(sqlite3 *db, struct state *state)
{
    sqlite3_stmt *q = NULL;
    int code =
        kg_sql_prepare(db, &q, "SELECT first_seq, first_prev, head_seq, head_hash FROM audit_state", NULL, 0);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        state->first_seq = sqlite3_column_int64(q, 0);
        state->head_seq = sqlite3_column_int64(q, 2);
        code = kg_sql_hash_at(q, 1, state->first_prev) && kg_sql_hash_at(q, 3, state->head_hash)
                   ? SQLITE_OK
                   : SQLITE_CORRUPT;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_CORRUPT;
    }
    sqlite3_finalize(q);
    return code;
}

/* SQLITE_DONE: there is no such row. */
static int read_hash(sqlite3 *db, int64_t seq, uint8_t hash[KG_AUDIT_HASH_BYTES])
{
    sqlite3_stmt *q = NULL;
    struct kg_sql_value values[] = {KG_SQL_INTEGER(seq)};
    int code = kg_sql_prepare(db, &q, "SELECT hash FROM audit WHERE seq = ?1", values, 1);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        code = kg_sql_hash_at(q, 0, hash) ? SQLITE_OK : SQLITE_CORRUPT;
    sqlite3_finalize(q);
    return code;
}

static int end_export(sqlite3 *db, const struct kg_audit_filter *filter, const struct state *state,
                      struct lines *l, struct kg_audit_anchor *anchor)
{
    int code = SQLITE_OK;
    memcpy(anchor->hash, state->first_prev, sizeof anchor->hash);
    if (anchor->seq >= state->first_seq)
        code = read_hash(db, anchor->seq, anchor->hash);
    if (code != SQLITE_OK)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    json_t *object = kg_audit_anchor_json(anchor);
    bool partial = filter->organization || filter->event_id || filter->from_us || filter->to_us;
    if (object)
        json_object_set_new(object, "partial", json_boolean(partial));
    json_t *line = json_pack("{s:o}", "anchor", object);
    return add_line(l, line) ? SQLITE_OK : SQLITE_NOMEM;
}

static int export_page(sqlite3 *db, const struct kg_audit_filter *filter, int64_t now_us,
                       struct kg_store_answer *answer)
{
    struct state state = {0};
    struct lines l = {0};
    struct kg_audit_filter f = *filter;
    int code = read_state(db, &state);
    if (code != SQLITE_OK)
        return code;
    f.newest_first = false;
    /* An anchor can only speak of what is there, or of where that begins. */
    if (!f.until_seq || f.until_seq > state.head_seq)
        f.until_seq = state.head_seq;
    f.until_seq = KG_MAX(f.until_seq, state.first_seq - 1);
    if (f.until_seq > 0)
        code = walk(db, &f, KG_STORE_EXPORT_ROWS, take_line, &l, &answer->next_seq);
    struct kg_audit_anchor anchor = {.seq = f.until_seq, .count = f.rows_before + l.count, .wall_us = now_us};
    if (code == SQLITE_OK && !answer->next_seq)
        code = end_export(db, &f, &state, &l, &anchor);
    if (code != SQLITE_OK) {
        free(l.text);
        return code;
    }
    answer->text = l.text;
    answer->row_count = l.count;
    answer->until_seq = f.until_seq;
    if (!answer->next_seq)
        answer->anchor = anchor;
    return SQLITE_OK;
}

int kg_store_audit_lines(sqlite3 *db, const struct kg_audit_filter *filter, int64_t now_us,
                         struct kg_store_answer *answer)
{
    int code = kg_sql_exec(db, "BEGIN");
    return code == SQLITE_OK ? kg_sql_end(db, export_page(db, filter, now_us, answer)) : code;
}

/* What the newest prune said of itself must be where the trail begins. */
static bool tells_of(const struct kg_audit_row *row, const struct state *state)
{
    char expected[KG_AUDIT_HASH_TEXT + 40], hash[KG_AUDIT_HASH_TEXT];
    kg_audit_hash_text(state->first_prev, hash);
    snprintf(expected, sizeof expected, "seq=%" PRId64 " hash=%s ", state->first_seq - 1, hash);
    return strcmp(row->entry.event_id, "audit.pruned") == 0 &&
           strncmp(row->entry.detail, expected, strlen(expected)) == 0;
}

static int check_rows(sqlite3 *db, const struct state *state, struct kg_audit_check *check)
{
    sqlite3_stmt *q = NULL;
    bool told = state->first_seq == 1, going = true;
    int64_t reached = state->first_seq;
    int code = kg_sql_prepare(db, &q, "SELECT " COLUMNS " FROM audit ORDER BY seq", NULL, 0);
    while (code == SQLITE_OK && going && (code = sqlite3_step(q)) == SQLITE_ROW) {
        struct kg_audit_row row = {0};
        code = SQLITE_OK;
        going = row_at(q, &row)
                    ? kg_audit_check_row(check, &row)
                    : kg_audit_check_fail(check, KG_AUDIT_UNREADABLE, row.seq, "a row is unreadable");
        told = told || (going && tells_of(&row, state));
        reached = row.seq;
    }
    sqlite3_finalize(q);
    if (code == SQLITE_OK || code == SQLITE_DONE) {
        if (going && !told)
            kg_audit_check_fail(check, KG_AUDIT_MISSING, state->first_seq - 1,
                                "the oldest rows are gone, and no row tells that their time was over");
        return SQLITE_OK;
    }
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        kg_audit_check_fail(check, KG_AUDIT_UNREADABLE, reached, "the file is damaged behind this row");
    return code;
}

/* Every anchor ever given out. A prune takes those of its rows along, but for its last row's. */
static int check_anchors(sqlite3 *db, struct kg_audit_check *check, const struct state *state)
{
    sqlite3_stmt *q = NULL;
    int code = kg_sql_prepare(db, &q, "SELECT seq, hash FROM audit_anchor ORDER BY seq", NULL, 0);
    while (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        uint8_t anchor[KG_AUDIT_HASH_BYTES] = {0}, hash[KG_AUDIT_HASH_BYTES] = {0};
        int64_t seq = sqlite3_column_int64(q, 0);
        memcpy(hash, state->first_prev, sizeof hash);
        code = seq == state->first_seq - 1 ? SQLITE_OK : read_hash(db, seq, hash);
        if (code == SQLITE_DONE && seq < state->first_seq)
            kg_audit_check_fail(check, KG_AUDIT_MISSING, seq,
                                "a row that was exported is gone, and no prune took it");
        else if (code == SQLITE_DONE)
            kg_audit_check_fail(check, KG_AUDIT_TRUNCATED, seq, "a row that was exported is missing");
        else if (code == SQLITE_OK &&
                 (!kg_sql_hash_at(q, 1, anchor) || memcmp(anchor, hash, sizeof hash) != 0))
            kg_audit_check_fail(check, KG_AUDIT_FORKED, seq, "a row is not what was exported");
        if (code == SQLITE_DONE)
            code = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* One from before the first row: its row may be gone only once its time was over. */
static void check_old_anchor(struct kg_audit_check *check, const struct kg_audit_anchor *anchor,
                             const struct state *state, int64_t kept_us)
{
    if (anchor->seq == state->first_seq - 1 &&
        memcmp(anchor->hash, state->first_prev, sizeof anchor->hash) != 0)
        kg_audit_check_fail(check, KG_AUDIT_FORKED, anchor->seq, "the pruned rows are not the anchor's");
    else if (anchor->wall_us > 0 && anchor->wall_us < kept_us)
        check->verdict.compared = KG_AUDIT_ANCHOR_TOO_OLD;
    else
        kg_audit_check_fail(check, KG_AUDIT_MISSING, anchor->seq,
                            anchor->wall_us > 0
                                ? "the row this anchor speaks of is gone, and its time was not over"
                                : "the row this anchor speaks of is gone; the anchor's time would tell "
                                  "whether its own was over");
}

static int check_all(sqlite3 *db, const struct kg_audit_anchor *anchor, int64_t kept_us,
                     struct kg_audit_verdict *verdict)
{
    struct state state = {0};
    struct kg_audit_check check;
    int code = read_state(db, &state);
    if (code != SQLITE_OK)
        return code;
    kg_audit_check_begin(&check, false, state.first_seq, state.first_prev, anchor);
    code = check_rows(db, &state, &check);
    if (code == SQLITE_OK)
        kg_audit_check_end(&check, state.head_seq, state.head_hash);
    if (code == SQLITE_OK && anchor && anchor->seq > 0 && anchor->seq < state.first_seq)
        check_old_anchor(&check, anchor, &state, kept_us);
    if (code == SQLITE_OK)
        code = check_anchors(db, &check, &state);
    *verdict = check.verdict;
    return code;
}

int kg_store_audit_check(sqlite3 *db, const struct kg_audit_anchor *anchor, int64_t kept_us,
                         struct kg_audit_verdict *verdict)
{
    int code = kg_sql_exec(db, "BEGIN");
    return code == SQLITE_OK ? kg_sql_end(db, check_all(db, anchor, kept_us, verdict)) : code;
}

#include "relay/audit_export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_TEXT = 40 };

static void time_text(int64_t wall_us, char text[TIME_TEXT])
{
    int64_t fraction = wall_us % 1000000;
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    size_t size = gmtime_r(&seconds, &tm) ? strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    snprintf(text + size, TIME_TEXT - size, ".%06dZ", (int)fraction);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

json_t *kg_audit_row_json(const struct kg_audit_row *row)
{
    const struct kg_audit_entry *e = &row->entry;
    char when[TIME_TEXT], prev[KG_AUDIT_HASH_TEXT], hash[KG_AUDIT_HASH_TEXT];
    time_text(e->wall_us, when);
    kg_audit_hash_text(row->prev, prev);
    kg_audit_hash_text(row->hash, hash);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "seq",
                     (json_int_t)row->seq, "event_id", or_empty(e->event_id), "time", when, "wall_us",
                     (json_int_t)e->wall_us, "actor", or_empty(e->actor), "role", or_empty(e->role), "source",
                     or_empty(e->source), "organization", or_empty(e->organization), "object",
                     or_empty(e->object), "result", kg_audit_result_name(e->result), "detail",
                     or_empty(e->detail), "prev", prev, "hash", hash);
}

json_t *kg_audit_anchor_json(const struct kg_audit_anchor *anchor)
{
    char when[TIME_TEXT], hash[KG_AUDIT_HASH_TEXT];
    time_text(anchor->wall_us, when);
    kg_audit_hash_text(anchor->hash, hash);
    return json_pack("{s:I, s:s, s:I, s:I, s:s}", "seq", (json_int_t)anchor->seq, "hash", hash, "count",
                     (json_int_t)anchor->count, "wall_us", (json_int_t)anchor->wall_us, "time", when);
}

static bool take_text(const json_t *object, const char *key, const char **out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_string_value(value);
    /* No NUL within: the hash is taken over C strings. */
    return *out && json_string_length(value) == strlen(*out) &&
           json_string_length(value) <= KG_AUDIT_MAX_TEXT_BYTES;
}

static bool take_integer(const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value);
}

static bool take_hash(const json_t *object, const char *key, uint8_t out[KG_AUDIT_HASH_BYTES])
{
    const char *text;
    return take_text(object, key, &text) && kg_audit_hash_parse(text, out);
}

bool kg_audit_anchor_parse(const json_t *object, struct kg_audit_anchor *anchor)
{
    struct kg_audit_anchor read;
    if (!take_integer(object, "seq", &read.seq) || read.seq < 0 || !take_hash(object, "hash", read.hash) ||
        !take_integer(object, "count", &read.count) || read.count < 0 ||
        !take_integer(object, "wall_us", &read.wall_us))
        return false;
    *anchor = read;
    return true;
}

bool kg_audit_row_parse(const json_t *object, struct kg_audit_row *row)
{
    struct kg_audit_row read = {0};
    struct kg_audit_entry *e = &read.entry;
    const char *result, *when;
    char expected[TIME_TEXT];
    if (!take_integer(object, "seq", &read.seq) || read.seq < 1 ||
        !take_integer(object, "wall_us", &e->wall_us) || !take_text(object, "event_id", &e->event_id) ||
        !take_text(object, "actor", &e->actor) || !take_text(object, "role", &e->role) ||
        !take_text(object, "source", &e->source) || !take_text(object, "organization", &e->organization) ||
        !take_text(object, "object", &e->object) || !take_text(object, "detail", &e->detail) ||
        !take_text(object, "result", &result) || !kg_audit_result_parse(result, &e->result) ||
        !take_hash(object, "prev", read.prev) || !take_hash(object, "hash", read.hash))
        return false;
    /* The readable time is not hashed: it must say what the hashed one says, or a reader could be fooled. */
    time_text(e->wall_us, expected);
    if (!take_text(object, "time", &when) || strcmp(when, expected) != 0)
        return false;
    *row = read;
    return true;
}

void kg_audit_reader_begin(struct kg_audit_reader *reader, const struct kg_audit_anchor *anchor)
{
    *reader = (struct kg_audit_reader){0};
    kg_audit_check_begin(&reader->check, true, 1, NULL, anchor);
}

static bool bad_line(struct kg_audit_reader *reader, const char *why)
{
    char text[120];
    snprintf(text, sizeof text, "line %llu %s", (unsigned long long)reader->line, why);
    return kg_audit_check_fail(&reader->check, KG_AUDIT_UNREADABLE, reader->check.verdict.seq + 1, text);
}

static bool take_anchor(struct kg_audit_reader *reader, const json_t *anchor)
{
    const json_t *partial = json_object_get(anchor, "partial");
    if (!kg_audit_anchor_parse(anchor, &reader->anchor) || !json_is_boolean(partial))
        return bad_line(reader, "is no anchor");
    reader->ended = true;
    reader->partial = json_is_true(partial);
    return true;
}

bool kg_audit_reader_line(struct kg_audit_reader *reader, const char *line, size_t size)
{
    reader->line++;
    if (reader->check.verdict.fault != KG_AUDIT_SOUND)
        return false;
    if (reader->ended)
        return bad_line(reader, "stands after the anchor, which ends an export");
    if (size > KG_AUDIT_EXPORT_LINE_BYTES)
        return bad_line(reader, "is longer than any row");
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *anchor = json_object_get(object, "anchor");
    struct kg_audit_row row;
    bool ok;
    if (anchor)
        ok = take_anchor(reader, anchor);
    else if (kg_audit_row_parse(object, &row))
        ok = kg_audit_check_row(&reader->check, &row);
    else
        ok = bad_line(reader, "is no row of the audit trail");
    json_decref(object);
    return ok;
}

/* What only the anchor can tell. */
static bool check_anchor(struct kg_audit_reader *reader)
{
    struct kg_audit_check *check = &reader->check;
    const struct kg_audit_anchor *a = &reader->anchor;
    int64_t last = check->verdict.seq;
    if (!reader->ended)
        return kg_audit_check_fail(check, KG_AUDIT_TRUNCATED, last + 1,
                                   "the export has no anchor: its end is missing");
    if (check->gap_seq && !reader->partial)
        return kg_audit_check_fail(check, KG_AUDIT_MISSING, check->gap_seq,
                                   "a row is missing, and the export does not say that any was left out");
    if (last > a->seq || (!reader->partial && last < a->seq))
        return kg_audit_check_fail(check, KG_AUDIT_TRUNCATED, KG_MIN(last, a->seq) + 1,
                                   "the rows do not end where the anchor says");
    if (check->verdict.count != a->count)
        return kg_audit_check_fail(check, KG_AUDIT_MISSING, check->verdict.first_seq,
                                   "the export has more or fewer rows than its anchor says");
    if (check->verdict.count && last == a->seq && memcmp(check->verdict.hash, a->hash, sizeof a->hash) != 0)
        return kg_audit_check_fail(check, KG_AUDIT_FORKED, last, "the last row is not the anchor's");
    return true;
}

const struct kg_audit_verdict *kg_audit_reader_end(struct kg_audit_reader *reader)
{
    struct kg_audit_check *check = &reader->check;
    if (check->verdict.fault == KG_AUDIT_SOUND && check_anchor(reader) && reader->partial) {
        /* An anchor kept elsewhere may be of a row that is not in this part. */
        if (check->anchor.seq > reader->anchor.seq)
            kg_audit_check_fail(check, KG_AUDIT_TRUNCATED, reader->anchor.seq + 1,
                                "the export is older than the anchor, or its end is missing");
        check->anchor.seq = 0;
    }
    struct kg_audit_verdict *verdict = &check->verdict;
    kg_audit_check_end(check, 0, NULL);
    size_t used = strlen(verdict->text);
    if (verdict->fault == KG_AUDIT_SOUND && reader->partial)
        snprintf(verdict->text + used, sizeof verdict->text - used,
                 ", others left out: only rows that stand side by side bind each other, so what is missing "
                 "between them does not show");
    return verdict;
}

/* Never a line without bound in memory: a file of another kind may have no line ends at all. */
static bool read_lines(FILE *file, struct kg_audit_reader *reader)
{
    size_t size = 0;
    char *line = malloc(KG_AUDIT_EXPORT_LINE_BYTES + 1);
    bool going = line != NULL;
    for (int c = 0; going && c != EOF;) {
        c = getc(file);
        if (c != EOF && c != '\n' && size <= KG_AUDIT_EXPORT_LINE_BYTES)
            line[size++] = (char)c;
        else if (c != EOF || size > 0) {
            going = kg_audit_reader_line(reader, line, size);
            size = 0;
        }
    }
    bool ok = line && !ferror(file);
    free(line);
    return ok;
}

bool kg_audit_anchor_read(const char *path, struct kg_audit_anchor *anchor, struct kg_problem *problem)
{
    static char line[KG_AUDIT_EXPORT_LINE_BYTES + 1];
    FILE *file = fopen(path, "re");
    if (!file)
        return kg_problem_set(problem, "cannot read the anchor %s: %s", path, strerror(errno));
    size_t size = 0;
    bool ended = false;
    for (int c; (c = getc(file)) != EOF; ended = c == '\n') {
        if (ended)
            size = 0;
        if (c != '\n' && size < sizeof line)
            line[size++] = (char)c;
    }
    bool ok = !ferror(file);
    fclose(file);
    json_t *object = ok && size < sizeof line ? json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    ok = object && kg_audit_anchor_parse(json_object_get(object, "anchor"), anchor);
    json_decref(object);
    return ok || kg_problem_set(problem, "the last line of %s is no anchor: give an export, or its last line",
                                path);
}

bool kg_audit_export_verify(const char *path, const struct kg_audit_anchor *earlier,
                            struct kg_audit_verdict *verdict, struct kg_audit_anchor *anchor,
                            struct kg_problem *problem)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return kg_problem_set(problem, "cannot read the export %s: %s", path, strerror(errno));
    struct kg_audit_reader reader;
    kg_audit_reader_begin(&reader, earlier);
    bool ok = read_lines(file, &reader);
    fclose(file);
    if (!ok)
        return kg_problem_set(problem, "cannot read the export %s to its end: check the medium", path);
    *verdict = *kg_audit_reader_end(&reader);
    if (anchor)
        *anchor = reader.anchor;
    return true;
}

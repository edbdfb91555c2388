/* The audit trail: what each kind of tampering is found by, and at which row. */
#include "unit/cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "relay/audit_export.h"
#include "relay/store_audit.h"
#include "relay/store_db.h"
#include "relay/store_sql.h"
#include "unit/folder.h"

enum { ROWS = 9 };

static char folder[64], path[128];
static sqlite3 *db;

static void append(const char *event_id, const char *organization, int64_t wall_us)
{
    struct kg_audit_entry entry = {.event_id = event_id,
                                   .actor = "架空市の\"担当\"",
                                   .role = "administrator",
                                   .source = "192.0.2.7",
                                   .organization = organization,
                                   .object = "a\\b\n\xe2\x80\xae",
                                   .result = KG_AUDIT_REFUSED,
                                   .detail = "",
                                   .wall_us = wall_us};
    assert_int_equal(kg_store_audit_append(db, &entry, NULL), SQLITE_OK);
}

static int set_up(void **state)
{
    (void)state;
    enum kg_store_status status;
    struct kg_problem problem;
    if (!folder_make(folder, "audit"))
        return -1;
    snprintf(path, sizeof path, "%s/kaigi.db", folder);
    db = kg_store_db_open(path, &status, &problem);
    for (int i = 1; i <= ROWS; i++)
        append(i % 3 ? "room.joined" : "org.added", i % 2 ? "org-1" : "org-2", i * 1000000);
    return db ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kg_store_db_close(db);
    return folder_remove(folder) ? 0 : -1;
}

static struct kg_audit_verdict verify_kept(const struct kg_audit_anchor *anchor, int64_t kept_us)
{
    struct kg_audit_verdict verdict = {0};
    assert_int_equal(kg_store_audit_check(db, anchor, kept_us, &verdict), SQLITE_OK);
    return verdict;
}

static struct kg_audit_verdict verify(const struct kg_audit_anchor *anchor)
{
    return verify_kept(anchor, 0);
}

static void expect(struct kg_audit_verdict verdict, enum kg_audit_fault fault, int64_t seq)
{
    if (verdict.fault != fault || verdict.seq != seq)
        fail_msg("fault %d at row %" PRId64 " instead of %d at %" PRId64 ": %s", verdict.fault, verdict.seq,
                 fault, seq, verdict.text);
    assert_true(verdict.text[0] != '\0');
}

/* What somebody with the file and time can do: the triggers are no obstacle to him. */
static void tamper(const char *sql)
{
    assert_int_equal(kg_sql_exec(db, "DROP TRIGGER audit_fixed; DROP TRIGGER audit_kept; DROP TRIGGER "
                                     "audit_follows; DROP TRIGGER audit_state_forward; DROP TRIGGER "
                                     "audit_head"),
                     SQLITE_OK);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
}

static void test_triggers_refuse(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "UPDATE audit SET detail = 'x' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        "DELETE FROM audit_state",
        "UPDATE audit_state SET first_seq = 0",
        "UPDATE audit_state SET head_seq = 3",
        "UPDATE audit_state SET first_seq = 100",
        "INSERT INTO audit SELECT seq + 20, event_id, wall_us, actor, role, source, organization, object, "
        "result, detail, prev, hash FROM audit WHERE seq = 1",
        "INSERT OR REPLACE INTO audit SELECT seq, event_id, 0, actor, role, source, organization, object, "
        "result, detail, prev, hash FROM audit WHERE seq = 1",
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(refused); i++) {
        if (sqlite3_exec(db, refused[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT_TRIGGER)
            fail_msg("done: %s", refused[i]);
    }
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS);
}

static void test_tampering_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum kg_audit_fault fault;
        int64_t seq;
    } cases[] = {
        {"UPDATE audit SET detail = 'nothing' WHERE seq = 4", KG_AUDIT_ALTERED, 4},
        {"UPDATE audit SET actor = 'b' WHERE seq = 1", KG_AUDIT_ALTERED, 1},
        {"UPDATE audit SET wall_us = wall_us + 1 WHERE seq = 9", KG_AUDIT_ALTERED, 9},
        {"UPDATE audit SET result = 'ok' WHERE seq = 2", KG_AUDIT_ALTERED, 2},
        /* A field moved into its neighbour: the same bytes in a row. */
        {"UPDATE audit SET actor = actor || role, role = '' WHERE seq = 5", KG_AUDIT_ALTERED, 5},
        {"UPDATE audit SET detail = detail || char(0) || 'hidden' WHERE seq = 5", KG_AUDIT_UNREADABLE, 5},
        {"DELETE FROM audit WHERE seq = 4", KG_AUDIT_MISSING, 4},
        {"DELETE FROM audit WHERE seq = 1", KG_AUDIT_MISSING, 1},
        /* Closing the gap by numbers. */
        {"DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4", KG_AUDIT_BROKEN, 4},
        /* Two rows change places. */
        {"UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
         "UPDATE audit SET seq = 4 WHERE seq = 100",
         KG_AUDIT_BROKEN, 3},
        /* Their texts alone. */
        {"UPDATE audit SET event_id = (SELECT event_id FROM audit WHERE seq = 3) WHERE seq = 4",
         KG_AUDIT_ALTERED, 4},
        /* prev and hash together. */
        {"UPDATE audit SET prev = hash, hash = prev WHERE seq = 6", KG_AUDIT_BROKEN, 6},
        {"UPDATE audit SET prev = (SELECT prev FROM audit WHERE seq = 6), hash = (SELECT hash FROM audit "
         "WHERE "
         "seq = 6) WHERE seq = 7",
         KG_AUDIT_BROKEN, 7},
        {"DELETE FROM audit WHERE seq > 6", KG_AUDIT_TRUNCATED, 7},
        {"DELETE FROM audit", KG_AUDIT_TRUNCATED, 1},
        /* The beginning, as if its time were over. */
        {"DELETE FROM audit WHERE seq < 4; UPDATE audit_state SET first_seq = 4, first_prev = (SELECT prev "
         "FROM "
         "audit WHERE seq = 4)",
         KG_AUDIT_MISSING, 3},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        if (i > 0) {
            assert_int_equal(tear_down(state), 0);
            assert_int_equal(set_up(state), 0);
        }
        expect(verify(NULL), KG_AUDIT_SOUND, ROWS);
        tamper(cases[i].sql);
        expect(verify(NULL), cases[i].fault, cases[i].seq);
    }
}

static struct kg_audit_anchor anchor_at(int64_t seq)
{
    struct kg_audit_anchor anchor = {.seq = seq};
    struct kg_audit_filter filter = {.after_seq = seq - 1, .limit = 1};
    struct kg_store_answer answer = {0};
    assert_int_equal(kg_store_audit_rows(db, &filter, &answer), SQLITE_OK);
    const char *hash = json_string_value(json_object_get(json_array_get(answer.rows, 0), "hash"));
    assert_true(kg_audit_hash_parse(hash, anchor.hash));
    json_decref(answer.rows);
    return anchor;
}

/* He knows the format too, and makes a chain of his own that is right in itself. Only what was taken away
 * earlier tells. */
static void test_anchor_tells_of_a_forged_chain(void **state)
{
    struct kg_audit_anchor seven = anchor_at(7), nine = anchor_at(ROWS);
    expect(verify(&seven), KG_AUDIT_SOUND, ROWS);
    tamper(
        "DELETE FROM audit WHERE seq > 6; UPDATE audit_state SET head_seq = 6, head_hash = (SELECT hash FROM "
        "audit WHERE seq = 6)");
    expect(verify(NULL), KG_AUDIT_SOUND, 6);
    expect(verify(&seven), KG_AUDIT_TRUNCATED, 7);

    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
    assert_int_equal(kg_store_audit_remember(db, &nine), SQLITE_OK);
    tamper(
        "DELETE FROM audit WHERE seq > 6; UPDATE audit_state SET head_seq = 6, head_hash = (SELECT hash FROM "
        "audit WHERE seq = 6); CREATE TRIGGER audit_head AFTER INSERT ON audit BEGIN UPDATE audit_state SET "
        "head_seq = NEW.seq, head_hash = NEW.hash; END;");
    /* The store remembers its own exports. */
    expect(verify(NULL), KG_AUDIT_TRUNCATED, 9);
    for (int i = 7; i <= ROWS; i++)
        append("room.left", "org-1", i);
    expect(verify(NULL), KG_AUDIT_FORKED, 9);
    assert_int_equal(kg_sql_exec(db, "DELETE FROM audit_anchor"), SQLITE_OK);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS);
    expect(verify(&seven), KG_AUDIT_FORKED, 7);
    expect(verify(&nine), KG_AUDIT_FORKED, 9);
}

/* Everything up to past the newest anchor goes, and a row like a prune's says that it had to. */
static void test_a_forged_prune_is_told_by_an_anchor(void **state)
{
    (void)state;
    int64_t pruned;
    struct kg_audit_anchor five = anchor_at(5);
    five.wall_us = 5000000;
    assert_int_equal(kg_store_audit_remember(db, &five), SQLITE_OK);
    assert_int_equal(kg_store_audit_prune(db, 8000000, 50000000, 100, &pruned), SQLITE_OK);
    assert_int_equal(pruned, 7);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS + 1);
    expect(verify_kept(&five, 4000000), KG_AUDIT_MISSING, 5);
    assert_non_null(strstr(verify_kept(&five, 4000000).text, "the row this anchor speaks of is gone"));
    expect(verify_kept(&five, 6000000), KG_AUDIT_SOUND, ROWS + 1);
    assert_int_equal(verify_kept(&five, 6000000).compared, KG_AUDIT_ANCHOR_TOO_OLD);
    /* Too late to be remembered. */
    assert_int_equal(kg_store_audit_remember(db, &five), SQLITE_OK);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS + 1);
    /* The store's own anchor, left by somebody who did not think of it. */
    tamper("INSERT INTO audit_anchor SELECT 5, hash, 5000000 FROM audit WHERE seq = 8");
    expect(verify(NULL), KG_AUDIT_MISSING, 5);
}

static void test_retention(void **state)
{
    (void)state;
    int64_t pruned;
    struct kg_audit_anchor three = anchor_at(3), four = anchor_at(4), six = anchor_at(6);
    assert_int_equal(kg_store_audit_prune(db, 1000000, 50000000, 100, &pruned), SQLITE_OK);
    assert_int_equal(pruned, 0);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS);
    /* Bounded: the rest next time. */
    assert_int_equal(kg_store_audit_prune(db, 5000000, 50000000, 3, &pruned), SQLITE_OK);
    assert_int_equal(pruned, 3);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS + 1);
    expect(verify(&three), KG_AUDIT_MISSING, 3);
    three.wall_us = 3000000;
    expect(verify_kept(&three, 3000000), KG_AUDIT_MISSING, 3);
    expect(verify_kept(&three, 3000001), KG_AUDIT_SOUND, ROWS + 1);
    assert_int_equal(verify_kept(&three, 3000001).compared, KG_AUDIT_ANCHOR_TOO_OLD);
    three.hash[0] ^= 1;
    expect(verify_kept(&three, 5000000), KG_AUDIT_FORKED, 3);
    assert_int_equal(kg_store_audit_prune(db, 5000000, 50000000, 3, &pruned), SQLITE_OK);
    assert_int_equal(pruned, 1);
    four.wall_us = 4000000;
    expect(verify_kept(&four, 5000000), KG_AUDIT_SOUND, ROWS + 2);
    expect(verify(&six), KG_AUDIT_SOUND, ROWS + 2);
    assert_int_equal(verify(&six).compared, KG_AUDIT_ANCHOR_MET);
    assert_int_equal(verify(NULL).compared, KG_AUDIT_NO_ANCHOR);
    int64_t first;
    assert_int_equal(kg_sql_integer(db, "SELECT min(seq) FROM audit", &first), SQLITE_OK);
    assert_int_equal(first, 5);
    /* However far the clock jumps, the newest row stays. */
    assert_int_equal(kg_store_audit_prune(db, INT64_MAX, 60000000, 100, &pruned), SQLITE_OK);
    assert_int_equal(pruned, ROWS + 2 - 5);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS + 3);
    /* Going on after it, and a row that was not due. */
    append("room.joined", "org-1", 70000000);
    expect(verify(NULL), KG_AUDIT_SOUND, ROWS + 4);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM audit WHERE seq = 12", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT_TRIGGER);
}

static char *export_all(const struct kg_audit_filter *wanted, uint32_t page)
{
    struct kg_audit_filter filter = *wanted;
    char *text = calloc(1, 100000);
    filter.limit = page;
    for (;;) {
        struct kg_store_answer answer = {0};
        assert_int_equal(kg_store_audit_lines(db, &filter, 123456789, &answer), SQLITE_OK);
        if (answer.text)
            strcat(text, answer.text);
        free(answer.text);
        if (!answer.next_seq) {
            assert_int_equal(answer.anchor.count, filter.rows_before + answer.row_count);
            return text;
        }
        filter.after_seq = answer.next_seq;
        filter.until_seq = answer.until_seq;
        filter.rows_before += answer.row_count;
    }
}

static struct kg_audit_verdict verify_text(const char *text, const struct kg_audit_anchor *earlier,
                                           struct kg_audit_anchor *anchor)
{
    struct kg_audit_verdict verdict = {0};
    struct kg_problem problem;
    char name[160];
    snprintf(name, sizeof name, "%s/export.jsonl", folder);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    if (!kg_audit_export_verify(name, earlier, &verdict, anchor, &problem))
        fail_msg("%s", problem.text);
    return verdict;
}

static char *line_at(char *text, int number)
{
    for (; number > 1; number--)
        text = strchr(text, '\n') + 1;
    return text;
}

static void cut_line(char *text, int number)
{
    char *line = line_at(text, number), *next = strchr(line, '\n') + 1;
    memmove(line, next, strlen(next) + 1);
}

static void test_export(void **state)
{
    (void)state;
    struct kg_audit_filter all = {0};
    struct kg_audit_anchor anchor, seven = anchor_at(7), beyond = anchor_at(9);
    char *whole = export_all(&all, 0), *paged = export_all(&all, 2);
    assert_string_equal(whole, paged);
    expect(verify_text(whole, NULL, &anchor), KG_AUDIT_SOUND, ROWS);
    assert_int_equal(anchor.seq, ROWS);
    assert_int_equal(anchor.count, ROWS);
    assert_int_equal(anchor.wall_us, 123456789);
    expect(verify(&anchor), KG_AUDIT_SOUND, ROWS);
    expect(verify_text(whole, &seven, NULL), KG_AUDIT_SOUND, ROWS);
    seven.hash[31] ^= 1;
    expect(verify_text(whole, &seven, NULL), KG_AUDIT_FORKED, 7);
    beyond.seq = 12;
    expect(verify_text(whole, &beyond, NULL), KG_AUDIT_TRUNCATED, 10);
    assert_non_null(strstr(whole, "\"time\":\"1970-01-01T00:00:04.000000Z\""));

    /* Each row's every byte counts but for the anchor's own time. */
    char *edited = strdup(whole);
    char *at = strstr(line_at(edited, 4), "192.0.2.7");
    at[8] = '8';
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_ALTERED, 4);
    strcpy(edited, whole);
    memcpy(strstr(line_at(edited, 6), "T00:00:06"), "T00:00:07", 9);
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_UNREADABLE, 6);
    strcpy(edited, whole);
    cut_line(edited, 5);
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_MISSING, 5);
    strcpy(edited, whole);
    cut_line(edited, 1);
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_MISSING, 2);
    strcpy(edited, whole);
    cut_line(edited, ROWS);
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_TRUNCATED, ROWS);
    strcpy(edited, whole);
    cut_line(edited, ROWS + 1);
    expect(verify_text(edited, NULL, NULL), KG_AUDIT_TRUNCATED, ROWS + 1);
    /* A line twice; two in each other's place; one more after the end. */
    snprintf(edited, strlen(whole) + 1, "%s", whole);
    char *twice = calloc(1, 2 * strlen(whole) + 1);
    size_t first = (size_t)(strchr(whole, '\n') + 1 - whole);
    snprintf(twice, 2 * strlen(whole), "%.*s%s", (int)first, whole, whole);
    expect(verify_text(twice, NULL, NULL), KG_AUDIT_MISSING, 1);
    snprintf(twice, 2 * strlen(whole), "%s%.*s", whole, (int)first, whole);
    expect(verify_text(twice, NULL, NULL), KG_AUDIT_UNREADABLE, ROWS + 1);
    expect(verify_text("no export\n", NULL, NULL), KG_AUDIT_UNREADABLE, 1);
    expect(verify_text("", NULL, NULL), KG_AUDIT_TRUNCATED, 1);
    free(twice);
    free(edited);
    free(whole);
    free(paged);
}

static void test_an_anchor_kept_alone(void **state)
{
    (void)state;
    struct kg_audit_filter all = {0};
    struct kg_audit_anchor anchor;
    struct kg_problem problem;
    char *text = export_all(&all, 0), name[160];
    snprintf(name, sizeof name, "%s/export.jsonl", folder);
    (void)verify_text(text, NULL, NULL);
    assert_true(kg_audit_anchor_read(name, &anchor, &problem));
    assert_int_equal(anchor.seq, ROWS);
    assert_int_equal(anchor.wall_us, 123456789);
    (void)verify_text(line_at(text, ROWS + 1), NULL, NULL);
    struct kg_audit_anchor alone;
    assert_true(kg_audit_anchor_read(name, &alone, &problem));
    assert_memory_equal(alone.hash, anchor.hash, sizeof alone.hash);
    expect(verify(&alone), KG_AUDIT_SOUND, ROWS);
    cut_line(text, ROWS + 1);
    (void)verify_text(text, NULL, NULL);
    assert_false(kg_audit_anchor_read(name, &alone, &problem));
    assert_non_null(strstr(problem.text, "is no anchor"));
    (void)verify_text("", NULL, NULL);
    assert_false(kg_audit_anchor_read(name, &alone, &problem));
    assert_false(kg_audit_anchor_read("/nowhere/anchor", &alone, &problem));
    free(text);
}

static void test_export_of_one_organization(void **state)
{
    (void)state;
    struct kg_audit_filter filter = {.organization = "org-2"}, event = {.event_id = "org."},
                           time = {.from_us = 3000000, .to_us = 5000000};
    struct kg_audit_anchor anchor;
    char *text = export_all(&filter, 3);
    assert_null(strstr(text, "\"org-1\""));
    expect(verify_text(text, NULL, &anchor), KG_AUDIT_SOUND, 8);
    assert_int_equal(anchor.seq, ROWS);
    assert_int_equal(anchor.count, 4);
    assert_non_null(strstr(verify_text(text, NULL, NULL).text, "only rows that stand side by side"));
    char *at = strstr(line_at(text, 2), "192.0.2.7");
    at[8] = '8';
    expect(verify_text(text, NULL, NULL), KG_AUDIT_ALTERED, 4);
    at[8] = '7';
    cut_line(text, 2);
    assert_int_equal(verify_text(text, NULL, NULL).fault, KG_AUDIT_MISSING);
    free(text);
    text = export_all(&event, 0);
    assert_int_equal(verify_text(text, NULL, NULL).count, 3);
    free(text);
    text = export_all(&time, 0);
    assert_int_equal(verify_text(text, NULL, NULL).count, 2);
    free(text);
    /* Nothing of it at all. */
    filter.organization = "org-3";
    text = export_all(&filter, 0);
    expect(verify_text(text, NULL, NULL), KG_AUDIT_SOUND, 0);
    free(text);
}

static void test_list_pages(void **state)
{
    (void)state;
    struct kg_audit_filter filter = {.organization = "org-1", .newest_first = true, .limit = 3};
    struct kg_store_answer answer = {0};
    assert_int_equal(kg_store_audit_rows(db, &filter, &answer), SQLITE_OK);
    assert_int_equal(json_array_size(answer.rows), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(answer.rows, 0), "seq")), 9);
    assert_int_equal(answer.next_seq, 5);
    json_decref(answer.rows);
    filter.after_seq = answer.next_seq;
    assert_int_equal(kg_store_audit_rows(db, &filter, &answer), SQLITE_OK);
    assert_int_equal(json_array_size(answer.rows), 2);
    assert_int_equal(answer.next_seq, 0);
    json_decref(answer.rows);
    /* Hostile filters are values, never SQL. */
    filter = (struct kg_audit_filter){.organization = "org-1' OR '1'='1", .event_id = "room.%"};
    assert_int_equal(kg_store_audit_rows(db, &filter, &answer), SQLITE_OK);
    assert_int_equal(json_array_size(answer.rows), 0);
    json_decref(answer.rows);
}

static void test_row_survives_json(void **state)
{
    (void)state;
    struct kg_audit_filter filter = {.limit = 1};
    struct kg_store_answer answer = {0};
    struct kg_audit_row row;
    uint8_t hash[KG_AUDIT_HASH_BYTES];
    assert_int_equal(kg_store_audit_rows(db, &filter, &answer), SQLITE_OK);
    json_t *object = json_array_get(answer.rows, 0);
    assert_true(kg_audit_row_parse(object, &row));
    assert_string_equal(row.entry.actor, "架空市の\"担当\"");
    assert_true(kg_audit_hash(&row, hash));
    assert_memory_equal(hash, row.hash, sizeof hash);
    static const char *const needed[] = {"seq",    "event_id", "time",         "wall_us", "actor",
                                         "role",   "source",   "organization", "object",  "result",
                                         "detail", "prev",     "hash"};
    for (size_t i = 0; i < KG_ARRAY_LEN(needed); i++) {
        json_t *less = json_copy(object);
        json_object_del(less, needed[i]);
        assert_false(kg_audit_row_parse(less, &row));
        json_object_set_new(less, needed[i], json_null());
        assert_false(kg_audit_row_parse(less, &row));
        json_decref(less);
    }
    json_decref(answer.rows);
}

/* Files another program wrote by the words of audit.h alone: the format is what it says. */
static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum kg_audit_fault fault;
        int64_t seq;
    } files[] = {{"whole", KG_AUDIT_SOUND, 4},
                 {"partial", KG_AUDIT_SOUND, 3},
                 {"gap", KG_AUDIT_MISSING, 2},
                 {"cut", KG_AUDIT_UNREADABLE, 4}};
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        char name[400];
        struct kg_audit_verdict verdict;
        struct kg_problem problem;
        snprintf(name, sizeof name, "%s/tests/fuzz/seeds/audit_export/%s.jsonl", KAIGI_SOURCE, files[i].name);
        if (!kg_audit_export_verify(name, NULL, &verdict, NULL, &problem))
            fail_msg("%s", problem.text);
        expect(verdict, files[i].fault, files[i].seq);
    }
    struct kg_audit_verdict verdict;
    struct kg_problem problem;
    assert_false(kg_audit_export_verify("/nowhere/export.jsonl", NULL, &verdict, NULL, &problem));
    assert_non_null(strstr(problem.text, "/nowhere/export.jsonl"));
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_triggers_refuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tampering_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_anchor_tells_of_a_forged_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_forged_prune_is_told_by_an_anchor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_anchor_kept_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retention, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_export, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_export_of_one_organization, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_row_survives_json, set_up, tear_down),
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

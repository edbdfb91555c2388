/* kaigi-ctl audit, backup and restore. */
#include <stdio.h>
#include <string.h>

#include "relay/audit_export.h"
#include "relay/ctl.h"
#include "relay/store_restore.h"

static int show_rows(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                     bool quiet)
{
    static const struct kg_ctl_column columns[] = {
        {"SEQ", "seq", KG_CTL_COLUMN_TEXT},        {"TIME", "time", KG_CTL_COLUMN_TEXT},
        {"EVENT", "event_id", KG_CTL_COLUMN_TEXT}, {"RESULT", "result", KG_CTL_COLUMN_TEXT},
        {"ACTOR", "actor", KG_CTL_COLUMN_TEXT},    {"ROLE", "role", KG_CTL_COLUMN_TEXT},
        {"SOURCE", "source", KG_CTL_COLUMN_TEXT},  {"ORGANIZATION", "organization", KG_CTL_COLUMN_TEXT},
        {"OBJECT", "object", KG_CTL_COLUMN_TEXT},  {"DETAIL", "detail", KG_CTL_COLUMN_TEXT}};
    (void)ctl;
    (void)values;
    if (quiet)
        return KG_CTL_DONE;
    kg_ctl_print_table(json_object_get(reply, "rows"), columns, KG_ARRAY_LEN(columns));
    if (kg_ctl_number_of(reply, "next"))
        printf("there is more: --after %lld\n", kg_ctl_number_of(reply, "next"));
    return KG_CTL_DONE;
}

/* Page after page, as the relay gives them: only a whole export has its anchor. false: told why. */
static bool export_pages(const struct kg_ctl *ctl, json_t *request, FILE *out, long long *rows)
{
    long long next = 0;
    *rows = 0;
    do {
        json_t *reply = kg_ctl_ask(ctl, json_incref(request));
        if (!reply)
            return false;
        next = kg_ctl_number_of(reply, "next");
        *rows += kg_ctl_number_of(reply, "rows");
        bool written = fputs(kg_ctl_text_of(reply, "text"), out) >= 0;
        json_object_set_new(request, "after", json_integer(next));
        json_object_set_new(request, "until", json_integer(kg_ctl_number_of(reply, "until")));
        json_object_set_new(request, "rows_before", json_integer(*rows));
        json_decref(reply);
        if (!written)
            return false;
    } while (next);
    return true;
}

static int export_trail(const struct kg_ctl *ctl, const struct kg_ctl_values *values, json_t *request)
{
    const char *path = kg_ctl_value(values, "file");
    json_object_del(request, "file");
    long long rows = 0;
    FILE *out = fopen(path, "wxe");
    if (!out) {
        json_decref(request);
        return kg_ctl_fail(ctl, "cannot make %s: %m; name a new file", path);
    }
    bool ok = export_pages(ctl, request, out, &rows);
    json_decref(request);
    ok = fflush(out) == 0 && !ferror(out) && ok;
    if (fclose(out) != 0 || !ok) {
        remove(path);
        return kg_ctl_fail(ctl, "%s is not written: the export broke off; repeat it", path);
    }
    json_t *reply = json_pack("{s:b, s:s, s:I}", "ok", 1, "file", path, "rows", (json_int_t)rows);
    if (!kg_ctl_print_json(ctl, reply))
        printf("%lld rows are in %s; keep its last line, the anchor, elsewhere too\n", rows, path);
    json_decref(reply);
    return KG_CTL_DONE;
}

static int show_verdict(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                        bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("%s\n%s%s", kg_ctl_text_of(reply, "text"), kg_ctl_text_of(reply, "note"),
               *kg_ctl_text_of(reply, "note") ? "\n" : "");
    return json_is_true(json_object_get(reply, "sound")) ? KG_CTL_DONE : KG_CTL_FAILED;
}

/* A file is verified here; the anchor it ends with then says where the relay's own trail must pass. */
static int verify(const struct kg_ctl *ctl, const struct kg_ctl_values *values, json_t *request)
{
    const char *path = kg_ctl_value(values, "file"), *kept = kg_ctl_value(values, "anchor");
    struct kg_audit_anchor anchor = {0};
    struct kg_problem problem;
    if ((path && kept) || (!path && kg_ctl_value(values, "offline"))) {
        json_decref(request);
        return kg_ctl_fail(ctl, path ? "give --file or --anchor: a file is verified to its own anchor"
                                     : "--offline is for --file: the trail itself is the relay's");
    }
    if (kept && !kg_audit_anchor_read(kept, &anchor, &problem)) {
        json_decref(request);
        return kg_ctl_fail(ctl, "%s", problem.text);
    }
    if (path) {
        struct kg_audit_verdict verdict;
        bool read = kg_audit_export_verify(path, NULL, &verdict, &anchor, &problem);
        if (!read || verdict.fault != KG_AUDIT_SOUND) {
            json_decref(request);
            return kg_ctl_fail(ctl, "%s: %s", path, read ? verdict.text : problem.text);
        }
        if (kg_ctl_value(values, "offline")) {
            json_decref(request);
            json_t *object = json_pack("{s:b, s:b, s:s, s:I}", "ok", 1, "sound", 1, "text", verdict.text,
                                       "rows", (json_int_t)verdict.count);
            if (!kg_ctl_print_json(ctl, object))
                printf("%s: %s\n", path, verdict.text);
            json_decref(object);
            return KG_CTL_DONE;
        }
    }
    if (path || kept) {
        char hash[KG_AUDIT_HASH_TEXT];
        kg_audit_hash_text(anchor.hash, hash);
        json_object_set_new(request, "anchor_seq", json_integer(anchor.seq));
        json_object_set_new(request, "anchor_hash", json_string(hash));
        json_object_set_new(request, "anchor_time", json_integer(anchor.wall_us));
    }
    json_t *reply = kg_ctl_ask(ctl, request);
    int code = reply ? show_verdict(ctl, values, reply, kg_ctl_print_json(ctl, reply)) : KG_CTL_FAILED;
    json_decref(reply);
    return code;
}

static int show_backup(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                       bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("the store is copied to %s\n", kg_ctl_text_of(reply, "path"));
    return KG_CTL_DONE;
}

int kg_ctl_restore(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    const char *backup;
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "FILE - put a backup in the store's place",
            "Checks the backup and puts it in the place of the state folder's store, which is kept\n"
            "beside it. Stop kaigi-relay first.",
            NULL, 1, &backup)) {
        struct kg_audit_verdict verdict = {0};
        struct kg_problem problem;
        char kept[4096] = "";
        code = KG_CTL_FAILED;
        if (kg_store_restore(ctl.state, backup, kept, &verdict, &problem)) {
            json_t *object = json_pack("{s:b, s:s, s:s}", "ok", 1, "kept", kept, "text", verdict.text);
            if (!kg_ctl_print_json(&ctl, object))
                printf("%s is the store now%s%s\n", backup, *kept ? "; the one before is kept as " : "",
                       kept);
            json_decref(object);
            code = KG_CTL_DONE;
        } else {
            kg_ctl_fail(&ctl, "%s", problem.text);
        }
    }
    kg_ctl_finish(&ctl);
    return code;
}

#define ORGANIZATION                                                                                         \
    {                                                                                                        \
        "organization", "organization", KG_CTL_TEXT, false, "ID", "Rows of this organization only"           \
    }
#define FROM                                                                                                 \
    {                                                                                                        \
        "from", "from", KG_CTL_TIME, false, "DAY", "Rows from then on"                                       \
    }
#define TO                                                                                                   \
    {                                                                                                        \
        "to", "to", KG_CTL_TIME, false, "DAY", "Rows before then"                                            \
    }

const struct kg_ctl_command kg_ctl_trail[] = {
    {"audit", "list", "show who did what", .verb = "audit-list",
     .summary = "Shows rows of the audit trail, the oldest first.",
     .options = {ORGANIZATION,
                 {"event", "event", KG_CTL_TEXT, false, "EVENT",
                  "One event, or all that begin with \"room.\""},
                 FROM,
                 TO,
                 {"after", "after", KG_CTL_NUMBER, false, "SEQ", "Rows after this one"},
                 {"limit", "limit", KG_CTL_NUMBER, false, "N", "At most so many"},
                 {"newest-first", "newest_first", KG_CTL_FLAG, false, NULL, "The newest first"}},
     .show = show_rows},
    {"audit", "export", "write the audit trail to a file", .verb = "audit-export",
     .summary =
         "Writes rows as JSON lines to a new file. Its last line is an anchor: kept elsewhere, it proves\n"
         "later that nothing before it was changed or taken away.",
     .words = {{"FILE", "file"}}, .options = {ORGANIZATION, FROM, TO}, .ask = export_trail},
    {"audit", "verify", "check that the audit trail is whole", .verb = "audit-verify",
     .summary =
         "Checks the relay's trail; with --file an export first, and then that the trail passes its anchor.",
     .options = {{"file", NULL, KG_CTL_TEXT, false, "FILE", "An export"},
                 {"anchor", NULL, KG_CTL_TEXT, false, "FILE",
                  "The last line of an export, kept elsewhere: the trail must pass there"},
                 {"offline", NULL, KG_CTL_FLAG, false, NULL, "The file alone; no relay is asked"}},
     .ask = verify},
    {"backup", NULL, "copy the store while the relay runs", .verb = "backup",
     .summary = "Makes a whole, checked copy of the store at PATH, an absolute one on the relay's host.",
     .words = {{"PATH", "path"}}, .show = show_backup},
    {0},
};

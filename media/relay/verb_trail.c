/* The verbs that look at the whole: status, the audit trail, the store's copy, the authorities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/identity.h"
#include "relay/audit_export.h"
#include "relay/relay_settings.h"
#include "relay/verb_internal.h"

void kg_verb_status(struct kg_call *call)
{
    kg_call_looks(call);
    call->verbs->params.effects->status(call->verbs->params.user, call);
}

/* The trail of whom; false: refused. */
static bool read_filter(struct kg_call *call, struct kg_audit_filter *filter)
{
    const char *organization = NULL;
    if (!kg_call_list_filter(call, &organization))
        return false;
    *filter = (struct kg_audit_filter){
        .organization = organization,
        .event_id = kg_call_has(call, "event") ? kg_call_text(call, "event") : NULL,
        .from_us = KG_MIN(kg_call_number(call, "from"), INT64_MAX / 1000000) * 1000000,
        .to_us = KG_MIN(kg_call_number(call, "to"), INT64_MAX / 1000000) * 1000000,
        .after_seq = kg_call_number(call, "after"),
        .until_seq = kg_call_number(call, "until"),
        .rows_before = kg_call_number(call, "rows_before"),
        .limit = (uint32_t)KG_MIN(kg_call_number(call, "limit"), INT32_MAX),
        .newest_first = kg_call_is(call, "newest_first"),
    };
    return true;
}

/* false: refused. */
static bool answered(struct kg_call *call, const struct kg_store_result *result)
{
    const struct kg_store_answer *answer = result->answer;
    if (answer && result->status == KG_STORE_OK)
        return true;
    kg_call_refuse(call, "%s",
                   answer && *answer->problem.text ? answer->problem.text
                                                   : kg_store_status_text(result->status));
    return false;
}

static void list_read(struct kg_call *call, const struct kg_store_result *result)
{
    if (!answered(call, result))
        return;
    /* Taken out of the answer: the reply goes to another thread. */
    json_t *rows = result->answer->rows ? result->answer->rows : json_array();
    result->answer->rows = NULL;
    kg_call_reply(call, json_pack("{s:b, s:o, s:I}", "ok", 1, "rows", rows, "next",
                                  (json_int_t)result->answer->next_seq));
}

void kg_verb_audit_list(struct kg_call *call)
{
    struct kg_audit_filter filter;
    if (read_filter(call, &filter) &&
        !kg_store_audit_list(call->verbs->params.store, kg_call_read(call, list_read), &filter))
        kg_call_read_failed(call);
}

static void export_read(struct kg_call *call, const struct kg_store_result *result)
{
    if (!answered(call, result))
        return;
    const struct kg_store_answer *answer = result->answer;
    kg_call_note(call, "%lld rows", (long long)answer->row_count);
    kg_call_reply(call,
                  json_pack("{s:b, s:s, s:I, s:I, s:I}", "ok", 1, "text", answer->text ? answer->text : "",
                            "rows", (json_int_t)answer->row_count, "next", (json_int_t)answer->next_seq,
                            "until", (json_int_t)answer->until_seq));
}

void kg_verb_audit_export(struct kg_call *call)
{
    struct kg_audit_filter filter;
    if (read_filter(call, &filter) &&
        !kg_store_audit_export(call->verbs->params.store, kg_call_read(call, export_read), &filter))
        kg_call_read_failed(call);
}

/* Whoever sees one organization's rows learns whether the whole trail is sound, and what is wrong if it is
 * not: how many rows it has, and where, would tell how much others do. */
static const char *verdict_in_short(enum kg_audit_fault fault)
{
    static const char *const texts[] = {
        [KG_AUDIT_SOUND] = "the trail is in order",
        [KG_AUDIT_ALTERED] = "a row of the trail was altered",
        [KG_AUDIT_BROKEN] = "a row of the trail was exchanged",
        [KG_AUDIT_MISSING] = "rows of the trail are missing",
        [KG_AUDIT_TRUNCATED] = "the newest rows of the trail are missing",
        [KG_AUDIT_FORKED] = "the trail was rewritten: it is not what was exported, or written last",
        [KG_AUDIT_UNREADABLE] = "the trail cannot be read to its end",
    };
    return (unsigned)fault < KG_ARRAY_LEN(texts) ? texts[fault] : "the trail is not in order";
}

static json_t *verdict_json(const struct kg_call *call, const struct kg_audit_verdict *verdict)
{
    bool sound = verdict->fault == KG_AUDIT_SOUND;
    char hash[KG_AUDIT_HASH_TEXT];
    const char *compared = kg_audit_compared_name(verdict->compared);
    json_t *reply;
    if (call->by.organization[0]) {
        reply =
            json_pack("{s:b, s:b, s:s}", "ok", 1, "sound", sound, "text", verdict_in_short(verdict->fault));
    } else {
        kg_audit_hash_text(verdict->hash, hash);
        reply = json_pack("{s:b, s:b, s:s, s:I, s:I, s:I, s:s}", "ok", 1, "sound", sound, "text",
                          verdict->text, "seq", (json_int_t)verdict->seq, "first",
                          (json_int_t)verdict->first_seq, "rows", (json_int_t)verdict->count, "hash", hash);
    }
    if (reply && sound) {
        json_object_set_new(reply, "anchor", json_string(compared));
        json_object_set_new(reply, "note", json_string(kg_audit_compared_text(verdict->compared)));
    }
    return reply;
}

static void verify_read(struct kg_call *call, const struct kg_store_result *result)
{
    if (!answered(call, result))
        return;
    const struct kg_audit_verdict *verdict = &result->answer->verdict;
    /* The row is shown to whom it concerns. */
    kg_call_note(call, "%s", call->by.organization[0] ? verdict_in_short(verdict->fault) : verdict->text);
    kg_call_reply(call, verdict_json(call, verdict));
}

void kg_verb_audit_verify(struct kg_call *call)
{
    struct kg_audit_anchor anchor = {.seq = kg_call_number(call, "anchor_seq"),
                                     .wall_us = kg_call_number(call, "anchor_time")};
    bool with_hash = kg_call_has(call, "anchor_hash");
    if (with_hash != kg_call_has(call, "anchor_seq")) {
        kg_call_refuse(call,
                       "give anchor_seq and anchor_hash together: the last line of an export holds both");
        return;
    }
    if (with_hash && !kg_audit_hash_parse(kg_call_text(call, "anchor_hash"), anchor.hash)) {
        kg_call_refuse(call, "anchor_hash must be as the last line of an export holds it");
        return;
    }
    if (!kg_store_audit_verify(call->verbs->params.store, kg_call_read(call, verify_read),
                               with_hash ? &anchor : NULL))
        kg_call_read_failed(call);
}

static void backup_read(struct kg_call *call, const struct kg_store_result *result)
{
    if (!answered(call, result))
        return;
    char hash[KG_AUDIT_HASH_TEXT];
    kg_audit_hash_text(result->answer->anchor.hash, hash);
    kg_call_reply(call, json_pack("{s:b, s:s, s:{s:I, s:s}}", "ok", 1, "path", kg_call_text(call, "path"),
                                  "anchor", "seq", (json_int_t)result->answer->anchor.seq, "hash", hash));
}

void kg_verb_backup(struct kg_call *call)
{
    /* A path is a place on the relay's own disk, written with the relay's rights. */
    if (!kg_call_is_local(call)) {
        kg_call_refuse(call, "a backup is made on the relay's own host; run kaigi-ctl there");
        return;
    }
    if (!kg_store_backup(call->verbs->params.store, kg_call_read(call, backup_read),
                         kg_call_text(call, "path")))
        kg_call_read_failed(call);
}

static void add_file(const struct kg_call *call, json_t *object, const char *name, const char *file)
{
    char path[4096], text[KG_FINGERPRINT_TEXT_BYTES];
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    int64_t not_after_s = 0;
    struct kg_problem problem;
    snprintf(path, sizeof path, "%s/%s", call->verbs->params.settings->state, file);
    if (!kg_ca_file_fingerprint(path, fingerprint, &not_after_s, &problem)) {
        json_object_set_new(object, name, json_pack("{s:s}", "error", problem.text));
        return;
    }
    kg_fingerprint_text(fingerprint, text);
    json_object_set_new(object, name,
                        json_pack("{s:s, s:I}", "fingerprint", text, "not_after", (json_int_t)not_after_s));
}

void kg_verb_ca_show(struct kg_call *call)
{
    json_t *reply = json_pack("{s:b}", "ok", 1);
    add_file(call, reply, "root", KG_CA_CERT_FILE);
    add_file(call, reply, "issuing", KG_CA_ISSUERS);
    add_file(call, reply, "relay", KG_CA_RELAY_CERT);
    kg_call_reply(call, reply);
}

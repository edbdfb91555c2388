#include "relay/verb.h"

#include <assert.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/queue.h"
#include "relay/agenda_read.h"
#include "relay/verb_internal.h"

struct kg_verbs *kg_verbs_create(const struct kg_verbs_params *params)
{
    struct kg_verbs *verbs = calloc(1, sizeof *verbs);
    if (verbs) {
        verbs->params = *params;
        verbs->last = &verbs->first;
    }
    return verbs;
}

static void free_call(struct kg_call *call)
{
    for (size_t i = 0; i < call->change_count; i++)
        kg_call_free_change(&call->changes[i]);
    free(call->changes);
    kg_ca_certificate_finish(&call->certificate);
    kg_agenda_reading_destroy(call->calendar);
    json_decref(call->request);
    json_decref(call->reply);
    free(call);
}

static void answer(struct kg_queue *replies, json_t *reply)
{
    /* Every request has exactly one reply, even if it could not be put together. */
    if (!reply)
        reply = json_pack("{s:b, s:s}", "ok", 0, "error", "the relay has no memory left");
    /* Nobody may be waiting any more. */
    if (!reply || !kg_queue_push(replies, &reply))
        json_decref(reply);
}

static void finish(struct kg_call *call)
{
    struct kg_verbs *verbs = call->verbs;
    struct kg_call **at = &verbs->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (verbs->writing == call)
        verbs->writing = NULL;
    /* Moved, not shared: JSON values count their references without regard to threads. */
    json_t *reply = call->reply;
    call->reply = NULL;
    answer(call->replies, reply);
    free_call(call);
}

void kg_verbs_destroy(struct kg_verbs *verbs)
{
    if (!verbs)
        return;
    while (verbs->calls) {
        json_decref(verbs->calls->reply);
        verbs->calls->reply = json_pack("{s:b, s:s}", "ok", 0, "error",
                                        "the relay stopped before this was written down; ask again");
        finish(verbs->calls);
    }
    free(verbs);
}

/* The trail. */

static bool post(struct kg_call *call, uint64_t number, enum kg_audit_result result)
{
    const struct kg_audit_entry entry = {
        .event_id = call->verb ? call->verb->event : "request.unknown",
        .actor = call->by.id,
        .role = kg_role_kind_name(call->by.role),
        .source = call->by.source,
        .organization = call->organization,
        .object = call->object,
        .detail = call->detail,
        .result = result,
    };
    bool writes = number && result == KG_AUDIT_OK;
    if (kg_store_write(call->verbs->params.store, number, writes ? call->changes : NULL,
                       writes ? call->change_count : 0, &entry))
        return true;
    kg_log(KG_LOG_WARN, "relay", "store.busy", "%s by %s is not written down", entry.event_id, entry.actor);
    return false;
}

void kg_call_note(struct kg_call *call, const char *fmt, ...)
{
    const char *end;
    size_t used = strlen(call->detail);
    va_list args;
    va_start(args, fmt);
    vsnprintf(call->detail + used, sizeof call->detail - used, fmt, args);
    va_end(args);
    /* Cut at a character. */
    if (!g_utf8_validate(call->detail, -1, &end))
        call->detail[end - call->detail] = '\0';
}

void kg_call_concerns(struct kg_call *call, const char *organization)
{
    snprintf(call->organization, sizeof call->organization, "%s", organization);
}

/* How a call ends. */

static uint64_t next_number(struct kg_call *call)
{
    return call->number = (*call->verbs->params.next_request)++;
}

/* Whoever was revoked or replaced while his request waited gets nothing done any more. */
static bool still_stands(struct kg_call *call)
{
    const struct kg_verbs_params *params = &call->verbs->params;
    if (kg_call_is_local(call) || params->effects->stands(params->user, &call->by))
        return true;
    kg_call_refuse(call, "this certificate is no administrator's (any more); nothing was changed");
    return false;
}

static void take_turns(struct kg_verbs *verbs)
{
    while (!verbs->writing && verbs->first) {
        struct kg_call *call = verbs->first;
        verbs->first = call->next_turn;
        if (!verbs->first)
            verbs->last = &verbs->first;
        verbs->writing = call;
        if (call->overtaken)
            kg_call_refuse(call, "%s was revoked while its certificate was being signed; nothing was changed",
                           call->object);
        else if (call->done_at_once || still_stands(call)) /* what is in effect is written down */
            call->verb->run(call);
    }
}

static void wait_for_turn(struct kg_call *call)
{
    struct kg_verbs *verbs = call->verbs;
    call->next_turn = NULL;
    *verbs->last = call;
    verbs->last = &call->next_turn;
    take_turns(verbs);
}

/* The row comes before the answer, which no failure of the store may keep back. */
static void end_refused(struct kg_call *call, enum kg_audit_result result)
{
    struct kg_verbs *verbs = call->verbs;
    assert(!call->looks);
    call->refused = true;
    call->answer = NULL;
    if (verbs->writing == call)
        verbs->writing = NULL;
    if (!post(call, next_number(call), result))
        finish(call);
}

void kg_call_refuse(struct kg_call *call, const char *fmt, ...)
{
    char text[700];
    const char *end;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!g_utf8_validate(text, -1, &end))
        text[end - text] = '\0';
    json_decref(call->reply);
    call->reply = json_pack("{s:b, s:s}", "ok", 0, "error", text);
    call->detail[0] = '\0';
    kg_call_note(call, "%s", text);
    end_refused(call, KG_AUDIT_REFUSED);
}

/* Nobody looks unseen, for a look without its row is a hole in the trail. Only at the relay itself, where the
 * store is to be mended, is there an answer all the same. */
static void end_unnoted(struct kg_call *call, const char *why)
{
    if (kg_call_is_local(call)) {
        json_object_set_new(call->reply, "warning",
                            json_sprintf("this request is missing in the audit trail: %s", why));
    } else {
        json_decref(call->reply);
        call->reply = json_pack("{s:b, s:o}", "ok", 0, "error",
                                json_sprintf("nothing is shown, because it cannot be noted: %s", why));
    }
    finish(call);
}

static void note_look(struct kg_call *call, enum kg_audit_result result)
{
    uint64_t lost;
    enum kg_store_status health = kg_store_health(call->verbs->params.store, &lost);
    call->looks = true;
    if (health != KG_STORE_OK && kg_call_is_local(call)) {
        post(call, 0, result);
        call->unnoted = kg_store_status_text(health);
    } else if (!post(call, next_number(call), result)) {
        call->unnoted = "the store is busy, try again";
    }
    call->noted = call->unnoted != NULL;
}

static void end_look(struct kg_call *call)
{
    if (!call->noted || !call->replied)
        return;
    if (call->unnoted)
        end_unnoted(call, call->unnoted);
    else
        finish(call);
}

void kg_call_looks(struct kg_call *call)
{
    note_look(call, KG_AUDIT_OK);
}

void kg_call_reply(struct kg_call *call, json_t *reply)
{
    call->reply = reply;
    call->answer = NULL;
    call->replied = true;
    if (!call->looks)
        note_look(call, reply ? KG_AUDIT_OK : KG_AUDIT_FAILED);
    end_look(call);
}

void kg_call_fail(struct kg_call *call, const char *why)
{
    char text[700];
    snprintf(text, sizeof text, "%s: %s",
             call->done_at_once ? "shut out, but only until the next restart; revoke again"
                                : "nothing was changed",
             why);
    json_decref(call->reply);
    call->reply = json_pack("{s:b, s:s}", "ok", 0, "error", text);
    call->detail[0] = '\0';
    kg_call_note(call, "%s", text);
    end_refused(call, KG_AUDIT_FAILED);
}

void kg_call_commit(struct kg_call *call, json_t *reply)
{
    call->reply = reply;
    if (!reply || call->short_of_memory)
        kg_call_fail(call, "the relay has no memory left");
    else if (!post(call, next_number(call), KG_AUDIT_OK))
        kg_call_fail(call, "the store is busy, try again");
}

uint64_t kg_call_read(struct kg_call *call, void (*take)(struct kg_call *, const struct kg_store_result *))
{
    call->answer = take;
    return next_number(call);
}

void kg_call_read_failed(struct kg_call *call)
{
    call->answer = NULL;
    kg_call_refuse(call, "the store is busy with other questions; try again");
}

bool kg_call_certificate(struct kg_call *call, enum kg_ca_kind kind, const char *id)
{
    const struct kg_verbs_params *params = &call->verbs->params;
    if (call->certificate.pem)
        return true;
    struct kg_ca_subject subject = {.kind = kind, .id = id};
    call->signing = true;
    if (!params->effects->sign(params->user, next_number(call), &subject, kg_call_text(call, "csr"))) {
        call->signing = false;
        kg_call_refuse(call, "the signer has too much to do; try again");
    }
    return false;
}

void kg_call_overtake(struct kg_call *call, const char *id)
{
    for (struct kg_call *other = call->verbs->calls; other; other = other->next) {
        if (other->verb && other->verb->way == KG_VERB_SIGNS && other != call->verbs->writing &&
            (strcmp(kg_call_text(other, "id"), id) == 0 || strcmp(kg_call_text(other, "room"), id) == 0))
            other->overtaken = true;
    }
}

/* The request's fields. */

const char *kg_call_text(const struct kg_call *call, const char *field)
{
    const char *text = json_string_value(json_object_get(call->request, field));
    return text ? text : "";
}

bool kg_call_has(const struct kg_call *call, const char *field)
{
    const json_t *value = json_object_get(call->request, field);
    return value && !json_is_null(value);
}

bool kg_call_is(const struct kg_call *call, const char *field)
{
    return json_is_true(json_object_get(call->request, field));
}

int64_t kg_call_number(const struct kg_call *call, const char *field)
{
    return json_integer_value(json_object_get(call->request, field));
}

char *kg_call_new_text(const struct kg_call *call, const char *field, const char *before)
{
    return (char *)(uintptr_t)(kg_call_has(call, field) ? kg_call_text(call, field) : before);
}

static const struct kg_verb_field *find_field(const struct kg_verb *verb, const char *name)
{
    for (size_t i = 0; i < KG_VERB_MAX_FIELDS && verb->fields[i].name; i++) {
        if (strcmp(verb->fields[i].name, name) == 0)
            return &verb->fields[i];
    }
    return NULL;
}

static void refuse_stranger(struct kg_call *call, const char *name)
{
    char quoted[KG_CHECK_QUOTE_BYTES], known[300] = "";
    for (size_t i = 0; i < KG_VERB_MAX_FIELDS && call->verb->fields[i].name; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", call->verb->fields[i].name);
    }
    kg_check_quote(name, strlen(name), quoted);
    kg_call_refuse(call, "%s takes no field \"%s\", but these: %s", call->verb->name, quoted,
                   *known ? known : "none");
}

/* false: refused. */
static bool check_fields(struct kg_call *call)
{
    const char *name;
    json_t *value;
    struct kg_problem problem;
    json_object_foreach(call->request, name, value)
    {
        if (strcmp(name, "command") == 0)
            continue;
        const struct kg_verb_field *field = find_field(call->verb, name);
        if (!field) {
            refuse_stranger(call, name);
            return false;
        }
        if (!json_is_null(value) && !kg_check_value(field->kind, name, value, &problem)) {
            kg_call_refuse(call, "%s", problem.text);
            return false;
        }
    }
    for (size_t i = 0; i < KG_VERB_MAX_FIELDS && call->verb->fields[i].name; i++) {
        const struct kg_verb_field *field = &call->verb->fields[i];
        if (field->required && !kg_call_has(call, field->name)) {
            kg_call_refuse(call, "%s needs %s", call->verb->name, field->name);
            return false;
        }
    }
    return true;
}

static void name_object(struct kg_call *call)
{
    const char *first = call->verb->fields[0].name;
    const json_t *value = first ? json_object_get(call->request, first) : NULL;
    const char *text = json_string_value(value);
    if (!text)
        return;
    struct kg_problem problem;
    /* A meeting's is longer than a quotation; only what is harmless goes into the trail as it came. */
    if (call->verb->fields[0].kind == KG_CHECK_MEETING &&
        kg_check_text(KG_CHECK_MEETING, first, text, json_string_length(value), &problem))
        snprintf(call->object, sizeof call->object, "%s", text);
    else
        kg_check_quote(text, json_string_length(value), call->object);
}

static void refuse_unknown(struct kg_call *call, const json_t *command)
{
    char quoted[KG_CHECK_QUOTE_BYTES];
    const char *text = json_string_value(command);
    if (!text) {
        kg_call_refuse(call, "the request is no JSON object with a \"command\"");
        return;
    }
    kg_check_quote(text, json_string_length(command), quoted);
    kg_call_refuse(call, "this relay knows no command \"%s\"; kaigi-ctl and kaigi-relay differ in version",
                   quoted);
}

static void begin(struct kg_call *call, bool stopping)
{
    const json_t *command = json_object_get(call->request, "command");
    const char *name = json_string_value(command);
    call->verb = name && strlen(name) == json_string_length(command) ? kg_verb_find(name) : NULL;
    if (!call->verb) {
        refuse_unknown(call, command);
        return;
    }
    name_object(call);
    if (!still_stands(call))
        return;
    if (!(call->verb->roles & KG_ROLE_BIT(call->by.role))) {
        kg_call_refuse(
            call, "%s is not for the role %s; ask %s", call->verb->name, kg_role_kind_name(call->by.role),
            call->verb->roles & KG_ROLE_BIT(KG_ROLE_ADMINISTRATOR) ? "an administrator of the organization"
                                                                   : "the relay's operator");
        return;
    }
    if (stopping && call->verb->way != KG_VERB_READS) {
        kg_call_refuse(call, "the relay is shutting down; ask again when it is back");
        return;
    }
    if (!check_fields(call))
        return;
    if (call->verb->at_once)
        call->verb->at_once(call);
    if (call->verb->way == KG_VERB_CHANGES)
        wait_for_turn(call);
    else
        call->verb->run(call);
}

void kg_verbs_ask(struct kg_verbs *verbs, const struct kg_principal *by, json_t *request,
                  struct kg_agenda_reading *calendar, bool stopping, struct kg_queue *replies)
{
    struct kg_call *call = calloc(1, sizeof *call);
    if (!call) {
        kg_agenda_reading_destroy(calendar);
        json_decref(request);
        answer(replies, NULL);
        return;
    }
    *call = (struct kg_call){.verbs = verbs,
                             .by = *by,
                             .request = request,
                             .calendar = calendar,
                             .replies = replies,
                             .next = verbs->calls};
    snprintf(call->organization, sizeof call->organization, "%s", by->organization);
    verbs->calls = call;
    begin(call, stopping);
    take_turns(verbs);
}

/* What comes back. */

static struct kg_call *find(struct kg_verbs *verbs, uint64_t number, bool signing)
{
    struct kg_call *call = verbs->calls;
    while (call && (call->number != number || call->signing != signing))
        call = call->next;
    return call;
}

static void apply(struct kg_call *call)
{
    for (size_t i = 0; i < call->change_count; i++) {
        if (!kg_directory_apply(call->verbs->params.directory, &call->changes[i]))
            kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory: %s %s has effect after a restart only",
                   call->verb->name, call->object);
    }
    if (call->verb->written)
        call->verb->written(call);
    kg_log(KG_LOG_INFO, "relay", call->verb->event, "%s%s%s, by %s", call->object, *call->detail ? ": " : "",
           call->detail, call->by.id);
}

bool kg_verbs_stored(struct kg_verbs *verbs, const struct kg_store_result *result)
{
    struct kg_call *call = find(verbs, result->request, false);
    if (!call)
        return false;
    call->number = 0;
    if (call->refused) {
        finish(call);
    } else if (call->answer) {
        call->answer(call, result);
    } else if (call->looks) {
        call->noted = true;
        if (result->status != KG_STORE_OK)
            call->unnoted = kg_store_status_text(result->status);
        end_look(call);
    } else if (result->status == KG_STORE_OK) {
        apply(call);
        finish(call);
    } else {
        kg_call_fail(call, kg_store_status_text(result->status));
    }
    kg_store_answer_destroy(result->answer);
    take_turns(verbs);
    return true;
}

bool kg_verbs_signed(struct kg_verbs *verbs, struct kg_signing_answer *signed_answer)
{
    struct kg_call *call = find(verbs, signed_answer->request, true);
    if (!call)
        return false;
    call->signing = false;
    call->number = 0;
    if (signed_answer->ok) {
        call->certificate = signed_answer->certificate;
        signed_answer->certificate = (struct kg_ca_certificate){0};
        wait_for_turn(call);
    } else {
        kg_call_refuse(call, "%s", signed_answer->problem.text);
    }
    return true;
}

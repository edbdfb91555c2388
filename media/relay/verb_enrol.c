/* The verbs by which people let devices in that ask over EST. What is approved is what was shown: the
 * approval repeats the key's fingerprint. Whoever knows a device's code may look at it; the list of all is
 * the operator's. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/identity.h"
#include "relay/enrolment.h"
#include "relay/verb_internal.h"

#define AGAIN                                                                                                \
    "it may have been mistyped, or 30 minutes have passed; give the code that the device's screen shows now"

/* false: refused. */
static bool read_code(struct kg_call *call, char code[KG_EST_CODE_SIZE])
{
    if (!call->verbs->params.enrolment) {
        kg_call_refuse(call, "this relay enrols no devices; give their requests to \"room add --csr\"");
        return false;
    }
    if (kg_est_code_read(kg_call_text(call, "code"), code))
        return true;
    kg_call_refuse(call, "code has nine letters and digits, as the device shows them: ABC-DEF-GHJ");
    return false;
}

static json_t *entry_json(const struct kg_enrolment_entry *entry, int64_t now_us)
{
    static const char *const states[] = {[KG_ENROLMENT_WAITING] = "waiting",
                                         [KG_ENROLMENT_READY] = "approved",
                                         [KG_ENROLMENT_REJECTED] = "rejected"};
    char code[KG_EST_CODE_TEXT_SIZE], fingerprint[KG_FINGERPRINT_TEXT_BYTES];
    kg_est_code_text(entry->code, code);
    kg_fingerprint_text(entry->hash, fingerprint);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "code", code, "state", states[entry->state],
                     "serial", entry->serial, "source", entry->source.text, "fingerprint", fingerprint,
                     "since_seconds", (json_int_t)((now_us - entry->since_us) / 1000000), "seconds_left",
                     (json_int_t)((entry->until_us - now_us) / 1000000));
}

/* The one device that waits with the request's code; NULL: refused. */
static const struct kg_enrolment_entry *find_device(struct kg_call *call)
{
    char code[KG_EST_CODE_SIZE];
    const struct kg_enrolment_entry *entry;
    if (!read_code(call, code))
        return NULL;
    size_t count = kg_enrolment_find(call->verbs->params.enrolment, code, kg_clock_now_us(), &entry);
    if (count == 1)
        return entry;
    if (count == 0)
        kg_call_refuse(call, "no device waits with this code: " AGAIN);
    else
        kg_call_refuse(call,
                       "%zu devices show this code, so one of them may be an impostor: refuse it with \"room "
                       "reject\" and let the device make a new one",
                       count);
    return NULL;
}

void kg_verb_room_pending(struct kg_call *call)
{
    struct kg_enrolment *enrolment = call->verbs->params.enrolment;
    int64_t now_us = kg_clock_now_us();
    const struct kg_enrolment_entry *entry;
    if (kg_call_has(call, "code")) {
        entry = find_device(call);
        if (entry)
            kg_call_reply(call, json_pack("{s:b, s:[o]}", "ok", 1, "devices", entry_json(entry, now_us)));
        return;
    }
    if (call->by.organization[0]) {
        kg_call_refuse(call, "code is needed: only the operator sees every device that waits");
        return;
    }
    json_t *list = json_array();
    if (enrolment)
        kg_enrolment_expire(enrolment, now_us);
    for (size_t i = 0; enrolment && (entry = kg_enrolment_at(enrolment, i)) != NULL; i++)
        json_array_append_new(list, entry_json(entry, now_us));
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "devices", list));
}

void kg_verb_room_reject(struct kg_call *call)
{
    char code[KG_EST_CODE_SIZE];
    const struct kg_enrolment_entry *entry;
    if (!read_code(call, code))
        return;
    size_t count = kg_enrolment_find(call->verbs->params.enrolment, code, kg_clock_now_us(), &entry);
    if (count == 0)
        kg_call_refuse(call, "no device waits with this code: " AGAIN);
    else
        kg_call_commit(call, json_pack("{s:b, s:i}", "ok", 1, "rejected", (int)count));
}

void kg_verb_room_reject_written(struct kg_call *call)
{
    char code[KG_EST_CODE_SIZE];
    if (!kg_est_code_read(kg_call_text(call, "code"), code))
        return;
    /* Some may have gone or come while the row was written. */
    size_t count = kg_enrolment_reject(call->verbs->params.enrolment, code, kg_clock_now_us());
    json_object_set_new(call->reply, "rejected", json_integer((json_int_t)count));
}

/* 64 hexadecimal digits, with colons between pairs or without. */
static bool read_fingerprint(const char *text, uint8_t hash[KG_EST_HASH_BYTES])
{
    for (size_t i = 0; i < KG_EST_HASH_BYTES; i++) {
        int value = 0;
        if (i > 0 && *text == ':')
            text++;
        for (int k = 0; k < 2; k++, text++) {
            static const char digits[] = "0123456789abcdef";
            char c = *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;
            const char *at = c ? strchr(digits, c) : NULL;
            if (!at)
                return false;
            value = value << 4 | (int)(at - digits);
        }
        hash[i] = (uint8_t)value;
    }
    return *text == '\0';
}

/* Whose room this will be; NULL: refused. */
static const struct kg_store_organization *owner_of(struct kg_call *call, const char *id,
                                                    const struct kg_store_room **old)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    const struct kg_store_room *room = kg_directory_room(directory, id);
    bool visible = room && kg_call_sees(call, room->organization_id);
    const struct kg_store_organization *organization;
    if (visible && !kg_call_has(call, "organization")) {
        organization = kg_directory_organization(directory, room->organization_id);
        kg_call_concerns(call, room->organization_id);
    } else {
        organization = kg_call_organization(call);
    }
    if (!organization)
        return NULL;
    bool own = visible && strcmp(room->organization_id, organization->id) == 0;
    if (!own && !kg_call_id_fits(call, id, organization->id))
        return NULL;
    if (own && room->serial[0] && !room->revoked_s && !kg_call_is(call, "replace")) {
        kg_call_refuse(call, "room %s has a device already; give replace to let this one take its place", id);
        return NULL;
    }
    if (!own && !kg_call_has(call, "name")) {
        kg_call_refuse(call, "name is needed: there is no room %s yet", id);
        return NULL;
    }
    *old = own ? room : NULL;
    return organization;
}

/* The device's request is signed as if it had come with this one. */
static bool certify(struct kg_call *call, const struct kg_enrolment_entry *entry, const char *id)
{
    if (call->certificate.pem)
        return true;
    char *pem = kg_est_request_pem(entry->request, entry->request_size);
    bool ok = pem && json_object_set_new(call->request, "csr", json_string(pem)) == 0;
    free(pem);
    if (!ok)
        kg_call_refuse(call, "the relay has no memory left");
    return ok && kg_call_certificate(call, KG_CA_ROOM, id);
}

void kg_verb_room_enrol(struct kg_call *call)
{
    const char *id = kg_call_text(call, "room");
    uint8_t hash[KG_EST_HASH_BYTES];
    const struct kg_store_room *old = NULL;
    const struct kg_enrolment_entry *entry = find_device(call);
    if (!entry)
        return;
    if (!read_fingerprint(kg_call_text(call, "fingerprint"), hash) ||
        memcmp(hash, entry->hash, sizeof hash) != 0) {
        kg_call_refuse(
            call, "the device that waits with this code has another fingerprint than the one given: look "
                  "again with \"room pending\"");
        return;
    }
    const struct kg_store_organization *organization = owner_of(call, id, &old);
    if (!organization || !certify(call, entry, id))
        return;
    struct kg_store_room room = {
        .id = (char *)id,
        .organization_id = organization->id,
        .department = kg_call_new_text(call, "department", old ? old->department : ""),
        .department_reading =
            kg_call_new_text(call, "department_reading", old ? old->department_reading : ""),
        .name = kg_call_new_text(call, "name", old ? old->name : ""),
        .name_reading = kg_call_new_text(call, "name_reading", old ? old->name_reading : ""),
        .not_after_s = call->certificate.not_after_s,
    };
    memcpy(room.fingerprint, call->certificate.fingerprint, sizeof room.fingerprint);
    memcpy(room.serial, call->certificate.serial, sizeof room.serial);
    kg_call_note(call, "name \"%s\", certificate %s, device serial %s at %s", room.name, room.serial,
                 *entry->serial ? entry->serial : "not told", entry->source.text);
    kg_call_revoke_certificates(call, "room", id);
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &room});
    json_t *reply = kg_call_certificate_json(call, id);
    json_object_del(reply, "certificate"); /* the device fetches it */
    json_object_del(reply, "issuer");
    kg_call_commit(call, reply);
}

void kg_verb_room_enrol_written(struct kg_call *call)
{
    const struct kg_verbs_params *params = &call->verbs->params;
    const struct kg_store_room *room = kg_directory_room(params->directory, kg_call_text(call, "room"));
    uint8_t hash[KG_EST_HASH_BYTES];
    if (room && call->change_count > 1) /* older certificates were revoked: whoever uses them is to go */
        params->effects->room_shut_out(params->user, room);
    params->effects->names_changed(params->user);
    if (!read_fingerprint(kg_call_text(call, "fingerprint"), hash) ||
        !kg_enrolment_approve(params->enrolment, hash, call->certificate.pem, kg_clock_now_us()))
        kg_log(KG_LOG_WARN, "relay", "enrolment.late",
               "the device enrolled as room %s is not waiting any more; let it "
               "ask again and enrol it with replace",
               room ? room->id : "?");
}

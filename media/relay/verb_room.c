/* The verbs of rooms. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/relay_settings.h"
#include "relay/tls_server.h"
#include "relay/verb_internal.h"

/* false: refused. */
static bool may_make(struct kg_call *call, const char *id, const char *organization)
{
    const struct kg_store_room *old = kg_directory_room(call->verbs->params.directory, id);
    bool own = old && strcmp(old->organization_id, organization) == 0;
    if (!own && !kg_call_id_fits(call, id, organization))
        return false;
    if (own && old->serial[0] && !old->revoked_s && !kg_call_is(call, "replace")) {
        kg_call_refuse(
            call, "room %s exists already; give replace to sign a new certificate, or use \"room set\"", id);
        return false;
    }
    if (own && !kg_call_has(call, "csr") && !kg_call_has(call, "certificate")) {
        kg_call_refuse(call,
                       "room %s exists already; give csr or certificate to replace its own, or use "
                       "\"room set\"",
                       id);
        return false;
    }
    return true;
}

/* One certificate names one owner, for ever. */
static bool is_new(struct kg_call *call)
{
    const struct kg_store_certificate *known =
        kg_directory_certificate(call->verbs->params.directory, call->certificate.fingerprint);
    if (known)
        kg_call_refuse(call,
                       "this certificate is, or was, that of %s %s; make a new key and a certificate for it",
                       known->kind, known->owner);
    return !known;
}

/* Signed elsewhere. Nobody proves here that the key is theirs, and a certificate is public: were it anyone's
 * to give, one organization could take another's device for itself. */
static bool take_certificate(struct kg_call *call)
{
    const struct kg_relay_settings *settings = call->verbs->params.settings;
    const struct kg_tls_server_params trust = {.state = settings->state,
                                               .client_ca = settings->tls_client_ca};
    struct kg_problem problem;
    if (call->by.role != KG_ROLE_OPERATOR) {
        kg_call_refuse(call, "certificate is for the operator alone to give; give csr, or let the room be "
                             "enrolled by the code on its screen");
        return false;
    }
    if (!trust.client_ca) {
        kg_call_refuse(call, "this relay knows no authority but its own: set client-ca in relay.conf to the "
                             "devices' authority and restart it, or give csr");
        return false;
    }
    if (!kg_tls_server_knows(&trust, kg_call_text(call, "certificate"), &call->certificate, &problem)) {
        kg_call_refuse(call, "%s", problem.text);
        return false;
    }
    return is_new(call);
}

/* The certificate the request brings or asks for; false: refused, or being signed. */
static bool certify(struct kg_call *call, const char *id)
{
    if (kg_call_has(call, "csr") && kg_call_has(call, "certificate")) {
        kg_call_refuse(call, "give csr, to be signed here, or certificate, signed elsewhere, not both");
        return false;
    }
    if (kg_call_has(call, "csr"))
        return kg_call_certificate(call, KG_CA_ROOM, id);
    return !kg_call_has(call, "certificate") || take_certificate(call);
}

void kg_verb_room_add(struct kg_call *call)
{
    const char *id = kg_call_text(call, "id");
    const struct kg_store_organization *organization = kg_call_organization(call);
    if (!organization || !may_make(call, id, organization->id) || !certify(call, id))
        return;
    struct kg_store_room room = {
        .id = kg_call_new_text(call, "id", ""),
        .organization_id = organization->id,
        .department = kg_call_new_text(call, "department", ""),
        .department_reading = kg_call_new_text(call, "department_reading", ""),
        .name = kg_call_new_text(call, "name", ""),
        .name_reading = kg_call_new_text(call, "name_reading", ""),
        .not_after_s = call->certificate.not_after_s,
    };
    memcpy(room.fingerprint, call->certificate.fingerprint, sizeof room.fingerprint);
    memcpy(room.serial, call->certificate.serial, sizeof room.serial);
    kg_call_note(call, "name \"%s\"%s%s", room.name, *room.serial ? ", certificate " : "", room.serial);
    /* Whoever holds an older certificate is not this room any more. */
    call->shuts_out = kg_directory_room(call->verbs->params.directory, id) != NULL;
    kg_call_revoke_certificates(call, "room", id);
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &room});
    kg_call_commit(call, kg_call_certificate_json(call, id));
}

void kg_verb_room_set(struct kg_call *call)
{
    const struct kg_store_room *old = kg_call_find_room(call, "id");
    if (!old || !kg_call_unchanged(call, kg_room_revision(old)))
        return;
    struct kg_store_room room = *old;
    room.department = kg_call_new_text(call, "department", old->department);
    room.department_reading = kg_call_new_text(call, "department_reading", old->department_reading);
    room.name = kg_call_new_text(call, "name", old->name);
    room.name_reading = kg_call_new_text(call, "name_reading", old->name_reading);
    kg_call_note(call, "name \"%s\", department \"%s\"", room.name, room.department);
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &room});
    kg_call_commit(call, json_pack("{s:b, s:s, s:I}", "ok", 1, "id", old->id, "revision",
                                   (json_int_t)kg_room_revision(&room)));
}

static void note_connected(void *set, const struct kg_store_room *room)
{
    g_hash_table_add(set, (void *)(uintptr_t)room);
}

void kg_verb_room_list(struct kg_call *call)
{
    const char *wanted = NULL;
    if (!kg_call_list_filter(call, &wanted))
        return;
    const struct kg_verbs_params *params = &call->verbs->params;
    kg_call_looks(call);
    size_t count;
    const struct kg_store_room **all = kg_directory_rooms(params->directory, &count);
    GHashTable *connected = g_hash_table_new(NULL, NULL);
    params->effects->connected(params->user, note_connected, connected);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!wanted || strcmp(all[i]->organization_id, wanted) == 0)
            json_array_append_new(list, kg_room_json(call, all[i], g_hash_table_contains(connected, all[i])));
    }
    g_hash_table_unref(connected);
    free(all);
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "rooms", list));
}

static const struct kg_store_room *visible(const struct kg_call *call)
{
    const struct kg_store_room *room =
        kg_directory_room(call->verbs->params.directory, kg_call_text(call, "id"));
    return room && kg_call_sees(call, room->organization_id) ? room : NULL;
}

void kg_verb_room_revoke_at_once(struct kg_call *call)
{
    const struct kg_store_room *old = visible(call);
    if (old)
        kg_call_overtake(call, old->id);
    if (!old || old->revoked_s)
        return;
    struct kg_store_room revoked = *old;
    revoked.revoked_s = kg_clock_wall_us() / 1000000;
    /* The copy is made before the texts it borrows are freed. */
    const struct kg_store_change change = {.kind = KG_STORE_PUT_ROOM, .room = &revoked};
    call->done_at_once = kg_directory_apply(call->verbs->params.directory, &change);
    call->verbs->params.effects->room_shut_out(call->verbs->params.user, visible(call));
}

void kg_verb_room_revoke(struct kg_call *call)
{
    const struct kg_store_room *room = kg_call_find_room(call, "id");
    if (!room)
        return;
    if (room->revoked_s && !call->done_at_once) {
        kg_call_refuse(call, "room %s is revoked already", room->id);
        return;
    }
    struct kg_store_room revoked = *room;
    if (!revoked.revoked_s) /* valid again since, by a certificate that was being signed */
        revoked.revoked_s = kg_clock_wall_us() / 1000000;
    call->shuts_out = true;
    kg_call_note(call, "certificate %s", revoked.serial);
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = &revoked});
    kg_call_commit(call, json_pack("{s:b, s:s}", "ok", 1, "id", room->id));
}

void kg_verb_room_written(struct kg_call *call)
{
    const struct kg_verbs_params *params = &call->verbs->params;
    const struct kg_store_room *room = visible(call);
    if (room && call->shuts_out)
        params->effects->room_shut_out(params->user, room);
    params->effects->names_changed(params->user);
}

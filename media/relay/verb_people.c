/* The verbs of organizations and of administrators. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/identity.h"
#include "relay/verb_internal.h"

/* Beginnings tell organizations' ids apart: the new one must neither own another's nor be owned. */
static bool stands_apart(struct kg_call *call, const char *id)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    size_t count, clash = 0;
    const struct kg_store_organization **organizations = kg_directory_organizations(directory, &count);
    for (size_t i = 0; i < count; i++)
        clash += kg_directory_id_begins(id, organizations[i]->id) ||
                 kg_directory_id_begins(organizations[i]->id, id);
    free(organizations);
    const struct kg_store_room **rooms = kg_directory_rooms(directory, &count);
    for (size_t i = 0; i < count; i++)
        clash += kg_directory_id_begins(rooms[i]->id, id);
    free(rooms);
    const struct kg_store_administrator **people = kg_directory_administrators(directory, &count);
    for (size_t i = 0; i < count; i++)
        clash += kg_directory_id_begins(people[i]->id, id);
    free(people);
    if (clash)
        kg_call_refuse(
            call,
            "ids that begin with \"%s-\" would be this organization's, but other organizations have "
            "such, or theirs begin so; choose another id",
            id);
    return clash == 0;
}

void kg_verb_org_add(struct kg_call *call)
{
    const char *id = kg_call_text(call, "id");
    if (kg_directory_organization(call->verbs->params.directory, id)) {
        kg_call_refuse(call, "organization %s exists already; \"org set\" changes it", id);
        return;
    }
    if (!stands_apart(call, id))
        return;
    const struct kg_store_organization organization = {.id = kg_call_new_text(call, "id", ""),
                                                       .name = kg_call_new_text(call, "name", ""),
                                                       .reading = kg_call_new_text(call, "reading", "")};
    kg_call_concerns(call, id);
    kg_call_note(call, "name \"%s\"", organization.name);
    kg_call_put(call,
                &(struct kg_store_change){.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization});
    kg_call_commit(call, json_pack("{s:b, s:s, s:I}", "ok", 1, "id", id, "revision",
                                   (json_int_t)kg_organization_revision(&organization)));
}

void kg_verb_org_set(struct kg_call *call)
{
    const struct kg_store_organization *old = kg_call_find_organization(call, "id");
    if (!old || !kg_call_unchanged(call, kg_organization_revision(old)))
        return;
    const struct kg_store_organization organization = {.id = old->id,
                                                       .name = kg_call_new_text(call, "name", old->name),
                                                       .reading =
                                                           kg_call_new_text(call, "reading", old->reading)};
    kg_call_note(call, "name \"%s\"", organization.name);
    kg_call_put(call,
                &(struct kg_store_change){.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization});
    kg_call_commit(call, json_pack("{s:b, s:s, s:I}", "ok", 1, "id", old->id, "revision",
                                   (json_int_t)kg_organization_revision(&organization)));
}

void kg_verb_names_changed(struct kg_call *call)
{
    call->verbs->params.effects->names_changed(call->verbs->params.user);
}

void kg_verb_org_list(struct kg_call *call)
{
    size_t count;
    const struct kg_store_organization **all =
        kg_directory_organizations(call->verbs->params.directory, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (kg_call_sees(call, all[i]->id))
            json_array_append_new(list, kg_organization_json(all[i]));
    }
    free(all);
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "organizations", list));
}

void kg_verb_org_remove(struct kg_call *call)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    const struct kg_store_organization *organization = kg_call_find_organization(call, "id");
    if (!organization)
        return;
    size_t count, left_rooms = 0, left_people = 0;
    const struct kg_store_room **rooms = kg_directory_rooms(directory, &count);
    for (size_t i = 0; i < count; i++)
        left_rooms += strcmp(rooms[i]->organization_id, organization->id) == 0;
    free(rooms);
    const struct kg_store_administrator **people = kg_directory_administrators(directory, &count);
    for (size_t i = 0; i < count; i++)
        left_people += strcmp(people[i]->organization_id, organization->id) == 0;
    free(people);
    if (left_rooms + left_people) {
        kg_call_refuse(
            call,
            "organization %s has %zu rooms and %zu administrators, and keeps them for the trail; revoke "
            "them instead",
            organization->id, left_rooms, left_people);
        return;
    }
    kg_call_put(call,
                &(struct kg_store_change){.kind = KG_STORE_REMOVE_ORGANIZATION, .id = organization->id});
    kg_call_commit(call, json_pack("{s:b, s:s}", "ok", 1, "id", organization->id));
}

/* Administrators. */

/* Whose the new one shall be ("": the relay's); false: refused. */
static bool place_of(struct kg_call *call, enum kg_role_kind role, const char **organization)
{
    bool named = kg_call_has(call, "organization");
    if (role == KG_ROLE_OPERATOR && call->by.role != KG_ROLE_OPERATOR) {
        kg_call_refuse(call, "only an operator makes operators");
        return false;
    }
    if (role == KG_ROLE_OPERATOR && named) {
        kg_call_refuse(call, "an operator belongs to no organization; leave organization out");
        return false;
    }
    *organization = "";
    if (role == KG_ROLE_OPERATOR || (role == KG_ROLE_AUDITOR && !named && !call->by.organization[0]))
        return true;
    const struct kg_store_organization *found = kg_call_organization(call);
    if (found)
        *organization = found->id;
    return found != NULL;
}

struct old_certificates {
    struct kg_call *call;
    int64_t now_s;
};

static void revoke_certificate(void *user, const struct kg_store_certificate *certificate)
{
    const struct old_certificates *old = user;
    struct kg_store_certificate revoked = *certificate;
    if (certificate->revoked_s)
        return;
    revoked.revoked_s = old->now_s;
    kg_call_put(old->call,
                &(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &revoked});
}

void kg_call_revoke_certificates(struct kg_call *call, const char *kind, const char *id)
{
    struct old_certificates old = {call, kg_clock_wall_us() / 1000000};
    kg_directory_each_certificate(call->verbs->params.directory, kind, id, revoke_certificate, &old);
}

json_t *kg_call_certificate_json(const struct kg_call *call, const char *id)
{
    const struct kg_ca_certificate *c = &call->certificate;
    char fingerprint[KG_FINGERPRINT_TEXT_BYTES];
    if (!c->pem)
        return json_pack("{s:b, s:s}", "ok", 1, "id", id);
    kg_fingerprint_text(c->fingerprint, fingerprint);
    return json_pack("{s:b, s:s, s:s, s:s?, s:s, s:s, s:I}", "ok", 1, "id", id, "certificate", c->pem,
                     "issuer", c->issuer_pem, "fingerprint", fingerprint, "serial", c->serial, "not_after",
                     (json_int_t)c->not_after_s);
}

static bool may_make(struct kg_call *call, const char *id, enum kg_role_kind role, const char *organization)
{
    const struct kg_store_administrator *old = kg_directory_administrator(call->verbs->params.directory, id);
    bool own =
        old && kg_call_sees(call, old->organization_id) && strcmp(old->organization_id, organization) == 0;
    if (!own && !kg_call_id_fits(call, id, organization))
        return false;
    if (own && !old->revoked_s && !kg_call_is(call, "replace")) {
        kg_call_refuse(call, "administrator %s exists already; give replace to sign a new certificate", id);
        return false;
    }
    if (own && strcmp(old->role, kg_role_kind_name(role)) != 0) {
        kg_call_refuse(call, "administrator %s has the role %s; another role needs another id", id,
                       old->role);
        return false;
    }
    return true;
}

void kg_verb_admin_add(struct kg_call *call)
{
    const char *id = kg_call_text(call, "id"), *organization;
    enum kg_role_kind role;
    if (!kg_role_kind_find(kg_call_text(call, "role"), &role)) {
        kg_call_refuse(call, "role must be operator, administrator or auditor");
        return;
    }
    if (!place_of(call, role, &organization) || !may_make(call, id, role, organization) ||
        !kg_call_certificate(call, KG_CA_ADMINISTRATOR, id))
        return;
    struct kg_store_administrator administrator = {.id = kg_call_new_text(call, "id", ""),
                                                   .organization_id = (char *)(uintptr_t)organization,
                                                   .role = (char *)(uintptr_t)kg_role_kind_name(role),
                                                   .name = kg_call_new_text(call, "name", ""),
                                                   .not_after_s = call->certificate.not_after_s};
    memcpy(administrator.fingerprint, call->certificate.fingerprint, sizeof administrator.fingerprint);
    memcpy(administrator.serial, call->certificate.serial, sizeof administrator.serial);
    kg_call_concerns(call, organization);
    kg_call_note(call, "role %s, certificate %s", administrator.role, administrator.serial);
    /* Whoever holds an older certificate is not this administrator any more. */
    call->shuts_out = kg_directory_administrator(call->verbs->params.directory, id) != NULL;
    kg_call_revoke_certificates(call, "administrator", id);
    kg_call_put(
        call, &(struct kg_store_change){.kind = KG_STORE_PUT_ADMINISTRATOR, .administrator = &administrator});
    kg_call_commit(call, kg_call_certificate_json(call, id));
}

void kg_verb_admin_list(struct kg_call *call)
{
    const char *wanted = NULL;
    if (!kg_call_list_filter(call, &wanted))
        return;
    size_t count;
    const struct kg_store_administrator **all =
        kg_directory_administrators(call->verbs->params.directory, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!wanted || strcmp(all[i]->organization_id, wanted) == 0)
            json_array_append_new(list, kg_administrator_json(all[i]));
    }
    free(all);
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "administrators", list));
}

static const struct kg_store_administrator *visible(const struct kg_call *call)
{
    const struct kg_store_administrator *administrator =
        kg_directory_administrator(call->verbs->params.directory, kg_call_text(call, "id"));
    return administrator && kg_call_sees(call, administrator->organization_id) ? administrator : NULL;
}

void kg_verb_admin_revoke_at_once(struct kg_call *call)
{
    const struct kg_store_administrator *old = visible(call);
    if (!old || strcmp(old->id, call->by.id) == 0)
        return;
    kg_call_overtake(call, old->id);
    if (old->revoked_s)
        return;
    struct kg_store_administrator revoked = *old;
    revoked.revoked_s = kg_clock_wall_us() / 1000000;
    /* The copy is made before the texts it borrows are freed. */
    const struct kg_store_change change = {.kind = KG_STORE_PUT_ADMINISTRATOR, .administrator = &revoked};
    call->done_at_once = kg_directory_apply(call->verbs->params.directory, &change);
    call->verbs->params.effects->administrator_shut_out(call->verbs->params.user, visible(call));
}

void kg_verb_admin_revoke(struct kg_call *call)
{
    const struct kg_store_administrator *administrator = kg_call_find_administrator(call, "id");
    if (!administrator)
        return;
    if (strcmp(administrator->id, call->by.id) == 0) {
        kg_call_refuse(call, "nobody revokes himself; ask another administrator, or the operator");
        return;
    }
    if (administrator->revoked_s && !call->done_at_once) {
        kg_call_refuse(call, "administrator %s is revoked already", administrator->id);
        return;
    }
    struct kg_store_administrator revoked = *administrator;
    if (!revoked.revoked_s) /* valid again since, by a certificate that was being signed */
        revoked.revoked_s = kg_clock_wall_us() / 1000000;
    call->shuts_out = true;
    kg_call_note(call, "certificate %s", revoked.serial);
    kg_call_put(call,
                &(struct kg_store_change){.kind = KG_STORE_PUT_ADMINISTRATOR, .administrator = &revoked});
    kg_call_commit(call, json_pack("{s:b, s:s}", "ok", 1, "id", administrator->id));
}

void kg_verb_admin_written(struct kg_call *call)
{
    const struct kg_store_administrator *administrator = visible(call);
    if (administrator && call->shuts_out)
        call->verbs->params.effects->administrator_shut_out(call->verbs->params.user, administrator);
}

/* Objects as lists show them. */
#include <stdio.h>
#include <string.h>

#include "net/identity.h"
#include "relay/revision.h"
#include "relay/verb_internal.h"

int64_t kg_organization_revision(const struct kg_store_organization *o)
{
    return kg_revision_of(o->id, o->name, o->reading, NULL);
}

json_t *kg_organization_json(const struct kg_store_organization *o)
{
    return json_pack("{s:s, s:s, s:s, s:I}", "id", o->id, "name", o->name, "reading", o->reading, "revision",
                     (json_int_t)kg_organization_revision(o));
}

int64_t kg_room_revision(const struct kg_store_room *r)
{
    char fingerprint[KG_FINGERPRINT_TEXT_BYTES];
    kg_fingerprint_text(r->fingerprint, fingerprint);
    return kg_revision_of(r->id, r->organization_id, r->department, r->department_reading, r->name,
                          r->name_reading, fingerprint, r->revoked_s ? "revoked" : "", NULL);
}

/* Adds the certificate's fields; of an owner without one they are "" and 0. */
static void add_certificate(json_t *object, const uint8_t *fingerprint, const char *serial,
                            int64_t not_after_s, int64_t revoked_s)
{
    char text[KG_FINGERPRINT_TEXT_BYTES] = "";
    if (*serial)
        kg_fingerprint_text(fingerprint, text);
    json_object_set_new(object, "fingerprint", json_string(text));
    json_object_set_new(object, "serial", json_string(serial));
    json_object_set_new(object, "not_after", json_integer(not_after_s));
    json_object_set_new(object, "revoked_at", json_integer(revoked_s));
}

json_t *kg_room_json(const struct kg_call *call, const struct kg_store_room *r, bool connected)
{
    const struct kg_verbs_params *params = &call->verbs->params;
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I}", "id", r->id, "organization", r->organization_id,
        "organization_name", kg_directory_organization_name(params->directory, r->organization_id),
        "department", r->department, "department_reading", r->department_reading, "name", r->name,
        "name_reading", r->name_reading, "connected", connected, "revision", (json_int_t)kg_room_revision(r));
    add_certificate(object, r->fingerprint, r->serial, r->not_after_s, r->revoked_s);
    return object;
}

json_t *kg_administrator_json(const struct kg_store_administrator *a)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "id", a->id, "organization", a->organization_id,
                               "role", a->role, "name", a->name);
    add_certificate(object, a->fingerprint, a->serial, a->not_after_s, a->revoked_s);
    return object;
}

int64_t kg_community_revision(const struct kg_store_community *c)
{
    /* Members make no order of their own. */
    uint64_t members = 0;
    for (size_t i = 0; i < c->organization_count; i++)
        members += (uint64_t)kg_revision_of(c->organizations[i], NULL);
    char text[24];
    snprintf(text, sizeof text, "%llx", (unsigned long long)members);
    return kg_revision_of(c->id, c->name, c->theme, text, NULL);
}

json_t *kg_community_json(const struct kg_call *call, const struct kg_store_community *c)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    json_t *organizations = json_array(), *rooms = json_array();
    for (size_t i = 0; i < c->organization_count; i++)
        json_array_append_new(organizations,
                              json_pack("{s:s, s:s}", "id", c->organizations[i], "name",
                                        kg_directory_organization_name(directory, c->organizations[i])));
    for (size_t i = 0; i < c->room_count; i++) {
        const struct kg_store_room *room = kg_directory_room(directory, c->rooms[i]);
        if (room)
            json_array_append_new(rooms, json_pack("{s:s, s:s, s:s}", "id", room->id, "organization",
                                                   room->organization_id, "name", room->name));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "id", c->id, "name", c->name, "theme", c->theme,
                     "organizations", organizations, "rooms", rooms, "revision",
                     (json_int_t)kg_community_revision(c));
}

/* The verbs of the settings in layers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay_settings.h"
#include "relay/revision.h"
#include "relay/verb_internal.h"

struct target {
    enum kg_policy_key key;
    enum kg_policy_scope scope;
    const char *id; /* the directory's, or "" */
};

static int64_t layer_revision(const struct kg_policy_layer *layer)
{
    char text[KG_POLICY_KEYS * (KG_POLICY_TEXT_BYTES + 8)] = "";
    for (unsigned key = 0; layer && key < KG_POLICY_KEYS; key++) {
        char value[KG_POLICY_TEXT_BYTES];
        size_t used = strlen(text);
        if (!layer->set[key])
            continue;
        kg_policy_format((enum kg_policy_key)key, layer->value[key], value);
        snprintf(text + used, sizeof text - used, "%u=%s;", key, value);
    }
    return kg_revision_of(text, NULL);
}

/* Whose layer is meant: false: refused. */
static bool find_scope(struct kg_call *call, struct target *t)
{
    t->scope = call->by.organization[0] ? KG_POLICY_ORGANIZATION : KG_POLICY_RELAY;
    t->id = "";
    if (kg_call_has(call, "scope") && !kg_policy_scope_find(kg_call_text(call, "scope"), &t->scope)) {
        kg_call_refuse(call, "scope must be relay, organization or room");
        return false;
    }
    if (t->scope == KG_POLICY_RELAY) {
        if (call->by.organization[0] || kg_call_has(call, "id")) {
            kg_call_refuse(call, "%s",
                           call->by.organization[0]
                               ? "what holds for the whole relay is the operator's to set"
                               : "scope relay has no id; leave it out");
            return false;
        }
        return true;
    }
    if (t->scope == KG_POLICY_ROOM) {
        const struct kg_store_room *room = kg_call_find_room(call, "id");
        t->id = room ? room->id : NULL;
    } else if (!kg_call_has(call, "id") && call->by.organization[0]) {
        const struct kg_store_organization *own = kg_call_organization(call);
        t->id = own ? own->id : NULL;
    } else {
        const struct kg_store_organization *organization = kg_call_find_organization(call, "id");
        t->id = organization ? organization->id : NULL;
    }
    return t->id != NULL;
}

static bool find_target(struct kg_call *call, struct target *t)
{
    char quoted[KG_CHECK_QUOTE_BYTES];
    const char *name = kg_call_text(call, "key");
    if (!kg_policy_key_find(name, &t->key)) {
        kg_check_quote(name, strlen(name), quoted);
        kg_call_refuse(call, "there is no setting \"%s\", but %s", quoted, kg_policy_key_names());
        return false;
    }
    if (!find_scope(call, t))
        return false;
    if (!kg_policy_key_fits(t->key, t->scope)) {
        kg_call_refuse(call, "%s holds for an organization's meetings and cannot be set for one room", name);
        return false;
    }
    kg_call_note(call, "%s%s%s", kg_policy_scope_name(t->scope), *t->id ? " " : "", t->id);
    return kg_call_unchanged(
        call, layer_revision(kg_directory_layer(call->verbs->params.directory, t->scope, t->id)));
}

static void commit(struct kg_call *call, const struct target *t, const char *value)
{
    const struct kg_policy_layer *old = kg_directory_layer(call->verbs->params.directory, t->scope, t->id);
    struct kg_policy_layer layer = {0};
    struct kg_problem problem;
    if (old)
        layer = *old;
    layer.set[t->key] = value != NULL;
    if (value && !kg_policy_parse(t->key, value, &layer.value[t->key], &problem)) {
        kg_call_refuse(call, "%s", problem.text);
        return;
    }
    const struct kg_store_setting setting = {.scope = (char *)(uintptr_t)kg_policy_scope_name(t->scope),
                                             .scope_id = (char *)(uintptr_t)t->id,
                                             .key = (char *)(uintptr_t)kg_policy_key_name(t->key),
                                             .value = (char *)(uintptr_t)(value ? value : "")};
    kg_call_note(call, "%s%s", value ? ": " : "", setting.value);
    kg_call_put(call,
                &(struct kg_store_change){.kind = value ? KG_STORE_PUT_SETTING : KG_STORE_REMOVE_SETTING,
                                          .setting = &setting});
    kg_call_commit(call, json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "scope", setting.scope, "id", t->id,
                                   "key", setting.key, "revision", (json_int_t)layer_revision(&layer)));
}

void kg_verb_setting_set(struct kg_call *call)
{
    struct target target;
    if (find_target(call, &target))
        commit(call, &target, kg_call_text(call, "value"));
}

void kg_verb_setting_unset(struct kg_call *call)
{
    struct target target;
    if (find_target(call, &target))
        commit(call, &target, NULL);
}

void kg_verb_settings_changed(struct kg_call *call)
{
    call->verbs->params.effects->settings_changed(call->verbs->params.user);
}

static void add_layer(const struct kg_call *call, json_t *list, enum kg_policy_scope scope, const char *id)
{
    const struct kg_policy_layer *layer = kg_directory_layer(call->verbs->params.directory, scope, id);
    json_t *values = json_object();
    for (unsigned key = 0; layer && key < KG_POLICY_KEYS; key++) {
        char text[KG_POLICY_TEXT_BYTES];
        if (!layer->set[key])
            continue;
        kg_policy_format((enum kg_policy_key)key, layer->value[key], text);
        json_object_set_new(values, kg_policy_key_name((enum kg_policy_key)key), json_string(text));
    }
    /* What says nothing is shown only where everybody looks for it. */
    if (json_object_size(values) || scope == KG_POLICY_RELAY || strcmp(id, call->by.organization) == 0)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:O, s:I}", "scope", kg_policy_scope_name(scope), "id",
                                        id, "values", values, "revision", (json_int_t)layer_revision(layer)));
    json_decref(values);
}

static json_t *layers_json(const struct kg_call *call)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    json_t *list = json_array();
    size_t count;
    add_layer(call, list, KG_POLICY_RELAY, "");
    const struct kg_store_organization **organizations = kg_directory_organizations(directory, &count);
    for (size_t i = 0; i < count; i++) {
        if (kg_call_sees(call, organizations[i]->id))
            add_layer(call, list, KG_POLICY_ORGANIZATION, organizations[i]->id);
    }
    free(organizations);
    const struct kg_store_room **rooms = kg_directory_rooms(directory, &count);
    for (size_t i = 0; i < count; i++) {
        if (kg_call_sees(call, rooms[i]->organization_id))
            add_layer(call, list, KG_POLICY_ROOM, rooms[i]->id);
    }
    free(rooms);
    return list;
}

/* Which value counts, and which layer said so. */
static json_t *effective_json(const struct kg_call *call, const char *organization, const char *room)
{
    const struct kg_relay_settings *settings = call->verbs->params.settings;
    json_t *effective = json_object();
    struct kg_policy_layer file;
    kg_policy_of_file(settings->open_before_minutes, settings->seat_seconds, &file);
    for (unsigned key = 0; key < KG_POLICY_KEYS; key++) {
        int32_t value;
        char text[KG_POLICY_TEXT_BYTES];
        int scope = kg_directory_setting(call->verbs->params.directory, &file, organization, room,
                                         (enum kg_policy_key)key, &value);
        if (scope < 0)
            continue;
        kg_policy_format((enum kg_policy_key)key, value, text);
        json_object_set_new(effective, kg_policy_key_name((enum kg_policy_key)key),
                            json_pack("{s:s, s:s}", "value", text, "from",
                                      kg_policy_scope_name((enum kg_policy_scope)scope)));
    }
    return effective;
}

void kg_verb_setting_list(struct kg_call *call)
{
    const char *organization = call->by.organization, *room_id = "";
    if (kg_call_has(call, "room") && kg_call_has(call, "organization")) {
        kg_call_refuse(call, "give room or organization, not both");
        return;
    }
    if (kg_call_has(call, "room")) {
        const struct kg_store_room *room = kg_call_find_room(call, "room");
        if (!room)
            return;
        organization = room->organization_id;
        room_id = room->id;
    } else if (kg_call_has(call, "organization")) {
        const struct kg_store_organization *found = kg_call_find_organization(call, "organization");
        if (!found)
            return;
        organization = found->id;
    }
    kg_call_reply(call, json_pack("{s:b, s:o, s:o}", "ok", 1, "layers", layers_json(call), "effective",
                                  effective_json(call, organization, room_id)));
}

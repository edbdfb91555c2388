/* The verbs of communities: groups of rooms of several organizations round one theme, which may invite each
 * other. The operator says which organizations belong; each says which of its rooms do. */
#include <stdlib.h>
#include <string.h>

#include "relay/verb_internal.h"

/* The organizations of the request, borrowed, into ids; false: refused. */
static bool read_organizations(struct kg_call *call, char **ids, size_t *count)
{
    const json_t *list = json_object_get(call->request, "organizations");
    *count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));
        const struct kg_store_organization *organization =
            kg_directory_organization(call->verbs->params.directory, id);
        if (!organization) {
            kg_call_refuse(call, "there is no organization \"%s\"; \"org list\" shows them", id);
            return false;
        }
        ids[(*count)++] = organization->id;
    }
    return true;
}

static void put(struct kg_call *call, const struct kg_store_community *community)
{
    kg_call_note(call, "name \"%s\", %zu organizations", community->name, community->organization_count);
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_COMMUNITY, .community = community});
    kg_call_commit(call, json_pack("{s:b, s:s, s:I}", "ok", 1, "id", community->id, "revision",
                                   (json_int_t)kg_community_revision(community)));
}

void kg_verb_community_add(struct kg_call *call)
{
    char *ids[KG_CHECK_MAX_IDS];
    struct kg_store_community community = {.id = kg_call_new_text(call, "id", ""),
                                           .name = kg_call_new_text(call, "name", ""),
                                           .theme = kg_call_new_text(call, "theme", ""),
                                           .organizations = ids};
    if (kg_directory_community(call->verbs->params.directory, community.id)) {
        kg_call_refuse(call, "community %s exists already; \"community set\" changes it", community.id);
        return;
    }
    if (read_organizations(call, ids, &community.organization_count))
        put(call, &community);
}

void kg_verb_community_set(struct kg_call *call)
{
    char *ids[KG_CHECK_MAX_IDS];
    const struct kg_store_community *old = kg_call_find_community(call, "id");
    if (!old || !kg_call_unchanged(call, kg_community_revision(old)))
        return;
    struct kg_store_community community = *old;
    community.rooms = NULL;
    community.room_count = 0;
    community.name = kg_call_new_text(call, "name", old->name);
    community.theme = kg_call_new_text(call, "theme", old->theme);
    if (kg_call_has(call, "organizations")) {
        community.organizations = ids;
        if (!read_organizations(call, ids, &community.organization_count))
            return;
    }
    put(call, &community);
}

void kg_verb_community_remove(struct kg_call *call)
{
    const struct kg_store_community *community = kg_call_find_community(call, "id");
    if (!community)
        return;
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_REMOVE_COMMUNITY, .id = community->id});
    kg_call_commit(call, json_pack("{s:b, s:s}", "ok", 1, "id", community->id));
}

void kg_verb_community_list(struct kg_call *call)
{
    size_t count;
    const struct kg_store_community **all = kg_directory_communities(call->verbs->params.directory, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!call->by.organization[0] || kg_directory_in_community(all[i], call->by.organization))
            json_array_append_new(list, kg_community_json(call, all[i]));
    }
    free(all);
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "communities", list));
}

static void move(struct kg_call *call, bool in)
{
    const struct kg_store_room *room = kg_call_find_room(call, "room");
    const struct kg_store_community *community = room ? kg_call_find_community(call, "community") : NULL;
    if (!community)
        return;
    if (in && !kg_directory_in_community(community, room->organization_id)) {
        kg_call_refuse(call, "organization %s does not belong to community %s; the operator adds it",
                       room->organization_id, community->id);
        return;
    }
    kg_call_note(call, "community %s", community->id);
    kg_call_put(call,
                &(struct kg_store_change){.kind = in ? KG_STORE_JOIN_COMMUNITY : KG_STORE_LEAVE_COMMUNITY,
                                          .id = community->id,
                                          .member = room->id});
    kg_call_commit(call, json_pack("{s:b, s:s, s:s}", "ok", 1, "community", community->id, "room", room->id));
}

void kg_verb_community_join(struct kg_call *call)
{
    move(call, true);
}

void kg_verb_community_leave(struct kg_call *call)
{
    move(call, false);
}

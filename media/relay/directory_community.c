/* The directory's communities, and whom they let a meeting invite. */
#include <stdlib.h>
#include <string.h>

#include "relay/directory_internal.h"

static void finish_community(void *row)
{
    kg_store_community_finish(row);
}

static void free_community(void *row)
{
    finish_community(row);
    free(row);
}

GHashTable *kg_directory_make_communities(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_community);
}

static int place_of(const struct kg_store_community *community, const char *room)
{
    for (size_t i = 0; i < community->room_count; i++) {
        if (strcmp(community->rooms[i], room) == 0)
            return (int)i;
    }
    return -1;
}

static void take_out(struct kg_store_community *community, int place)
{
    if (place < 0)
        return;
    free(community->rooms[place]);
    community->rooms[place] = community->rooms[--community->room_count];
}

static bool put_in(struct kg_store_community *community, const char *room)
{
    if (place_of(community, room) >= 0)
        return true;
    char **rooms = realloc(community->rooms, (community->room_count + 1) * sizeof *rooms);
    char *copy = strdup(room);
    if (rooms)
        community->rooms = rooms;
    if (!rooms || !copy) {
        free(copy);
        return false;
    }
    rooms[community->room_count++] = copy;
    return true;
}

/* Communities change seldom; whether they permit an invitation is asked for each room of each agenda. */
static void list_memberships(struct kg_directory *d)
{
    GHashTableIter iter;
    void *value;
    g_hash_table_remove_all(d->memberships);
    g_hash_table_iter_init(&iter, d->communities);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct kg_store_community *community = value;
        for (size_t i = 0; i < community->room_count; i++) {
            GPtrArray *joined = g_hash_table_lookup(d->memberships, community->rooms[i]);
            if (!joined) {
                joined = g_ptr_array_new();
                g_hash_table_insert(d->memberships, community->rooms[i], joined);
            }
            g_ptr_array_add(joined, community);
        }
    }
}

/* Only meetings that list one of its rooms can hang on a community. */
static void touch_agendas(struct kg_directory *d, const struct kg_store_community *community)
{
    for (size_t i = 0; community && i < community->room_count; i++)
        kg_directory_touch_agendas(d, community->rooms[i]);
}

bool kg_directory_put_community(struct kg_directory *d, const struct kg_store_community *community,
                                bool with_rooms)
{
    struct kg_store_community copy, bare = *community;
    const struct kg_store_community *old = g_hash_table_lookup(d->communities, community->id);
    if (!with_rooms) {
        bare.rooms = old ? old->rooms : NULL;
        bare.room_count = old ? old->room_count : 0;
    }
    if (!kg_store_community_copy(&copy, &bare))
        return false;
    touch_agendas(d, &copy);
    for (int i = (int)copy.room_count - 1; i >= 0; i--) {
        const struct kg_store_room *room = kg_directory_room(d, copy.rooms[i]);
        if (!room || !kg_directory_in_community(&copy, room->organization_id))
            take_out(&copy, i);
    }
    bool ok = kg_directory_put_row(d->communities, &copy, sizeof copy, finish_community);
    list_memberships(d);
    return ok;
}

void kg_directory_remove_community(struct kg_directory *d, const char *id)
{
    touch_agendas(d, g_hash_table_lookup(d->communities, id));
    g_hash_table_remove(d->communities, id);
    list_memberships(d);
}

bool kg_directory_move_room(struct kg_directory *d, const char *id, const char *room, bool in)
{
    struct kg_store_community *community = g_hash_table_lookup(d->communities, id);
    bool ok = true;
    if (!community)
        return true;
    if (in)
        ok = put_in(community, room);
    else
        take_out(community, place_of(community, room));
    kg_directory_touch_agendas(d, room);
    list_memberships(d);
    return ok;
}

void kg_directory_leave_communities(struct kg_directory *d, const char *organization)
{
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->communities);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct kg_store_community *community = value;
        for (size_t i = 0; i < community->organization_count; i++) {
            if (strcmp(community->organizations[i], organization) != 0)
                continue;
            free(community->organizations[i]);
            community->organizations[i] = community->organizations[--community->organization_count];
            break;
        }
    }
}

const struct kg_store_community *kg_directory_community(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->communities, id);
}

bool kg_directory_in_community(const struct kg_store_community *community, const char *organization)
{
    for (size_t i = 0; i < community->organization_count; i++) {
        if (strcmp(community->organizations[i], organization) == 0)
            return true;
    }
    return false;
}

bool kg_directory_may_invite(const struct kg_directory *d, const char *organization, const char *id)
{
    const struct kg_store_room *room = kg_directory_room(d, id);
    if (!room)
        return kg_directory_id_begins(id, organization);
    if (strcmp(room->organization_id, organization) == 0)
        return true;
    const GPtrArray *joined = g_hash_table_lookup(d->memberships, id);
    for (guint i = 0; joined && i < joined->len; i++) {
        if (kg_directory_in_community(g_ptr_array_index(joined, i), organization))
            return true;
    }
    return false;
}

bool kg_directory_invites_place(const struct kg_directory *d, const char *owner,
                                const struct kg_meeting *meeting, uint16_t place)
{
    return kg_store_meeting_by_operator(meeting, place) ||
           kg_directory_may_invite(d, owner, meeting->rooms[place]);
}

bool kg_directory_still_invites(const struct kg_directory *d, const struct kg_meeting *meeting,
                                const char *room)
{
    char owner[KG_CA_ID_BYTES];
    for (uint16_t i = 0; i < meeting->room_count; i++) {
        if (strcmp(meeting->rooms[i], room) != 0)
            continue;
        kg_directory_meeting_owner(meeting->uid, owner);
        return kg_directory_invites_place(d, owner, meeting, i);
    }
    return false;
}

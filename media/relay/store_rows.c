/* Copying and freeing what the store reads and writes. */
#include <stdlib.h>
#include <string.h>

#include "relay/store.h"

bool kg_store_room_copy(struct kg_store_room *out, const struct kg_store_room *room)
{
    *out = *room;
    out->id = strdup(room->id);
    out->organization = strdup(room->organization);
    out->department = strdup(room->department);
    out->name = strdup(room->name);
    if (out->id && out->organization && out->department && out->name)
        return true;
    kg_store_room_finish(out);
    return false;
}

void kg_store_room_finish(struct kg_store_room *room)
{
    free(room->id);
    free(room->organization);
    free(room->department);
    free(room->name);
    *room = (struct kg_store_room){0};
}

bool kg_store_meeting_copy(struct kg_meeting *out, const struct kg_meeting *m)
{
    *out = *m;
    out->uid = strdup(m->uid);
    out->title = strdup(m->title);
    out->description = strdup(m->description);
    out->organizer = strdup(m->organizer);
    out->location = strdup(m->location);
    /* Names of other rooms come from the directory, whenever they are told. */
    out->sites = NULL;
    out->site_count = out->site_total = 0;
    out->room_count = 0;
    out->rooms = calloc(m->room_count + 1u, sizeof *out->rooms);
    bool ok = out->uid && out->title && out->description && out->organizer && out->location && out->rooms;
    for (uint16_t i = 0; i < m->room_count && ok; i++) {
        out->rooms[i] = strdup(m->rooms[i]);
        ok = out->rooms[i] != NULL;
        out->room_count += ok;
    }
    if (!ok)
        kg_store_meeting_finish(out);
    return ok;
}

void kg_store_meeting_finish(struct kg_meeting *m)
{
    free(m->uid);
    free(m->title);
    free(m->description);
    free(m->organizer);
    free(m->location);
    for (uint16_t i = 0; i < m->room_count; i++)
        free(m->rooms[i]);
    free(m->rooms);
    *m = (struct kg_meeting){0};
}

void kg_store_seat_finish(struct kg_store_seat *seat)
{
    free(seat->meeting_uid);
    free(seat->room);
    *seat = (struct kg_store_seat){0};
}

void kg_store_snapshot_finish(struct kg_store_snapshot *s)
{
    for (size_t i = 0; i < s->room_count; i++)
        kg_store_room_finish(&s->rooms[i]);
    for (size_t i = 0; i < s->meeting_count; i++)
        kg_store_meeting_finish(&s->meetings[i]);
    for (size_t i = 0; i < s->seat_count; i++)
        kg_store_seat_finish(&s->seats[i]);
    free(s->rooms);
    free(s->meetings);
    free(s->seats);
    *s = (struct kg_store_snapshot){0};
}

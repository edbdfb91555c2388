/* Meetings as values: copied and let go. Reading a calendar is agenda_parse.c's. */
#include "signal/agenda.h"

#include <stdlib.h>
#include <string.h>

#include "signal/agenda_internal.h"

bool kg_room_id_valid(const char *id)
{
    size_t size = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size >= 1 && size <= KG_ROOM_ID_MAX && id[size] == '\0';
}

static void finish_sites(struct kg_meeting *meeting)
{
    for (uint16_t i = 0; i < meeting->site_count; i++) {
        free(meeting->sites[i].organization);
        free(meeting->sites[i].department);
        free(meeting->sites[i].name);
    }
    free(meeting->sites);
    meeting->sites = NULL;
    meeting->site_count = meeting->site_total = 0;
}

void kg_meeting_finish(struct kg_meeting *meeting)
{
    finish_sites(meeting);
    free(meeting->uid);
    free(meeting->title);
    free(meeting->description);
    free(meeting->organizer);
    free(meeting->location);
    for (uint16_t i = 0; i < meeting->room_count; i++)
        free(meeting->rooms[i]);
    free(meeting->rooms);
    *meeting = (struct kg_meeting){0};
}

static char *copy_text(const char *text)
{
    return strdup(text ? text : "");
}

static bool copy_sites(const struct kg_meeting *from, struct kg_meeting *out)
{
    out->sites = calloc(from->site_count + 1u, sizeof(*out->sites));
    for (uint16_t i = 0; out->sites && i < from->site_count; i++) {
        struct kg_meeting_site *site = &out->sites[out->site_count++];
        *site =
            (struct kg_meeting_site){copy_text(from->sites[i].organization),
                                     copy_text(from->sites[i].department), copy_text(from->sites[i].name)};
        if (!site->organization || !site->department || !site->name)
            return false;
    }
    out->site_total = from->site_total;
    return out->sites != NULL;
}

bool kg_meeting_copy(const struct kg_meeting *from, const char *uid, int64_t start_us, int64_t end_us,
                     struct kg_meeting *out)
{
    *out = (struct kg_meeting){.uid = strdup(uid),
                               .title = copy_text(from->title),
                               .description = copy_text(from->description),
                               .organizer = copy_text(from->organizer),
                               .location = copy_text(from->location),
                               .start_us = start_us,
                               .end_us = end_us,
                               .sequence = from->sequence,
                               .status = from->status,
                               .rooms = calloc(from->room_count + 1u, sizeof(char *))};
    bool good = out->uid && out->title && out->description && out->organizer && out->location && out->rooms;
    for (uint16_t i = 0; good && i < from->room_count; i++) {
        out->rooms[i] = strdup(from->rooms[i]);
        good = out->rooms[i] != NULL;
        out->room_count += good;
    }
    good = good && copy_sites(from, out);
    if (!good)
        kg_meeting_finish(out);
    return good;
}

void kg_agenda_destroy(struct kg_agenda *agenda)
{
    if (!agenda)
        return;
    for (size_t i = 0; i < agenda->meeting_count; i++)
        kg_meeting_finish(&agenda->meetings[i]);
    free(agenda->meetings);
    free(agenda->reports);
    free(agenda);
}

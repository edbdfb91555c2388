/* Copying and freeing what the store reads and writes. */
#include "relay/store_rows.h"

#include <stdlib.h>
#include <string.h>

/* No text of the store's is NULL: what a caller leaves out is "". */
static bool copy_texts(char **const *texts, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        *texts[i] = strdup(*texts[i] ? *texts[i] : "");
        ok = ok && *texts[i];
    }
    return ok;
}
#define COPY_TEXTS(...)                                                                                      \
    copy_texts((char **const[]){__VA_ARGS__}, sizeof((char **const[]){__VA_ARGS__}) / sizeof(char **))

static char **copy_list(char *const *list, size_t count)
{
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; i < count && copy; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i]) {
            while (i > 0)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    }
    return copy;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count && list; i++)
        free(list[i]);
    free(list);
}

bool kg_store_organization_copy(struct kg_store_organization *out,
                                const struct kg_store_organization *organization)
{
    *out = *organization;
    if (COPY_TEXTS(&out->id, &out->name, &out->reading))
        return true;
    kg_store_organization_finish(out);
    return false;
}

void kg_store_organization_finish(struct kg_store_organization *organization)
{
    free(organization->id);
    free(organization->name);
    free(organization->reading);
    *organization = (struct kg_store_organization){0};
}

bool kg_store_room_copy(struct kg_store_room *out, const struct kg_store_room *room)
{
    *out = *room;
    if (COPY_TEXTS(&out->id, &out->organization_id, &out->department, &out->department_reading, &out->name,
                   &out->name_reading))
        return true;
    kg_store_room_finish(out);
    return false;
}

void kg_store_room_finish(struct kg_store_room *room)
{
    free(room->id);
    free(room->organization_id);
    free(room->department);
    free(room->department_reading);
    free(room->name);
    free(room->name_reading);
    *room = (struct kg_store_room){0};
}

bool kg_store_administrator_copy(struct kg_store_administrator *out,
                                 const struct kg_store_administrator *administrator)
{
    *out = *administrator;
    if (COPY_TEXTS(&out->id, &out->organization_id, &out->role, &out->name))
        return true;
    kg_store_administrator_finish(out);
    return false;
}

void kg_store_administrator_finish(struct kg_store_administrator *administrator)
{
    free(administrator->id);
    free(administrator->organization_id);
    free(administrator->role);
    free(administrator->name);
    *administrator = (struct kg_store_administrator){0};
}

bool kg_store_certificate_copy(struct kg_store_certificate *out,
                               const struct kg_store_certificate *certificate)
{
    *out = *certificate;
    if (COPY_TEXTS(&out->kind, &out->owner))
        return true;
    kg_store_certificate_finish(out);
    return false;
}

void kg_store_certificate_finish(struct kg_store_certificate *certificate)
{
    free(certificate->kind);
    free(certificate->owner);
    *certificate = (struct kg_store_certificate){0};
}

bool kg_store_community_copy(struct kg_store_community *out, const struct kg_store_community *community)
{
    *out = *community;
    bool ok = COPY_TEXTS(&out->id, &out->name, &out->theme);
    out->organizations = copy_list(community->organizations, community->organization_count);
    out->rooms = copy_list(community->rooms, community->room_count);
    if (ok && out->organizations && out->rooms)
        return true;
    kg_store_community_finish(out);
    return false;
}

void kg_store_community_finish(struct kg_store_community *community)
{
    free(community->id);
    free(community->name);
    free(community->theme);
    free_list(community->organizations, community->organization_count);
    free_list(community->rooms, community->room_count);
    *community = (struct kg_store_community){0};
}

bool kg_store_setting_copy(struct kg_store_setting *out, const struct kg_store_setting *setting)
{
    *out = *setting;
    if (COPY_TEXTS(&out->scope, &out->scope_id, &out->key, &out->value))
        return true;
    kg_store_setting_finish(out);
    return false;
}

void kg_store_setting_finish(struct kg_store_setting *setting)
{
    free(setting->scope);
    free(setting->scope_id);
    free(setting->key);
    free(setting->value);
    *setting = (struct kg_store_setting){0};
}

bool kg_store_meeting_copy(struct kg_meeting *out, const struct kg_meeting *m)
{
    *out = *m;
    /* Names of other rooms come from the directory, whenever they are told. */
    out->sites = NULL;
    out->site_count = out->site_total = 0;
    bool ok = COPY_TEXTS(&out->uid, &out->title, &out->description, &out->organizer, &out->location);
    out->rooms = copy_list(m->rooms, m->room_count);
    if (ok && out->rooms)
        return true;
    kg_store_meeting_finish(out);
    return false;
}

bool kg_store_meeting_by_operator(const struct kg_meeting *m, unsigned place)
{
    return m->by_operator[place / 8] >> place % 8 & 1;
}

void kg_store_meeting_set_by_operator(struct kg_meeting *m, unsigned place)
{
    m->by_operator[place / 8] |= (uint8_t)(1u << place % 8);
}

void kg_store_meeting_finish(struct kg_meeting *m)
{
    free(m->uid);
    free(m->title);
    free(m->description);
    free(m->organizer);
    free(m->location);
    free_list(m->rooms, m->room_count);
    *m = (struct kg_meeting){0};
}

bool kg_store_seat_copy(struct kg_store_seat *out, const struct kg_store_seat *seat)
{
    *out = *seat;
    if (COPY_TEXTS(&out->meeting_uid, &out->room))
        return true;
    kg_store_seat_finish(out);
    return false;
}

void kg_store_seat_finish(struct kg_store_seat *seat)
{
    free(seat->meeting_uid);
    free(seat->room);
    *seat = (struct kg_store_seat){0};
}

#define FINISH_ALL(s, rows, count, finish)                                                                   \
    do {                                                                                                     \
        for (size_t i_ = 0; i_ < (s)->count; i_++)                                                           \
            finish(&(s)->rows[i_]);                                                                          \
        free((s)->rows);                                                                                     \
    } while (0)

void kg_store_snapshot_finish(struct kg_store_snapshot *s)
{
    FINISH_ALL(s, organizations, organization_count, kg_store_organization_finish);
    FINISH_ALL(s, rooms, room_count, kg_store_room_finish);
    FINISH_ALL(s, administrators, administrator_count, kg_store_administrator_finish);
    FINISH_ALL(s, certificates, certificate_count, kg_store_certificate_finish);
    FINISH_ALL(s, communities, community_count, kg_store_community_finish);
    FINISH_ALL(s, settings, setting_count, kg_store_setting_finish);
    FINISH_ALL(s, meetings, meeting_count, kg_store_meeting_finish);
    FINISH_ALL(s, seats, seat_count, kg_store_seat_finish);
    *s = (struct kg_store_snapshot){0};
}

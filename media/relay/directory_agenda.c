/* The directory's meetings, and what of them a room may see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/directory_internal.h"

static void touch(struct kg_directory *d, const char *room)
{
    g_hash_table_insert(d->stamps, g_strdup(room), GSIZE_TO_POINTER(++d->stamp));
}

void kg_directory_touch_agendas(struct kg_directory *d, const char *room)
{
    GHashTable *meetings = g_hash_table_lookup(d->invitations, room);
    GHashTableIter iter;
    void *key;
    if (!meetings)
        return;
    g_hash_table_iter_init(&iter, meetings);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const struct kg_meeting *m = key;
        for (uint16_t i = 0; i < m->room_count; i++)
            touch(d, m->rooms[i]);
    }
}

void kg_directory_touch_all_agendas(struct kg_directory *d)
{
    d->stamp_all = ++d->stamp;
}

uint64_t kg_directory_agenda_stamp(const struct kg_directory *d, const char *room)
{
    size_t own = GPOINTER_TO_SIZE(g_hash_table_lookup(d->stamps, room));
    return KG_MAX(own, d->stamp_all);
}

/* Thousands of rooms ask for their agendas at once: none looks through the others' meetings. */
static void list_invitations(struct kg_directory *d, struct kg_meeting *m)
{
    for (uint16_t i = 0; i < m->room_count; i++) {
        GHashTable *meetings = g_hash_table_lookup(d->invitations, m->rooms[i]);
        if (!meetings) {
            meetings = g_hash_table_new(NULL, NULL);
            g_hash_table_insert(d->invitations, g_strdup(m->rooms[i]), meetings);
        }
        g_hash_table_add(meetings, m);
        touch(d, m->rooms[i]);
    }
}

static void drop_invitations(struct kg_directory *d, struct kg_meeting *m)
{
    for (uint16_t i = 0; i < m->room_count; i++) {
        GHashTable *meetings = g_hash_table_lookup(d->invitations, m->rooms[i]);
        if (meetings && g_hash_table_remove(meetings, m) && g_hash_table_size(meetings) == 0)
            g_hash_table_remove(d->invitations, m->rooms[i]);
        touch(d, m->rooms[i]);
    }
}

bool kg_directory_put_meeting(struct kg_directory *d, const struct kg_meeting *meeting)
{
    struct kg_meeting *copy = malloc(sizeof *copy);
    if (!copy || !kg_store_meeting_copy(copy, meeting)) {
        free(copy);
        return false;
    }
    struct kg_meeting *old = g_hash_table_lookup(d->meetings, copy->uid);
    if (old)
        drop_invitations(d, old);
    g_hash_table_replace(d->meetings, copy->uid, copy);
    list_invitations(d, copy);
    return true;
}

void kg_directory_remove_meetings(struct kg_directory *d,
                                  bool (*goes)(const struct kg_meeting *meeting, const void *user),
                                  const void *user)
{
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->meetings);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!goes(value, user))
            continue;
        drop_invitations(d, value);
        g_hash_table_iter_remove(&iter);
    }
}

const struct kg_meeting *kg_directory_meeting(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->meetings, id);
}

void kg_directory_meeting_owner(const char *id, char organization[KG_CA_ID_BYTES])
{
    const char *slash = strchr(id, '/');
    int size = slash ? (int)KG_MIN(slash - id, KG_CA_ID_BYTES - 1) : 0;
    snprintf(organization, KG_CA_ID_BYTES, "%.*s", size, id);
}

static size_t count_meetings(const struct kg_directory *d, const char *organization, size_t *invitations)
{
    size_t count = 0, size = strlen(organization);
    *invitations = 0;
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->meetings);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct kg_meeting *m = value;
        if (strncmp(m->uid, organization, size) != 0 || m->uid[size] != '/')
            continue;
        count++;
        *invitations += m->room_count;
    }
    return count;
}

size_t kg_directory_meeting_count(const struct kg_directory *d, const char *organization)
{
    size_t invitations;
    return count_meetings(d, organization, &invitations);
}

size_t kg_directory_invitation_count(const struct kg_directory *d, const char *organization)
{
    size_t invitations;
    (void)count_meetings(d, organization, &invitations);
    return invitations;
}

static bool ended_before(const struct kg_meeting *meeting, const void *before_us)
{
    return meeting->end_us < *(const int64_t *)before_us;
}

void kg_directory_prune(struct kg_directory *d, int64_t before_us)
{
    kg_directory_remove_meetings(d, ended_before, &before_us);
    kg_directory_touch_all_agendas(d);
    g_hash_table_remove_all(d->stamps); /* all older than that */
}

static int by_start(const void *a, const void *b)
{
    const struct kg_meeting *x = a, *y = b;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return strcmp(x->uid, y->uid);
}

static int by_start_of(const void *a, const void *b)
{
    return by_start(*(const void *const *)a, *(const void *const *)b);
}

const struct kg_meeting **kg_directory_meetings(const struct kg_directory *d, size_t *count)
{
    return (const struct kg_meeting **)kg_directory_sorted(d->meetings, count, by_start_of);
}

/* Names at most `most` of the other rooms that are invited now and not revoked. false: memory. */
static bool name_sites(const struct kg_directory *d, struct kg_meeting *view, const char *room, uint16_t most)
{
    char owner[KG_CA_ID_BYTES];
    kg_directory_meeting_owner(view->uid, owner);
    view->site_count = view->site_total = 0;
    if (!view->sites && !(view->sites = calloc(KG_AGENDA_MAX_SITES, sizeof *view->sites)))
        return false;
    for (uint16_t i = 0; i < view->room_count; i++) {
        const struct kg_store_room *other = kg_directory_room(d, view->rooms[i]);
        if (!other || other->revoked_s || strcmp(other->id, room) == 0 ||
            !kg_directory_invites_place(d, owner, view, i))
            continue;
        view->site_total++;
        if (view->site_count < most)
            view->sites[view->site_count++] =
                (struct kg_meeting_site){(char *)kg_directory_organization_name(d, other->organization_id),
                                         other->department, other->name};
    }
    return true;
}

/* A meeting is no shorter than that as text: what cannot fit is not written out in vain. */
static size_t least_bytes(const struct kg_meeting *m)
{
    static const size_t lines_bytes = 150; /* of BEGIN, DTSTAMP, DTSTART, DTEND, ATTENDEE, STATUS, END */
    size_t bytes = lines_bytes + strlen(m->uid) + strlen(m->title) + strlen(m->description) +
                   strlen(m->organizer) + strlen(m->location);
    for (uint16_t i = 0; i < m->site_count; i++)
        bytes += strlen(m->sites[i].organization) + strlen(m->sites[i].department) + strlen(m->sites[i].name);
    return bytes;
}

/* The calendar of these meetings, the other rooms named if that is not too long; NULL: memory. */
static char *write_calendar(const struct kg_directory *d, struct kg_meeting *seen, size_t count,
                            const char *room, size_t max_bytes)
{
    static const uint16_t most[] = {KG_AGENDA_MAX_SITES, 2, 0};
    char *text = NULL;
    for (size_t i = 0; i < KG_ARRAY_LEN(most) && (!text || strlen(text) > max_bytes); i++) {
        size_t bytes = 0;
        free(text);
        text = NULL;
        for (size_t m = 0; m < count; m++) {
            if (!name_sites(d, &seen[m], room, most[i]))
                return NULL;
            bytes += least_bytes(&seen[m]);
        }
        if (bytes > max_bytes && most[i] > 0)
            continue;
        text = kg_agenda_format(seen, count, room);
        if (!text)
            return NULL;
    }
    return text;
}

/* room NULL: it is not in the directory. */
static bool belongs_to(const struct kg_meeting *m, const struct kg_store_room *room)
{
    char owner[KG_CA_ID_BYTES];
    kg_directory_meeting_owner(m->uid, owner);
    return room && strcmp(owner, room->organization_id) == 0;
}

/* The room's meetings, its own organization's first, so that these are the last to be left out: nobody fills
 * another's agenda until its own meetings fall off. How many. */
static size_t find_meetings(const struct kg_directory *d, const char *room, int64_t from_us, int64_t to_us,
                            struct kg_meeting *seen)
{
    GHashTable *invited = g_hash_table_lookup(d->invitations, room);
    const struct kg_store_room *self = kg_directory_room(d, room);
    size_t count = 0, own = 0;
    for (int others = 0; invited && others < 2; others++) {
        GHashTableIter iter;
        void *key;
        g_hash_table_iter_init(&iter, invited);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
            const struct kg_meeting *m = key;
            if (belongs_to(m, self) != others && m->end_us > from_us && m->start_us < to_us &&
                kg_directory_still_invites(d, m, room))
                seen[count++] = *m;
        }
        qsort(seen + own, count - own, sizeof *seen, by_start);
        own = count;
    }
    return count;
}

/* How many of the first of these can fit, whatever is written of their other rooms. */
static size_t count_fitting(const struct kg_meeting *seen, size_t count, size_t max_bytes)
{
    size_t bytes = 0, fitting = 0;
    while (fitting < count && (bytes += least_bytes(&seen[fitting])) <= max_bytes)
        fitting++;
    return fitting;
}

char *kg_directory_calendar(const struct kg_directory *d, const char *room, int64_t from_us, int64_t to_us,
                            size_t max_bytes)
{
    GHashTable *invited = g_hash_table_lookup(d->invitations, room);
    /* Views: the texts stay the directory's. */
    struct kg_meeting *seen = calloc((invited ? g_hash_table_size(invited) : 0) + 1u, sizeof *seen);
    if (!seen)
        return NULL;
    size_t wanted = find_meetings(d, room, from_us, to_us, seen);
    size_t count = count_fitting(seen, wanted, max_bytes);
    char *text = write_calendar(d, seen, count, room, max_bytes);
    while (text && strlen(text) > max_bytes && count > 0) {
        free(text);
        count = count * 3 / 4;
        text = write_calendar(d, seen, count, room, max_bytes);
    }
    if (count < wanted)
        kg_log(KG_LOG_WARN, "relay", "agenda.cut",
               "room %s: its agenda is too long; %zu of %zu meetings are left out, the last of others' first",
               room, wanted - count, wanted);
    for (size_t i = 0; i < wanted; i++)
        free(seen[i].sites);
    free(seen);
    return text;
}

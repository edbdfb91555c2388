#include "relay/directory.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct kg_directory {
    GHashTable *rooms;    /* id → struct kg_store_room, own */
    GHashTable *meetings; /* UID → struct kg_meeting, own */
};

static void free_room(void *data)
{
    kg_store_room_finish(data);
    free(data);
}

static void free_meeting(void *data)
{
    kg_store_meeting_finish(data);
    free(data);
}

struct kg_directory *kg_directory_create(void)
{
    struct kg_directory *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_room);
    d->meetings = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_meeting);
    return d;
}

void kg_directory_destroy(struct kg_directory *d)
{
    if (!d)
        return;
    g_hash_table_destroy(d->rooms);
    g_hash_table_destroy(d->meetings);
    free(d);
}

bool kg_directory_put_room(struct kg_directory *d, const struct kg_store_room *room)
{
    struct kg_store_room copy;
    if (!kg_store_room_copy(&copy, room))
        return false;
    struct kg_store_room *old = g_hash_table_lookup(d->rooms, room->id);
    if (old) {
        kg_store_room_finish(old);
        *old = copy;
        return true;
    }
    struct kg_store_room *added = malloc(sizeof *added);
    if (!added) {
        kg_store_room_finish(&copy);
        return false;
    }
    *added = copy;
    g_hash_table_insert(d->rooms, g_strdup(room->id), added);
    return true;
}

const struct kg_store_room *kg_directory_room(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->rooms, id);
}

const struct kg_store_room *kg_directory_room_of(const struct kg_directory *d,
                                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->rooms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct kg_store_room *room = value;
        if (memcmp(room->fingerprint, fingerprint, KG_CA_FINGERPRINT_BYTES) == 0)
            return room;
    }
    return NULL;
}

size_t kg_directory_room_count(const struct kg_directory *d)
{
    return g_hash_table_size(d->rooms);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const struct kg_store_room *const *)a)->id,
                  (*(const struct kg_store_room *const *)b)->id);
}

const struct kg_store_room **kg_directory_rooms(const struct kg_directory *d, size_t *count)
{
    *count = 0;
    size_t size = g_hash_table_size(d->rooms);
    const struct kg_store_room **rooms = size ? calloc(size, sizeof(struct kg_store_room *)) : NULL;
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->rooms);
    while (rooms && g_hash_table_iter_next(&iter, NULL, &value))
        rooms[(*count)++] = value;
    if (rooms)
        qsort(rooms, *count, sizeof(struct kg_store_room *), by_id);
    return rooms;
}

bool kg_directory_put_meeting(struct kg_directory *d, const struct kg_meeting *meeting)
{
    struct kg_meeting *copy = malloc(sizeof *copy);
    if (!copy || !kg_store_meeting_copy(copy, meeting)) {
        free(copy);
        return false;
    }
    g_hash_table_replace(d->meetings, copy->uid, copy);
    return true;
}

const struct kg_meeting *kg_directory_meeting(const struct kg_directory *d, const char *uid)
{
    return g_hash_table_lookup(d->meetings, uid);
}

bool kg_directory_invites(const struct kg_meeting *meeting, const char *room)
{
    for (uint16_t i = 0; i < meeting->room_count; i++) {
        if (strcmp(meeting->rooms[i], room) == 0)
            return true;
    }
    return false;
}

static gboolean ended_before(void *key, void *value, void *user)
{
    (void)key;
    return ((const struct kg_meeting *)value)->end_us < *(const int64_t *)user;
}

void kg_directory_prune(struct kg_directory *d, int64_t before_us)
{
    g_hash_table_foreach_remove(d->meetings, ended_before, &before_us);
}

static int by_start(const void *a, const void *b)
{
    const struct kg_meeting *x = a, *y = b;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return strcmp(x->uid, y->uid);
}

/* Names at most `most` of the other rooms that are in the directory and not revoked. false: memory. */
static bool name_sites(const struct kg_directory *d, struct kg_meeting *view, const char *room, uint16_t most)
{
    view->site_count = view->site_total = 0;
    if (!view->sites && !(view->sites = calloc(KG_AGENDA_MAX_SITES, sizeof *view->sites)))
        return false;
    for (uint16_t i = 0; i < view->room_count; i++) {
        const struct kg_store_room *other = kg_directory_room(d, view->rooms[i]);
        if (!other || other->revoked_s || strcmp(other->id, room) == 0)
            continue;
        view->site_total++;
        if (view->site_count < most)
            view->sites[view->site_count++] =
                (struct kg_meeting_site){other->organization, other->department, other->name};
    }
    return true;
}

/* The calendar of these meetings, the other rooms named if that is not too long; NULL: memory. */
static char *write_calendar(const struct kg_directory *d, struct kg_meeting *seen, size_t count,
                            const char *room, size_t max_bytes)
{
    static const uint16_t most[] = {KG_AGENDA_MAX_SITES, 2, 0};
    char *text = NULL;
    for (size_t i = 0; i < KG_ARRAY_LEN(most) && (!text || strlen(text) > max_bytes); i++) {
        free(text);
        for (size_t m = 0; m < count; m++)
            if (!name_sites(d, &seen[m], room, most[i]))
                return NULL;
        text = kg_agenda_format(seen, count, room);
        if (!text)
            return NULL;
    }
    return text;
}

char *kg_directory_calendar(const struct kg_directory *d, const char *room, int64_t from_us, int64_t to_us,
                            size_t max_bytes)
{
    size_t count = 0;
    /* Views: the texts stay the directory's. */
    struct kg_meeting *seen = calloc(g_hash_table_size(d->meetings) + 1, sizeof *seen);
    if (!seen)
        return NULL;
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->meetings);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct kg_meeting *m = value;
        if (m->end_us > from_us && m->start_us < to_us && kg_directory_invites(m, room))
            seen[count++] = *m;
    }
    qsort(seen, count, sizeof *seen, by_start);
    size_t wanted = count;
    char *text = write_calendar(d, seen, count, room, max_bytes);
    while (text && strlen(text) > max_bytes && count > 0) {
        free(text);
        count = count * 3 / 4;
        text = write_calendar(d, seen, count, room, max_bytes);
    }
    if (count < wanted)
        kg_log(KG_LOG_WARN, "relay", "agenda.cut",
               "room %s: its agenda is too long; the last %zu of %zu meetings are left out", room,
               wanted - count, wanted);
    for (size_t i = 0; i < wanted; i++)
        free(seen[i].sites);
    free(seen);
    return text;
}

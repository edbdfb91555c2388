#include "relay/places.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "relay/enrolment.h"

/* One address, for as long as it has connections. */
struct kg_place {
    struct kg_places *places;
    gint64 network;
    unsigned count;
};

struct kg_places {
    struct kg_mutex mutex;
    GHashTable *addresses; /* network → struct kg_place, own */
    unsigned per_address;
};

struct kg_places *kg_places_create(unsigned per_address)
{
    struct kg_places *places = calloc(1, sizeof *places);
    if (!places)
        return NULL;
    places->per_address = per_address;
    places->addresses = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free);
    kg_mutex_init(&places->mutex);
    return places;
}

void kg_places_destroy(struct kg_places *places)
{
    if (!places)
        return;
    g_hash_table_destroy(places->addresses);
    kg_mutex_finish(&places->mutex);
    free(places);
}

static struct kg_place *find_locked(struct kg_places *places, gint64 network)
{
    struct kg_place *place = g_hash_table_lookup(places->addresses, &network);
    if (place)
        return place;
    place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    *place = (struct kg_place){.places = places, .network = network};
    g_hash_table_insert(places->addresses, &place->network, place);
    return place;
}

struct kg_place *kg_places_take(struct kg_places *places, const struct sockaddr *address)
{
    struct kg_enrolment_source source;
    gint64 network;
    kg_enrolment_source_of(address, &source);
    memcpy(&network, source.network, sizeof network);
    kg_mutex_lock(&places->mutex);
    struct kg_place *place = find_locked(places, network);
    if (place && place->count >= places->per_address)
        place = NULL;
    if (place)
        place->count++;
    kg_mutex_unlock(&places->mutex);
    return place;
}

void kg_places_leave(struct kg_place *place)
{
    if (!place)
        return;
    struct kg_places *places = place->places;
    kg_mutex_lock(&places->mutex);
    if (--place->count == 0)
        g_hash_table_remove(places->addresses, &place->network);
    kg_mutex_unlock(&places->mutex);
}

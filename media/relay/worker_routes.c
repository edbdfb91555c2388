#include "relay/worker_routes.h"

#include <stdlib.h>

#include "base/random.h"

/* Open addressing with linear probing, at most half full; removal closes the gap behind it. */
struct kg_routes {
    size_t mask;
    size_t count;
    uint32_t seed; /* so that addresses sharing a place cannot be chosen beforehand */
    struct kg_route entry[];
};

struct kg_routes *kg_routes_create(size_t capacity)
{
    size_t size = 16;
    while (size < 2 * capacity)
        size *= 2;
    struct kg_routes *routes = calloc(1, sizeof(*routes) + size * sizeof(routes->entry[0]));
    if (!routes)
        return NULL;
    routes->mask = size - 1;
    routes->seed = kg_random_u32();
    return routes;
}

void kg_routes_destroy(struct kg_routes *routes)
{
    free(routes);
}

static size_t home(const struct kg_routes *routes, const struct kg_path *path)
{
    uint32_t hash = (kg_path_hash(path) ^ routes->seed) * 2654435761u;
    return (hash ^ hash >> 16) & routes->mask;
}

/* Where the path is, or where it would go. */
static size_t probe(const struct kg_routes *routes, const struct kg_path *path)
{
    size_t at = home(routes, path);
    while (routes->entry[at].used && !kg_path_equal(&routes->entry[at].path, path))
        at = (at + 1) & routes->mask;
    return at;
}

bool kg_routes_put(struct kg_routes *routes, const struct kg_route *route)
{
    size_t at = probe(routes, &route->path);
    if (!routes->entry[at].used) {
        if (routes->count > routes->mask / 2)
            return false;
        routes->count++;
    }
    routes->entry[at] = *route;
    routes->entry[at].used = true;
    return true;
}

const struct kg_route *kg_routes_find(const struct kg_routes *routes, const struct kg_path *path)
{
    const struct kg_route *entry = &routes->entry[probe(routes, path)];
    return entry->used ? entry : NULL;
}

void kg_routes_remove(struct kg_routes *routes, const struct kg_path *path)
{
    size_t hole = probe(routes, path);
    if (!routes->entry[hole].used)
        return;
    routes->entry[hole].used = false;
    routes->count--;
    for (size_t at = (hole + 1) & routes->mask; routes->entry[at].used; at = (at + 1) & routes->mask) {
        size_t wants = home(routes, &routes->entry[at].path);
        if (((at - wants) & routes->mask) < ((at - hole) & routes->mask))
            continue; /* it would be further from home than it may */
        routes->entry[hole] = routes->entry[at];
        routes->entry[at].used = false;
        hole = at;
    }
}

const struct kg_route *kg_routes_of(const struct kg_routes *routes, const struct kg_seat *seat)
{
    for (size_t i = 0; i <= routes->mask; i++) {
        if (routes->entry[i].used && routes->entry[i].seat == seat)
            return &routes->entry[i];
    }
    return NULL;
}

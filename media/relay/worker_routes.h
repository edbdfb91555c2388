/* Which party, or which other worker, the datagrams of a path belong to. Only paths that passed an ICE check
 * come in, so a stranger cannot fill it. Thread: one worker's. Owns its table; parties are borrowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/path.h"

struct kg_seat;

struct kg_route {
    struct kg_path path;
    struct kg_seat *seat; /* ours; NULL: another worker's */
    uint8_t worker;       /* whose it is */
    uint8_t via;          /* ours: the worker whose socket its datagrams reach (must forget it with us) */
    bool used;
};

struct kg_routes;

/* capacity: paths; NULL when memory is short. */
struct kg_routes *kg_routes_create(size_t capacity);
void kg_routes_destroy(struct kg_routes *routes);
/* Adds or replaces. false: full. */
KG_MUST_CHECK bool kg_routes_put(struct kg_routes *routes, const struct kg_route *route);
/* Borrowed until the next put or remove. NULL: none. */
const struct kg_route *kg_routes_find(const struct kg_routes *routes, const struct kg_path *path);
void kg_routes_remove(struct kg_routes *routes, const struct kg_path *path);
/* Finds one of the seat's, to remove all in turn. NULL: none left. */
const struct kg_route *kg_routes_of(const struct kg_routes *routes, const struct kg_seat *seat);

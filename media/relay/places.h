/* How many connections each address has open, so that no single one can take them all. An IPv6 host's /64
 * counts as one address. Thread: any. Owns: its counts. */
#pragma once

#include <sys/socket.h>

#include "base/attr.h"

struct kg_places;
struct kg_place;

/* NULL: memory. */
KG_MUST_CHECK struct kg_places *kg_places_create(unsigned per_address);
/* After every place was left. */
void kg_places_destroy(struct kg_places *places);

/* For one connection more; to be given back by kg_places_leave. NULL: the address has as many as it may. */
KG_MUST_CHECK struct kg_place *kg_places_take(struct kg_places *places, const struct sockaddr *address);
/* NULL: nothing. */
void kg_places_leave(struct kg_place *place);

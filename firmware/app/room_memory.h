/* The room's name as the relay last told it, kept in the state folder, so that a room that cannot reach the
 * relay still shows which room it is. Thread: the caller's. */
#pragma once

#include "core/room_state.h"

/* All empty when there is none, or it cannot be read. */
void kg_room_memory_load(const char *folder, struct kg_room_name *name);
/* Writes only what has changed since *known, which is brought up to date. A failure is logged. */
void kg_room_memory_keep(const char *folder, const struct kg_room_name *name, struct kg_room_name *known);

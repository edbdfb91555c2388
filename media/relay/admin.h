/* kaigi-ctl's door: a unix socket in the state folder, one JSON object a line each way. Only root and the
 * relay's own user may come in. A thread of its own, one visitor at a time, so that a slow one holds up only
 * the next. Who comes in is an operator, "local:<uid>".
 * Thread: created and destroyed by main. Owns: the socket and its thread. */
#pragma once

#include "base/attr.h"
#include "relay/problem.h"

struct kg_admin;
struct kg_control;

#define KG_ADMIN_SOCKET "admin.sock"
enum { KG_ADMIN_MAX_BYTES = 24 << 20 }; /* an agenda of 8 MiB, escaped */

/* NULL: *problem. A socket left behind by a dead relay is replaced; a living one's is not. */
struct kg_admin *kg_admin_create(const char *state, struct kg_control *control, struct kg_problem *problem);
/* Ends the thread and the socket: nobody asks control any more. Then control may be destroyed, then the rest.
 */
void kg_admin_stop(struct kg_admin *admin);
void kg_admin_destroy(struct kg_admin *admin);

/* The thread on which administrators' requests are read: from kaigi-ctl on this machine through a unix socket
 * in the state folder (one JSON object a line each way; only root and the relay's own user may come in), and
 * from afar through admin_remote. Their JSON is read here and nowhere else: control would leave every room
 * waiting meanwhile. Calendars are read elsewhere (calendars.h). A slow visitor holds up nobody. Thread:
 * created and destroyed by main. Owns: the socket and its thread. */
#pragma once

#include "base/attr.h"
#include "relay/problem.h"

struct kg_admin;
struct kg_control;

#define KG_ADMIN_SOCKET "admin.sock"
enum {
    KG_ADMIN_MAX_BYTES = 24 << 20, /* an agenda of 8 MiB, escaped */
    KG_ADMIN_MAX_LOCAL = 8,        /* on the socket at once; more wait for their turn */
};

/* NULL: *problem. A socket left behind by a dead relay is replaced; a living one's is not. */
struct kg_admin *kg_admin_create(const char *state, struct kg_control *control, struct kg_problem *problem);
/* Ends the thread and the socket: nobody asks control any more. Then control may be destroyed, then the rest.
 */
void kg_admin_stop(struct kg_admin *admin);
void kg_admin_destroy(struct kg_admin *admin);

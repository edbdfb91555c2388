/* kaigi-ctl's unix socket in the state folder. Thread: main. */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "relay/problem.h"

/* A listening, non-blocking socket, mode 0600; its path (of at most size bytes, to be unlinked at the end) in
 * *path. One left behind by a dead relay is replaced. -1: *problem. */
KG_MUST_CHECK int kg_admin_socket_open(const char *state, char *path, size_t size,
                                       struct kg_problem *problem);

/* Looks up a host's addresses without holding up an event loop.
 * Thread: the loop's. Contacts only the system's own resolver, and nobody for a literal address. */
#pragma once

#include <netdb.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/loop.h"

struct kg_resolve;

/* Calls done once, later, from the loop: addresses is the callee's (freeaddrinfo), or NULL with getaddrinfo's
 * error code. NULL (logged): the system refuses. */
KG_MUST_CHECK struct kg_resolve *
kg_resolve_start(struct kg_loop *loop, const char *host, uint16_t port,
                 void (*done)(void *user, struct addrinfo *addresses, int error), void *user);
/* The same for a thread that may block: until deadline_us (kg_clock_now_us), or until cancel_fd (-1: none) is
 * readable. The caller's (freeaddrinfo). NULL: *error, EAI_AGAIN when it was cut short. */
KG_MUST_CHECK struct addrinfo *kg_resolve_wait(const char *host, uint16_t port, int cancel_fd,
                                               int64_t deadline_us, int *error);
/* Ends it, before or after done; accepts NULL. A lookup under way finishes on its own in the background. */
void kg_resolve_destroy(struct kg_resolve *resolve);

/* The relay's one TCP port: listens, looks at each connection's first TLS bytes without taking them, and
 * hands the socket to control or, when it offers ALPN "kaigi-media", to a tunnel thread. A thread of its own,
 * so that strangers who connect and say nothing cost the others nothing. Thread: created, started and
 * destroyed by main. Owns: listening and not yet handed-over sockets. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "relay/problem.h"

struct kg_acceptor;
struct kg_place;
struct kg_places;
struct kg_queue;

#define KG_ALPN_MEDIA "kaigi-media"

/* What the queues carry. Whoever pops it owns the socket (non-blocking, close on exec). */
struct kg_accepted {
    int fd;
    struct kg_place *place; /* to be left when the connection ends */
};

struct kg_acceptor_params {
    const struct sockaddr_storage *listen; /* with port; port 0: the first picks one and the others follow */
    unsigned listen_count;
    int64_t hello_us;         /* for the ClientHello to arrive */
    unsigned max_pending;     /* connections still without one; a newer pushes out the oldest */
    unsigned max_connections; /* with those handed over */
    atomic_uint *connections; /* one added a socket handed over; its taker subtracts it at the end */
    struct kg_places *places; /* what each address has; borrowed */
    struct kg_queue *control; /* of struct kg_accepted; borrowed, like the following */
    struct kg_queue *const *tunnels;
    unsigned tunnel_count;
};

/* Binds and listens, so that errors show before anything else starts. NULL: *problem. */
struct kg_acceptor *kg_acceptor_create(const struct kg_acceptor_params *params, struct kg_problem *problem);
/* In host order. */
uint16_t kg_acceptor_port(const struct kg_acceptor *acceptor);
KG_MUST_CHECK bool kg_acceptor_start(struct kg_acceptor *acceptor);
/* Stops the thread, if started, and closes what was not handed over. */
void kg_acceptor_destroy(struct kg_acceptor *acceptor);

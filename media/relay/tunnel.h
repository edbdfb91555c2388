/* Media over TLS: each thread runs its own event loop with WebSocket connections on /v1/media, one binary
 * message a datagram, and passes datagrams to and from the workers. Queues are short: over TCP what is late
 * is worthless, so the oldest picture data gives way first and nothing grows.
 * Thread: created and destroyed by main; posting is any thread's. Owns: threads and connections. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_queue;
struct kg_tunnels;
struct kg_gate;
struct kg_tls_server_params;
struct kg_worker_pool;

enum { KG_TUNNEL_QUEUE = 512 };

/* Since start, over all threads. */
struct kg_tunnel_totals {
    uint64_t messages_in, messages_out, dropped;
    unsigned connections;
};

struct kg_tunnels_params {
    unsigned threads;
    const struct kg_tls_server_params *tls; /* outlives the tunnels, as does the gate */
    struct kg_gate *gate;                   /* whose certificate opens a tunnel */
    unsigned ping_s, idle_s;                /* a silent peer is pinged, then given up */
    int64_t hello_us;                       /* for the first datagram, which must be a STUN request */
    atomic_uint *connections;               /* of the acceptor */
    struct kg_queue *const *accepted;       /* of struct kg_accepted, one a thread */
    struct kg_queue *const *out;            /* of struct kg_tunnel_datagram, one a thread */
    struct kg_worker_pool *pool;
};

/* NULL: a certificate cannot be used or the system refuses (logged). */
struct kg_tunnels *kg_tunnels_create(const struct kg_tunnels_params *params);
void kg_tunnels_destroy(struct kg_tunnels *tunnels);
/* The gate admits fewer: tunnels whose certificate it does not admit any more end. Thread: any. */
void kg_tunnels_recheck(struct kg_tunnels *tunnels);
/* New connections show the certificate now on disk. Thread: any. */
void kg_tunnels_reload(struct kg_tunnels *tunnels);
/* Thread: any. */
void kg_tunnels_totals(struct kg_tunnels *tunnels, struct kg_tunnel_totals *totals);

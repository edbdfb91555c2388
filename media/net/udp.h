/* Batched UDP: one system call for many datagrams, and one datagram-sized cut for runs of equal size.
 * Thread: the owner's. Owns: its socket and its preallocated batches. Reads both clocks once per batch
 * received, to turn the kernel's stamps into arrival times (net/arrival.h). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"

enum {
    KG_UDP_BATCH = 64,        /* datagrams one receive takes at most */
    KG_UDP_PENDING = 256,     /* datagrams that may wait for a flush */
    KG_UDP_MAX_BYTES = 1500,  /* a longer one is dropped on receive, refused on send */
    KG_UDP_MAX_SEGMENTS = 64, /* UDP_SEGMENT's own limit (UDP_MAX_SEGMENTS) */
};

struct kg_udp;

struct kg_udp_params {
    struct sockaddr_storage bind; /* family decides v4 or v6 (v6 only); port 0: any */
    const struct sockaddr
        *peer; /* NULL, or connect to it: only its datagrams arrive, sends take no address */
    bool reuse_port;
    int receive_bytes, send_bytes; /* socket buffers, 0: the system's default */
};

/* NULL (logged) when the system refuses. Non-blocking. */
struct kg_udp *kg_udp_open(const struct kg_udp_params *params);
void kg_udp_close(struct kg_udp *udp);
/* For epoll; the socket stays udp's. */
int kg_udp_fd(const struct kg_udp *udp);
void kg_udp_address(const struct kg_udp *udp, struct sockaddr_storage *address);

struct kg_udp_datagram {
    uint8_t *data; /* writable, valid until the next receive */
    size_t size;
    const struct sockaddr_storage *from;
    int64_t arrival_us; /* kg_clock_now_us when the kernel took it from the line, however late it is read;
                         * never after the receive that gave it, at most KG_ARRIVAL_MAX_AGE_US before */
};
enum kg_udp_result {
    KG_UDP_OK,
    KG_UDP_REFUSED, /* ECONNREFUSED: the peer's host says nobody listens there */
    KG_UDP_FAILED   /* the socket is of no more use (logged) */
};
/* Takes up to KG_UDP_BATCH waiting datagrams. count 0 with OK: nothing waits. */
enum kg_udp_result kg_udp_receive(struct kg_udp *udp, const struct kg_udp_datagram **out, size_t *count);

/* Copies one datagram into the pending batch, sending the batch first when it is full. to: NULL when
 * connected. dscp 0..63. false: too long, refused by the system, or no room because the socket is full; it is
 * dropped, as the network would. */
bool kg_udp_send(struct kg_udp *udp, const struct sockaddr *to, uint8_t dscp, const void *data, size_t size);
/* Sends what is pending, in order per peer. Neighbours for one peer with one DSCP and equal sizes (only the
 * last may be shorter) leave as one segmented send; unequal ones never do, the kernel would recut them. */
enum kg_udp_result kg_udp_flush(struct kg_udp *udp);

struct kg_udp_stats {
    uint64_t received, received_bytes, truncated;
    uint64_t sent, sent_bytes, system_calls, segmented;
    uint64_t dropped_full, dropped_too_big, dropped_refused, dropped_other; /* EAGAIN/ENOBUFS, EMSGSIZE, … */
};
const struct kg_udp_stats *kg_udp_get_stats(const struct kg_udp *udp);

/* A relay's and a terminal's transport joined by a network in memory, in fake time: delay, jitter, loss,
 * duplication, blocked UDP, a NAT that changes its mind, a tunnel that takes its time. For tests. One at a
 * time (OpenSSL's clock is faked for the whole process). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"

enum { WORLD_RELAY, WORLD_TERMINAL, WORLD_ENDS };
enum { WORLD_MAX_FLIGHT = 4096, WORLD_TUNNEL_ID = 7 };
enum { WORLD_READ_LATE_US = 3000 }; /* every datagram is read so long after it came off the line */

struct world;

struct world_end {
    struct world *world;
    int self;
    struct kg_transport *transport;
    unsigned connected, closed, path_added, path_removed, path_changed, tunnel_asked;
    enum kg_srtp_profile profile;
    enum kg_transport_reason reason;
    int64_t connected_us, closed_us, changed_us, asked_us;
    unsigned rtp, rtcp; /* packets delivered */
    uint16_t last_sequence;
    uint64_t udp_sent, tunnel_sent, bytes_sent;
    size_t largest;
};

struct flight {
    int64_t due_us;
    int to;
    struct kg_path path; /* as the receiver sees it */
    size_t size;
    uint8_t data[1500];
};

struct world {
    int64_t now_us;
    uint64_t seed;
    struct world_end end[WORLD_ENDS];
    struct kg_identity *identity[WORLD_ENDS];
    struct flight *flights;
    size_t flight_count;
    /* the network */
    int64_t delay_us, jitter_us;
    unsigned loss_percent, duplicate_percent;
    bool udp_blocked[WORLD_ENDS]; /* what this end sends by UDP is lost */
    bool tunnel_blocked;
    bool dtls_blocked;
    uint16_t nat_port;      /* the terminal's, as the relay sees it */
    int64_t tunnel_open_us; /* how long the tunnel takes to open */
    bool tunnel_fails;
    int64_t tunnel_due_us; /* INT64_MAX: not opening */
    uint32_t tunnel_id;
    /* observing: called for each datagram that leaves; may change it. NULL: none */
    void (*watch)(struct world *w, int from, const struct kg_path *path, uint8_t *data, size_t size);
    uint8_t last_media[1500]; /* the last SRTP or SRTCP datagram sent */
    size_t last_media_size;
};

struct world_options {
    bool udp_never;
    const char *terminal_profiles;
    bool wrong_relay_fingerprint, wrong_terminal_fingerprint; /* what the other end was told of this one */
    bool wrong_password;
    uint64_t seed;
};

struct world *world_create(const struct world_options *options);
void world_destroy(struct world *w);
/* Moves time on, delivering and ticking at the very microsecond each thing is due. */
void world_run(struct world *w, int64_t duration_us);
/* Runs until both ends are connected; false after limit_us. */
bool world_connect(struct world *w, int64_t limit_us);
/* Ends the tunnel connection at the terminal. */
void world_cut_tunnel(struct world *w);
/* One plain packet of 100 payload bytes with its sequence number from `from` to the other end. */
bool world_send_rtp(struct world *w, int from, uint32_t ssrc, uint16_t sequence);
bool world_send_rtcp(struct world *w, int from, uint32_t ssrc);
/* Hands a datagram to an end, now. */
void world_inject(struct world *w, int to, const struct kg_path *path, const void *data, size_t size);
/* 0..limit-1 */
uint32_t world_random(struct world *w, uint32_t limit);
struct kg_path world_address(const char *address, uint16_t port);

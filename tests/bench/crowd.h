/* Many rooms at once against one relay: TLS with each room's own certificate, WebSocket, hello, up to the
 * agenda, and from then on a quiet line that answers pings. All on one epoll, a few kilobytes a room beside
 * OpenSSL's own. Thread: the caller's, who runs it; `wake` only may be used from another. Owns: the
 * connections; rooms are borrowed. Not a model of a terminal: the relay's certificate is not verified, for
 * rooms do that on processors of their own. */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kg_bench_room {
    char id[64];
    EVP_PKEY *key;
    X509 *certificate;
};

enum kg_crowd_state {
    KG_CROWD_AWAY, /* not dialled, or ended and not to come back */
    KG_CROWD_WAITING,
    KG_CROWD_CONNECTING,
    KG_CROWD_TLS,
    KG_CROWD_UPGRADE,
    KG_CROWD_GREETING,
    KG_CROWD_UP,
};

struct kg_crowd_member {
    const struct kg_bench_room *room;
    enum kg_crowd_state state;
    int fd;
    SSL *tls;
    uint32_t events; /* what epoll watches for */
    int64_t dialled_us, redial_us, up_us;
    _Atomic int64_t ended_us; /* the connection was lost or closed by the relay; 0: it stands */
    unsigned refusals;        /* connections that ended before they were up */
    char failure[96];         /* of the last one */
    /* The frame that comes in. */
    uint8_t head[14];
    unsigned head_size;
    uint64_t left;
    char text[512]; /* its beginning, or of the HTTP answer */
    unsigned text_size;
    uint8_t out[768];
    size_t out_size;
};

struct kg_crowd {
    struct kg_crowd_member *members;
    size_t count, up;
    SSL_CTX *tls;
    uint16_t port;
    bool bare;      /* nothing but TLS: up after the handshake */
    bool come_back; /* whoever is refused dials again */
    uint64_t messages, pings;
    int epoll_fd;
};

/* false: said on stderr. Members are the caller's until finish. */
bool kg_crowd_init(struct kg_crowd *crowd, const struct kg_bench_room *rooms, size_t count, uint16_t port,
                   bool bare);
void kg_crowd_finish(struct kg_crowd *crowd);
void kg_crowd_dial(struct kg_crowd *crowd, size_t first, size_t count);
/* Breaks every connection without a word. */
void kg_crowd_cut(struct kg_crowd *crowd);
/* Serves connections until `done` says so or the time is up (false). */
bool kg_crowd_run(struct kg_crowd *crowd, bool (*done)(const struct kg_crowd *crowd, void *user), void *user,
                  int64_t until_us);
unsigned kg_crowd_refusals(const struct kg_crowd *crowd);

/* The media half of the relay: N threads, each owning the meetings assigned to it with their parties, sources
 * and slots. They share one UDP port (SO_REUSEPORT); nothing is locked or allocated per packet. Thread: every
 * function says its own. Control and tunnel threads reach a worker by bounded queues only, and a worker
 * answers by events and datagrams put in queues their readers own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "relay/slots.h"
#include "signal/message.h"

struct kg_identity;
struct kg_queue;
struct kg_worker_pool;

enum {
    KG_WORKER_MAX = 64,
    KG_WORKER_MAX_TUNNEL_THREADS = 16,
    KG_WORKER_MAX_DATAGRAM = 1500,
    KG_WORKER_UFRAG_PREFIX = 2, /* a relay ufrag starts with its worker's index as two hex digits */
};

/* What a worker hands to a tunnel thread: one datagram to send as one binary message. */
struct kg_tunnel_datagram {
    uint32_t tunnel; /* as given to kg_worker_post_datagram */
    uint16_t size;
    bool video; /* RTP of pictures: gives way first when the connection's queue is full */
    uint8_t data[KG_WORKER_MAX_DATAGRAM];
};

struct kg_worker_params {
    unsigned workers; /* 1..KG_WORKER_MAX */
    const struct sockaddr_storage
        *listen;         /* UDP addresses, same port; port 0: chosen, then kg_worker_pool_port */
    size_t listen_count; /* 0 (no UDP at all), 1 or 2: at most one of each family */
    const struct kg_identity *identity; /* borrowed, outlives the pool */
    struct kg_queue *events;            /* of struct kg_worker_event; borrowed, outlives the pool */
    struct kg_queue *const
        *tunnel_out;         /* of struct kg_tunnel_datagram, one a tunnel thread; borrowed likewise */
    size_t tunnel_capacity;  /* of each of them, ≥ 16: video is left out first as it fills */
    unsigned tunnel_threads; /* ≤ KG_WORKER_MAX_TUNNEL_THREADS */
    uint8_t dscp_audio;      /* 0..63: 46 is EF */
    uint8_t dscp_video;      /* 34 is AF41 */
    uint32_t seed;           /* 0: random; tests give one */
};

/* Opens the sockets and starts the threads. NULL (logged): a bad value, an address in use, memory. */
struct kg_worker_pool *kg_worker_pool_create(const struct kg_worker_params *params);
/* Stops and joins the threads; queued events stay with their reader. */
void kg_worker_pool_destroy(struct kg_worker_pool *pool);
/* The UDP port in host order, 0 when there is none. Thread: any. */
uint16_t kg_worker_pool_port(const struct kg_worker_pool *pool);

/* Picks the worker for a new meeting: the one with fewest parties. The caller keeps it with the meeting and
 * gives it for each of its parties. Thread: control. */
unsigned kg_worker_pool_assign(struct kg_worker_pool *pool);
/* Writes a relay ufrag that names the worker: 2 hex digits and 8 random characters; and a 24-character
 * password (RFC 8445 §5.3). Thread: any. */
enum { KG_WORKER_UFRAG_SIZE = 11, KG_WORKER_PWD_SIZE = 25 };
void kg_worker_credentials(unsigned worker, char ufrag[KG_WORKER_UFRAG_SIZE], char pwd[KG_WORKER_PWD_SIZE]);

struct kg_worker_party {
    uint64_t party;             /* not 0, unique for the pool's life: a resumed seat is a new one */
    uint64_t meeting;           /* not 0 */
    unsigned worker;            /* the meeting's */
    const struct kg_wire *wire; /* as kg_answer_make gave it, with wire->relay's ufrag and pwd from
                                 * kg_worker_credentials and slot SSRCs from kg_random_u32; copied */
    uint32_t
        source[KG_SOURCE_KINDS]; /* ids of microphone, camera, presentation: not 0, unique in the meeting */
    bool muted[KG_SOURCE_KINDS];
};

/* Commands, in order per worker. false: the queue is full or memory is short (logged); nothing was done.
 * A command about a party the worker does not know is ignored. Thread: control. */
KG_MUST_CHECK bool kg_worker_party_add(struct kg_worker_pool *pool, const struct kg_worker_party *party);
KG_MUST_CHECK bool kg_worker_party_remove(struct kg_worker_pool *pool, unsigned worker, uint64_t party);
/* While muted no packet of that source leaves the relay, whatever the party sends. */
KG_MUST_CHECK bool kg_worker_mute(struct kg_worker_pool *pool, unsigned worker, uint64_t party,
                                  enum kg_source_kind kind, bool muted);

/* As the party asks: of a video or presentation slot; others, and sources that are not (or no longer) there,
 * leave the slot empty until they come. Without a want every slot is KG_WISH_AUTO. */
KG_MUST_CHECK bool kg_worker_want(struct kg_worker_pool *pool, unsigned worker, uint64_t party,
                                  const struct kg_message_want *want);
/* Every worker answers with one KG_WORKER_EVENT_STATS carrying `request`, and one KG_WORKER_EVENT_PARTY_STATS
 * for each of its parties. */
KG_MUST_CHECK bool kg_worker_request_stats(struct kg_worker_pool *pool, uint64_t request);

/* One tunnel connection as its thread keeps it. Zero it, then set `tunnel` by kg_tunnel_id: number < 2^28,
 * not in use and not used lately. */
static inline uint32_t kg_tunnel_id(unsigned thread, uint32_t number)
{
    return (uint32_t)thread << 28 | number;
}
struct kg_tunnel_route {
    uint32_t tunnel;
    int worker_plus_1; /* 0: no STUN seen yet */
};
/* Passes one received message on. STUN requests choose the worker by their ufrag; anything before the first
 * is dropped. false: dropped (full, oversized, no route). Thread: the route's tunnel thread. */
bool kg_worker_post_datagram(struct kg_worker_pool *pool, struct kg_tunnel_route *route, const void *data,
                             size_t size);
/* The connection is gone: nothing more is taken from it or sent by it. The party's path over it ends with
 * its consent, unless it has checked another before. */
void kg_worker_post_tunnel_closed(struct kg_worker_pool *pool, const struct kg_tunnel_route *route);

enum kg_worker_path { KG_WORKER_PATH_NONE, KG_WORKER_PATH_UDP, KG_WORKER_PATH_TUNNEL };
enum kg_worker_close {
    KG_WORKER_CLOSED_REMOVED,      /* as commanded */
    KG_WORKER_CLOSED_NO_ANSWER,    /* no valid ICE check in time */
    KG_WORKER_CLOSED_CONSENT,      /* RFC 7675: silent too long */
    KG_WORKER_CLOSED_DTLS,         /* handshake failed, wrong fingerprint, or fatal alert */
    KG_WORKER_CLOSED_BY_PEER,      /* DTLS close_notify */
    KG_WORKER_CLOSED_OUT_OF_MEMORY /* could not be set up */
};

struct kg_worker_totals {
    uint64_t packets_in, bytes_in;   /* datagrams as received */
    uint64_t packets_out, bytes_out; /* datagrams as sent */
    uint64_t dropped;                /* unknown peer, forged, malformed, over a bound */
    uint64_t crossed;                /* passed to another worker */
    uint64_t rtx_out, pli_out, nacks_in;
    uint32_t parties, meetings;
};

enum kg_worker_event_kind {
    KG_WORKER_EVENT_CONNECTED,
    KG_WORKER_EVENT_PATH_CHANGED,
    KG_WORKER_EVENT_CLOSED,   /* the worker has forgotten the party */
    KG_WORKER_EVENT_SLOTS,    /* what each slot of the party carries now */
    KG_WORKER_EVENT_WATCHED,  /* which of the party's pictures anybody watches; before the first: all */
    KG_WORKER_EVENT_SPEAKING, /* the meeting's loudest source changed; 0: silence */
    KG_WORKER_EVENT_SOURCE,   /* a source began (first packet, unmuted) or ended (2 s silent, a presentation 5
                                 s) */
    KG_WORKER_EVENT_STATS,
    KG_WORKER_EVENT_PARTY_STATS,
};

/* Fixed-size, no pointers: what params.events carries. Events of one party are in order. When the queue is
 * full a worker keeps trying CONNECTED, CLOSED, SLOTS and WATCHED (the newest) and drops the others. */
struct kg_worker_event {
    enum kg_worker_event_kind kind;
    unsigned worker;
    uint64_t party;   /* all but SPEAKING, STATS */
    uint64_t meeting; /* all but STATS */
    union {
        struct {
            enum kg_worker_path path;
            struct sockaddr_storage peer; /* UDP only */
            char srtp_profile[32];        /* "AEAD_AES_128_GCM" */
        } connected;                      /* and PATH_CHANGED */
        struct {
            enum kg_worker_close reason;
        } closed;
        struct {
            uint32_t source[KG_SLOTS]; /* by slot number; 0: empty */
        } slots;
        struct {
            bool kind[KG_SOURCE_KINDS];
        } watched;
        struct {
            uint32_t source;
        } speaking;
        struct {
            enum kg_source_kind kind;
            uint32_t source;
            bool active;
        } source;
        struct {
            uint64_t request;
            struct kg_worker_totals totals;
        } stats;
        struct {
            uint64_t request;
            enum kg_worker_path path;
            uint64_t packets_in, bytes_in, packets_out, bytes_out; /* RTP */
            uint32_t lost_in;                                      /* of what the party sent */
            uint32_t loss_out_256;                                 /* as the party reports, /256 */
            uint32_t rtt_us;                                       /* 0: unknown */
        } party_stats;
    };
};

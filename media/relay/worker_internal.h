/* What the files of the workers share. Not for others. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "net/transport.h"
#include "net/udp.h"
#include "relay/forward.h"
#include "relay/worker.h"
#include "relay/worker_routes.h"

enum {
    KG_WORKER_COMMANDS = 1024,
    KG_WORKER_INBOX = 512,
    KG_WORKER_ROUTES = 4096,
    KG_WORKER_PACKETS = 32768, /* 1 s of some 100 cameras */
    KG_WORKER_UFRAG_BUCKETS = 256,
};

enum kg_command_kind {
    KG_COMMAND_ADD,
    KG_COMMAND_REMOVE,
    KG_COMMAND_MUTE,
    KG_COMMAND_WANT,
    KG_COMMAND_STATS
};
struct kg_command {
    enum kg_command_kind kind;
    uint64_t party; /* STATS: the request */
    union {
        struct kg_add {
            struct kg_worker_party party; /* wire points to the one below */
            struct kg_wire wire;
            SLIST_ENTRY(kg_add) link; /* refused, until control can be told */
        } * add;                      /* the queue's, then the worker's to free */
        struct {
            enum kg_source_kind kind;
            bool muted;
        } mute;
        struct kg_message_want want;
    };
};

/* What comes from other threads' sockets. */
enum kg_inbox_kind {
    KG_INBOX_DATAGRAM,      /* of ours, received by another worker or a tunnel */
    KG_INBOX_LEARN,         /* datagrams of this path are for `from` */
    KG_INBOX_FORGET,        /* no longer */
    KG_INBOX_TUNNEL_CLOSED, /* no datagram will come or go by this path */
};
struct kg_inbox_item {
    enum kg_inbox_kind kind;
    uint8_t from; /* worker */
    bool tunnel;  /* came from a tunnel thread, not from a worker */
    uint16_t size;
    int64_t arrival_us; /* DATAGRAM */
    struct kg_path path;
    uint8_t data[KG_WORKER_MAX_DATAGRAM];
};

struct kg_room { /* a meeting on this worker */
    uint64_t key;
    struct kg_worker *worker;
    struct kg_forward forward;
    uint32_t seats;
    LIST_ENTRY(kg_room) link;
};

/* Events that must arrive, told as soon as the queue has room. */
enum { KG_TELL_CONNECTED = 1, KG_TELL_PATH = 2, KG_TELL_SLOTS = 4, KG_TELL_WATCHED = 8, KG_TELL_CLOSED = 16 };

struct kg_seat { /* a party on this worker: its transport and its place in the forwarding core */
    struct kg_party party;
    struct kg_room *room;
    struct kg_worker *worker;
    struct kg_transport *transport; /* NULL once closed */
    bool closing;                   /* its transport has ended: take it down after this round */
    enum kg_worker_close reason;
    unsigned tell;
    uint32_t carried[KG_SLOTS];
    bool watched[KG_SOURCE_KINDS];
    LIST_ENTRY(kg_seat) link, ufrag_link;
};

struct kg_worker {
    struct kg_worker_pool *pool;
    unsigned index;
    struct kg_thread thread;
    bool started;
    int epoll;
    struct kg_udp *udp[2]; /* IPv4, IPv6; NULL: not listened on */
    struct kg_queue *commands;
    struct kg_queue *inbox;
    struct kg_routes *routes;
    struct kg_packet_pool *packets;
    LIST_HEAD(, kg_room) rooms;
    LIST_HEAD(, kg_seat) seats;
    SLIST_HEAD(, kg_add) refused;
    LIST_HEAD(, kg_seat) ufrags[KG_WORKER_UFRAG_BUCKETS];
    struct kg_worker_totals totals;
    struct kg_log_limit stranger_log;
    uint8_t via;    /* the worker whose socket received what is being handled */
    int64_t now_us; /* of this round */
    int64_t next_tick_us;
    struct kg_inbox_item scratch;
    atomic_uint load; /* parties, counted when control adds them; read by control */
};

struct kg_worker_pool {
    struct kg_worker_params params; /* listen is not kept */
    uint16_t port;
    atomic_bool stop;
    unsigned count;
    struct kg_worker worker[];
};

/* worker_seat.c */
void kg_seat_add(struct kg_worker *worker, struct kg_add *add);
struct kg_seat *kg_seat_find(struct kg_worker *worker, uint64_t party);
struct kg_seat *kg_seat_by_ufrag(struct kg_worker *worker, const char *ufrag);
void kg_seat_close(struct kg_seat *seat, enum kg_worker_close reason);
/* Frees the seats that are closing or were never made, and are told of. */
void kg_seat_sweep(struct kg_worker *worker);
void kg_seat_destroy(struct kg_seat *seat);
void kg_seat_drop_refused(struct kg_worker *worker);
void kg_seat_stats(struct kg_seat *seat, uint64_t request);

/* worker.c */
void kg_worker_run(void *worker);
/* One datagram out, by its path. video: left out first when a tunnel's queue fills. */
bool kg_worker_send(struct kg_worker *worker, const struct kg_path *path, const void *data, size_t size,
                    uint8_t dscp, bool video);
/* false (counted): the queue to control is full. */
bool kg_worker_push_event(struct kg_worker *worker, const struct kg_worker_event *event);
void kg_worker_tell_other(struct kg_worker *worker, uint8_t other, enum kg_inbox_kind kind,
                          const struct kg_path *path);

/* The worker a Binding request is for, from its USERNAME; −1: not a request, or nobody's. ufrag: its
 * receiver's. */
int kg_worker_of_stun(const void *data, size_t size, unsigned workers, char ufrag[KG_WORKER_UFRAG_SIZE]);

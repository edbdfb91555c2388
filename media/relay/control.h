/* The relay's control thread: rooms' WebSocket connections, the agenda, who may join what, and the commands
 * that follow for the workers. Also carries out what kaigi-ctl asks.
 * Thread: created, told and destroyed by main; everything else runs on its own thread. Owns: its thread,
 * directory and hall. */
#pragma once

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/principal.h"
#include "relay/relay_settings.h"
#include "relay/store.h"

struct kg_admin_remote;
struct kg_gate;
struct kg_tls_server_params;
struct kg_control;
struct kg_metrics;
struct kg_queue;
struct kg_signing;
struct kg_tunnels;
struct kg_worker_pool;

struct kg_control_params {
    const struct kg_relay_settings *settings; /* borrowed, as is everything here */
    uint16_t port;                            /* TCP, and UDP when pool has any */
    uint8_t dtls_fingerprint[KG_CA_FINGERPRINT_BYTES];
    struct kg_store *store;
    struct kg_queue *store_results; /* of struct kg_store_result */
    struct kg_signing *signing;
    struct kg_queue *signatures; /* of struct kg_signing_answer */
    const struct kg_tls_server_params *tls;
    struct kg_queue *tls_refusals; /* of struct kg_tls_refusal */
    struct kg_gate *gate;
    struct kg_worker_pool *pool;
    struct kg_queue *worker_events; /* of struct kg_worker_event */
    struct kg_queue *accepted;      /* of struct kg_accepted */
    struct kg_tunnels *tunnels;     /* for its totals */
    atomic_uint *connections;       /* of the acceptor */
    struct kg_metrics *metrics;     /* NULL: nobody asks for them */
    unsigned workers;
};

/* Takes what the store knew (the snapshot is empty afterwards). NULL: refused (logged). */
struct kg_control *kg_control_create(const struct kg_control_params *params,
                                     struct kg_store_snapshot *snapshot);
KG_MUST_CHECK bool kg_control_start(struct kg_control *control);
/* New connections show the certificate now on disk. Thread: any. */
void kg_control_reload(struct kg_control *control);
/* Tells every party that the relay is closing; kg_control_stopped when they have been told, or after 2 s. */
void kg_control_stop(struct kg_control *control);
bool kg_control_stopped(const struct kg_control *control);
/* Administrators elsewhere: for the admin thread, which takes their requests. */
struct kg_admin_remote *kg_control_admin_remote(struct kg_control *control);
/* Joins the thread (stop first) and frees. */
void kg_control_destroy(struct kg_control *control);

/* Since when control or a worker has not been heard of: 0 when all are well. For the watchdog. Thread: any.
 */
int64_t kg_control_stuck_us(const struct kg_control *control, int64_t now_us);

/* Hands a request (an object with "command"; ADMIN.md) of somebody whom the caller has identified to the
 * control thread, which puts one reply (struct json_t *, the taker's) in `replies`. Takes request in any
 * case. A calendar in it is read first, which this does not wait for (calendars.h). false: not possible
 * now. Thread: any but control's. */
KG_MUST_CHECK bool kg_control_ask(struct kg_control *control, const struct kg_principal *by, json_t *request,
                                  struct kg_queue *replies);

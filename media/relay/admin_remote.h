/* Administrators over the network: WebSockets on /v1/admin, subprotocol kaigi.admin.v1, one JSON request a
 * message and one reply each, in order. Who somebody is comes from the directory by the certificate's
 * fingerprint. Messages are gathered here and read on the admin thread (admin.h); while one is worked on, the
 * connection is not read. Thread: control. Owns: the sessions; the connections are libwebsockets'. ADMIN.md
 * is the wire. */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "relay/principal.h"

struct kg_admin_remote;
struct kg_control;
struct kg_queue;

enum {
    KG_ADMIN_REMOTE_MAX = 64,
    KG_ADMIN_REMOTE_PER_ADMINISTRATOR = 8,
    KG_ADMIN_REMOTE_BYTES = 96 << 20, /* of messages half received or not answered yet, in all */
};

/* A request on its way to the admin thread, and the reply on its way back: text is the receiver's. */
struct kg_admin_job {
    uint64_t session;
    struct kg_principal by;
    char *text;
    size_t size;
    size_t charge; /* of KG_ADMIN_REMOTE_BYTES, until the reply is back */
};

/* NULL: memory. */
KG_MUST_CHECK struct kg_admin_remote *kg_admin_remote_create(struct kg_control *control);
/* After the connections are gone. */
void kg_admin_remote_destroy(struct kg_admin_remote *remote);

/* libwebsockets' callback of the subprotocol; the vhost's user is the kg_control. */
int kg_admin_remote_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                             size_t size);

/* Of struct kg_admin_job, for the admin thread: it takes from the first and puts into the second. */
struct kg_queue *kg_admin_remote_jobs(struct kg_admin_remote *remote);
struct kg_queue *kg_admin_remote_replies(struct kg_admin_remote *remote);

/* Why no further connection with this certificate can be taken now; NULL: one can. */
const char *kg_admin_remote_full(const struct kg_admin_remote *remote,
                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
/* Is whoever asked still the administrator he was then, with a certificate that is valid now? Requests wait
 * (for the admin thread, a calendar, the signer, their turn), and revocations do not. */
KG_MUST_CHECK bool kg_admin_remote_stands(const struct kg_control *control, const struct kg_principal *by);
/* Each second, and when an administrator is shut out: ends what is idle, and whoever is no administrator (of
 * this role and organization) any more. */
void kg_admin_remote_check(struct kg_admin_remote *remote, int64_t now_us);
/* The relay stops: every connection is told so. */
void kg_admin_remote_close_all(struct kg_admin_remote *remote);
unsigned kg_admin_remote_count(const struct kg_admin_remote *remote);

/* The relay's TLS port for what is no media: every HTTP request meets this first. WebSockets go on to the
 * rooms' or the administrators' sessions, each with its own kind of certificate; enrolment (RFC 7030) is
 * answered by est_server; all else is refused in words. One request a connection: a stranger holds a place
 * only for as long as one takes. Thread: control. Owns: requests under way; the connections are
 * libwebsockets'. */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/enrolment.h"
#include "relay/tls_server.h"

struct kg_control;
struct kg_front;

#define KG_FRONT_CONTROL_PATH     "/v1/control"
#define KG_FRONT_CONTROL_PROTOCOL "kaigi.v1"
#define KG_FRONT_ADMIN_PATH       "/v1/admin"
#define KG_FRONT_ADMIN_PROTOCOL   "kaigi.admin.v1"

enum kg_front_path {
    KG_FRONT_CA_CERTIFICATES,
    KG_FRONT_ATTRIBUTES,
    KG_FRONT_ENROL,
    KG_FRONT_RENEW,
    KG_FRONT_PATHS
};

/* One HTTP request, from its headers to the last byte of its answer. */
struct kg_front_request {
    struct kg_front *front;
    struct lws *wsi;
    uint64_t id;
    enum kg_front_path path;
    struct kg_peer_identity peer;
    struct kg_enrolment_source source;
    char *body;
    size_t body_size, body_expected, body_skipped;
    int64_t deadline_us;
    char *answer; /* the whole of it, once it is known */
    size_t answer_size;
    bool answered; /* sent; the connection ends when the body is through */
    struct kg_front_request *previous, *next;
};

struct kg_front_answer {
    unsigned status;
    const char *type; /* NULL: text/plain */
    bool base64;      /* Content-Transfer-Encoding */
    unsigned retry_s; /* 0: no Retry-After */
    const char *body;
};

/* NULL: memory. */
KG_MUST_CHECK struct kg_front *kg_front_create(struct kg_control *control);
/* After the connections are gone. */
void kg_front_destroy(struct kg_front *front);

/* libwebsockets' callback of the service's first protocol; the vhost's user is the kg_control. */
int kg_front_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* The request that is still there; NULL: its connection ended. */
struct kg_front_request *kg_front_find(const struct kg_front *front, uint64_t id);
/* Once for each request, at once or later. A refusal leaves a row. */
void kg_front_answer(struct kg_front_request *request, const struct kg_front_answer *answer);
void kg_front_refuse(struct kg_front_request *request, unsigned status, unsigned retry_s, const char *text);
/* The answer may take so long from now, instead of ten seconds. */
void kg_front_wait(struct kg_front_request *request, int64_t wait_us);
/* Where a connection comes from. */
void kg_front_source(struct lws *wsi, struct kg_enrolment_source *source);
/* Each second: ends what takes too long. */
void kg_front_check(struct kg_front *front, int64_t now_us);

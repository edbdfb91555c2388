/* Enrolment and renewal of rooms over EST (RFC 7030): what the requests that front.h lets through come to. A
 * new device's request waits for a person (enrolment.h, verb_enrol.c); a room renews its certificate by
 * itself, with the one it has. Thread: control. Owns: the table of waiting devices and the renewals under
 * way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"

struct kg_control;
struct kg_enrolment;
struct kg_est_server;
struct kg_front_request;
struct kg_signing_answer;
struct kg_store_result;
struct kg_store_room;

enum {
    /* A room may have that nobody has connected with yet. One more retires the oldest of them, … */
    KG_EST_SERVER_MAX_CERTIFICATES = 4,
    KG_EST_SERVER_PACE_S = 3600, /* … but no sooner than this after the newest */
};

/* Reads the authorities' certificates. NULL: they cannot be read, or memory (logged). */
KG_MUST_CHECK struct kg_est_server *kg_est_server_create(struct kg_control *control);
void kg_est_server_destroy(struct kg_est_server *est);
/* The authorities' certificates may be others now. */
void kg_est_server_reload(struct kg_est_server *est);

/* May this request be worked on now? false: in *retry_s. */
KG_MUST_CHECK bool kg_est_server_admits(struct kg_est_server *est, const struct kg_front_request *request,
                                        unsigned *retry_s);
/* Answers the request, at once or later. */
void kg_est_server_take(struct kg_est_server *est, struct kg_front_request *request);
/* false: it answers nothing of ours. */
KG_MUST_CHECK bool kg_est_server_signed(struct kg_est_server *est, const struct kg_signing_answer *answer);
KG_MUST_CHECK bool kg_est_server_stored(struct kg_est_server *est, const struct kg_store_result *result);

/* A room connected with this certificate of its: if it is a newer one than the room's, it is the room's from
 * now on and the older ones are retired. */
void kg_est_server_connected(struct kg_est_server *est, const struct kg_store_room *room,
                             const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);

/* The devices that wait. */
struct kg_enrolment *kg_est_server_enrolment(struct kg_est_server *est);
/* Each second. */
void kg_est_server_check(struct kg_est_server *est, int64_t now_us);

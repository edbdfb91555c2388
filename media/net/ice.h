/* ICE (RFC 8445, 8489, 7675) in two small agents: kg_ice_lite answers checks (relay), kg_ice_controlling
 * makes them, chooses a path and keeps it alive (terminal). Neither has candidates to gather: the relay's
 * address is known and the terminal's is learnt by the relay as peer-reflexive. Thread: the owner's. Pure:
 * bytes and times in, ops out; ops must not call back into the agent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/path.h"
#include "rtp/stun.h"

enum {
    KG_ICE_MAX_UFRAG = 256,           /* RFC 8839 §5.4 */
    KG_ICE_MAX_PASSWORD = 256,        /* RFC 8839 §5.4 */
    KG_ICE_MAX_REMOTES = 3,           /* UDP candidates of the relay */
    KG_ICE_LITE_MAX_PATHS = 8,        /* a relay remembers so many validated paths of one party */
    KG_ICE_CONSENT_US = 30000000,     /* RFC 7675 §5.1: consent expires */
    KG_ICE_FIRST_CHECK_US = 15000000, /* no valid check since creation: lost */
    KG_ICE_TUNNEL_AFTER_US = 700000,  /* UDP silent for so long: the tunnel is asked for */
    KG_ICE_LITE_RATE = 50,            /* requests a second answered to one party, */
    KG_ICE_LITE_BURST = 100,          /* and at once; */
    KG_ICE_LITE_ERROR_RATE = 10       /* requests without integrity answered a second */
};

struct kg_ice_params {
    const char *local_ufrag, *local_password;
    const char *remote_ufrag, *remote_password;
};

struct kg_ice_ops {
    void (*send)(void *user, const struct kg_path *path, const void *data, size_t size);
    void (*on_added)(void *user,
                     const struct kg_path *path); /* a check on it succeeded: take its datagrams */
    void (*on_removed)(void *user, const struct kg_path *path);  /* no longer */
    void (*on_selected)(void *user, const struct kg_path *path); /* send on it */
    void (*need_tunnel)(void *user);                             /* controlling only */
    void (*on_lost)(void *user, bool was_connected); /* consent expired: send nothing more; last op */
};

/* false: absent, of a length RFC 8839 §5.4 forbids, or with other than ice-chars. */
KG_MUST_CHECK bool kg_ice_params_valid(const struct kg_ice_params *params);
/* The part of a request's USERNAME before the colon (the receiver's ufrag): by it the relay finds the party.
 * false: no colon, or longer than size - 1. */
KG_MUST_CHECK bool kg_ice_receiver_ufrag(const struct kg_stun *request, char *ufrag, size_t size);

/* --- the relay's end: controlled, lite (RFC 8445 §2.5, §7.3) --- */
struct kg_ice_lite;
struct kg_ice_lite *kg_ice_lite_create(const struct kg_ice_params *params, const struct kg_ice_ops *ops,
                                       void *user, int64_t now_us);
void kg_ice_lite_destroy(struct kg_ice_lite *a);
/* A datagram that kg_stun_is. Anything but a Binding request is ignored. */
void kg_ice_lite_receive(struct kg_ice_lite *a, const struct kg_path *path, const void *data, size_t size,
                         int64_t now_us);
void kg_ice_lite_tick(struct kg_ice_lite *a, int64_t now_us);
int64_t kg_ice_lite_next_us(const struct kg_ice_lite *a);
bool kg_ice_lite_is_valid(const struct kg_ice_lite *a, const struct kg_path *path);
/* kind NONE: nothing nominated yet. */
const struct kg_path *kg_ice_lite_selected(const struct kg_ice_lite *a);

/* --- the terminal's end: full, controlling against a lite peer --- */
struct kg_ice_controlling;
struct kg_ice_controlling *kg_ice_controlling_create(const struct kg_ice_params *params,
                                                     const struct kg_path *remotes, size_t remote_count,
                                                     const struct kg_ice_ops *ops, void *user,
                                                     int64_t now_us);
void kg_ice_controlling_destroy(struct kg_ice_controlling *a);
void kg_ice_controlling_receive(struct kg_ice_controlling *a, const struct kg_path *path, const void *data,
                                size_t size, int64_t now_us);
/* Authenticated media or DTLS came over path: it lives. */
void kg_ice_controlling_heard(struct kg_ice_controlling *a, const struct kg_path *path, int64_t now_us);
void kg_ice_controlling_tunnel_up(struct kg_ice_controlling *a, uint32_t tunnel_id, int64_t now_us);
void kg_ice_controlling_tunnel_down(struct kg_ice_controlling *a, int64_t now_us);
void kg_ice_controlling_tick(struct kg_ice_controlling *a, int64_t now_us);
int64_t kg_ice_controlling_next_us(const struct kg_ice_controlling *a);
bool kg_ice_controlling_is_valid(const struct kg_ice_controlling *a, const struct kg_path *path);
const struct kg_path *kg_ice_controlling_selected(const struct kg_ice_controlling *a);
/* Round trip on the selected path by its last check; 0: unknown. */
int64_t kg_ice_controlling_rtt_us(const struct kg_ice_controlling *a);

/* What both ICE agents do with an incoming Binding request: credentials, answers, limits (private to net). */
#pragma once

#include "net/ice.h"

struct kg_ice_credentials {
    char local_ufrag[KG_ICE_MAX_UFRAG + 1], local_password[KG_ICE_MAX_PASSWORD + 1];
    char remote_ufrag[KG_ICE_MAX_UFRAG + 1], remote_password[KG_ICE_MAX_PASSWORD + 1];
    char incoming[KG_STUN_MAX_USERNAME + 1]; /* USERNAME of the peer's requests: "local:remote" */
    char outgoing[KG_STUN_MAX_USERNAME + 1]; /* of ours: "remote:local" (RFC 8445 §7.1.3, RFC 8489 §9.1) */
};

/* Requests per second as a bucket of time: each costs 1/rate. */
struct kg_ice_limit {
    int64_t credit_us, filled_us;
};

/* params must be valid. */
void kg_ice_credentials_set(struct kg_ice_credentials *c, const struct kg_ice_params *params);

struct kg_ice_server {
    struct kg_ice_credentials credentials;
    struct kg_ice_limit answers, errors;
    struct kg_ice_ops ops;
    void *user;
};

/* Checks a parsed request. true: it is the peer's and asks nothing we do not know; no answer was sent yet.
 * false: answered with 400, 401 or 420 where RFC 8489 §6.3.1, §9.1.3 say so, or dropped. */
bool kg_ice_server_accept(struct kg_ice_server *s, const struct kg_path *path, const void *data, size_t size,
                          const struct kg_stun *request, int64_t now_us);
/* Success with the address the request came from, or, with error_code ≠ 0, an authenticated error. */
void kg_ice_server_answer(struct kg_ice_server *s, const struct kg_path *path, const struct kg_stun *request,
                          uint16_t error_code);

/* What came of asking the relay for a certificate (EST, RFC 7030), as the room's enrolment and renewal take
 * it. Pure. Thread: the caller's. */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "net/http_answer.h"
#include "net/ws_client.h"

enum kg_est_outcome {
    KG_EST_ISSUED,
    KG_EST_PENDING,  /* 202: somebody must approve first */
    KG_EST_REJECTED, /* 401, 403: not this device */
    KG_EST_BUSY,     /* 429, 503: full, or asked too often */
    KG_EST_STRANGE,  /* an answer that a relay would not give */
    KG_EST_AWAY,     /* none: close says why */
};

struct kg_est_reply {
    enum kg_est_outcome outcome;
    int64_t retry_s;               /* the relay's wish; -1: none */
    STACK_OF(X509) * certificates; /* ISSUED; the holder's: kg_est_reply_finish */
    struct kg_ws_close close;      /* AWAY; else its detail says more, for the log */
};

/* From an answer. */
void kg_est_reply_of(const struct kg_http_answer *answer, struct kg_est_reply *reply);
void kg_est_reply_finish(struct kg_est_reply *reply);

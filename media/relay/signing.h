/* The relay's way to a signature: asks kaigi-signer over its unix socket on a thread of its own, so that
 * control never waits for it. Each question that was taken gets one answer, unless it is destroyed first.
 * Thread: created and destroyed by main; asked by any. Owns: its thread and the questions waiting. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "relay/problem.h"

struct kg_queue;
struct kg_signing;

enum {
    KG_SIGNING_QUEUE = 64,         /* questions waiting; more are refused */
    KG_SIGNING_WAIT_US = 10000000, /* for the signer to answer one */
};

/* What the queue carries. The taker owns certificate.pem and .issuer_pem. */
struct kg_signing_answer {
    uint64_t request;
    bool ok;
    struct kg_ca_certificate certificate; /* ok */
    struct kg_problem problem;            /* not ok: the signer's refusal, or "the signer does not answer at
                                             PATH: start kaigi-signer" */
};

/* state: folder of the last believed time: with a clock before it nothing is signed, and the log says so.
 * socket: the signer's. Both are copied. answers: of struct kg_signing_answer, borrowed, with room for
 * KG_SIGNING_QUEUE. NULL: no thread or memory (logged). */
struct kg_signing *kg_signing_create(const char *state, const char *socket, struct kg_queue *answers);
/* Waits for the question in work, at most KG_SIGNING_WAIT_US; those waiting get no answer. */
void kg_signing_destroy(struct kg_signing *signing);

/* Copies. csr: PEM or DER, as a stranger sent it; the signer judges it. false: too many wait, or memory; no
 * answer comes. */
KG_MUST_CHECK bool kg_signing_ask(struct kg_signing *signing, uint64_t request,
                                  const struct kg_ca_subject *subject, const void *csr, size_t csr_size);
/* Asks and waits, for kaigi-ctl. false: *problem. */
KG_MUST_CHECK bool kg_signing_now(const char *socket, const struct kg_ca_subject *subject, const void *csr,
                                  size_t csr_size, struct kg_ca_certificate *out, struct kg_problem *problem);

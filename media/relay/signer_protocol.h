/* What kaigi-signer is asked and answers: one JSON object a line each way over a unix socket, one request a
 * connection.
 *
 *   {"kind":"room","id":"kaku-1","csr":"-----BEGIN CERTIFICATE REQUEST-----…"}
 *   {"kind":"administrator","id":"tanaka","csr":…}
 *   {"kind":"server","addresses":["relay.kaku.example","192.0.2.1"],"csr":…}
 *   {"kind":"status"}
 *   → {"ok":true,"certificate":PEM,"issuer":PEM,"serial":HEX,"not_after":SECONDS}
 *   → {"ok":true,"issuer":PEM,"not_after":SECONDS of the issuer,"signed":N}     (status)
 *   → {"ok":false,"error":"…"}
 *
 * Unknown fields are refused: what signs says exactly what it was asked to sign. Pure. Thread: any. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "relay/ca_request.h"
#include "relay/problem.h"

enum {
    KG_SIGNER_MAX_BYTES = 64 * 1024, /* a line, either way */
    KG_SIGNER_MAX_ADDRESSES = 16,
};
#define KG_SIGNER_SOCKET        "signer.sock" /* in the state folder, where no packages are installed */
#define KG_SIGNER_SYSTEM_SOCKET "/run/kaigi-signer/signer.sock"

/* One decoded request. Texts are the json's. */
struct kg_signer_request {
    bool status; /* no signature asked: nothing below is set */
    struct kg_ca_subject subject;
    struct kg_ca_request request;
    const char *addresses[KG_SIGNER_MAX_ADDRESSES];
    json_t *json;
};

/* Reads hostile bytes (without the line's end). false: *problem. */
KG_MUST_CHECK bool kg_signer_request_read(const char *line, size_t size, struct kg_signer_request *out,
                                          struct kg_problem *problem);
void kg_signer_request_finish(struct kg_signer_request *request);

/* The line to send (with its end), or NULL: the subject or the request cannot be written. free(). */
char *kg_signer_request_write(const struct kg_ca_subject *subject, const void *csr, size_t csr_size);
/* Reads the signer's answer. false: it refuses, or this is none; *problem says which. out->pem and
 * out->issuer_pem: free(). */
KG_MUST_CHECK bool kg_signer_answer_read(const char *line, size_t size, struct kg_ca_certificate *out,
                                         struct kg_problem *problem);

/* A TLS client's identity and trust: a pinned CA file, our certificate and key, and why a handshake failed.
 * Thread: the owner's. One connection at a time uses one kg_tls_client: it remembers that one's fate. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_tls_client;

struct kg_tls_client_params {
    const char *ca_file;          /* PEM; the only trust anchors */
    const char *certificate_file; /* PEM, ours; NULL: show none */
    const char *key_file;         /* PEM; with certificate_file */
    const char *peer_name;        /* the server's name, or its address in text: must be in its certificate */
};

enum kg_tls_problem {
    KG_TLS_OK,
    KG_TLS_CA_FILE,          /* missing, unreadable or no PEM certificate in it */
    KG_TLS_CERTIFICATE_FILE, /* ours: missing or unreadable */
    KG_TLS_KEY_FILE,         /* missing, unreadable or not the certificate's */
    KG_TLS_UNTRUSTED,        /* the server's certificate is not from our CA, or is revoked */
    KG_TLS_EXPIRED,          /* the server's certificate is past its end: or our clock is ahead */
    KG_TLS_NOT_YET_VALID,    /* before its start: our clock is behind */
    KG_TLS_WRONG_NAME,       /* the certificate is another server's */
    KG_TLS_REJECTED,         /* the server refuses our certificate */
    KG_TLS_REJECTED_EXPIRED, /* … because it has expired */
    KG_TLS_FAILED            /* anything else: no common version, garbage */
};

/* NULL with *problem (one of the *_FILE, or FAILED) and its cause in detail. */
KG_MUST_CHECK struct kg_tls_client *kg_tls_client_create(const struct kg_tls_client_params *params,
                                                         enum kg_tls_problem *problem, char *detail,
                                                         size_t detail_size);
void kg_tls_client_destroy(struct kg_tls_client *tls);

/* For SSL_new or libwebsockets; the client's. Handshakes on it check the peer's name by themselves. */
SSL_CTX *kg_tls_client_context(struct kg_tls_client *tls);
/* Forgets the last connection. */
void kg_tls_client_reset(struct kg_tls_client *tls);
/* The handshake is complete on our side (with TLS 1.3 the server may still refuse our certificate). */
bool kg_tls_client_established(const struct kg_tls_client *tls);
/* Why the connection since the last reset failed; KG_TLS_OK: nothing known against it. */
enum kg_tls_problem kg_tls_client_problem(const struct kg_tls_client *tls, char *detail, size_t detail_size);

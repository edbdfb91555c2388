/* The relay's side of TLS for control and tunnel: TLS 1.2 or newer, the relay's certificate, and clients'
 * certificates judged against our root and issuing authorities, and against a foreign authority of devices if
 * one is set. A certificate that is expired, not yet valid, for another purpose, weak, malformed or of an
 * unknown authority ends the handshake with the alert that says so. Thread: the SSL_CTX's owner. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "relay/enrolment.h"
#include "relay/problem.h"

struct kg_queue;
struct lws_context;
struct lws_vhost;
struct lws_protocols;
struct lws_retry_bo;

struct kg_tls_server_params {
    const char *state;             /* folder; everything here is borrowed */
    const char *certificate, *key; /* own chain and key; NULL: the state folder's */
    const char *client_ca;         /* a foreign authority of devices; NULL: none */
    struct kg_queue *refusals;     /* of struct kg_tls_refusal; NULL: nobody is told */
};
/* A client's certificate that TLS refused, or that a tunnel did. */
struct kg_tls_refusal {
    bool passed; /* TLS: it is one of our authorities' */
    struct kg_enrolment_source source;
    uint8_t digest[KG_CA_FINGERPRINT_BYTES];
    char peer[64];
    char name[64]; /* its common name, as it says; "" without */
    char reason[96];
    char fingerprint[KG_CA_FINGERPRINT_TEXT];
};

enum kg_tls_clients {
    KG_TLS_CLIENTS_OPTIONAL, /* may come without; each path decides */
    KG_TLS_CLIENTS_REQUIRED,
};

/* Who is at the other end, by the certificate that passed TLS: signed by one of our authorities, for clients,
 * valid today. Whether the room or administrator is (still) in the directory is the caller's question, by
 * fingerprint; `id` is only for logs. */
enum kg_peer_kind {
    KG_PEER_NONE, /* no certificate */
    KG_PEER_ROOM, /* kaigi:room:<id>, or a foreign authority's, which names nobody */
    KG_PEER_ADMINISTRATOR,
};
struct kg_peer_identity {
    enum kg_peer_kind kind;
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char id[KG_CA_ID_BYTES]; /* "" when it names nobody */
};
void kg_tls_server_peer(SSL *tls, struct kg_peer_identity *peer);
/* Tells params->refusals of a peer whose certificate passed TLS and is refused all the same. */
void kg_tls_server_tell(const struct kg_tls_server_params *params, SSL *tls, const char *reason);

/* Would TLS let a client in that shows this certificate (PEM, those between it and its root may follow)? It
 * is judged as every client's is, by the files now on disk; an administrator's is refused as well, for no
 * room comes in by one. Fills *out as kg_ca_certificate_read does. false: *problem says why, and what to do.
 */
KG_MUST_CHECK bool kg_tls_server_knows(const struct kg_tls_server_params *params, const char *pem,
                                       struct kg_ca_certificate *out, struct kg_problem *problem);

/* Can the files serve? Reads them all; says which is wrong and what to do. Warns (logged) of those that end
 * within 30 days. */
KG_MUST_CHECK bool kg_tls_server_check(const struct kg_tls_server_params *params, struct kg_problem *problem);
/* The warnings alone, for a relay that runs for months. */
void kg_tls_server_warn(const struct kg_tls_server_params *params);
/* The last second of each certificate; 0: there is none, or it cannot be read. */
struct kg_tls_server_ends {
    int64_t relay_s, issuing_s, root_s;
};
void kg_tls_server_ends(const struct kg_tls_server_params *params, struct kg_tls_server_ends *ends);
enum { KG_TLS_WARN_DAYS = 30 };

/* A virtual host without a listening socket of its own, for sockets handed over (lws_adopt_socket_vhost).
 * alpn: what it answers. protocols and idle (when to ping and to give up; NULL: the caller's affair) must
 * outlive it. The first protocol's callback must pass LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS to
 * kg_tls_server_prepare. NULL: refused (logged). Thread: main, before others start. */
struct lws_vhost *kg_tls_server_vhost(struct lws_context *context, const char *name, const char *alpn,
                                      const struct lws_protocols *protocols, const struct lws_retry_bo *idle,
                                      void *user);
/* params: must outlive the context. false (logged): a file is wrong, as kg_tls_server_check would say. */
KG_MUST_CHECK bool kg_tls_server_prepare(SSL_CTX *context, const struct kg_tls_server_params *params,
                                         enum kg_tls_clients clients);
/* New connections use the certificate, key and authorities now on disk. false (logged): the old ones stay. */
bool kg_tls_server_reload(SSL_CTX *context, const struct kg_tls_server_params *params);

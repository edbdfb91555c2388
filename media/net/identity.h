/* A certificate with its private key, and the TLS context made from it: who a process is in DTLS.
 * Thread: any may share one after creation (OpenSSL counts references); it is never changed.
 * Owns its OpenSSL objects; borrowed ones live as long as the identity. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* A macro because signal/wire.h, which must not include net, says the same. */
#define KG_FINGERPRINT_BYTES 32
enum { KG_FINGERPRINT_TEXT_BYTES = 96 /* "AB:CD:…" and its NUL */ };

struct kg_identity;

/* A new key (EC P-256) and self-signed certificate, only in memory: DTLS peers trust the signalled
 * fingerprint, so it names nobody (RFC 8827 §6.5). NULL (logged) when OpenSSL refuses. */
struct kg_identity *kg_identity_create(void);
/* Every transport made from it must be gone. */
void kg_identity_destroy(struct kg_identity *identity);

/* SHA-256 over the DER certificate (RFC 8122 §5). */
const uint8_t *kg_identity_fingerprint(const struct kg_identity *identity);
/* The DTLS context that dtls.h makes associations from. Borrowed. */
SSL_CTX *kg_identity_dtls(const struct kg_identity *identity);

/* false: OpenSSL refuses. */
KG_MUST_CHECK bool kg_fingerprint_of(const X509 *certificate, uint8_t fingerprint[KG_FINGERPRINT_BYTES]);
/* "AB:CD:…" as a=fingerprint:sha-256 carries it. */
void kg_fingerprint_text(const uint8_t fingerprint[KG_FINGERPRINT_BYTES],
                         char text[KG_FINGERPRINT_TEXT_BYTES]);

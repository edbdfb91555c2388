/* The certificates the authorities make, field by field (RFC 5280). Thread: the caller's. The X509 returned
 * is the caller's; NULL says why in *problem. Times are seconds since 1970 UTC. */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "relay/ca.h"

/* EC P-384, SHA-384; one authority below it and no more. */
X509 *kg_ca_x509_root(EVP_PKEY *key, const char *name, int64_t now_s, struct kg_problem *problem);
/* No authority below it, and only for clients and servers. */
X509 *kg_ca_x509_issuing(EVP_PKEY *key, const char *name, int64_t now_s, X509 *root, EVP_PKEY *root_key,
                         struct kg_problem *problem);
/* By the subject's profile; it ends with its issuer at the latest. The subject was checked. */
X509 *kg_ca_x509_leaf(EVP_PKEY *key, const struct kg_ca_subject *subject, int64_t now_s, X509 *issuer,
                      EVP_PKEY *issuer_key, struct kg_problem *problem);

/* The first certificate of a PEM file. */
X509 *kg_ca_x509_read(const char *path, struct kg_problem *problem);
void kg_ca_x509_fingerprint(const X509 *certificate, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
void kg_ca_x509_serial(const X509 *certificate, char text[KG_CA_SERIAL_TEXT]);
int64_t kg_ca_x509_not_after(const X509 *certificate);
/* PEM text, free(); NULL: memory. */
char *kg_ca_x509_pem(X509 *certificate);
/* "kaigi:room:<id>" or "kaigi:admin:<id>" among the URI names; false: neither, or an id that is none. */
bool kg_ca_x509_identity(const X509 *certificate, enum kg_ca_kind *kind, char id[KG_CA_ID_BYTES]);
/* "what: OpenSSL's reason"; clears OpenSSL's error queue. Always false. */
bool kg_ca_openssl_problem(struct kg_problem *problem, const char *what);

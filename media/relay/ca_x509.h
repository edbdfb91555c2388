/* The certificates the authority makes, field by field (RFC 5280). Thread: the caller's. The X509 returned is
 * the caller's; NULL says why in *problem. Times are seconds since 1970 UTC. */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "relay/ca.h"

X509 *kg_ca_x509_authority(EVP_PKEY *key, const char *name, int64_t now_s, struct kg_problem *problem);
X509 *kg_ca_x509_server(EVP_PKEY *key, const char *const *addresses, size_t address_count, int64_t now_s,
                        X509 *issuer, EVP_PKEY *issuer_key, struct kg_problem *problem);
X509 *kg_ca_x509_room(EVP_PKEY *key, const char *room, int64_t now_s, X509 *issuer, EVP_PKEY *issuer_key,
                      struct kg_problem *problem);

/* The first certificate of a PEM file. */
X509 *kg_ca_x509_read(const char *path, struct kg_problem *problem);
void kg_ca_x509_fingerprint(X509 *certificate, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
void kg_ca_x509_serial(X509 *certificate, char text[KG_CA_SERIAL_TEXT]);
/* "what: OpenSSL's reason"; clears OpenSSL's error queue. Always false. */
bool kg_ca_openssl_problem(struct kg_problem *problem, const char *what);

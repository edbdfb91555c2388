/* What every DTLS association of one identity shares (private to net). */
#pragma once

#include <openssl/ssl.h>

/* Takes its own references. NULL when OpenSSL refuses (its error queue says why). Thread: any. */
SSL_CTX *kg_dtls_context_create(X509 *certificate, EVP_PKEY *key);

/* The certificate check of dtls.c, in OpenSSL's shape: the association is the SSL's app data. */
int kg_dtls_verify(X509_STORE_CTX *store, void *unused);

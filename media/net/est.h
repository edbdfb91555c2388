/* The bodies of Enrolment over Secure Transport (RFC 7030, RFC 8951), for both ends, and the code by which
 * people compare a device with its request. Everything decoded here may come from a stranger: sizes are
 * bounded before anything is parsed. Pure: no I/O, no clock. Thread: the caller's. OpenSSL's error queue is
 * empty afterwards. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_EST_REQUEST_MAX = 16384, /* bytes of a request's body; one with an RSA key of 4096 bits has 2,500 */
    KG_EST_CERTIFICATES_MAX = 65536, /* bytes of an answer's body */
    KG_EST_CHAIN_MAX = 16,           /* certificates in an answer */
    KG_EST_HASH_BYTES = 32,
    KG_EST_CODE_SIZE = 10,      /* nine characters and NUL */
    KG_EST_CODE_TEXT_SIZE = 12, /* "ABC-DEF-GHJ" and NUL */
    KG_EST_SERIAL_SIZE = 65,    /* a device's serial number as it tells it */
};

#define KG_EST_PATH            "/.well-known/est"
#define KG_EST_REQUEST_TYPE    "application/pkcs10"
#define KG_EST_ANSWER_TYPE     "application/pkcs7-mime"
#define KG_EST_ATTRIBUTES_TYPE "application/csrattrs"

enum kg_est_fault {
    KG_EST_OK,
    KG_EST_TOO_LONG,
    KG_EST_NOT_BASE64,
    KG_EST_NOT_CERTIFICATES, /* no certs-only PKCS#7 with 1 to KG_EST_CHAIN_MAX certificates */
    KG_EST_MEMORY,
};
/* One English line with the remedy. */
const char *kg_est_fault_text(enum kg_est_fault fault);

/* A request's body (base64, with or without line ends) as bytes: PKCS#10 in DER, if the sender is honest.
 * Whoever takes it judges it. NULL: *fault. free() it. */
KG_MUST_CHECK uint8_t *kg_est_request_decode(const char *body, size_t size, size_t *der_size,
                                             enum kg_est_fault *fault);
/* NULL: memory. free() it. */
KG_MUST_CHECK char *kg_est_request_encode(X509_REQ *request);
/* As PEM, the way a signer takes it. NULL: memory. free() it. */
KG_MUST_CHECK char *kg_est_request_pem(const uint8_t *der, size_t size);
/* The subject's serialNumber: what the device says of itself, proven by nothing. Printable ASCII; "" if there
 * is none, "?" in place of every other character. */
void kg_est_request_serial(const uint8_t *der, size_t size, char serial[KG_EST_SERIAL_SIZE]);

/* An answer's body: base64 of a certs-only PKCS#7 (RFC 5751 §3.2.2). NULL: memory. free() it. */
KG_MUST_CHECK char *kg_est_certificates_encode(STACK_OF(X509) * certificates);
/* NULL: *fault. sk_X509_pop_free(…, X509_free) it. */
KG_MUST_CHECK STACK_OF(X509) *
    kg_est_certificates_decode(const char *body, size_t size, enum kg_est_fault *fault);
/* Every certificate of a PEM text, at most KG_EST_CHAIN_MAX. NULL: there is none. */
KG_MUST_CHECK STACK_OF(X509) * kg_est_certificates_of_pem(const char *pem);
/* What a request should hold (RFC 7030 §4.5.2): an EC key on P-256, signed with SHA-256. Base64, static. */
const char *kg_est_attributes(void);

/* SHA-256 of the key's SubjectPublicKeyInfo in DER. false: memory. */
KG_MUST_CHECK bool kg_est_key_hash(EVP_PKEY *key, uint8_t hash[KG_EST_HASH_BYTES]);
/* The first 45 bits of the hash, in Crockford's base32 (0-9, A-Z without I, L, O and U). */
void kg_est_code(const uint8_t hash[KG_EST_HASH_BYTES], char code[KG_EST_CODE_SIZE]);
/* For people: "ABC-DEF-GHJ". */
void kg_est_code_text(const char code[KG_EST_CODE_SIZE], char text[KG_EST_CODE_TEXT_SIZE]);
/* What a person typed: small letters, hyphens and spaces anywhere, O for 0, I and L for 1. false: no code. */
KG_MUST_CHECK bool kg_est_code_read(const char *text, char code[KG_EST_CODE_SIZE]);

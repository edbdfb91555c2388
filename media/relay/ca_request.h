/* Certificate requests (PKCS#10, RFC 2986) as strangers send them: read within bounds, and judged. Pure: no
 * file, no clock. Thread: any. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

enum {
    KG_CA_REQUEST_MAX_BYTES = 16 * 1024, /* an RSA request of 4096 bits has 2 kB */
    KG_CA_HASH_BYTES = 32,
};

struct kg_ca_request {
    EVP_PKEY *key; /* the only thing taken from a request */
    uint8_t
        key_hash[KG_CA_HASH_BYTES]; /* SHA-256 of the DER SubjectPublicKeyInfo: what enrolment codes show */
    char key_text[48];              /* "EC P-256", "RSA 2048": for people */
};

/* PEM or DER. Refused (false, *problem with what would do): no request, trailing bytes, more than one, a
 * signature that its own key did not make or that is made with MD5 or SHA-1, a key other than EC P-256, EC
 * P-384 or RSA of 2048 to 4096 bits. */
KG_MUST_CHECK bool kg_ca_request_read(const void *bytes, size_t size, struct kg_ca_request *out,
                                      struct kg_problem *problem);
void kg_ca_request_finish(struct kg_ca_request *request);

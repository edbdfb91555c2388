/* The room's own key and certificate request: made on the terminal, so that the key never travels.
 * Thread: the caller's; run from the command line. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/attr.h"

/* Makes an EC P-256 key at key_file (mode 0600) unless one is there, and writes a PKCS#10 request (RFC 2986)
 * for it to csr_file. common_name: shown to who signs; the relay takes the room's name from its own
 * directory. false (logged): nothing was overwritten. */
KG_MUST_CHECK bool kg_room_identity_make(const char *key_file, const char *csr_file, const char *common_name);

/* A request for this key; serial_number: what the device calls itself, "" or NULL: nothing. NULL: OpenSSL
 * refuses. X509_REQ_free it. */
KG_MUST_CHECK X509_REQ *kg_room_identity_request(EVP_PKEY *key, const char *common_name,
                                                 const char *serial_number);

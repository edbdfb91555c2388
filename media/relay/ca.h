/* The closed network's own certificate authority: one EC P-256 key in the relay's state folder, which signs
 * the relay's server certificate and the certificate requests of rooms. Nothing here reads a clock.
 * Thread: the caller's. Owns: the loaded key and certificate. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

enum {
    KG_CA_FINGERPRINT_BYTES = 32,
    KG_CA_SERIAL_TEXT = 41, /* hexadecimal with NUL */
    KG_CA_ROOM_DAYS = 90,
    KG_CA_SERVER_DAYS = 825,
    KG_CA_OWN_DAYS = 3650,
    KG_CA_ADMINISTRATOR_DAYS = 90,
    KG_CA_ID_BYTES = 64, /* of a room or administrator, with NUL */
};

/* What a certificate is for, and so what it may hold: a profile in ca_x509.c. */
enum kg_ca_kind {
    KG_CA_ROOM,          /* CN=id, URI SAN kaigi:room:<id>, clientAuth, 90 days */
    KG_CA_ADMINISTRATOR, /* CN=id, URI SAN kaigi:admin:<id>, clientAuth, 90 days */
    KG_CA_SERVER,        /* CN=first address, DNS and IP SANs, serverAuth, 825 days */
};
struct kg_ca_subject {
    enum kg_ca_kind kind;
    const char *id;               /* room, administrator: a-z, 0-9, "-", 1 to 63 */
    const char *const *addresses; /* server */
    size_t address_count;
};

/* Files in the state folder; keys have mode 0600. */
#define KG_CA_KEY_FILE   "ca.key"
#define KG_CA_CERT_FILE  "ca.crt"
#define KG_CA_RELAY_KEY  "relay.key"
#define KG_CA_RELAY_CERT "relay.crt"

struct kg_ca;

/* Makes folder (0700) if need be, the authority and a first relay certificate for `addresses` (names or
 * numeric addresses; the first becomes the CN). false: files exist already, a bad address, no permission. */
KG_MUST_CHECK bool kg_ca_init(const char *folder, const char *name, const char *const *addresses,
                              size_t address_count, int64_t now_s, struct kg_problem *problem);
/* NULL: missing, unreadable, readable by others, or the key is not the certificate's. */
struct kg_ca *kg_ca_open(const char *folder, struct kg_problem *problem);
void kg_ca_close(struct kg_ca *ca);

/* A new relay key and certificate in the same files, written whole before they replace the old ones. */
KG_MUST_CHECK bool kg_ca_renew_relay(struct kg_ca *ca, const char *folder, const char *const *addresses,
                                     size_t address_count, int64_t now_s, struct kg_problem *problem);

struct kg_ca_certificate {
    char *pem;                                    /* free() */
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]; /* SHA-256 of the DER */
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s;
    char *issuer_pem; /* free(): the issuing authority's, for chains; may be NULL */
};
/* Signs a PEM request for a room: CN=room, URI SAN kaigi:room:<room>, clientAuth, KG_CA_ROOM_DAYS. What the
 * request asks for (names, extensions) is ignored: only its key is taken, after its signature is checked.
 * Keys: EC P-256 or P-384, RSA of 2048 to 4096 bits. */
KG_MUST_CHECK bool kg_ca_sign_room(struct kg_ca *ca, const char *csr_pem, const char *room, int64_t now_s,
                                   struct kg_ca_certificate *out, struct kg_problem *problem);

/* SHA-256 over a PEM certificate file's DER (as text: kg_fingerprint_text). */
KG_MUST_CHECK bool kg_ca_file_fingerprint(const char *path, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                                          struct kg_problem *problem);

/* The closed network's own authorities: an offline root (EC P-384, its key encrypted with a passphrase, on a
 * medium that is locked away) and an issuing authority (P-256, may sign no further authority, and only for
 * clients and servers) whose key lies with kaigi-signer alone. The relay and its rooms hold certificates
 * only. Nothing here reads a clock: times are seconds since 1970 UTC.
 * Thread: the caller's. Owns: the loaded key and certificate. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca_request.h"
#include "relay/problem.h"

enum {
    KG_CA_FINGERPRINT_BYTES = 32,
    KG_CA_FINGERPRINT_TEXT = 96,
    KG_CA_SERIAL_TEXT = 41, /* hexadecimal with NUL */
    KG_CA_ID_BYTES = 64,    /* of a room or administrator, with NUL */
    KG_CA_ROOM_DAYS = 90,
    KG_CA_ADMINISTRATOR_DAYS = 90,
    KG_CA_SERVER_DAYS = 824, /* an hour before now belongs to it; 825 days are what clients take */
    KG_CA_ISSUING_DAYS = 1826,
    KG_CA_ROOT_DAYS = 7305,
    KG_CA_PASSPHRASE_MIN = 12, /* characters */
    KG_CA_PASSPHRASE_MAX = 256,
};

/* On the root's medium. */
#define KG_CA_ROOT_KEY  "root.key"
#define KG_CA_ROOT_CERT "root.crt"
/* In the signer's folder. */
#define KG_CA_ISSUING_KEY  "issuing.key"
#define KG_CA_ISSUING_CERT "issuing.crt"
/* In the state folder: the root's certificate, which devices pin; the issuing authorities' (the newest first;
 * older ones while their certificates live); the relay's key and chain. */
#define KG_CA_CERT_FILE  "ca.crt"
#define KG_CA_ISSUERS    "issuing.crt"
#define KG_CA_RELAY_KEY  "relay.key"
#define KG_CA_RELAY_CERT "relay.crt"
/* Where releases before the signer kept the authority's key. */
#define KG_CA_OLD_KEY "ca.key"

/* What a certificate is for, and so what it may hold: a profile in ca_x509.c. */
enum kg_ca_kind {
    KG_CA_ROOM,          /* CN=id, URI SAN kaigi:room:<id>, clientAuth, 90 days */
    KG_CA_ADMINISTRATOR, /* CN=id, URI SAN kaigi:admin:<id>, clientAuth, 90 days */
    KG_CA_SERVER,        /* CN=first address, DNS and IP SANs, serverAuth, 824 days */
};
struct kg_ca_subject {
    enum kg_ca_kind kind;
    const char *id;               /* room, administrator: a-z, 0-9, "-", 1 to 63 */
    const char *const *addresses; /* server: names or numeric addresses; the first becomes the CN */
    size_t address_count;
};
/* "room", "administrator", "server". */
const char *kg_ca_kind_name(enum kg_ca_kind kind);
/* false: *problem says which word is wrong. */
KG_MUST_CHECK bool kg_ca_subject_check(const struct kg_ca_subject *subject, struct kg_problem *problem);

struct kg_ca_making {
    const char *root, *state, *signer; /* folders; the last two are made (0700) if need be */
    const char *name;                  /* of the root; the issuing authority's has " issuing N" added */
    const char *passphrase;
    const char *const *addresses;
    size_t address_count;
    int64_t now_s;
};
/* Long enough and not one key held down. */
KG_MUST_CHECK bool kg_ca_passphrase_check(const char *passphrase, struct kg_problem *problem);
/* Makes root, issuing authority and the relay's certificate. What it writes belongs to whom the folder
 * belongs. false: nothing is left behind; files exist already, a bad address, a weak passphrase, the root
 * would lie in the state's or the signer's folder, no permission. */
KG_MUST_CHECK bool kg_ca_init(const struct kg_ca_making *making, struct kg_problem *problem);
/* A new issuing authority from the root; the old one's certificates stay good. Addresses are not used. The
 * signer must be started again to use it. */
KG_MUST_CHECK bool kg_ca_issue(const struct kg_ca_making *making, struct kg_problem *problem);

/* The issuing authority. NULL: missing, readable by others, or the key is not the certificate's. */
struct kg_ca;
struct kg_ca *kg_ca_open(const char *signer_folder, struct kg_problem *problem);
void kg_ca_close(struct kg_ca *ca);
int64_t kg_ca_not_after(const struct kg_ca *ca);
/* free(); NULL: memory. */
char *kg_ca_pem(const struct kg_ca *ca);

struct kg_ca_certificate {
    char *pem;                                    /* free() */
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]; /* SHA-256 of the DER */
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s;
    char *issuer_pem; /* free(): the issuing authority's, for chains; NULL when unknown */
};
void kg_ca_certificate_finish(struct kg_ca_certificate *certificate);
/* Takes from the request its key alone: names and extensions are the profile's. No certificate outlives its
 * authority. */
KG_MUST_CHECK bool kg_ca_sign(struct kg_ca *ca, const struct kg_ca_subject *subject,
                              const struct kg_ca_request *request, int64_t now_s,
                              struct kg_ca_certificate *out, struct kg_problem *problem);

/* A new key and the request for its certificate (PEM, free()). *key: EVP_PKEY_free(). */
KG_MUST_CHECK bool kg_ca_relay_request(EVP_PKEY **key, char **csr, struct kg_problem *problem);
/* The relay's key and chain, whole or not at all: a relay that starts or reloads meanwhile, or after a power
 * cut, finds the old pair or the new one (ca_pair.h). */
KG_MUST_CHECK bool kg_ca_relay_install(const char *state, EVP_PKEY *key,
                                       const struct kg_ca_certificate *certificate,
                                       struct kg_problem *problem);

/* Fills fingerprint, serial, not_after_s and pem from the first certificate of a PEM text. */
KG_MUST_CHECK bool kg_ca_certificate_read(const char *pem, struct kg_ca_certificate *out,
                                          struct kg_problem *problem);
/* "AB:CD:…", as openssl x509 -fingerprint shows it. */
void kg_ca_fingerprint_text(const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                            char text[KG_CA_FINGERPRINT_TEXT]);
/* SHA-256 over a PEM certificate file's first DER (as text: kg_fingerprint_text), and its last second
 * (not_after_s may be NULL). */
KG_MUST_CHECK bool kg_ca_file_fingerprint(const char *path, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                                          int64_t *not_after_s, struct kg_problem *problem);

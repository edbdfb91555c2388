/* The room's key and certificate on disk: looked at, checked against what is to replace them, replaced both
 * together. A power cut at any moment leaves a pair that fits, the old or the new one, once
 * kg_identity_store_recover has run. The replaced pair stays beside them (".old") until the new one has been
 * seen to work. Thread: the caller's. OpenSSL's error queue is empty afterwards. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_identity_files {
    const char *key, *certificate;
};

enum kg_identity_state {
    KG_IDENTITY_NONE,   /* there is no certificate: the device is not enrolled */
    KG_IDENTITY_BROKEN, /* something is there that cannot be used: a person must look */
    KG_IDENTITY_USABLE, /* a pair that fits; it may have expired */
};
struct kg_identity_times {
    int64_t not_before_s, not_after_s; /* wall */
};

/* Ends what a power cut has interrupted. At start, before anything reads the files. */
void kg_identity_store_recover(const struct kg_identity_files *files);
/* *times is set only with USABLE. */
enum kg_identity_state kg_identity_store_look(const struct kg_identity_files *files,
                                              struct kg_identity_times *times);

/* Is one of these the certificate of this key, valid at now_s and, with the others' help, signed by the
 * authorities in ca_file? The others may hold anything. It comes first afterwards. false: *why, English. */
KG_MUST_CHECK bool kg_identity_check(STACK_OF(X509) * certificates, EVP_PKEY *key, const char *ca_file,
                                     int64_t now_s, char *why, size_t why_size);
/* Replaces both files (mode 0600, on disk when it returns); their own folders are made when missing (not
 * those above). false (logged): the old pair stands, or the new one if it came that far. */
KG_MUST_CHECK bool kg_identity_store_put(const struct kg_identity_files *files, EVP_PKEY *key,
                                         STACK_OF(X509) * certificates);
/* The pair has worked: forgets the replaced one. */
void kg_identity_store_confirm(const struct kg_identity_files *files);
/* The pair does not work: back to the replaced one. false: there is none. */
KG_MUST_CHECK bool kg_identity_store_revert(const struct kg_identity_files *files);

/* SHA-256 over the first certificate of a PEM file, "AB:CD:…"; "": there is none. */
void kg_identity_fingerprint_of_file(const char *path, char *text, size_t size);

/* Keys and certificates on disk: written whole, to their folder's owner, and read only if nobody else may.
 * Thread: the caller's. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "relay/problem.h"

enum { KG_CA_PATH_BYTES = 4096 };

/* "folder/file"; false: too long. */
KG_MUST_CHECK bool kg_ca_path(char path[KG_CA_PATH_BYTES], const char *folder, const char *file,
                              struct kg_problem *problem);
/* Makes it (0700) if need be. */
KG_MUST_CHECK bool kg_ca_make_folder(const char *folder, struct kg_problem *problem);
/* Beside its place first, then renamed over it: nobody reads half a key, and a power cut leaves the old one.
 * It belongs to the folder's owner (when we may give it away): root makes what a service will read. */
KG_MUST_CHECK bool kg_ca_write_file(const char *folder, const char *file, mode_t mode, const char *text,
                                    struct kg_problem *problem);
/* Unencrypted PKCS#8, mode 0600. */
KG_MUST_CHECK bool kg_ca_write_key(const char *folder, const char *file, EVP_PKEY *key,
                                   struct kg_problem *problem);
/* PKCS#8 under scrypt and AES-256: what a stolen medium gives away is the time to guess the passphrase. */
KG_MUST_CHECK bool kg_ca_write_secret(const char *folder, const char *file, EVP_PKEY *key,
                                      const char *passphrase, struct kg_problem *problem);
/* NULL passphrase: the file must be readable by its owner alone and hold an unencrypted key. */
EVP_PKEY *kg_ca_read_key(const char *path, const char *passphrase, struct kg_problem *problem);

/* A certificate and its key, two files that change together: whoever reads finds a pair at any moment, also
 * after a power cut in the middle. While they change, the new key lies beside its place under its name with
 * KG_CA_NEXT; the certificate decides which of the two is its key. Thread: the caller's. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/attr.h"
#include "relay/problem.h"

#define KG_CA_NEXT ".next"

struct kg_ca_pair {
    X509 *certificate;
    STACK_OF(X509) * chain; /* what follows it in its file; may be empty */
    EVP_PKEY *key;
};
/* secret: the key's file is refused when other users may read it. remedy: what helps besides a backup, for
 * *problem. Never asks for a passphrase. false: *pair is empty. */
KG_MUST_CHECK bool kg_ca_pair_read(const char *certificate, const char *key, bool secret, const char *remedy,
                                   struct kg_ca_pair *pair, struct kg_problem *problem);
void kg_ca_pair_finish(struct kg_ca_pair *pair);
/* certificates: PEM, the key's own first. One writer at a time: another is refused. false: the old pair is
 * still the pair. */
KG_MUST_CHECK bool kg_ca_pair_write(const char *folder, const char *certificate_file, const char *key_file,
                                    const char *certificates, EVP_PKEY *key, struct kg_problem *problem);

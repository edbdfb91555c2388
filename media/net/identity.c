#include "net/identity.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "net/dtls_context.h"

enum { VALID_S = 365 * 24 * 3600, BACKDATED_S = 24 * 3600 };

struct kg_identity {
    X509 *certificate;
    EVP_PKEY *key;
    SSL_CTX *dtls;
    uint8_t fingerprint[KG_FINGERPRINT_BYTES];
};

static bool name_certificate(X509 *x)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"kaigi", -1, -1, 0) &&
           X509_set_issuer_name(x, name);
}

static X509 *self_sign(EVP_PKEY *key)
{
    X509 *x = X509_new();
    /* Positive and of at most 20 bytes (RFC 5280 §4.1.2.2); random, so that two certificates never share one.
     */
    uint64_t serial = 0;
    kg_random_bytes(&serial, sizeof serial);
    serial >>= 1;
    if (x && X509_set_version(x, X509_VERSION_3) &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial | 1) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -BACKDATED_S) &&
        X509_gmtime_adj(X509_getm_notAfter(x), VALID_S) && X509_set_pubkey(x, key) && name_certificate(x) &&
        X509_sign(x, key, EVP_sha256()))
        return x;
    X509_free(x);
    return NULL;
}

struct kg_identity *kg_identity_create(void)
{
    struct kg_identity *identity = calloc(1, sizeof *identity);
    if (!identity)
        return NULL;
    identity->key = EVP_EC_gen("P-256");
    if (identity->key)
        identity->certificate = self_sign(identity->key);
    if (identity->certificate && kg_fingerprint_of(identity->certificate, identity->fingerprint))
        identity->dtls = kg_dtls_context_create(identity->certificate, identity->key);
    if (identity->dtls)
        return identity;
    char why[160];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    kg_log(KG_LOG_ERROR, "net", "net.identity-failed", "cannot make a DTLS identity: %s", why);
    ERR_clear_error();
    kg_identity_destroy(identity);
    return NULL;
}

void kg_identity_destroy(struct kg_identity *identity)
{
    if (!identity)
        return;
    SSL_CTX_free(identity->dtls);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    free(identity);
}

const uint8_t *kg_identity_fingerprint(const struct kg_identity *identity)
{
    return identity->fingerprint;
}

SSL_CTX *kg_identity_dtls(const struct kg_identity *identity)
{
    return identity->dtls;
}

bool kg_fingerprint_of(const X509 *certificate, uint8_t fingerprint[KG_FINGERPRINT_BYTES])
{
    unsigned size = 0;
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (!X509_digest(certificate, EVP_sha256(), digest, &size) || size != KG_FINGERPRINT_BYTES)
        return false;
    memcpy(fingerprint, digest, KG_FINGERPRINT_BYTES);
    return true;
}

/* Lists show thousands of them: printf takes twenty times as long. */
void kg_fingerprint_text(const uint8_t fingerprint[KG_FINGERPRINT_BYTES],
                         char text[KG_FINGERPRINT_TEXT_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < KG_FINGERPRINT_BYTES; i++) {
        text[i * 3] = digits[fingerprint[i] >> 4];
        text[i * 3 + 1] = digits[fingerprint[i] & 15];
        text[i * 3 + 2] = i + 1 < KG_FINGERPRINT_BYTES ? ':' : '\0';
    }
}

#include "relay/ca_request.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static const char begin_line[] = "-----BEGIN CERTIFICATE REQUEST-----";
static const char begin_new_line[] = "-----BEGIN NEW CERTIFICATE REQUEST-----";

static bool key_strong(EVP_PKEY *key, char text[48], struct kg_problem *problem)
{
    int bits = EVP_PKEY_get_bits(key);
    const char *type = EVP_PKEY_get0_type_name(key);
    char curve[32] = "";
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
        (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0)) {
        snprintf(text, 48, "EC P-%d", bits);
        return true;
    }
    if (EVP_PKEY_is_a(key, "RSA") && bits >= 2048 && bits <= 4096) {
        snprintf(text, 48, "RSA %d", bits);
        return true;
    }
    return kg_problem_set(problem, "the key (%.20s %.20s, %d bits) is not accepted; use EC P-256",
                          type ? type : "unknown", curve, bits);
}

/* MD5 and SHA-1 are forgeable; whoever still signs with them is too old to be let in. */
static bool digest_strong(const X509_REQ *request, struct kg_problem *problem)
{
    int digest = NID_undef, signature = X509_REQ_get_signature_nid(request);
    OBJ_find_sigid_algs(signature, &digest, NULL);
    if (digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512)
        return true;
    const char *name = OBJ_nid2sn(signature);
    return kg_problem_set(problem, "the request is signed with %.40s; it must be SHA-256 or longer",
                          name ? name : "an unknown algorithm");
}

static bool hash_key(const X509_REQ *request, uint8_t hash[KG_CA_HASH_BYTES])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY((X509_REQ *)request), &der);
    bool ok = size > 0 && EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return ok;
}

/* Only white space may follow: two requests in one file are a question about which was meant. */
static bool only_space(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!text[i] || !strchr(" \t\r\n", text[i]))
            return false;
    }
    return true;
}

static X509_REQ *read_pem(const char *text, size_t size)
{
    BIO *memory = BIO_new_mem_buf(text, (int)size);
    X509_REQ *request = memory ? PEM_read_bio_X509_REQ(memory, NULL, NULL, NULL) : NULL;
    char *left = NULL;
    long left_size = memory ? BIO_get_mem_data(memory, &left) : 0;
    if (request && left_size > 0 && !only_space(left, (size_t)left_size)) {
        X509_REQ_free(request);
        request = NULL;
    }
    BIO_free(memory);
    return request;
}

static X509_REQ *read_der(const uint8_t *bytes, size_t size)
{
    const unsigned char *at = bytes;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)size);
    if (request && at != bytes + size) {
        X509_REQ_free(request);
        request = NULL;
    }
    return request;
}

static X509_REQ *parse(const void *bytes, size_t size)
{
    if (!bytes || size == 0)
        return NULL;
    if (*(const uint8_t *)bytes == 0x30) /* SEQUENCE: DER; PEM begins with text */
        return read_der(bytes, size);
    if (memmem(bytes, size, begin_line, sizeof begin_line - 1) ||
        memmem(bytes, size, begin_new_line, sizeof begin_new_line - 1))
        return read_pem(bytes, size);
    return NULL;
}

static bool judge(X509_REQ *request, struct kg_ca_request *out, struct kg_problem *problem)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    if (!key)
        return kg_problem_set(problem, "the certificate request holds no usable public key");
    if (!key_strong(key, out->key_text, problem) || !digest_strong(request, problem))
        return false;
    if (X509_REQ_verify(request, key) != 1)
        return kg_problem_set(problem,
                              "the request's signature is wrong: it is damaged, or its key is another's");
    if (!hash_key(request, out->key_hash) || EVP_PKEY_up_ref(key) != 1)
        return kg_problem_set(problem, "OpenSSL cannot take the request's key");
    out->key = key;
    return true;
}

bool kg_ca_request_read(const void *bytes, size_t size, struct kg_ca_request *out, struct kg_problem *problem)
{
    struct kg_ca_request made = {0};
    if (size > KG_CA_REQUEST_MAX_BYTES)
        return kg_problem_set(problem, "the certificate request is too large (more than %d bytes)",
                              KG_CA_REQUEST_MAX_BYTES);
    X509_REQ *request = parse(bytes, size);
    bool ok = request ? judge(request, &made, problem)
                      : kg_problem_set(problem, "this is no certificate request (expected one, with a line "
                                                "\"-----BEGIN CERTIFICATE REQUEST-----\", and nothing else)");
    X509_REQ_free(request);
    ERR_clear_error();
    if (ok)
        *out = made;
    return ok;
}

void kg_ca_request_finish(struct kg_ca_request *request)
{
    EVP_PKEY_free(request->key);
    request->key = NULL;
}

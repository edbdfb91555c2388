#include "relay/ca.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/ca_file.h"
#include "relay/ca_pair.h"
#include "relay/ca_x509.h"

struct kg_ca {
    struct kg_ca_pair pair;
};

const char *kg_ca_kind_name(enum kg_ca_kind kind)
{
    switch (kind) {
    case KG_CA_ROOM:
        return "room";
    case KG_CA_ADMINISTRATOR:
        return "administrator";
    case KG_CA_SERVER:
        return "server";
    }
    return "?";
}

struct kg_ca *kg_ca_open(const char *folder, struct kg_problem *problem)
{
    char certificate[KG_CA_PATH_BYTES], key[KG_CA_PATH_BYTES];
    struct kg_ca *ca = calloc(1, sizeof *ca);
    if (!ca) {
        kg_problem_set(problem, "no memory");
        return NULL;
    }
    if (kg_ca_path(certificate, folder, KG_CA_ISSUING_CERT, problem) &&
        kg_ca_path(key, folder, KG_CA_ISSUING_KEY, problem) &&
        kg_ca_pair_read(certificate, key, true, "make new ones with \"kaigi-ctl ca issue\"", &ca->pair,
                        problem))
        return ca;
    kg_ca_close(ca);
    return NULL;
}

void kg_ca_close(struct kg_ca *ca)
{
    if (!ca)
        return;
    kg_ca_pair_finish(&ca->pair);
    free(ca);
}

int64_t kg_ca_not_after(const struct kg_ca *ca)
{
    return kg_ca_x509_not_after(ca->pair.certificate);
}

char *kg_ca_pem(const struct kg_ca *ca)
{
    return kg_ca_x509_pem(ca->pair.certificate);
}

void kg_ca_certificate_finish(struct kg_ca_certificate *certificate)
{
    free(certificate->pem);
    free(certificate->issuer_pem);
    certificate->pem = certificate->issuer_pem = NULL;
}

static void describe(X509 *certificate, struct kg_ca_certificate *out)
{
    kg_ca_x509_fingerprint(certificate, out->fingerprint);
    kg_ca_x509_serial(certificate, out->serial);
    out->not_after_s = kg_ca_x509_not_after(certificate);
    out->pem = kg_ca_x509_pem(certificate);
}

bool kg_ca_sign(struct kg_ca *ca, const struct kg_ca_subject *subject, const struct kg_ca_request *request,
                int64_t now_s, struct kg_ca_certificate *out, struct kg_problem *problem)
{
    if (!kg_ca_subject_check(subject, problem))
        return false;
    if (now_s >= kg_ca_not_after(ca))
        return kg_problem_set(problem,
                              "the issuing authority has expired: make a new one with \"kaigi-ctl ca "
                              "issue\" and the root's medium, then start kaigi-signer again");
    X509 *certificate =
        kg_ca_x509_leaf(request->key, subject, now_s, ca->pair.certificate, ca->pair.key, problem);
    if (!certificate)
        return false;
    struct kg_ca_certificate made = {0};
    describe(certificate, &made);
    X509_free(certificate);
    made.issuer_pem = kg_ca_pem(ca);
    if (!made.pem || !made.issuer_pem) {
        kg_ca_certificate_finish(&made);
        return kg_problem_set(problem, "no memory for the certificate");
    }
    *out = made;
    return true;
}

bool kg_ca_relay_request(EVP_PKEY **key, char **csr, struct kg_problem *problem)
{
    EVP_PKEY *made = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    BIO *memory = BIO_new(BIO_s_mem());
    char *data = NULL, *text = NULL;
    if (made && request && memory && X509_REQ_set_pubkey(request, made) == 1 &&
        X509_REQ_sign(request, made, EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(memory, request) == 1) {
        long size = BIO_get_mem_data(memory, &data);
        text = strndup(data, (size_t)size);
    }
    BIO_free(memory);
    X509_REQ_free(request);
    if (!text) {
        EVP_PKEY_free(made);
        return kg_ca_openssl_problem(problem, "cannot make a key");
    }
    *key = made;
    *csr = text;
    return true;
}

bool kg_ca_relay_install(const char *state, EVP_PKEY *key, const struct kg_ca_certificate *certificate,
                         struct kg_problem *problem)
{
    char *chain = NULL;
    if (asprintf(&chain, "%s%s", certificate->pem, certificate->issuer_pem ? certificate->issuer_pem : "") <
        0)
        return kg_problem_set(problem, "no memory");
    bool ok = kg_ca_pair_write(state, KG_CA_RELAY_CERT, KG_CA_RELAY_KEY, chain, key, problem);
    free(chain);
    return ok;
}

bool kg_ca_certificate_read(const char *pem, struct kg_ca_certificate *out, struct kg_problem *problem)
{
    BIO *memory = BIO_new_mem_buf(pem, -1);
    X509 *certificate = memory ? PEM_read_bio_X509(memory, NULL, NULL, NULL) : NULL;
    BIO_free(memory);
    struct kg_ca_certificate made = {0};
    if (certificate)
        describe(certificate, &made);
    X509_free(certificate);
    ERR_clear_error();
    if (!made.pem)
        return kg_problem_set(problem, "this is no certificate (expected a line \"-----BEGIN "
                                       "CERTIFICATE-----\")");
    *out = made;
    return true;
}

bool kg_ca_file_fingerprint(const char *path, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                            int64_t *not_after_s, struct kg_problem *problem)
{
    X509 *certificate = kg_ca_x509_read(path, problem);
    if (!certificate)
        return false;
    kg_ca_x509_fingerprint(certificate, fingerprint);
    if (not_after_s)
        *not_after_s = kg_ca_x509_not_after(certificate);
    X509_free(certificate);
    return true;
}

void kg_ca_fingerprint_text(const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                            char text[KG_CA_FINGERPRINT_TEXT])
{
    for (size_t i = 0; i < KG_CA_FINGERPRINT_BYTES; i++)
        snprintf(text + i * 3, 4, i + 1 < KG_CA_FINGERPRINT_BYTES ? "%02X:" : "%02X", fingerprint[i]);
}

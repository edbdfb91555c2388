#include "unit/app/fake_est.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <time.h>

#include "unit/folder.h"

struct fake_est est;
char folder[64];

static char ca_path[100], key_path[100], certificate_path[100];
struct kg_terminal_settings settings = {.relay_host = "relay.example",
                                        .relay_ca_file = ca_path,
                                        .identity_key_file = key_path,
                                        .identity_certificate_file = certificate_path,
                                        .state_folder = folder};
const struct kg_identity_files files = {key_path, certificate_path};

struct kg_est_exchange {
    bool answers;
};
static struct kg_est_exchange the_exchange;

struct kg_est_exchange *kg_est_exchange_create(const struct kg_terminal_settings *s, void (*wake)(void))
{
    (void)s, (void)wake;
    return &the_exchange;
}

void kg_est_exchange_destroy(struct kg_est_exchange *x)
{
    x->answers = false;
}

bool kg_est_exchange_ask(struct kg_est_exchange *x, enum kg_est_operation operation, X509_REQ *request)
{
    EVP_PKEY_free(est.asked_key);
    est.asked_key = X509_REQ_get_pubkey(request);
    assert_int_equal(X509_REQ_verify(request, est.asked_key), 1);
    est.operation = operation;
    est.asked++;
    x->answers = true;
    return true;
}

bool kg_est_exchange_take(struct kg_est_exchange *x, struct kg_est_reply *reply)
{
    if (!x->answers)
        return false;
    x->answers = false;
    *reply = (struct kg_est_reply){.outcome = est.outcome, .retry_s = -1, .close = {.detail = "a test"}};
    if (est.outcome == KG_EST_ISSUED) {
        EVP_PKEY *key = est.signed_key ? est.signed_key : est.asked_key;
        reply->certificates = sk_X509_new_null();
        sk_X509_push(reply->certificates, fake_est_sign(key, est.wall_s - 60, est.wall_s + 90 * DAY_S));
    }
    return true;
}

X509 *fake_est_sign(EVP_PKEY *key, int64_t begin_s, int64_t end_s)
{
    X509 *x = X509_new();
    X509_set_version(x, est.ca ? X509_VERSION_3 : X509_VERSION_1); /* an old root: no extensions to make */
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)begin_s);
    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)end_s);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)(est.ca ? "room" : "ca"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(est.ca ? est.ca : x));
    assert_true(X509_sign(x, est.ca_key, EVP_sha256()) > 0);
    return x;
}

bool fake_est_put(EVP_PKEY *key, int64_t begin_s, int64_t end_s)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    sk_X509_push(chain, fake_est_sign(key, begin_s, end_s));
    bool ok = kg_identity_store_put(&files, key, chain);
    sk_X509_pop_free(chain, X509_free);
    return ok;
}

bool fake_est_begin(void)
{
    if (!folder_make(folder, "app"))
        return false;
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", folder);
    snprintf(key_path, sizeof key_path, "%s/room.key", folder);
    snprintf(certificate_path, sizeof certificate_path, "%s/room.crt", folder);
    est = (struct fake_est){.wall_s = time(NULL), .outcome = KG_EST_PENDING, .ca_key = EVP_EC_gen("P-256")};
    est.ca = fake_est_sign(est.ca_key, est.wall_s - 1000 * DAY_S, est.wall_s + 1000 * DAY_S);
    FILE *file = fopen(ca_path, "w");
    return file && PEM_write_X509(file, est.ca) == 1 && fclose(file) == 0;
}

bool fake_est_end(void)
{
    EVP_PKEY_free(est.ca_key);
    EVP_PKEY_free(est.asked_key);
    X509_free(est.ca);
    est = (struct fake_est){0};
    return folder_remove(folder);
}

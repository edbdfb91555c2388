/* A certificate that is renewed: taken by the relay, refused by it, or never come. The relay is a fake; the
 * files are real. */
#include "app/renewer.h"

#include <openssl/pem.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/est_exchange.h"
#include "app/identity_store.h"
#include "unit/cmocka_all.h"

#include "unit/app/folder.h"

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)

static EVP_PKEY *ca_key;
static X509 *ca;
static char ca_path[100], key_path[100], certificate_path[100];
static struct kg_terminal_settings settings = {
    .relay_ca_file = ca_path, .identity_key_file = key_path, .identity_certificate_file = certificate_path};
static const struct kg_identity_files files = {key_path, certificate_path};
static int64_t wall_s;

/* --- the relay ------------------------------------------------------------------------------------------ */

static unsigned asked;
static EVP_PKEY *asked_key;
static enum kg_est_outcome outcome;

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
    assert_int_equal(operation, KG_EST_REENROLL);
    EVP_PKEY_free(asked_key);
    asked_key = X509_REQ_get_pubkey(request);
    asked++;
    x->answers = true;
    return true;
}

static X509 *sign(EVP_PKEY *key, int64_t begin_s, int64_t end_s)
{
    X509 *x = X509_new();
    X509_set_version(x, ca ? X509_VERSION_3 : X509_VERSION_1); /* an old root: no extensions to make */
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)begin_s);
    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)end_s);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)(ca ? "room" : "ca"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(ca ? ca : x));
    assert_true(X509_sign(x, ca_key, EVP_sha256()) > 0);
    return x;
}

bool kg_est_exchange_take(struct kg_est_exchange *x, struct kg_est_reply *reply)
{
    if (!x->answers)
        return false;
    x->answers = false;
    *reply = (struct kg_est_reply){.outcome = outcome, .retry_s = -1, .close = {.detail = "a test"}};
    if (outcome == KG_EST_ISSUED) {
        reply->certificates = sk_X509_new_null();
        sk_X509_push(reply->certificates, sign(asked_key, wall_s - 60, wall_s + 90 * DAY_S));
    }
    return true;
}

/* --- the room ------------------------------------------------------------------------------------------- */

static EVP_PKEY *first_key;

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", folder);
    snprintf(key_path, sizeof key_path, "%s/room.key", folder);
    snprintf(certificate_path, sizeof certificate_path, "%s/room.crt", folder);
    wall_s = time(NULL);
    ca_key = EVP_EC_gen("P-256");
    first_key = EVP_EC_gen("P-256");
    ca = sign(ca_key, wall_s - 1000 * DAY_S, wall_s + 1000 * DAY_S);
    FILE *file = fopen(ca_path, "w");
    if (!file || PEM_write_X509(file, ca) != 1 || fclose(file) != 0)
        return -1;
    STACK_OF(X509) *chain = sk_X509_new_null();
    sk_X509_push(chain, sign(first_key, wall_s - 70 * DAY_S, wall_s + 20 * DAY_S));
    bool ok = kg_identity_store_put(&files, first_key, chain);
    sk_X509_pop_free(chain, X509_free);
    asked = 0;
    outcome = KG_EST_ISSUED;
    return ok ? 0 : -1;
}

static int tear_down(void **state)
{
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(first_key);
    EVP_PKEY_free(asked_key);
    X509_free(ca);
    ca_key = first_key = asked_key = NULL;
    ca = NULL;
    return remove_folder(state);
}

static bool is_key(EVP_PKEY *key)
{
    FILE *file = fopen(key_path, "r");
    EVP_PKEY *read = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    bool same = read && EVP_PKEY_eq(read, key) == 1;
    EVP_PKEY_free(read);
    if (file)
        fclose(file);
    return same;
}

static bool is_old_there(void)
{
    char path[120];
    snprintf(path, sizeof path, "%s.old", key_path);
    return access(path, F_OK) == 0;
}

static bool tick(struct kg_renewer *r, int64_t now_s)
{
    return kg_renewer_tick(r, now_s * SECOND_US, (wall_s + now_s) * SECOND_US);
}

static void test_taken(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    assert_false(tick(r, 0)); /* asks */
    assert_int_equal(asked, 1);
    assert_true(tick(r, 1)); /* has it: to be tried */
    assert_true(tick(r, 2)); /* until it is */
    assert_true(is_key(asked_key) && !is_key(first_key));
    kg_renewer_welcomed(r); /* with the old one: no proof */
    assert_true(is_old_there());
    kg_renewer_connecting(r);
    assert_false(tick(r, 3));
    kg_renewer_closed(r, KG_WS_UNREACHABLE, 3 * SECOND_US); /* says nothing about the certificate */
    assert_true(is_key(asked_key));
    kg_renewer_welcomed(r);
    assert_false(is_old_there());
    assert_false(tick(r, 100 * 3600)); /* the next one is far */
    assert_int_equal(asked, 1);
    kg_renewer_destroy(r);
}

static void test_refused_by_the_relay(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    assert_false(tick(r, 0));
    assert_true(tick(r, 1));
    kg_renewer_connecting(r);
    kg_renewer_closed(r, KG_WS_REJECTED, 2 * SECOND_US);
    assert_true(is_key(first_key));
    assert_false(tick(r, 3)); /* and not again at once */
    assert_int_equal(asked, 1);
    kg_renewer_closed(r, KG_WS_REJECTED, 4 * SECOND_US); /* nothing to go back to */
    assert_true(is_key(first_key));
    assert_false(tick(r, 3 + 3600));
    assert_int_equal(asked, 2);
    kg_renewer_destroy(r);
}

static void test_not_come(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    outcome = KG_EST_AWAY;
    assert_false(tick(r, 0));
    assert_false(tick(r, 1));
    assert_true(is_key(first_key) && !is_old_there());
    assert_false(tick(r, 1800));
    assert_int_equal(asked, 1);
    assert_int_equal(kg_renewer_end_us(r, wall_s * SECOND_US), 0);
    int64_t end_us = (wall_s + 20 * DAY_S) * SECOND_US;
    assert_int_equal(kg_renewer_end_us(r, end_us - DAY_S * SECOND_US), end_us);
    assert_false(tick(r, 3602));
    assert_int_equal(asked, 2);
    kg_renewer_destroy(r);
}

/* Signed by somebody, but not by the authority that this terminal trusts. */
static void test_of_no_use(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    EVP_PKEY *right = ca_key;
    assert_false(tick(r, 0));
    ca_key = first_key;
    assert_false(tick(r, 1));
    ca_key = right;
    assert_true(is_key(first_key) && !is_old_there());
    kg_renewer_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_by_the_relay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_come, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_no_use, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

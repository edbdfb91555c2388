/* A device that is let in, with a relay that is a fake: what is believed before it is asked, and what it
 * gives before it is kept. */
#include "app/device_enrolment.h"

#include <openssl/pem.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/est_exchange.h"
#include "app/identity_store.h"
#include "net/est.h"
#include "unit/cmocka_all.h"

#include "unit/app/folder.h"

#define SECOND_US INT64_C(1000000)

static EVP_PKEY *ca_key;
static X509 *ca;
static char ca_path[100], key_path[100], certificate_path[100];
static struct kg_terminal_settings settings = {.relay_host = "relay.example",
                                               .relay_ca_file = ca_path,
                                               .identity_key_file = key_path,
                                               .identity_certificate_file = certificate_path,
                                               .state_folder = folder};
static int64_t wall_s;

/* --- the relay ------------------------------------------------------------------------------------------ */

static unsigned asked;
static EVP_PKEY *asked_key, *signed_key; /* signed_key: instead of the one asked for */
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
    assert_int_equal(operation, KG_EST_ENROLL);
    EVP_PKEY_free(asked_key);
    asked_key = X509_REQ_get_pubkey(request);
    assert_int_equal(X509_REQ_verify(request, asked_key), 1);
    asked++;
    x->answers = true;
    return true;
}

static X509 *sign(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, ca ? X509_VERSION_3 : X509_VERSION_1); /* an old root: no extensions to make */
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 90 * 86400);
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
        sk_X509_push(reply->certificates, sign(signed_key ? signed_key : asked_key));
    }
    return true;
}

/* --- the device ----------------------------------------------------------------------------------------- */

static struct kg_device_enrolment *device;

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", folder);
    snprintf(key_path, sizeof key_path, "%s/room.key", folder);
    snprintf(certificate_path, sizeof certificate_path, "%s/room.crt", folder);
    wall_s = time(NULL);
    ca_key = EVP_EC_gen("P-256");
    ca = sign(ca_key);
    FILE *file = fopen(ca_path, "w");
    if (!file || PEM_write_X509(file, ca) != 1 || fclose(file) != 0)
        return -1;
    asked = 0;
    outcome = KG_EST_PENDING;
    return 0;
}

static int tear_down(void **state)
{
    kg_device_enrolment_destroy(device);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(asked_key);
    X509_free(ca);
    device = NULL;
    ca_key = asked_key = signed_key = NULL;
    ca = NULL;
    return remove_folder(state);
}

static void start(void)
{
    assert_true(kg_device_enrolment_is_needed(&settings));
    device = kg_device_enrolment_create(&settings, NULL, 0);
    assert_non_null(device);
}

static bool tick(int64_t now_s)
{
    return kg_device_enrolment_tick(device, now_s * SECOND_US, (wall_s + now_s) * SECOND_US);
}

static const struct kg_room_state *shown(void)
{
    return kg_device_enrolment_state(device);
}

static void test_let_in(void **state)
{
    (void)state;
    struct kg_identity_times times;
    const struct kg_identity_files files = {key_path, certificate_path};
    uint8_t hash[KG_EST_HASH_BYTES];
    char code[KG_EST_CODE_SIZE], text[KG_EST_CODE_TEXT_SIZE];
    start();
    assert_false(tick(0)); /* a key */
    assert_false(tick(0)); /* asks */
    assert_false(tick(1)); /* is told to wait */
    assert_int_equal(shown()->enrolment.step, KG_ENROLMENT_WAITING);
    assert_true(kg_est_key_hash(asked_key, hash));
    kg_est_code(hash, code);
    kg_est_code_text(code, text);
    assert_string_equal(shown()->enrolment.code, text);
    assert_int_equal(strlen(shown()->enrolment.authority), 95);
    outcome = KG_EST_ISSUED;
    assert_int_equal(asked, 1);
    assert_false(tick(20)); /* asks again, with the same key */
    assert_int_equal(asked, 2);
    assert_true(kg_est_key_hash(asked_key, hash));
    kg_est_code(hash, code);
    kg_est_code_text(code, text);
    assert_string_equal(shown()->enrolment.code, text);
    assert_true(tick(21));
    assert_int_equal(kg_identity_store_look(&files, &times), KG_IDENTITY_USABLE);
    assert_false(kg_device_enrolment_is_needed(&settings));
}

static void test_a_certificate_of_no_use(void **state)
{
    (void)state;
    start();
    signed_key = EVP_EC_gen("P-256");
    outcome = KG_EST_ISSUED;
    assert_false(tick(0));
    assert_false(tick(0));
    assert_false(tick(1));
    EVP_PKEY_free(signed_key);
    signed_key = NULL;
    assert_int_equal(shown()->screen, KG_SCREEN_ERROR);
    assert_int_equal(shown()->error.problem, KG_PROBLEM_PROTOCOL);
    assert_int_not_equal(access(key_path, F_OK), 0);
    assert_int_not_equal(access(certificate_path, F_OK), 0);
}

static void test_a_clock_behind(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%lld\n", (long long)(wall_s + 86400));
    write_file("clock", text);
    start();
    assert_false(tick(0));
    assert_false(tick(0));
    assert_int_equal(asked, 0); /* by such a clock nobody is to be judged */
    assert_int_equal(shown()->screen, KG_SCREEN_ERROR);
    assert_int_equal(shown()->error.problem, KG_PROBLEM_CLOCK_WRONG);
    assert_false(tick(86400)); /* it is set */
    assert_int_equal(asked, 1);
}

static void test_put_there_by_hand(void **state)
{
    (void)state;
    start();
    assert_false(tick(0));
    assert_false(tick(0));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    STACK_OF(X509) *chain = sk_X509_new_null();
    sk_X509_push(chain, sign(key));
    const struct kg_identity_files files = {key_path, certificate_path};
    assert_true(kg_identity_store_put(&files, key, chain));
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    assert_true(tick(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_let_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_of_no_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_clock_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_there_by_hand, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

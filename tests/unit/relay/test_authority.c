#include "unit/cmocka_all.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/ca.h"

static const int64_t now_s = 1795222800; /* 2026-11-21 */
static char folder[64];

static void path_of(char path[128], const char *file)
{
    snprintf(path, 128, "%s/%s", folder, file);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kaigi-ca-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const files[] = {KG_CA_KEY_FILE, KG_CA_CERT_FILE, KG_CA_RELAY_KEY, KG_CA_RELAY_CERT};
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        char path[128];
        path_of(path, files[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct kg_ca *init(void)
{
    static const char *const addresses[] = {"relay.kaku.example", "192.0.2.1", "2001:db8::1"};
    struct kg_problem problem;
    if (!kg_ca_init(folder, "試験 CA", addresses, 3, now_s, &problem))
        fail_msg("%s", problem.text);
    struct kg_ca *ca = kg_ca_open(folder, &problem);
    if (!ca)
        fail_msg("%s", problem.text);
    return ca;
}

static X509 *read_certificate(const char *file)
{
    char path[128];
    path_of(path, file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    assert_non_null(certificate);
    return certificate;
}

static int verify(X509 *certificate, X509 *authority, int purpose, int64_t at_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, authority);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), (time_t)at_s);
    int error = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return error;
}

static void test_init(void **state)
{
    (void)state;
    struct kg_problem problem;
    kg_ca_close(init());
    X509 *authority = read_certificate(KG_CA_CERT_FILE), *relay = read_certificate(KG_CA_RELAY_CERT);
    assert_int_equal(verify(relay, authority, X509_PURPOSE_SSL_SERVER, now_s), X509_V_OK);
    assert_int_equal(verify(relay, authority, X509_PURPOSE_SSL_CLIENT, now_s), X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(verify(relay, authority, X509_PURPOSE_SSL_SERVER, now_s + 826 * INT64_C(86400)),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(X509_check_host(relay, "relay.kaku.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(relay, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(relay, "192.0.2.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(relay, "2001:db8::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(relay, "192.0.2.2", 0), 0);
    static const char *const keys[] = {KG_CA_KEY_FILE, KG_CA_RELAY_KEY};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        struct stat st;
        path_of(path, keys[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    /* A second authority would lock out every room. */
    static const char *const addresses[] = {"192.0.2.1"};
    assert_false(kg_ca_init(folder, "x", addresses, 1, now_s, &problem));
    assert_non_null(strstr(problem.text, "exists already"));
    X509_free(authority);
    X509_free(relay);
}

static void test_bad_addresses_leave_nothing_behind(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "DNS:x,IP:1.2.3.4", ".x", "会議"};
    struct kg_problem problem;
    char path[128];
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++)
        assert_false(kg_ca_init(folder, "x", &bad[i], 1, now_s, &problem));
    assert_false(kg_ca_init(folder, "x", NULL, 0, now_s, &problem));
    path_of(path, KG_CA_KEY_FILE);
    assert_int_not_equal(access(path, F_OK), 0);
}

static char *make_request(EVP_PKEY *key, bool damaged)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
                               (const unsigned char *)"admin", -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    if (damaged)
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "O", MBSTRING_ASC,
                                   (const unsigned char *)"x", -1, -1, 0);
    BIO *memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(memory, request);
    char *data;
    long size = BIO_get_mem_data(memory, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(memory);
    X509_REQ_free(request);
    return text;
}

static void test_rooms(void **state)
{
    (void)state;
    struct kg_problem problem;
    struct kg_ca *ca = init();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *request = make_request(key, false);
    struct kg_ca_certificate first, second;
    assert_true(kg_ca_sign_room(ca, request, "kaku-1", now_s, &first, &problem));
    assert_true(kg_ca_sign_room(ca, request, "kaku-1", now_s, &second, &problem));
    assert_string_not_equal(first.serial, second.serial);
    assert_int_equal(first.not_after_s, now_s + 90 * INT64_C(86400));

    BIO *memory = BIO_new_mem_buf(first.pem, -1);
    X509 *room = PEM_read_bio_X509(memory, NULL, NULL, NULL), *authority = read_certificate(KG_CA_CERT_FILE);
    BIO_free(memory);
    char name[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(room), NID_commonName, name, sizeof name);
    assert_string_equal(name, "kaku-1");
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(room)), 1);
    assert_int_equal(X509_check_private_key(room, key), 1);
    assert_int_equal(verify(room, authority, X509_PURPOSE_SSL_CLIENT, now_s), X509_V_OK);
    assert_int_equal(verify(room, authority, X509_PURPOSE_SSL_SERVER, now_s), X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(verify(room, authority, X509_PURPOSE_SSL_CLIENT, now_s + 91 * 86400),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    GENERAL_NAMES *names = X509_get_ext_d2i(room, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    const GENERAL_NAME *uri = sk_GENERAL_NAME_value(names, 0);
    assert_int_equal(uri->type, GEN_URI);
    assert_string_equal((const char *)ASN1_STRING_get0_data(uri->d.uniformResourceIdentifier),
                        "kaigi:room:kaku-1");
    GENERAL_NAMES_free(names);
    X509_free(room);
    X509_free(authority);
    EVP_PKEY_free(key);
    free(request);
    free(first.pem);
    free(second.pem);
    kg_ca_close(ca);
}

static void refuse(struct kg_ca *ca, char *request, const char *says)
{
    struct kg_problem problem;
    struct kg_ca_certificate out;
    assert_false(kg_ca_sign_room(ca, request, "x", now_s, &out, &problem));
    if (!strstr(problem.text, says))
        fail_msg("%s", problem.text);
    free(request);
}

static void test_refused_requests(void **state)
{
    (void)state;
    struct kg_ca *ca = init();
    EVP_PKEY *good = EVP_EC_gen("P-256"), *weak = EVP_RSA_gen(1024), *odd = EVP_EC_gen("secp256k1");
    refuse(ca, strdup(""), "no certificate request");
    refuse(ca, strdup("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
           "no certificate request");
    refuse(ca, make_request(good, true), "signature is wrong");
    refuse(ca, make_request(weak, false), "not accepted");
    refuse(ca, make_request(odd, false), "not accepted");
    EVP_PKEY_free(good);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(odd);
    kg_ca_close(ca);
}

static void test_open_refuses(void **state)
{
    (void)state;
    struct kg_problem problem;
    char key[128], other[128];
    assert_null(kg_ca_open(folder, &problem));
    assert_non_null(strstr(problem.text, "ca init"));
    kg_ca_close(init());
    path_of(key, KG_CA_KEY_FILE);
    chmod(key, 0640);
    assert_null(kg_ca_open(folder, &problem));
    assert_non_null(strstr(problem.text, "chmod 600"));
    path_of(other, KG_CA_RELAY_KEY);
    assert_int_equal(rename(other, key), 0);
    assert_null(kg_ca_open(folder, &problem));
    assert_non_null(strstr(problem.text, "not the key of ca.crt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_init, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_addresses_leave_nothing_behind, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_rooms, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused_requests, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_open_refuses, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

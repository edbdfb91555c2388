#include "unit/cmocka_all.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/ca_x509.h"
#include "unit/folder.h"

static const int64_t now_s = 1795222800; /* 2026-11-21 */
static char folder[64];
static const char passphrase[] = "さくら咲く 2026 春の試験";

static const char *in_folder(const char *file)
{
    static char paths[256][192];
    static unsigned next;
    char *path = paths[next++ % 256];
    snprintf(path, 192, "%s/%s", folder, file);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return folder_make(folder, "ca") ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

static const char *const addresses[] = {"relay.kaku.example", "192.0.2.1", "2001:db8::1"};

static struct kg_ca_making making(void)
{
    return (struct kg_ca_making){
        .root = in_folder("root"),
        .state = in_folder("state"),
        .signer = in_folder("signer"),
        .name = "試験 CA",
        .passphrase = passphrase,
        .addresses = addresses,
        .address_count = KG_ARRAY_LEN(addresses),
        .now_s = now_s,
    };
}

static struct kg_ca *init(void)
{
    struct kg_problem problem;
    struct kg_ca_making m = making();
    if (!kg_ca_init(&m, &problem))
        fail_msg("%s", problem.text);
    struct kg_ca *ca = kg_ca_open(in_folder("signer"), &problem);
    if (!ca)
        fail_msg("%s", problem.text);
    return ca;
}

static X509 *read_certificate(const char *file)
{
    FILE *in = fopen(in_folder(file), "r");
    assert_non_null(in);
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    assert_non_null(certificate);
    return certificate;
}

static X509 *parse_certificate(const char *pem)
{
    BIO *memory = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL);
    BIO_free(memory);
    assert_non_null(certificate);
    return certificate;
}

/* Under the root, by way of the issuing authority. */
static int verify(X509 *certificate, int purpose, int64_t at_s)
{
    X509 *root = read_certificate("state/" KG_CA_CERT_FILE),
         *issuing = read_certificate("state/" KG_CA_ISSUERS);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    sk_X509_push(between, issuing);
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(context, store, certificate, between);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), (time_t)at_s);
    int error = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    sk_X509_free(between);
    X509_free(root);
    X509_free(issuing);
    return error;
}

static void test_init(void **state)
{
    (void)state;
    struct kg_problem problem;
    kg_ca_close(init());
    X509 *relay = read_certificate("state/" KG_CA_RELAY_CERT);
    assert_int_equal(verify(relay, X509_PURPOSE_SSL_SERVER, now_s), X509_V_OK);
    assert_int_equal(verify(relay, X509_PURPOSE_SSL_CLIENT, now_s), X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(verify(relay, X509_PURPOSE_SSL_SERVER, now_s + 826 * INT64_C(86400)),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(X509_check_host(relay, "relay.kaku.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(relay, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(relay, "192.0.2.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(relay, "2001:db8::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(relay, "192.0.2.2", 0), 0);
    static const char *const keys[] = {"root/" KG_CA_ROOT_KEY, "signer/" KG_CA_ISSUING_KEY,
                                       "state/" KG_CA_RELAY_KEY};
    for (size_t i = 0; i < KG_ARRAY_LEN(keys); i++) {
        struct stat st;
        assert_int_equal(stat(in_folder(keys[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    static const char *const away[] = {"state/" KG_CA_ROOT_KEY, "state/" KG_CA_ISSUING_KEY,
                                       "state/" KG_CA_OLD_KEY, "signer/" KG_CA_ROOT_KEY,
                                       "signer/" KG_CA_RELAY_KEY};
    for (size_t i = 0; i < KG_ARRAY_LEN(away); i++)
        assert_int_not_equal(access(in_folder(away[i]), F_OK), 0);
    /* A second authority would lock out every room. */
    struct kg_ca_making m = making();
    assert_false(kg_ca_init(&m, &problem));
    assert_non_null(strstr(problem.text, "exists already"));
    X509_free(relay);
}

static void test_the_root_opens_by_its_passphrase_alone(void **state)
{
    (void)state;
    struct kg_problem problem;
    kg_ca_close(init());
    const char *path = in_folder("root/" KG_CA_ROOT_KEY);
    EVP_PKEY *key = kg_ca_read_key(path, passphrase, &problem);
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_get_bits(key), 384);
    EVP_PKEY_free(key);
    assert_null(kg_ca_read_key(path, "さくら咲く 2026 春の試", &problem));
    assert_non_null(strstr(problem.text, "passphrase does not open"));
    assert_null(kg_ca_read_key(path, NULL, &problem));
    char text[64] = "";
    FILE *in = fopen(path, "r");
    assert_non_null(fgets(text, sizeof text, in));
    fclose(in);
    assert_string_equal(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
}

static void refuse_init(struct kg_ca_making m, const char *says)
{
    struct kg_problem problem;
    assert_false(kg_ca_init(&m, &problem));
    if (!strstr(problem.text, says))
        fail_msg("\"%s\" does not say \"%s\"", problem.text, says);
    assert_int_not_equal(access(in_folder("root/" KG_CA_ROOT_KEY), F_OK), 0);
    assert_int_not_equal(access(in_folder("state/" KG_CA_CERT_FILE), F_OK), 0);
    assert_int_not_equal(access(in_folder("signer/" KG_CA_ISSUING_KEY), F_OK), 0);
}

static void test_what_is_refused_leaves_nothing_behind(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "DNS:x,IP:1.2.3.4", ".x", "会議"};
    struct kg_ca_making m = making();
    m.address_count = 1;
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++) {
        m.addresses = &bad[i];
        refuse_init(m, "neither a host name nor an address");
    }
    m.address_count = 0;
    refuse_init(m, "no address given");
    static const char *const weak[] = {"", "elevenchars", "さくら咲く 2026", "aaaaaaaaaaaaaaaa",
                                       "abababababab"};
    for (size_t i = 0; i < KG_ARRAY_LEN(weak); i++) {
        m = making();
        m.passphrase = weak[i];
        refuse_init(m, "at least 12 characters");
    }
    m = making();
    m.root = m.state;
    refuse_init(m, "must not lie");
    m.root = in_folder("signer/medium");
    refuse_init(m, "must not lie");
    m = making();
    m.name = "";
    refuse_init(m, "name must have");
    /* A file where the state folder's last one would go: what was written before it is taken away again. */
    m = making();
    assert_int_equal(mkdir(in_folder("state/" KG_CA_ISSUERS), 0700), 0);
    assert_int_equal(mkdir(in_folder("state/" KG_CA_ISSUERS "/x"), 0700), 0);
    refuse_init(m, "cannot write");
    assert_int_not_equal(access(in_folder("state/" KG_CA_RELAY_KEY), F_OK), 0);
}

static char *make_request(EVP_PKEY *key, const EVP_MD *digest, bool damaged)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
                               (const unsigned char *)"admin", -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    assert_true(X509_REQ_sign(request, key, digest) > 0);
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

static struct kg_ca_certificate sign(struct kg_ca *ca, const struct kg_ca_subject *subject, EVP_PKEY *key)
{
    struct kg_problem problem;
    struct kg_ca_request request;
    struct kg_ca_certificate made = {0};
    char *text = make_request(key, EVP_sha256(), false);
    assert_true(kg_ca_request_read(text, strlen(text), &request, &problem));
    if (!kg_ca_sign(ca, subject, &request, now_s, &made, &problem))
        fail_msg("%s", problem.text);
    kg_ca_request_finish(&request);
    free(text);
    return made;
}

static void check_identity(X509 *certificate, enum kg_ca_kind wanted, const char *wanted_id)
{
    enum kg_ca_kind kind;
    char id[KG_CA_ID_BYTES];
    assert_true(kg_ca_x509_identity(certificate, &kind, id));
    assert_int_equal(kind, wanted);
    assert_string_equal(id, wanted_id);
}

static void test_clients(void **state)
{
    (void)state;
    static const struct kg_ca_subject subjects[] = {{.kind = KG_CA_ROOM, .id = "kaku-1"},
                                                    {.kind = KG_CA_ADMINISTRATOR, .id = "tanaka"}};
    struct kg_ca *ca = init();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < KG_ARRAY_LEN(subjects); i++) {
        struct kg_ca_certificate first = sign(ca, &subjects[i], key), second = sign(ca, &subjects[i], key);
        assert_string_not_equal(first.serial, second.serial);
        assert_int_equal(first.not_after_s, now_s + 90 * INT64_C(86400));
        X509 *client = parse_certificate(first.pem);
        char name[64];
        X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName, name, sizeof name);
        assert_string_equal(name, subjects[i].id);
        assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(client)), 1);
        assert_int_equal(X509_check_private_key(client, key), 1);
        assert_int_equal(verify(client, X509_PURPOSE_SSL_CLIENT, now_s), X509_V_OK);
        assert_int_equal(verify(client, X509_PURPOSE_SSL_SERVER, now_s), X509_V_ERR_INVALID_PURPOSE);
        assert_int_equal(verify(client, X509_PURPOSE_SSL_CLIENT, now_s + 91 * 86400),
                         X509_V_ERR_CERT_HAS_EXPIRED);
        assert_int_equal(verify(client, X509_PURPOSE_SSL_CLIENT, now_s - 7200),
                         X509_V_ERR_CERT_NOT_YET_VALID);
        check_identity(client, subjects[i].kind, subjects[i].id);
        X509_free(client);
        kg_ca_certificate_finish(&first);
        kg_ca_certificate_finish(&second);
    }
    EVP_PKEY_free(key);
    kg_ca_close(ca);
}

/* The issuing authority may make neither authorities nor anything that outlives it. */
static void test_the_issuing_authority_is_constrained(void **state)
{
    (void)state;
    struct kg_problem problem;
    struct kg_ca *ca = init();
    X509 *issuing = read_certificate("signer/" KG_CA_ISSUING_CERT),
         *root = read_certificate("root/" KG_CA_ROOT_CERT);
    assert_int_equal(X509_get_pathlen(issuing), 0);
    assert_int_equal(X509_get_pathlen(root), 1);
    assert_int_equal(X509_get_extended_key_usage(issuing), XKU_SSL_CLIENT | XKU_SSL_SERVER);
    assert_int_equal(X509_get_key_usage(issuing), KU_KEY_CERT_SIGN | KU_CRL_SIGN);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *text = make_request(key, EVP_sha256(), false);
    struct kg_ca_request request;
    assert_true(kg_ca_request_read(text, strlen(text), &request, &problem));
    const struct kg_ca_subject subject = {.kind = KG_CA_ROOM, .id = "kaku-1"};
    struct kg_ca_certificate made = {0};
    int64_t end_s = now_s + KG_CA_ISSUING_DAYS * INT64_C(86400);
    assert_true(kg_ca_sign(ca, &subject, &request, end_s - 86400, &made, &problem));
    assert_int_equal(made.not_after_s, end_s);
    kg_ca_certificate_finish(&made);
    assert_false(kg_ca_sign(ca, &subject, &request, end_s, &made, &problem));
    assert_non_null(strstr(problem.text, "ca issue"));
    kg_ca_request_finish(&request);
    free(text);
    EVP_PKEY_free(key);
    X509_free(issuing);
    X509_free(root);
    kg_ca_close(ca);
}

static void test_a_second_issuing_authority(void **state)
{
    (void)state;
    struct kg_problem problem;
    struct kg_ca *ca = init();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const struct kg_ca_subject subject = {.kind = KG_CA_ROOM, .id = "kaku-1"};
    struct kg_ca_making m = making();
    m.passphrase = "not the passphrase";
    assert_false(kg_ca_issue(&m, &problem));
    assert_non_null(strstr(problem.text, "does not open"));
    m = making();
    m.now_s += 86400;
    assert_true(kg_ca_issue(&m, &problem));
    struct kg_ca *second = kg_ca_open(in_folder("signer"), &problem);
    assert_non_null(second);
    struct kg_ca_certificate made = sign(second, &subject, key);
    X509 *client = parse_certificate(made.pem);
    assert_int_equal(verify(client, X509_PURPOSE_SSL_CLIENT, now_s + 86400),
                     X509_V_OK); /* the file's first */
    FILE *in = fopen(in_folder("state/" KG_CA_ISSUERS), "r");
    unsigned count = 0;
    for (X509 *c = PEM_read_X509(in, NULL, NULL, NULL); c; c = PEM_read_X509(in, NULL, NULL, NULL)) {
        X509_free(c);
        count++;
    }
    fclose(in);
    ERR_clear_error();
    assert_int_equal(count, 2);
    /* Another root's would be trusted by no device. */
    m.root = in_folder("root2");
    m.signer = in_folder("signer2");
    m.state = in_folder("state2");
    assert_true(kg_ca_init(&m, &problem));
    m.state = in_folder("state");
    assert_false(kg_ca_issue(&m, &problem));
    assert_non_null(strstr(problem.text, "which the rooms trust"));
    X509_free(client);
    kg_ca_certificate_finish(&made);
    EVP_PKEY_free(key);
    kg_ca_close(second);
    kg_ca_close(ca);
}

static void refuse(char *request, const char *says)
{
    struct kg_problem problem;
    struct kg_ca_request out;
    assert_false(kg_ca_request_read(request, strlen(request), &out, &problem));
    if (!strstr(problem.text, says))
        fail_msg("\"%s\" does not say \"%s\"", problem.text, says);
    free(request);
}

static void test_requests(void **state)
{
    (void)state;
    struct kg_problem problem;
    struct kg_ca_request pem, der;
    EVP_PKEY *good = EVP_EC_gen("P-256"), *weak = EVP_RSA_gen(1024), *odd = EVP_EC_gen("secp256k1"),
             *rsa = EVP_RSA_gen(2048);
    refuse(strdup(""), "no certificate request");
    refuse(strdup("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
           "no certificate request");
    refuse(make_request(good, EVP_sha256(), true), "signature is wrong");
    refuse(make_request(weak, EVP_sha256(), false), "not accepted");
    refuse(make_request(odd, EVP_sha256(), false), "not accepted");
    refuse(make_request(rsa, EVP_sha1(), false), "SHA-256 or longer");
    refuse(make_request(rsa, EVP_md5(), false), "SHA-256 or longer");
    char *text = make_request(good, EVP_sha256(), false), *twice = NULL;
    assert_true(asprintf(&twice, "%s%s", text, text) > 0);
    refuse(twice, "nothing else");
    char *large = calloc(1, KG_CA_REQUEST_MAX_BYTES + 2);
    memset(large, 'A', KG_CA_REQUEST_MAX_BYTES + 1);
    refuse(large, "too large");

    assert_true(kg_ca_request_read(text, strlen(text), &pem, &problem));
    assert_string_equal(pem.key_text, "EC P-256");
    BIO *memory = BIO_new_mem_buf(text, -1);
    X509_REQ *request = PEM_read_bio_X509_REQ(memory, NULL, NULL, NULL);
    BIO_free(memory);
    unsigned char *bytes = NULL;
    int size = i2d_X509_REQ(request, &bytes);
    assert_true(kg_ca_request_read(bytes, (size_t)size, &der, &problem));
    assert_memory_equal(pem.key_hash, der.key_hash, sizeof pem.key_hash);
    kg_ca_request_finish(&der);
    assert_false(kg_ca_request_read(bytes, (size_t)size - 1, &der, &problem));
    kg_ca_request_finish(&pem);
    OPENSSL_free(bytes);
    X509_REQ_free(request);
    free(text);
    EVP_PKEY_free(good);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(odd);
    EVP_PKEY_free(rsa);
}

static void test_open_refuses(void **state)
{
    (void)state;
    struct kg_problem problem;
    assert_null(kg_ca_open(in_folder("signer"), &problem));
    assert_non_null(strstr(problem.text, "ca init"));
    kg_ca_close(init());
    const char *key = in_folder("signer/" KG_CA_ISSUING_KEY);
    chmod(key, 0640);
    assert_null(kg_ca_open(in_folder("signer"), &problem));
    assert_non_null(strstr(problem.text, "chmod 600"));
    assert_int_equal(rename(in_folder("state/" KG_CA_RELAY_KEY), key), 0);
    assert_null(kg_ca_open(in_folder("signer"), &problem));
    assert_non_null(strstr(problem.text, "is not the private key of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_init, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_root_opens_by_its_passphrase_alone, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_what_is_refused_leaves_nothing_behind, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_clients, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_issuing_authority_is_constrained, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_second_issuing_authority, make_folder, remove_folder),
        cmocka_unit_test(test_requests),
        cmocka_unit_test_setup_teardown(test_open_refuses, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

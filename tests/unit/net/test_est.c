#include "unit/cmocka_all.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

#include "net/est.h"

static char folder[] = "/tmp/kaigi-est-XXXXXX";

/* The openssl program is the independent reader and writer here. */
static void shell(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && { %s; } 2>log", folder, command);
    if (system(line) != 0) /* NOLINT(cert-env33-c): a test's own words */
        fail_msg("%s", line);
}

static char *read_whole(const char *file, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *bytes = calloc(1, 65536);
    *size = fread(bytes, 1, 65535, in);
    fclose(in);
    return bytes;
}

static void write_whole(const char *file, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(out);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    shell("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key -out a.csr"
          " -subj '/CN=terminal/serialNumber=KT 7.(x)' && openssl req -in a.csr -outform DER -out a.der");
    shell("openssl req -x509 -key a.key -subj /CN=one -out one.crt && openssl req -x509 -key a.key -subj "
          "/CN=two"
          " -out two.crt && cat one.crt two.crt >both.crt");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shell("rm -f a.* *.crt *.b64 *.p7 out log");
    return rmdir(folder);
}

static void test_request_comes_as_openssl_wrote_it(void **state)
{
    (void)state;
    size_t der_size, size, got_size;
    char *der = read_whole("a.der", &der_size), serial[KG_EST_SERIAL_SIZE];
    static const char *const writers[] = {"base64 a.der", "base64 -w0 a.der", "openssl base64 -in a.der",
                                          "base64 a.der | sed 's/$/\\r/'"};
    for (size_t i = 0; i < KG_ARRAY_LEN(writers); i++) {
        char command[100];
        snprintf(command, sizeof command, "%s >a.b64", writers[i]);
        shell(command);
        char *body = read_whole("a.b64", &size);
        enum kg_est_fault fault;
        uint8_t *got = kg_est_request_decode(body, size, &got_size, &fault);
        assert_non_null(got);
        assert_int_equal(fault, KG_EST_OK);
        assert_int_equal(got_size, der_size);
        assert_memory_equal(got, der, der_size);
        kg_est_request_serial(got, got_size, serial);
        assert_string_equal(serial, "KT?7.(x)");
        char *pem = kg_est_request_pem(got, got_size), *expected = read_whole("a.csr", &size);
        assert_string_equal(pem, expected);
        free(expected);
        free(pem);
        free(got);
        free(body);
    }
    free(der);
}

static void test_request_is_written_as_openssl_reads_it(void **state)
{
    (void)state;
    size_t der_size;
    char *der = read_whole("a.der", &der_size);
    const unsigned char *at = (unsigned char *)der;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der_size);
    char *body = kg_est_request_encode(request);
    write_whole("a.b64", body, strlen(body));
    shell("openssl base64 -d -in a.b64 -out out && cmp out a.der");
    free(body);
    X509_REQ_free(request);
    free(der);
}

static void test_serial_of_what_is_no_request_is_empty(void **state)
{
    (void)state;
    char serial[KG_EST_SERIAL_SIZE] = "before";
    kg_est_request_serial((const uint8_t *)"\x30\x03\x02\x01\x00", 5, serial);
    assert_string_equal(serial, "");
    kg_est_request_serial(NULL, 0, serial);
    assert_string_equal(serial, "");
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *bytes; /* NULL: refused */
        size_t size;
    } cases[] = {
        {"TWFu", "Man", 3},
        {"TWE=", "Ma", 2},
        {"TQ==", "M", 1},
        {"T\nQ\r\n=\t= \n", "M", 1},
        {"AAAA", "\0\0\0", 3},
        {"+/+/", "\xfb\xff\xbf", 3},
        {"", NULL, 0},
        {"   \n", NULL, 0},
        {"T", NULL, 0},
        {"TQ", NULL, 0},
        {"TQ=", NULL, 0},
        {"T===", NULL, 0},
        {"====", NULL, 0},
        {"=TQ=", NULL, 0},
        {"TQ==TQ==", NULL, 0},
        {"TR==", NULL, 0},
        {"TWF=", NULL, 0},
        {"TW-u", NULL, 0},
        {"TWFu=", NULL, 0},
        {"TWFu\x80", NULL, 0},
        {"TQ==TWFu", NULL, 0},
        {"TWFu====", NULL, 0},
        {"-----BEGIN CERTIFICATE REQUEST-----", NULL, 0},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        enum kg_est_fault fault;
        size_t size = 99;
        uint8_t *got = kg_est_request_decode(cases[i].body, strlen(cases[i].body), &size, &fault);
        if (!cases[i].bytes) {
            if (got)
                fail_msg("\"%s\" is taken", cases[i].body);
            assert_int_equal(fault, KG_EST_NOT_BASE64);
            continue;
        }
        assert_non_null(got);
        assert_int_equal(size, cases[i].size);
        assert_memory_equal(got, cases[i].bytes, size);
        free(got);
    }
    enum kg_est_fault fault;
    size_t size;
    assert_null(kg_est_request_decode("TW\0u", 4, &size, &fault)); /* NUL is no digit */
    assert_int_equal(fault, KG_EST_NOT_BASE64);
    char *long_body = malloc(KG_EST_REQUEST_MAX + 1);
    memset(long_body, 'A', KG_EST_REQUEST_MAX + 1);
    assert_null(kg_est_request_decode(long_body, KG_EST_REQUEST_MAX + 1, &size, &fault));
    assert_int_equal(fault, KG_EST_TOO_LONG);
    uint8_t *most = kg_est_request_decode(long_body, KG_EST_REQUEST_MAX, &size, &fault);
    assert_non_null(most);
    free(most);
    free(long_body);
}

static void test_certificates_are_what_openssl_reads(void **state)
{
    (void)state;
    size_t size;
    char *pem = read_whole("both.crt", &size);
    STACK_OF(X509) *certificates = kg_est_certificates_of_pem(pem);
    assert_int_equal(sk_X509_num(certificates), 2);
    char *body = kg_est_certificates_encode(certificates);
    write_whole("both.b64", body, strlen(body));
    shell("openssl base64 -d -in both.b64 -out both.p7 &&"
          " openssl pkcs7 -inform DER -in both.p7 -print_certs | grep -v ^subject= | grep -v ^issuer= | grep "
          ". >out &&"
          " cmp out both.crt");
    /* RFC 5751 §3.2.2: no signers and no content. */
    shell("openssl pkcs7 -inform DER -in both.p7 -print -noout >out && grep -q 'd.data: <ABSENT>' out &&"
          " grep -A1 signer_info: out | grep -q EMPTY && grep -A1 md_algs: out | grep -q EMPTY");
    enum kg_est_fault fault;
    STACK_OF(X509) *again = kg_est_certificates_decode(body, strlen(body), &fault);
    assert_int_equal(sk_X509_num(again), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(X509_cmp(sk_X509_value(certificates, i), sk_X509_value(again, i)), 0);
    sk_X509_pop_free(again, X509_free);
    sk_X509_pop_free(certificates, X509_free);
    free(body);
    free(pem);
}

static void test_certificates_are_read_from_openssl_and_from_nothing_else(void **state)
{
    (void)state;
    size_t size;
    enum kg_est_fault fault;
    shell("openssl crl2pkcs7 -nocrl -certfile both.crt -outform DER | base64 >both.b64");
    char *body = read_whole("both.b64", &size);
    STACK_OF(X509) *certificates = kg_est_certificates_decode(body, size, &fault);
    assert_int_equal(sk_X509_num(certificates), 2);
    sk_X509_pop_free(certificates, X509_free);
    free(body);
    static const char *const others[] = {
        "openssl crl2pkcs7 -nocrl -outform DER",
        "base64 -d a.b64",
        "echo text | openssl smime -sign -signer one.crt -inkey a.key -outform DER",
        "openssl crl2pkcs7 -nocrl -certfile both.crt -outform DER; printf x",
        "openssl x509 -in one.crt -outform DER",
        ("for i in 1 2 3 4 5 6 7 8 9; do cat both.crt; done >many.crt;"
         " openssl crl2pkcs7 -nocrl -certfile many.crt -outform DER"),
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(others); i++) {
        char command[300];
        snprintf(command, sizeof command, "{ %s; } | base64 >both.b64", others[i]);
        shell(command);
        body = read_whole("both.b64", &size);
        if (kg_est_certificates_decode(body, size, &fault))
            fail_msg("%s is taken", others[i]);
        assert_int_equal(fault, KG_EST_NOT_CERTIFICATES);
        free(body);
    }
    assert_null(kg_est_certificates_of_pem("no PEM"));
}

static void test_attributes_name_the_curve(void **state)
{
    (void)state;
    write_whole("a.b64", kg_est_attributes(), strlen(kg_est_attributes()));
    shell("openssl base64 -d -in a.b64 | openssl asn1parse -inform DER >out && grep -q id-ecPublicKey out &&"
          " grep -q prime256v1 out && grep -q ecdsa-with-SHA256 out");
}

static void test_code_is_the_key_hash_in_base32(void **state)
{
    (void)state;
    uint8_t hash[KG_EST_HASH_BYTES] = {0};
    char code[KG_EST_CODE_SIZE], text[KG_EST_CODE_TEXT_SIZE];
    kg_est_code(hash, code);
    assert_string_equal(code, "000000000");
    memset(hash, 0xff, sizeof hash);
    kg_est_code(hash, code);
    assert_string_equal(code, "ZZZZZZZZZ");
    /* 00001 00010 00011 00100 00101 00110 00111 01000 01001 and three bits that are not in it */
    memcpy(hash, "\x08\x86\x42\x98\xe8\x4f", 6);
    kg_est_code(hash, code);
    assert_string_equal(code, "123456789");
    kg_est_code_text(code, text);
    assert_string_equal(text, "123-456-789");
    /* The same as anyone can compute from the key. */
    shell("openssl pkey -in a.key -pubout -outform DER | openssl dgst -sha256 -binary >out");
    size_t size;
    char *expected = read_whole("out", &size), path[256];
    snprintf(path, sizeof path, "%s/a.key", folder);
    FILE *in = fopen(path, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    fclose(in);
    assert_true(kg_est_key_hash(key, hash));
    assert_int_equal(size, sizeof hash);
    assert_memory_equal(hash, expected, size);
    EVP_PKEY_free(key);
    free(expected);
}

static void test_code_is_read_as_people_write_it(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *code;
    } cases[] = {
        {"ABC-DEF-GHJ", "ABCDEFGHJ"}, {"abc def ghj", "ABCDEFGHJ"},
        {" abcdefghj ", "ABCDEFGHJ"}, {"oOiIlL-00-0", "001111000"},
        {"ABC-DEF-GH", NULL},         {"ABC-DEF-GHJK", NULL},
        {"ABC-DEF-GHU", NULL},        {"", NULL},
        {"ＡＢＣ-DEF-GHJ", NULL},     {"ABC\nDEFGHJ", NULL},
        {"ABC_DEF_GHJ", NULL},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        char code[KG_EST_CODE_SIZE] = "";
        assert_int_equal(kg_est_code_read(cases[i].typed, code), cases[i].code != NULL);
        if (cases[i].code)
            assert_string_equal(code, cases[i].code);
    }
}

static void test_every_fault_has_words(void **state)
{
    (void)state;
    for (int fault = KG_EST_OK; fault <= KG_EST_MEMORY; fault++)
        assert_true(strlen(kg_est_fault_text((enum kg_est_fault)fault)) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_comes_as_openssl_wrote_it),
        cmocka_unit_test(test_request_is_written_as_openssl_reads_it),
        cmocka_unit_test(test_serial_of_what_is_no_request_is_empty),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_certificates_are_what_openssl_reads),
        cmocka_unit_test(test_certificates_are_read_from_openssl_and_from_nothing_else),
        cmocka_unit_test(test_attributes_name_the_curve),
        cmocka_unit_test(test_code_is_the_key_hash_in_base32),
        cmocka_unit_test(test_code_is_read_as_people_write_it),
        cmocka_unit_test(test_every_fault_has_words),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Key and certificate on disk: what a power cut leaves at each step, and what is taken for ours. */
#include "unit/cmocka_all.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/device_serial.h"
#include "app/identity_store.h"
#include "unit/app/folder.h"

static char key_path[128], certificate_path[128], ca_path[128];
static struct kg_identity_files files;

static const char *path_of(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_files(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    snprintf(key_path, sizeof key_path, "%s/room.key", folder);
    snprintf(certificate_path, sizeof certificate_path, "%s/room.crt", folder);
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", folder);
    files = (struct kg_identity_files){key_path, certificate_path};
    return 0;
}

static X509 *sign(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, int days)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400 * days);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    if (!issuer || strcmp(name, "sub") == 0) {
        X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(x, ca, -1);
        X509_EXTENSION_free(ca);
    }
    assert_true(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
    return x;
}

struct authority {
    EVP_PKEY *key, *sub_key;
    X509 *root, *sub;
};

static struct authority make_authority(void)
{
    struct authority a = {.key = EVP_EC_gen("P-256"), .sub_key = EVP_EC_gen("P-256")};
    a.root = sign(a.key, "root", NULL, NULL, 100);
    a.sub = sign(a.sub_key, "sub", a.root, a.key, 100);
    FILE *file = fopen(ca_path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, a.root), 1);
    assert_int_equal(fclose(file), 0);
    return a;
}

static void free_authority(struct authority *a)
{
    EVP_PKEY_free(a->key);
    EVP_PKEY_free(a->sub_key);
    X509_free(a->root);
    X509_free(a->sub);
}

static STACK_OF(X509) * chain_of(const struct authority *a, EVP_PKEY *key, int days)
{
    /* Ours last: the order is anybody's. */
    STACK_OF(X509) *chain = sk_X509_new_null();
    assert_true(X509_up_ref(a->sub) && X509_up_ref(a->root));
    sk_X509_push(chain, a->root);
    sk_X509_push(chain, a->sub);
    sk_X509_push(chain, sign(key, "room", a->sub, a->sub_key, days));
    return chain;
}

static bool there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static bool same_key(const char *path, EVP_PKEY *key)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *read = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    bool same = read && EVP_PKEY_eq(read, key) == 1;
    EVP_PKEY_free(read);
    if (file)
        fclose(file);
    return same;
}

/* A pair is whole, and it is this key's. */
static void expect_pair(EVP_PKEY *key)
{
    struct kg_identity_times times;
    assert_int_equal(kg_identity_store_look(&files, &times), KG_IDENTITY_USABLE);
    assert_true(same_key(key_path, key));
}

static void put(const struct authority *a, EVP_PKEY *key)
{
    char why[160];
    STACK_OF(X509) *chain = chain_of(a, key, 90);
    assert_true(kg_identity_check(chain, key, ca_path, time(NULL), why, sizeof why));
    assert_true(kg_identity_store_put(&files, key, chain));
    sk_X509_pop_free(chain, X509_free);
}

static void test_put_and_look(void **state)
{
    (void)state;
    struct authority a = make_authority();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct kg_identity_times times;
    struct stat info;
    assert_int_equal(kg_identity_store_look(&files, &times), KG_IDENTITY_NONE);
    put(&a, key);
    expect_pair(key);
    assert_int_equal(kg_identity_store_look(&files, &times), KG_IDENTITY_USABLE);
    assert_in_range(times.not_after_s - times.not_before_s, 91 * 86400 - 2, 91 * 86400 + 2);
    assert_int_equal(stat(key_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(there("room.key.new") || there("room.crt.new") || there("room.key.old"));
    /* Ours and the one between; not the root, which all have. */
    FILE *file = fopen(certificate_path, "r");
    X509 *first = PEM_read_X509(file, NULL, NULL, NULL), *second = PEM_read_X509(file, NULL, NULL, NULL);
    assert_true(first && EVP_PKEY_eq(X509_get0_pubkey(first), key) == 1);
    assert_true(second && X509_cmp(second, a.sub) == 0);
    assert_null(PEM_read_X509(file, NULL, NULL, NULL));
    fclose(file);
    X509_free(first);
    X509_free(second);
    write_file("room.crt", "nothing");
    assert_int_equal(kg_identity_store_look(&files, &times), KG_IDENTITY_BROKEN);
    EVP_PKEY_free(key);
    free_authority(&a);
}

static void test_what_is_ours(void **state)
{
    (void)state;
    struct authority a = make_authority(), other = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256"), *strange = EVP_EC_gen("P-256");
    char why[160] = "";
    STACK_OF(X509) *chain = chain_of(&a, key, 90);
    assert_false(kg_identity_check(chain, strange, ca_path, time(NULL), why, sizeof why));
    assert_non_null(strstr(why, "key"));
    assert_true(kg_identity_check(chain, key, ca_path, time(NULL), why, sizeof why));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, 0)), key), 1);
    assert_false(kg_identity_check(chain, key, ca_path, time(NULL) + 91 * 86400, why, sizeof why));
    assert_non_null(strstr(why, "expired"));
    assert_false(kg_identity_check(chain, key, path_of("nowhere.crt"), time(NULL), why, sizeof why));
    other = make_authority(); /* overwrites ca.crt */
    assert_false(kg_identity_check(chain, key, ca_path, time(NULL), why, sizeof why));
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    EVP_PKEY_free(strange);
    free_authority(&a);
    free_authority(&other);
}

static void test_old_pair_until_confirmed(void **state)
{
    (void)state;
    struct authority a = make_authority();
    EVP_PKEY *first = EVP_EC_gen("P-256"), *second = EVP_EC_gen("P-256");
    assert_false(kg_identity_store_revert(&files));
    put(&a, first);
    put(&a, second);
    assert_true(same_key(path_of("room.key.old"), first));
    assert_true(kg_identity_store_revert(&files));
    expect_pair(first);
    put(&a, second);
    kg_identity_store_confirm(&files);
    assert_false(there("room.key.old") || there("room.crt.old"));
    assert_false(kg_identity_store_revert(&files));
    expect_pair(second);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    free_authority(&a);
}

/* The power goes at each step of a change, and of going back. */
static void test_power_cuts(void **state)
{
    (void)state;
    struct authority a = make_authority();
    EVP_PKEY *old = EVP_EC_gen("P-256"), *fresh = EVP_EC_gen("P-256");
    put(&a, old);
    put(&a, fresh); /* now room.* is fresh, room.*.old is old */
    static const struct {
        const char *moves; /* shell, in the folder */
        bool fresh;
    } cuts[] = {
        {"cp -p room.key room.key.new; mv room.key.old room.key; mv room.crt.old room.crt", false},
        {"mv room.key room.key.new; head -c 100 room.crt > room.crt.new; mv room.key.old room.key; "
         "mv room.crt.old room.crt",
         false},
        {"mv room.key room.key.new; mv room.crt room.crt.new; mv room.key.old room.key; mv room.crt.old "
         "room.crt",
         true},
        {"mv room.crt room.crt.new; cp room.crt.old room.crt", true}, /* between the two renames */
        {"mv room.key.old room.key", false},                          /* between those of going back */
        {"echo nothing > room.crt", false},                           /* all that fits is the old pair */
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cuts); i++) {
        char command[400];
        snprintf(command, sizeof command, "cd %s && rm -rf saved && mkdir saved && cp -p room.* saved && %s",
                 folder, cuts[i].moves);
        assert_int_equal(system(command), 0);
        kg_identity_store_recover(&files);
        expect_pair(cuts[i].fresh ? fresh : old);
        assert_false(there("room.key.new") || there("room.crt.new"));
        snprintf(command, sizeof command, "cd %s && rm -f room.* && cp -p saved/* .", folder);
        assert_int_equal(system(command), 0);
    }
    EVP_PKEY_free(old);
    EVP_PKEY_free(fresh);
    free_authority(&a);
}

static void test_a_disk_that_takes_nothing(void **state)
{
    (void)state;
    struct authority a = make_authority();
    EVP_PKEY *first = EVP_EC_gen("P-256"), *second = EVP_EC_gen("P-256");
    put(&a, first);
    char command[200];
    snprintf(command, sizeof command, "mkdir %s/room.crt.new", folder); /* not even root writes there */
    assert_int_equal(system(command), 0);
    STACK_OF(X509) *chain = chain_of(&a, second, 90);
    assert_false(kg_identity_store_put(&files, second, chain));
    expect_pair(first);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    free_authority(&a);
}

/* The second rename fails: what fits the key stays, until it can be moved. */
static void test_a_name_that_is_taken(void **state)
{
    (void)state;
    struct authority a = make_authority();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    put(&a, key);
    char command[400];
    snprintf(command, sizeof command, "cd %s && mv room.crt room.crt.new && mkdir room.crt", folder);
    assert_int_equal(system(command), 0);
    kg_identity_store_recover(&files);
    assert_true(there("room.crt.new"));
    assert_int_equal(rmdir(certificate_path), 0);
    kg_identity_store_recover(&files);
    expect_pair(key);
    assert_false(there("room.crt.new"));
    EVP_PKEY_free(key);
    free_authority(&a);
}

static void test_serial(void **state)
{
    (void)state;
    char serial[KG_EST_SERIAL_SIZE], again[KG_EST_SERIAL_SIZE], command[300];
    kg_device_serial(folder, serial);
    assert_string_equal(serial, "");
    snprintf(command, sizeof command, "mkdir -p %s/etc %s/proc/device-tree", folder, folder);
    assert_int_equal(system(command), 0);
    write_file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    kg_device_serial(folder, serial);
    assert_int_equal(strlen(serial), 16);
    assert_null(strstr("0123456789ABCDEF0123456789ABCDEF", serial)); /* machine-id(5): not itself */
    kg_device_serial(folder, again);
    assert_string_equal(serial, again);
    write_file("proc/device-tree/serial-number", "10000000 a3c5\nmore");
    kg_device_serial(folder, serial);
    assert_string_equal(serial, "10000000a3c5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_look, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_is_ours, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_old_pair_until_confirmed, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_power_cuts, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_disk_that_takes_nothing, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_taken, make_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_serial, make_files, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

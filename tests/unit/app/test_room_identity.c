#include "unit/cmocka_all.h"

#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "app/room_identity.h"
#include "unit/app/folder.h"

static const char *in_folder(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static void test_key_and_request(void **state)
{
    (void)state;
    char key_path[128], csr_path[128];
    struct stat info;
    assert_true(kg_room_identity_make(in_folder("room.key", key_path), in_folder("room.csr", csr_path),
                                      "kaigi-room"));
    assert_int_equal(stat(key_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    FILE *file = fopen(csr_path, "r");
    X509_REQ *request = PEM_read_X509_REQ(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(request);
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    assert_int_equal(X509_REQ_verify(request, key), 1);
    char group[32];
    assert_int_equal(EVP_PKEY_get_group_name(key, group, sizeof group, NULL), 1);
    assert_string_equal(group, "prime256v1");
    EVP_PKEY_free(key);
    X509_REQ_free(request);
}

static void read_all(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* A second request is for the same key: making one again must not orphan a signed certificate. */
static void test_key_is_kept(void **state)
{
    (void)state;
    char key_path[128], csr_path[128], before[1000], after[1000];
    assert_true(kg_room_identity_make(in_folder("room.key", key_path), in_folder("a.csr", csr_path), "a"));
    read_all(key_path, before, sizeof before);
    assert_true(kg_room_identity_make(key_path, in_folder("b.csr", csr_path), "b"));
    read_all(key_path, after, sizeof after);
    assert_string_equal(before, after);
    assert_false(kg_room_identity_make(key_path, csr_path, "b")); /* nothing is overwritten */
}

static void test_unfit_keys(void **state)
{
    (void)state;
    char key_path[128], csr_path[128];
    write_file("room.key", "no key");
    assert_int_equal(chmod(in_folder("room.key", key_path), 0600), 0);
    assert_false(kg_room_identity_make(key_path, in_folder("room.csr", csr_path), "a"));
    assert_true(kg_room_identity_make(in_folder("open.key", key_path), csr_path, "a"));
    assert_int_equal(chmod(key_path, 0644), 0);
    assert_false(kg_room_identity_make(key_path, in_folder("b.csr", csr_path), "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_and_request, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_key_is_kept, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_unfit_keys, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A certificate that is renewed: taken by the relay, refused by it, or never come. The relay is a fake; the
 * files are real. */
#include "app/renewer.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

#include "unit/app/fake_est.h"

static EVP_PKEY *first_key;

static int set_up(void **state)
{
    (void)state;
    if (!fake_est_begin())
        return -1;
    est.outcome = KG_EST_ISSUED;
    first_key = EVP_EC_gen("P-256");
    return fake_est_put(first_key, est.wall_s - 70 * DAY_S, est.wall_s + 20 * DAY_S) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(first_key);
    first_key = NULL;
    return fake_est_end() ? 0 : -1;
}

static bool is_key(EVP_PKEY *key)
{
    FILE *file = fopen(files.key, "r");
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
    snprintf(path, sizeof path, "%s.old", files.key);
    return access(path, F_OK) == 0;
}

static bool tick(struct kg_renewer *r, int64_t now_s)
{
    return kg_renewer_tick(r, now_s * SECOND_US, (est.wall_s + now_s) * SECOND_US);
}

static void test_taken(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    assert_false(tick(r, 0)); /* asks */
    assert_int_equal(est.asked, 1);
    assert_int_equal(est.operation, KG_EST_REENROLL);
    assert_true(tick(r, 1)); /* has it: to be tried */
    assert_true(tick(r, 2)); /* until it is */
    assert_true(is_key(est.asked_key) && !is_key(first_key));
    kg_renewer_welcomed(r); /* with the old one: no proof */
    assert_true(is_old_there());
    kg_renewer_connecting(r);
    assert_false(tick(r, 3));
    kg_renewer_closed(r, KG_WS_UNREACHABLE, 3 * SECOND_US); /* says nothing about the certificate */
    assert_true(is_key(est.asked_key));
    kg_renewer_welcomed(r);
    assert_false(is_old_there());
    assert_false(tick(r, 100 * 3600)); /* the next one is far */
    assert_int_equal(est.asked, 1);
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
    assert_int_equal(est.asked, 1);
    kg_renewer_closed(r, KG_WS_REJECTED, 4 * SECOND_US); /* nothing to go back to */
    assert_true(is_key(first_key));
    assert_false(tick(r, 3 + 3600));
    assert_int_equal(est.asked, 2);
    kg_renewer_destroy(r);
}

static void test_not_come(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    est.outcome = KG_EST_AWAY;
    assert_false(tick(r, 0));
    assert_false(tick(r, 1));
    assert_true(is_key(first_key) && !is_old_there());
    assert_false(tick(r, 1800));
    assert_int_equal(est.asked, 1);
    assert_int_equal(kg_renewer_end_us(r, est.wall_s * SECOND_US), 0);
    int64_t end_us = (est.wall_s + 20 * DAY_S) * SECOND_US;
    assert_int_equal(kg_renewer_end_us(r, end_us - DAY_S * SECOND_US), end_us);
    assert_false(tick(r, 3602));
    assert_int_equal(est.asked, 2);
    kg_renewer_destroy(r);
}

/* Signed by somebody, but not by the authority that this terminal trusts. */
static void test_of_no_use(void **state)
{
    (void)state;
    struct kg_renewer *r = kg_renewer_create(&settings, NULL);
    EVP_PKEY *right = est.ca_key;
    assert_false(tick(r, 0));
    est.ca_key = first_key;
    assert_false(tick(r, 1));
    est.ca_key = right;
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

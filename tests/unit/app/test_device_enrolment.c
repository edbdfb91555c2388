/* A device that is let in, with a relay that is a fake: what is believed before it is asked, and what it
 * gives before it is kept. */
#include "app/device_enrolment.h"

#include <stdio.h>
#include <unistd.h>

#include "net/est.h"
#include "unit/app/fake_est.h"

static struct kg_device_enrolment *device;

static int set_up(void **state)
{
    (void)state;
    return fake_est_begin() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kg_device_enrolment_destroy(device);
    device = NULL;
    return fake_est_end() ? 0 : -1;
}

static void start(void)
{
    assert_true(kg_device_enrolment_is_needed(&settings));
    device = kg_device_enrolment_create(&settings, NULL, 0);
    assert_non_null(device);
}

static bool tick(int64_t now_s)
{
    return kg_device_enrolment_tick(device, now_s * SECOND_US, (est.wall_s + now_s) * SECOND_US);
}

static const struct kg_room_state *shown(void)
{
    return kg_device_enrolment_state(device);
}

static void test_let_in(void **state)
{
    (void)state;
    struct kg_identity_times times;
    uint8_t hash[KG_EST_HASH_BYTES];
    char code[KG_EST_CODE_SIZE], text[KG_EST_CODE_TEXT_SIZE];
    start();
    assert_false(tick(0)); /* a key */
    assert_false(tick(0)); /* asks */
    assert_false(tick(1)); /* is told to wait */
    assert_int_equal(shown()->enrolment.step, KG_ENROLMENT_WAITING);
    assert_true(kg_est_key_hash(est.asked_key, hash));
    kg_est_code(hash, code);
    kg_est_code_text(code, text);
    assert_string_equal(shown()->enrolment.code, text);
    assert_int_equal(strlen(shown()->enrolment.authority), 95);
    est.outcome = KG_EST_ISSUED;
    assert_int_equal(est.asked, 1);
    assert_int_equal(est.operation, KG_EST_ENROLL);
    assert_false(tick(20)); /* asks again, with the same key */
    assert_int_equal(est.asked, 2);
    assert_true(kg_est_key_hash(est.asked_key, hash));
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
    est.signed_key = EVP_EC_gen("P-256");
    est.outcome = KG_EST_ISSUED;
    assert_false(tick(0));
    assert_false(tick(0));
    assert_false(tick(1));
    EVP_PKEY_free(est.signed_key);
    est.signed_key = NULL;
    assert_int_equal(shown()->screen, KG_SCREEN_ERROR);
    assert_int_equal(shown()->error.problem, KG_PROBLEM_PROTOCOL);
    assert_int_not_equal(access(files.key, F_OK), 0);
    assert_int_not_equal(access(files.certificate, F_OK), 0);
}

static void write_clock(const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/clock", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_a_clock_behind(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%lld\n", (long long)est.wall_s + 86400);
    write_clock(text);
    start();
    assert_false(tick(0));
    assert_false(tick(0));
    assert_int_equal(est.asked, 0); /* by such a clock nobody is to be judged */
    assert_int_equal(shown()->screen, KG_SCREEN_ERROR);
    assert_int_equal(shown()->error.problem, KG_PROBLEM_CLOCK_WRONG);
    assert_false(tick(86400)); /* it is set */
    assert_int_equal(est.asked, 1);
}

static void test_put_there_by_hand(void **state)
{
    (void)state;
    start();
    assert_false(tick(0));
    assert_false(tick(0));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_true(fake_est_put(key, est.wall_s - 60, est.wall_s + 90 * DAY_S));
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

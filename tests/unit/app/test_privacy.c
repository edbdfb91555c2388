#include "unit/cmocka_all.h"

#include <sys/stat.h>

#include "app/privacy.h"
#include "unit/app/folder.h"

static void expect(bool microphone_off, bool camera_off)
{
    struct kg_privacy privacy = kg_privacy_load(folder);
    assert_int_equal(privacy.microphone_off, microphone_off);
    assert_int_equal(privacy.camera_off, camera_off);
}

static void test_first_start(void **state)
{
    (void)state;
    expect(false, false);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct kg_privacy privacy = {.microphone_off = i & 1, .camera_off = i & 2};
        assert_true(kg_privacy_save(folder, &privacy));
        expect(i & 1, i & 2);
    }
}

static void test_damage_means_off(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "",
        "kaigi-privacy 1\nmicrophone on\ncamera on",         /* cut short */
        "kaigi-privacy 1\nmicrophone on\ncamera on\nmore\n", /* too much */
        "kaigi-privacy 2\nmicrophone on\ncamera on\n",       /* of another time */
        "kaigi-privacy 1\nmicrophone on\ncamera maybe\n",    /* nonsense */
        "kaigi-privacy 1\nmicrophone on\nmicrophone off\n",  /* one missing */
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(damaged); i++) {
        write_file("privacy", damaged[i]);
        expect(true, true);
    }
}

static void test_unreadable_means_off(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/privacy", folder);
    assert_int_equal(mkdir(path, 0700),
                     0); /* no file where one should be; also for root, who reads anything */
    expect(true, true);
}

/* What could not be saved must not come back as "on". */
static void test_failed_save_spoils(void **state)
{
    (void)state;
    const struct kg_privacy on = {0}, off = {.microphone_off = true};
    char blocked[128];
    assert_true(kg_privacy_save(folder, &on));
    snprintf(blocked, sizeof blocked, "%s/.privacy.new", folder);
    assert_int_equal(mkdir(blocked, 0700), 0);
    assert_false(kg_privacy_save(folder, &off));
    expect(true, true);
}

/* The same for the first that was ever saved: no file would read as a first start, with both on. */
static void test_failed_first_save_spoils(void **state)
{
    (void)state;
    const struct kg_privacy off = {.microphone_off = true};
    char blocked[128];
    snprintf(blocked, sizeof blocked, "%s/.privacy.new", folder);
    assert_int_equal(mkdir(blocked, 0700), 0);
    assert_false(kg_privacy_save(folder, &off));
    expect(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_start, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage_means_off, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_unreadable_means_off, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failed_save_spoils, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failed_first_save_spoils, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/cmocka_all.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock_floor.h"

static const int64_t build_s = 1795222800; /* 2026-11-21 */
static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kaigi-floor-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/clock", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_text(const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int64_t stored(void)
{
    long long value = 0;
    FILE *in = fopen(path, "r");
    if (!in)
        return 0;
    assert_int_equal(fscanf(in, "%lld", &value), 1);
    fclose(in);
    return value;
}

static void test_the_build_is_the_first_floor(void **state)
{
    (void)state;
    struct kg_clock_floor floor;
    kg_clock_floor_open(&floor, path, build_s);
    assert_false(kg_clock_floor_believes(&floor, 0));
    assert_false(kg_clock_floor_believes(&floor, build_s - 1));
    assert_true(kg_clock_floor_believes(&floor, build_s));
    assert_true(kg_clock_floor_believes(&floor, build_s + INT64_C(20) * 365 * 86400));
    assert_true(kg_clock_floor_build_s() > 1790000000 && kg_clock_floor_build_s() % 86400 == 0);
}

static void test_a_restart_remembers(void **state)
{
    (void)state;
    struct kg_clock_floor floor, later;
    kg_clock_floor_open(&floor, path, build_s);
    kg_clock_floor_raise(&floor, build_s + 1000);
    assert_int_equal(stored(), build_s + 1000);
    kg_clock_floor_open(&later, path, build_s);
    assert_false(kg_clock_floor_believes(&later, build_s + 999));
    assert_true(kg_clock_floor_believes(&later, build_s + 1000));
    /* A newer program on an older disk. */
    kg_clock_floor_open(&later, path, build_s + 5000);
    assert_false(kg_clock_floor_believes(&later, build_s + 1000));
}

static void test_it_is_written_once_an_hour_and_never_back(void **state)
{
    (void)state;
    struct kg_clock_floor floor;
    kg_clock_floor_open(&floor, path, build_s);
    kg_clock_floor_raise(&floor, build_s + 10);
    kg_clock_floor_raise(&floor, build_s + 10 + KG_CLOCK_FLOOR_STORE_S - 1);
    assert_int_equal(stored(), build_s + 10);
    assert_false(kg_clock_floor_believes(&floor, build_s + 10)); /* in memory it is known */
    kg_clock_floor_raise(&floor, build_s + 10 + KG_CLOCK_FLOOR_STORE_S);
    assert_int_equal(stored(), build_s + 10 + KG_CLOCK_FLOOR_STORE_S);
    kg_clock_floor_raise(&floor, 0);
    kg_clock_floor_raise(&floor, -1);
    assert_true(kg_clock_floor_believes(&floor, build_s + 10 + KG_CLOCK_FLOOR_STORE_S));
    assert_int_equal(stored(), build_s + 10 + KG_CLOCK_FLOOR_STORE_S);
    char temporary[128];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    assert_int_not_equal(access(temporary, F_OK), 0);
}

static void test_a_damaged_file_counts_as_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\n",
                                      "x\n",
                                      "-5\n",
                                      "1795222900",
                                      "1795222900 \n",
                                      "1795222900\n1",
                                      "99999999999999999999999\n",
                                      "253402300800\n"};
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++) {
        struct kg_clock_floor floor;
        write_text(bad[i]);
        kg_clock_floor_open(&floor, path, build_s);
        assert_true(kg_clock_floor_believes(&floor, build_s));
        kg_clock_floor_raise(&floor, build_s + 60);
        assert_int_equal(stored(), build_s + 60);
    }
}

static void test_a_folder_that_cannot_be_written_costs_nothing_else(void **state)
{
    (void)state;
    struct kg_clock_floor floor;
    kg_clock_floor_open(&floor, "/nonexistent/kaigi/clock", build_s);
    kg_clock_floor_raise(&floor, build_s + 60);
    assert_false(kg_clock_floor_believes(&floor, build_s + 59));
    assert_true(kg_clock_floor_believes(&floor, build_s + 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_build_is_the_first_floor, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_restart_remembers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_it_is_written_once_an_hour_and_never_back, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_damaged_file_counts_as_none, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_written_costs_nothing_else, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

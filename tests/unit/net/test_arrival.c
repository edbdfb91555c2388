/* The kernel's wall-clock stamps as monotonic arrival times, whatever happens to the wall clock. */
#include "net/arrival.h"
#include "unit/cmocka_all.h"

#define WALL INT64_C(1700000000000000)

static void a_stamp_is_moved_to_the_monotonic_clock(void **state)
{
    (void)state;
    struct kg_arrival a = {0};
    kg_arrival_batch(&a, 5000000, WALL + 5000000);
    assert_int_equal(kg_arrival_us(&a, WALL + 4700000), 4700000); /* the reader was 300 ms late */
    kg_arrival_batch(&a, 6000000, WALL + 6000400);                /* read a little apart: no step */
    assert_int_equal(kg_arrival_us(&a, WALL + 5900000), 5899600);
}

static void no_stamp_is_younger_than_now_or_older_than_a_second(void **state)
{
    (void)state;
    static const struct {
        int64_t stamp_us, arrival_us;
    } table[] = {{WALL + 5000001, 5000000}, {WALL + 9000000, 5000000},
                 {WALL + 4000000, 4000000}, {WALL + 3999999, 4000000},
                 {WALL, 4000000},           {0, 4000000},
                 {WALL + 5000000, 5000000}, {-1, 4000000}};
    struct kg_arrival a = {0};
    kg_arrival_batch(&a, 5000000, WALL + 5000000);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(kg_arrival_us(&a, table[i].stamp_us), table[i].arrival_us);
}

/* Stamps of before and after a step wait in one socket; by either offset half of them would be wrong. */
static void a_step_of_the_wall_clock_moves_no_arrival(void **state)
{
    (void)state;
    static const int64_t steps_us[] = {100000, -100000, 800000, -800000, 3600000000, -3600000000, 5000};
    for (size_t i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++) {
        struct kg_arrival a = {0};
        int64_t stepped = WALL + steps_us[i];
        kg_arrival_batch(&a, 1000000, WALL + 1000000);
        kg_arrival_emptied(&a);
        kg_arrival_batch(&a, 2000000, stepped + 2000000);
        assert_int_equal(kg_arrival_us(&a, WALL + 1990000), 2000000);
        assert_int_equal(kg_arrival_us(&a, stepped + 1995000), 2000000);
        kg_arrival_batch(&a, 2001000,
                         stepped + 2001000); /* the first batch was full: old stamps may be here */
        assert_int_equal(kg_arrival_us(&a, WALL + 1992000), 2001000);
        kg_arrival_emptied(&a);
        kg_arrival_batch(&a, 3000000, stepped + 3000000);
        assert_int_equal(kg_arrival_us(&a, stepped + 2990000), 2990000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamp_is_moved_to_the_monotonic_clock),
        cmocka_unit_test(no_stamp_is_younger_than_now_or_older_than_a_second),
        cmocka_unit_test(a_step_of_the_wall_clock_moves_no_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

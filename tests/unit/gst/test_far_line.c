/* The far-end signal is found again by position, through jitter, gaps and jumps. */
#include "unit/cmocka_all.h"

#include "gst/far_line.h"

static struct kg_far_line line;

static void write_blocks(int64_t from, int64_t count)
{
    for (int64_t b = from; b < from + count; b++) {
        int16_t block[480];
        for (int i = 0; i < 480; i++)
            block[i] = (int16_t)((b * 480 + i) % 30000 + 1);
        kg_far_line_write(&line, block, 480, b * 480);
    }
}

static int16_t expected(int64_t position)
{
    return (int16_t)(position % 30000 + 1);
}

static void jitter_neither_repeats_nor_skips(void **state)
{
    (void)state;
    kg_far_line_reset(&line);
    write_blocks(0, 60);
    for (int64_t b = 0; b < 50; b++) {
        int16_t block[480];
        int64_t jitter = b % 3 * 300 - 300;
        kg_far_line_read(&line, block, 480, b * 480 + (b ? jitter : 0));
        for (int i = 0; i < 480; i++)
            assert_int_equal(block[i], expected(b * 480 + i));
    }
}

static void a_jump_is_followed(void **state)
{
    (void)state;
    int16_t block[480];
    kg_far_line_reset(&line);
    write_blocks(0, 80);
    kg_far_line_read(&line, block, 480, 0);
    kg_far_line_read(&line, block, 480, 4800);
    assert_int_equal(block[0], expected(4800));
}

static void what_is_not_there_is_silence(void **state)
{
    (void)state;
    int16_t block[480];
    kg_far_line_reset(&line);
    kg_far_line_read(&line, block, 480, -960);
    assert_int_equal(block[479], 0);
    write_blocks(0, 2);
    write_blocks(10, 1); /* blocks 2 … 9 were never played */
    kg_far_line_read(&line, block, 480, 960);
    assert_int_equal(block[0], 0);
    kg_far_line_read(&line, block, 480, 4800);
    assert_int_equal(block[0], expected(4800));
    kg_far_line_read(&line, block, 480, 48000);
    assert_int_equal(block[0], 0);
    write_blocks(1000, 1); /* a long gap: everything before is gone */
    kg_far_line_read(&line, block, 480, 4800);
    assert_int_equal(block[0], 0);
    kg_far_line_read(&line, block, 480, 480000 - KG_FAR_LINE_SAMPLES); /* older than the line is long */
    assert_int_equal(block[0], 0);
    kg_far_line_read(&line, block, 480, 480000);
    assert_int_equal(block[0], expected(480000));
}

static int set_up(void **state)
{
    (void)state;
    kg_far_line_init(&line);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kg_far_line_finish(&line);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_neither_repeats_nor_skips),
        cmocka_unit_test(a_jump_is_followed),
        cmocka_unit_test(what_is_not_there_is_silence),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

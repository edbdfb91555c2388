/* The far-end signal goes in step with the microphone, whenever each side began. */
#include "unit/cmocka_all.h"

#include <stdbool.h>

#include "gst/far_line.h"

static struct kg_far_line line;
static int64_t written;

static int16_t sample_at(int64_t position)
{
    return (int16_t)(position % 30000 + 1);
}

static void write_blocks(int count)
{
    int16_t block[480];
    for (; count > 0; count--) {
        for (int i = 0; i < 480; i++)
            block[i] = sample_at(written++);
        kg_far_line_write(&line, block, 480);
    }
}

/* The first sample of the block, and that the rest follows from it; 0 when it is silence. */
static int16_t read_block(int64_t position)
{
    int16_t block[480];
    kg_far_line_read(&line, block, 480, position);
    for (int i = 1; i < 480; i++)
        assert_int_equal(block[i], block[0] ? block[i - 1] % 30000 + 1 : 0);
    return block[0];
}

static void reading_begins_at_the_newest(void **state)
{
    (void)state;
    write_blocks(100);
    assert_int_equal(read_block(7), sample_at(100 * 480 - 960));
}

static void jitter_neither_repeats_nor_skips(void **state)
{
    (void)state;
    write_blocks(4);
    int16_t before = read_block(0);
    for (int64_t b = 1; b < 150; b++) {
        if (b % 3 == 0)
            write_blocks(3); /* three at once, every third block */
        int16_t now = read_block(b * 480);
        assert_true(b < 100 || now == (before - 1 + 480) % 30000 + 1);
        before = now;
    }
}

static void a_gap_in_the_microphone_is_followed(void **state)
{
    (void)state;
    write_blocks(10);
    int16_t before = read_block(0);
    write_blocks(20);
    assert_int_equal(read_block(4800), before + 4800);
}

static void nothing_played_is_silence(void **state)
{
    (void)state;
    for (int64_t b = 0; b < 20; b++)
        assert_int_equal(read_block(b * 480), 0);
    write_blocks(3); /* played at last: from here on it is there */
    assert_true(read_block(9600) != 0);
}

static void a_stopped_loudspeaker_is_silence(void **state)
{
    (void)state;
    write_blocks(10);
    for (int64_t b = 0; b < 40; b++) {
        int16_t now = read_block(b * 480);
        assert_true(b < 2 || now == 0);
    }
    for (int64_t b = 40; b < 70; b++) { /* goes on, far behind the count: found again */
        write_blocks(1);
        int16_t now = read_block(b * 480);
        assert_true(b < 56 || now == sample_at(written - 960));
    }
}

static void a_microphone_that_loses_samples_catches_up(void **state)
{
    (void)state;
    write_blocks(5);
    read_block(0);
    write_blocks(20); /* 200 ms that the microphone never told of */
    for (int64_t b = 1; b < 230; b++) {
        write_blocks(1);
        int16_t now = read_block(b * 480);
        assert_true(b < 210 || now == sample_at(written - 960));
    }
}

static int set_up(void **state)
{
    (void)state;
    written = 0;
    kg_far_line_init(&line);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kg_far_line_finish(&line);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reading_begins_at_the_newest),        TEST(jitter_neither_repeats_nor_skips),
        TEST(a_gap_in_the_microphone_is_followed), TEST(nothing_played_is_silence),
        TEST(a_stopped_loudspeaker_is_silence),    TEST(a_microphone_that_loses_samples_catches_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

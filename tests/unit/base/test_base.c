#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/frame_pool.h"
#include "base/latest.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/utf8.h"

static void reader_never_passes_the_end(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
    struct kg_reader r = kg_reader_of(data, sizeof data);
    assert_int_equal(kg_read_u8(&r), 1);
    assert_int_equal(kg_read_u16(&r), 0x0203);
    assert_int_equal(kg_read_u24(&r), 0x040506);
    assert_int_equal(kg_read_u32(&r), 0x0708090a);
    assert_true(kg_read_u64(&r) == UINT64_C(0x0b0c0d0e0f101112));
    assert_false(r.failed);
    assert_int_equal(kg_read_u8(&r), 0);
    assert_true(r.failed);
    r = kg_reader_of(data, sizeof data);
    assert_null(kg_read_view(&r, SIZE_MAX));
    assert_int_equal(kg_reader_left(&r), 0);
    assert_int_equal(kg_read_u8(&r), 0); /* stays failed */
}

static void writer_stops_at_the_end_and_mirrors_the_reader(void **state)
{
    (void)state;
    uint8_t data[10];
    struct kg_writer w = kg_writer_of(data, sizeof data);
    kg_write_u8(&w, 0xfe);
    kg_write_u24(&w, 0x010203);
    kg_write_u32(&w, 0xdeadbeef);
    kg_write_u16_at(&w, 1, 0x5566);
    struct kg_reader r = kg_reader_of(data, w.pos);
    assert_int_equal(kg_read_u8(&r), 0xfe);
    assert_int_equal(kg_read_u24(&r), 0x556603);
    assert_int_equal(kg_read_u32(&r), 0xdeadbeef);
    kg_write_u32(&w, 1);
    assert_true(w.failed);
    kg_write_u8(&w, 1); /* one byte would fit, but a failed writer stays failed */
    assert_int_equal(w.pos, 8);
}

static void queue_is_bounded_and_ordered(void **state)
{
    (void)state;
    struct kg_queue *q = kg_queue_create(3, sizeof(int));
    struct pollfd p = {.fd = kg_queue_fd(q), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(kg_queue_push(q, &i));
        int v = 9;
        assert_false(kg_queue_push(q, &v));
        assert_int_equal(poll(&p, 1, 0), 1);
        for (int i = 0; i < 3; i++) {
            assert_true(kg_queue_pop(q, &v));
            assert_int_equal(v, i);
        }
        assert_false(kg_queue_pop(q, &v));
        assert_int_equal(poll(&p, 1, 0), 0);
    }
    kg_queue_destroy(q);
}

static void add_up(void *arg)
{
    struct kg_queue **q = arg;
    int v, sum = 0;
    while (kg_queue_pop_wait(q[0], &v, INT64_MAX))
        sum += v;
    assert_true(kg_queue_push(q[1], &sum));
}

static void queue_crosses_threads_and_close_ends_the_reader(void **state)
{
    (void)state;
    struct kg_queue *q[2] = {kg_queue_create(4, sizeof(int)), kg_queue_create(1, sizeof(int))};
    struct kg_thread thread;
    assert_true(kg_thread_start(&thread, "adder", add_up, q));
    int sent = 0, sum = 0;
    for (int i = 1; i <= 1000; i += kg_queue_push(q[0], &i) ? 1 : 0)
        sent = i;
    assert_int_equal(sent, 1000);
    kg_queue_close(q[0]);
    assert_false(kg_queue_push(q[0], &sent));
    kg_thread_join(&thread);
    assert_true(kg_queue_pop(q[1], &sum));
    assert_int_equal(sum, 500500);
    assert_false(kg_queue_pop_wait(q[1], &sum, kg_clock_now_us() + 1000));
    kg_queue_destroy(q[0]);
    kg_queue_destroy(q[1]);
}

static int released;
static void count_release(void *value)
{
    released += *(int *)value;
}

static void latest_keeps_only_the_newest(void **state)
{
    (void)state;
    int a = 1, b = 10, c = 100;
    released = 0;
    struct kg_latest *latest = kg_latest_create(count_release);
    assert_null(kg_latest_take(latest));
    kg_latest_put(latest, &a);
    kg_latest_put(latest, &b);
    assert_int_equal(released, 1);
    assert_ptr_equal(kg_latest_take(latest), &b);
    assert_null(kg_latest_take(latest));
    kg_latest_put(latest, &c);
    kg_latest_destroy(latest);
    assert_int_equal(released, 101);
}

static void frame_lives_as_long_as_its_last_reference(void **state)
{
    (void)state;
    struct kg_frame *f = kg_frame_create(322, 182);
    assert_non_null(f);
    assert_true(f->stride[0] >= 322 && f->stride[1] >= 161);
    memset((uint8_t *)f->plane[2], 1, (size_t)f->stride[2] * 91); /* the sanitizer watches the end */
    assert_ptr_equal(kg_frame_ref(f), f);
    kg_frame_unref(f);
    assert_int_equal(f->plane[2][0], 1);
    kg_frame_unref(f);
    kg_frame_unref(NULL);
}

static void pool_gives_the_same_memory_again_and_outlives_its_destroyer(void **state)
{
    (void)state;
    struct kg_frame_pool *pool = kg_frame_pool_create();
    struct kg_frame *a = kg_frame_pool_take(pool, 64, 32), *b = kg_frame_pool_take(pool, 64, 32);
    assert_non_null(a);
    assert_non_null(b);
    const uint8_t *pixels = a->plane[0];
    assert_ptr_not_equal(pixels, b->plane[0]);
    assert_int_equal(a->width, 64);
    assert_int_equal(a->capture_us, 0);
    a->capture_us = 5;
    kg_frame_unref(kg_frame_ref(a));
    struct kg_frame *c = kg_frame_pool_take(pool, 64, 32);
    assert_ptr_not_equal(c->plane[0], pixels); /* a is still held */
    kg_frame_unref(a);
    a = kg_frame_pool_take(pool, 64, 32);
    assert_ptr_equal(a->plane[0], pixels);
    assert_int_equal(a->capture_us, 0);
    kg_frame_unref(a);
    struct kg_frame *large = kg_frame_pool_take(pool, 128, 64);
    memset((uint8_t *)large->plane[0], 1, (size_t)large->stride[0] * 64); /* the sanitizer watches the end */
    kg_frame_unref(b);
    kg_frame_unref(c);
    kg_frame_pool_destroy(pool);
    assert_int_equal(large->plane[0][0], 1);
    kg_frame_unref(large);
    kg_frame_pool_destroy(NULL);
}

/* What one log call writes to standard error. */
static char *capture_log(enum kg_log_format format, const char *message)
{
    static char line[4096];
    int ends[2], saved = dup(2);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], 2);
    kg_log_setup(KG_LOG_INFO, format);
    kg_log(KG_LOG_WARN, "base", "base.test", "%s", message);
    kg_log(KG_LOG_DEBUG, "base", NULL, "left out");
    dup2(saved, 2);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    line[n > 0 ? n : 0] = '\0';
    kg_log_setup(KG_LOG_INFO, KG_LOG_TEXT);
    return line;
}

static void log_line_is_one_line_whatever_a_stranger_sends(void **state)
{
    (void)state;
    char *line = capture_log(KG_LOG_TEXT, "a\nb\x1b[2J");
    assert_non_null(strstr(line, "warn  base: a\\x0ab\\x1b[2J [base.test]\n"));
    assert_null(strstr(line, "left out"));
    line = capture_log(KG_LOG_JSON, "say \"会議\"\n\\");
    assert_non_null(strstr(line, "\"message\":\"say \\\"会議\\\"\\u000a\\\\\"}\n"));
    static const char turned[] = "会\u202e\u2028\xc2\x9b\x7f\xff\U000e0041葛\U000E0100";
    line = capture_log(KG_LOG_TEXT, turned);
    assert_non_null(strstr(line, "base: 会\\u202e\\u2028\\x9b\\x7f\\xff\\U0e0041葛\U000E0100 [base.test]\n"));
    line = capture_log(KG_LOG_JSON, turned);
    assert_non_null(strstr(line, "\"会\\u202e\\u2028\\u009b\\u007f\\\\xff\\udb40\\udc41葛\U000E0100\"}\n"));
}

/* Only when standard error is the very stream that systemd named. */
static void log_lines_tell_the_journal_their_priority(void **state)
{
    (void)state;
    char stream[64];
    struct stat st;
    assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    assert_int_equal(capture_log(KG_LOG_JSON, "elsewhere")[0], '{');
    int ends[2], saved = dup(2);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], 2);
    close(ends[1]);
    assert_int_equal(fstat(2, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    kg_log(KG_LOG_ERROR, "base", "base.test", "there");
    dup2(saved, 2);
    close(saved);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    char line[256] = "";
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    assert_int_equal(strncmp(line, "<3>2", 4), 0);
    assert_non_null(strstr(line, "error base: there [base.test]\n"));
}

/* The whole of what is written is one line of clean text that ends as every line does. */
static void is_one_line(const char *line, const char *end)
{
    size_t size = strlen(line), end_size = strlen(end);
    assert_true(size > end_size && strcmp(line + size - end_size, end) == 0);
    assert_true(kg_utf8_is_clean(line, size - 1));
}

static void log_lines_cannot_be_forged(void **state)
{
    (void)state;
    char message[3000];
    uint32_t random = 1;
    for (size_t round = 0; round < 300; round++) {
        /* Random bytes, or random characters of three bytes; and cut at every place in one. */
        size_t size = round < 250 ? 60 : 2040 + round % 50;
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            uint32_t byte = random >> 24;
            if (round % 2 == 0)
                byte = i % 3 == 0 ? 0xe2 : i % 3 == 1 ? 0x80 : 0x80 | random >> 26;
            message[i] = (char)(byte ? byte : '\n');
        }
        message[size] = '\0';
        is_one_line(capture_log(KG_LOG_TEXT, message), " [base.test]\n");
        is_one_line(capture_log(KG_LOG_JSON, message), "\"}\n");
    }
    memset(message, 'a', sizeof message);
    memcpy(message + 2046, "会", sizeof "会");
    assert_non_null(strstr(capture_log(KG_LOG_TEXT, message), "aaa [base.test]\n"));
}

static void log_limit_lets_a_burst_through_then_counts(void **state)
{
    (void)state;
    struct kg_log_limit limit = {.burst = 2, .interval_us = 1000};
    uint32_t suppressed = 7;
    assert_true(kg_log_allow(&limit, 0, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_true(kg_log_allow(&limit, 0, &suppressed));
    for (int i = 0; i < 5; i++)
        assert_false(kg_log_allow(&limit, 10, &suppressed));
    assert_true(kg_log_allow(&limit, 2000, &suppressed));
    assert_int_equal(suppressed, 5);
}

static void random_text_is_printable_and_differs(void **state)
{
    (void)state;
    char a[23], b[23];
    kg_random_text(a, sizeof a);
    kg_random_text(b, sizeof b);
    assert_int_equal(strlen(a), 22);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 22);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_never_passes_the_end),
        cmocka_unit_test(writer_stops_at_the_end_and_mirrors_the_reader),
        cmocka_unit_test(queue_is_bounded_and_ordered),
        cmocka_unit_test(queue_crosses_threads_and_close_ends_the_reader),
        cmocka_unit_test(latest_keeps_only_the_newest),
        cmocka_unit_test(frame_lives_as_long_as_its_last_reference),
        cmocka_unit_test(pool_gives_the_same_memory_again_and_outlives_its_destroyer),
        cmocka_unit_test(log_line_is_one_line_whatever_a_stranger_sends),
        cmocka_unit_test(log_lines_tell_the_journal_their_priority),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(log_limit_lets_a_burst_through_then_counts),
        cmocka_unit_test(random_text_is_printable_and_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/ws_queue.h"

static void push(struct kg_ws_queue *queue, const char *text, bool droppable, bool expected)
{
    assert_int_equal(kg_ws_queue_push(queue, text, strlen(text), true, droppable), expected);
}

static void expect(struct kg_ws_queue *queue, const char *text)
{
    struct kg_ws_message *message = kg_ws_queue_take(queue);
    assert_non_null(message);
    assert_int_equal(message->size, strlen(text));
    assert_memory_equal(message->bytes + KG_WS_QUEUE_HEADROOM, text, strlen(text));
    free(message);
}

static void test_order(void **state)
{
    (void)state;
    struct kg_ws_queue queue;
    kg_ws_queue_init(&queue, 10);
    push(&queue, "one", false, true);
    push(&queue, "", false, true);
    push(&queue, "two", true, true);
    assert_int_equal(queue.bytes, 6);
    expect(&queue, "one");
    expect(&queue, "");
    expect(&queue, "two");
    assert_null(kg_ws_queue_take(&queue));
    push(&queue, "again", false, true);
    expect(&queue, "again");
}

static void test_oldest_video_gives_way(void **state)
{
    (void)state;
    struct kg_ws_queue queue;
    kg_ws_queue_init(&queue, 10);
    push(&queue, "aaa", false, true);
    push(&queue, "v1v", true, true);
    push(&queue, "v2v", true, true);
    push(&queue, "bbb", false, true); /* v1v gives way */
    assert_int_equal(queue.dropped, 1);
    push(&queue, "cccc", false, true); /* and v2v, the last of the list */
    push(&queue, "dd", false, false);
    assert_int_equal(queue.dropped, 3);
    expect(&queue, "aaa");
    expect(&queue, "bbb");
    expect(&queue, "cccc");
    push(&queue, "e", true, true);
    kg_ws_queue_clear(&queue);
    assert_null(kg_ws_queue_take(&queue));
    assert_int_equal(queue.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_oldest_video_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/cmocka_all.h"

#include "app/picture_slots.h"

static unsigned wakes;

static void wake(void)
{
    wakes++;
}

static struct kg_frame *frame_due(int64_t due_us)
{
    struct kg_frame *frame = kg_frame_create(16, 16);
    assert_non_null(frame);
    frame->capture_us = due_us;
    return frame;
}

static void expect_take(struct kg_picture_slots *slots, unsigned place, int64_t now_us, int64_t due_us)
{
    struct kg_frame *frame;
    assert_true(kg_picture_slots_take(slots, place, now_us, &frame));
    assert_non_null(frame);
    assert_int_equal(frame->capture_us, due_us);
    kg_frame_unref(frame);
}

static void test_due(void **state)
{
    (void)state;
    struct kg_frame *frame;
    struct kg_picture_slots *slots = kg_picture_slots_create(wake);
    wakes = 0;
    kg_picture_slots_put(slots, KG_PICTURE_VIDEO, frame_due(100));
    kg_picture_slots_put(slots, KG_PICTURE_VIDEO, frame_due(200));
    kg_picture_slots_put(slots, KG_PICTURE_VIDEO, frame_due(300));
    assert_int_equal(wakes, 3);
    assert_false(kg_picture_slots_take(slots, KG_PICTURE_VIDEO, 50, &frame));
    assert_int_equal(kg_picture_slots_next_us(slots), 100);
    expect_take(slots, KG_PICTURE_VIDEO, 250, 200); /* 100 was superseded */
    assert_int_equal(kg_picture_slots_next_us(slots), 300);
    expect_take(slots, KG_PICTURE_VIDEO, 300, 300);
    assert_int_equal(kg_picture_slots_next_us(slots), INT64_MAX);
    kg_picture_slots_put(slots, KG_PICTURE_SELF, frame_due(900)); /* ourselves: at once */
    expect_take(slots, KG_PICTURE_SELF, 400, 900);
    kg_picture_slots_put(slots, KG_PICTURE_VIDEO + 1, frame_due(900)); /* left for destroy */
    assert_false(kg_picture_slots_take(slots, KG_PICTURE_VIDEO + 1, 400, &frame));
    kg_picture_slots_destroy(slots);
}

static void test_clear_and_full(void **state)
{
    (void)state;
    struct kg_frame *frame;
    struct kg_picture_slots *slots = kg_picture_slots_create(wake);
    for (int i = 0; i < 20; i++)
        kg_picture_slots_put(slots, KG_PICTURE_PRESENTATION, frame_due(i));
    expect_take(slots, KG_PICTURE_PRESENTATION, 1000, 7);
    for (int i = 0; i < 20; i++)
        kg_picture_slots_put(slots, KG_PICTURE_PRESENTATION, frame_due(i));
    kg_picture_slots_put(slots, KG_PICTURE_PRESENTATION, NULL); /* also when there is no room */
    assert_true(kg_picture_slots_take(slots, KG_PICTURE_PRESENTATION, 1000, &frame));
    assert_null(frame);
    assert_false(kg_picture_slots_take(slots, KG_PICTURE_PRESENTATION, 1000, &frame));
    kg_picture_slots_put(slots, KG_PICTURE_PRESENTATION, frame_due(5));
    expect_take(slots, KG_PICTURE_PRESENTATION, 1000, 5);
    kg_picture_slots_destroy(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_clear_and_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the main thread is told when it does not listen for a while. */
#include "app/link_events.h"

#include "signal/message.h"
#include "unit/cmocka_all.h"

static int wakes;

static void wake(void)
{
    wakes++;
}

static struct kg_link_events *open_events(void)
{
    wakes = 0;
    struct kg_link_events *events = kg_link_events_create(wake);
    assert_non_null(events);
    return events;
}

static bool post_message(struct kg_link_events *events)
{
    static const char text[] = "{\"type\":\"left\",\"reason\":\"ended\"}";
    struct kg_message_error error;
    struct kg_link_event event = {.kind = KG_LINK_MESSAGE};
    event.message = kg_message_decode(KG_FROM_RELAY, text, sizeof text - 1, &error);
    assert_non_null(event.message);
    return kg_link_events_post(events, &event);
}

static void post_media(struct kg_link_events *events, enum kg_media_event what)
{
    const struct kg_link_event event = {.kind = KG_LINK_MEDIA, .media = {.event = what}};
    assert_true(kg_link_events_post(events, &event));
}

static struct kg_link_event take(struct kg_link_events *events, enum kg_link_event_kind kind)
{
    struct kg_link_event event;
    assert_true(kg_link_events_take(events, &event));
    assert_int_equal(event.kind, kind);
    if (kind == KG_LINK_MESSAGE)
        kg_message_destroy(event.message);
    return event;
}

static void take_nothing(struct kg_link_events *events)
{
    struct kg_link_event event;
    assert_false(kg_link_events_take(events, &event));
}

static void test_order_is_kept(void **state)
{
    (void)state;
    struct kg_link_events *events = open_events();
    assert_true(post_message(events));
    post_media(events, KG_MEDIA_CONNECTED);
    kg_link_events_cut(events, "why");
    assert_true(post_message(events));
    assert_int_equal(wakes, 4);
    take(events, KG_LINK_MESSAGE);
    assert_int_equal(take(events, KG_LINK_MEDIA).media.event, KG_MEDIA_CONNECTED);
    assert_string_equal(take(events, KG_LINK_CLOSED).close.detail, "why");
    take(events, KG_LINK_MESSAGE);
    take_nothing(events);
    kg_link_events_destroy(events);
}

/* All that fits comes, then the end; nothing of what lies between the lost words and the new beginning. */
static void test_full_queue_ends_in_closed(void **state)
{
    (void)state;
    struct kg_link_events *events = open_events();
    for (int i = 0; i < KG_LINK_EVENTS; i++)
        assert_true(post_message(events));
    assert_false(post_message(events));
    take(events, KG_LINK_MESSAGE);
    assert_false(post_message(events)); /* there is a place, but not after what was lost */
    kg_link_events_cut(events, "");
    for (int i = 1; i < KG_LINK_EVENTS; i++)
        take(events, KG_LINK_MESSAGE);
    take(events, KG_LINK_CLOSED);
    take_nothing(events);
    assert_true(post_message(events));
    take(events, KG_LINK_MESSAGE);
    kg_link_events_destroy(events);
}

/* The main thread stands still over several beginnings: one word of the end is enough. */
static void test_closed_has_its_place(void **state)
{
    (void)state;
    struct kg_link_events *events = open_events();
    for (int i = 0; i < KG_LINK_EVENTS; i++)
        assert_true(post_message(events));
    for (int i = 0; i < 3; i++) {
        assert_false(post_message(events));
        kg_link_events_cut(events, "");
    }
    for (int i = 0; i < KG_LINK_EVENTS; i++)
        take(events, KG_LINK_MESSAGE);
    take(events, KG_LINK_CLOSED);
    take_nothing(events);
    kg_link_events_destroy(events);
}

/* Line quality and devices: the newest word, however many there were, also when the queue is full. */
static void test_newest_words(void **state)
{
    (void)state;
    struct kg_link_events *events = open_events();
    for (int i = 0; i < KG_LINK_EVENTS; i++)
        assert_true(post_message(events));
    for (int i = 0; i < 3 * KG_LINK_EVENTS; i++) {
        const struct kg_media_report line = {.event = KG_MEDIA_STATUS, .line_quality = (uint8_t)(i % 5)};
        const struct kg_media_report camera = {
            .event = KG_MEDIA_DEVICE, .device = KG_MEDIA_CAMERA, .device_present = i % 2 == 0};
        const struct kg_media_report speaker = {
            .event = KG_MEDIA_DEVICE, .device = KG_MEDIA_SPEAKER, .device_present = i % 2 == 1};
        const struct kg_media_report picture = {.event = KG_MEDIA_PICTURE};
        kg_link_events_report(events, &line);
        kg_link_events_report(events, &camera);
        kg_link_events_report(events, &speaker);
        kg_link_events_report(events, &picture);
    }
    for (int i = 0; i < KG_LINK_EVENTS; i++)
        take(events, KG_LINK_MESSAGE);
    struct kg_link_event event = take(events, KG_LINK_MEDIA);
    assert_int_equal(event.media.device, KG_MEDIA_CAMERA);
    assert_false(event.media.device_present);
    event = take(events, KG_LINK_MEDIA);
    assert_int_equal(event.media.device, KG_MEDIA_SPEAKER);
    assert_true(event.media.device_present);
    assert_int_equal(take(events, KG_LINK_MEDIA).media.event, KG_MEDIA_PICTURE);
    event = take(events, KG_LINK_MEDIA);
    assert_int_equal(event.media.event, KG_MEDIA_STATUS);
    assert_int_equal(event.media.line_quality, (3 * KG_LINK_EVENTS - 1) % 5);
    take_nothing(events);
    kg_link_events_destroy(events);
}

/* How the line was is no news once it is gone. */
static void test_no_quality_of_a_lost_line(void **state)
{
    (void)state;
    struct kg_link_events *events = open_events();
    const struct kg_media_report line = {.event = KG_MEDIA_STATUS, .line_quality = 4};
    kg_link_events_report(events, &line);
    post_media(events, KG_MEDIA_LOST);
    assert_int_equal(take(events, KG_LINK_MEDIA).media.event, KG_MEDIA_LOST);
    take_nothing(events);
    kg_link_events_report(events, &line);
    kg_link_events_cut(events, "");
    take(events, KG_LINK_CLOSED);
    take_nothing(events);
    assert_true(post_message(events)); /* left for destroy */
    kg_link_events_destroy(events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_full_queue_ends_in_closed),
        cmocka_unit_test(test_closed_has_its_place),
        cmocka_unit_test(test_newest_words),
        cmocka_unit_test(test_no_quality_of_a_lost_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

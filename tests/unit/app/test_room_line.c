/* A relay that goes away, stays away, asks for patience or comes back: in a meeting, before one and after. */
#include "unit/app/room_world.h"

static void test_join_while_relay_is_away(void **state)
{
    (void)state;
    struct room room = room_start(room_on, "");
    room_tick(&room, 0);
    room_expect(&room, KG_ROOM_CONNECT);
    room_closed(&room, KG_WS_CLOSED);
    room_intent(&room, KG_INTENT_JOIN);
    room_expect(&room, KG_ROOM_CONNECT); /* at once: somebody waits */
    room_welcome(&room);
    room_expect(&room, KG_ROOM_JOIN);
    kg_room_machine_destroy(room.machine);
}

/* The relay dies in mid-meeting and comes back: same seat by token, muted as before, within two seconds. */
static void test_reconnect_and_resume(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    assert_true(room_expect(&room, KG_ROOM_MUTE).muted.microphone); /* before anything is written */
    assert_true(room_expect(&room, KG_ROOM_SAVE_PRIVACY).muted.microphone);
    room_closed(&room, KG_WS_CLOSED);
    assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    assert_true(kg_room_machine_state(room.machine)->meeting.reconnecting);
    for (int i = 0; i < 20; i++) {
        int64_t wait_us = kg_room_machine_next_us(room.machine) - room.now_us;
        assert_true(wait_us > 0 && wait_us <= KG_ROOM_RETRY_MEETING_US);
        room_tick(&room, KG_ROOM_RETRY_MEETING_US);
        room_expect(&room, KG_ROOM_CONNECT);
        room_closed(&room, KG_WS_UNREACHABLE);
        assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    }
    room_tick(&room, KG_ROOM_RETRY_MEETING_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.token, "token-1");
    assert_true(join.muted.microphone);
    room_error(&room, join.request, KG_ERROR_BAD_TOKEN); /* a new relay knows no seats */
    join = room_expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.token, "");
    assert_true(join.muted.microphone);
    room_joined(&room, join.request, "token-2", true);
    room_media(&room, KG_MEDIA_CONNECTED);
    assert_false(kg_room_machine_state(room.machine)->meeting.reconnecting);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    kg_room_machine_destroy(room.machine);
}

/* The relay stays away: tried until the time on screen, then home, which says why. */
static void test_gives_up_after_five_minutes(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    room_intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    room_expect(&room, KG_ROOM_MUTE);
    room_expect(&room, KG_ROOM_SAVE_PRIVACY);
    room_closed(&room, KG_WS_CLOSED);
    assert_int_equal(s->meeting.give_up_us, s->wall_us + KG_ROOM_GIVE_UP_US);
    room_stay_away(&room, KG_ROOM_GIVE_UP_US - SECOND_US);
    room_expect_cut(&room);
    room_tick(&room, SECOND_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    assert_int_equal(s->lost_us, s->wall_us);
    assert_int_equal(s->meeting.participant_count, 0);
    bool left_call = false;
    struct kg_room_action action;
    while (kg_room_machine_take(room.machine, &action)) {
        left_call |= action.kind == KG_ROOM_LEAVE;
        if (action.kind == KG_ROOM_CONNECT)
            room_closed(&room, KG_WS_UNREACHABLE);
    }
    assert_true(left_call); /* camera and microphone are let go */
    room_stay_away(&room, 60 * SECOND_US);
    room_tick(&room, KG_ROOM_RETRY_HOME_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    room_expect_nothing(&room); /* not back in by itself: perhaps nobody is there */
    room_intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone);
    assert_string_equal(join.token, "");
    assert_int_equal(s->lost_us, 0);
    kg_room_machine_destroy(room.machine);
}

/* Rejoining after the seat is gone: muted as before, and the next cut has its whole time again. */
static void test_rejoins_before_giving_up(void **state)
{
    (void)state;
    const struct kg_privacy off = {.microphone_off = true};
    struct room room = room_in_meeting(off);
    for (int i = 0; i < 2; i++) {
        room_closed(&room, KG_WS_CLOSED);
        room_stay_away(&room, KG_ROOM_GIVE_UP_US - 10 * SECOND_US);
        room_expect_cut(&room);
        room_tick(&room, 2 * SECOND_US);
        room_expect(&room, KG_ROOM_CONNECT);
        room_welcome(&room);
        struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
        room_error(&room, join.request, KG_ERROR_BAD_TOKEN);
        join = room_expect(&room, KG_ROOM_JOIN);
        assert_true(join.muted.microphone);
        room_joined(&room, join.request, "token", true);
        room_media(&room, KG_MEDIA_CONNECTED);
        assert_false(kg_room_machine_state(room.machine)->meeting.reconnecting);
        assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
        room_tick(&room, SECOND_US);
    }
    kg_room_machine_destroy(room.machine);
}

/* The meeting's end comes first; but a meeting may overrun, and a short cut must not cost the seat then. */
static void test_gives_up_at_the_meetings_end(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    room_tick(&room, s->meeting.end_us - s->wall_us - 60 * SECOND_US);
    room_closed(&room, KG_WS_CLOSED);
    assert_int_equal(s->meeting.give_up_us, s->meeting.end_us);
    room_stay_away(&room, 59 * SECOND_US);
    room_expect_cut(&room);
    room_stay_away(&room, SECOND_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);

    room = room_in_meeting(room_on);
    s = kg_room_machine_state(room.machine);
    room_tick(&room, s->meeting.end_us - s->wall_us + 60 * SECOND_US);
    room_closed(&room, KG_WS_CLOSED);
    room_stay_away(&room, KG_ROOM_SEAT_US - SECOND_US);
    room_expect_cut(&room);
    room_stay_away(&room, SECOND_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

/* Media lost, the relay there but without an answer: bounded as well. */
static void test_gives_up_without_an_answer(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_media(&room, KG_MEDIA_LOST);
    room_expect(&room, KG_ROOM_JOIN);
    room_stay_away(&room, KG_ROOM_GIVE_UP_US - SECOND_US);
    room_expect_cut(&room);
    room_tick(&room, SECOND_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_meeting_ended_while_cut_off(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_closed(&room, KG_WS_CLOSED);
    room_tick(&room, SECOND_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    room_error(&room, room_expect(&room, KG_ROOM_JOIN).request, KG_ERROR_ENDED);
    assert_int_equal(room_screen(&room), KG_SCREEN_ENDED);
    assert_int_equal(kg_room_machine_state(room.machine)->ended.reason, KG_ENDED_TIME);
    room_expect(&room, KG_ROOM_LEAVE);
    kg_room_machine_destroy(room.machine);
}

/* The line breaks just before the first picture: the meeting's page says so. */
static void test_cut_off_while_joining(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_joined(&room, room_expect(&room, KG_ROOM_JOIN).request, "t", true);
    room_closed(&room, KG_WS_CLOSED);
    room_media(&room, KG_MEDIA_CONNECTED);
    room_media(&room, KG_MEDIA_PICTURE);
    room_expect_cut(&room);
    room_stay_away(&room, KG_ROOM_GIVE_UP_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_token_is_used_once(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_closed(&room, KG_WS_CLOSED);
    room_tick(&room, SECOND_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    assert_string_equal(room_expect(&room, KG_ROOM_JOIN).token, "token-1");
    room_closed(&room, KG_WS_CLOSED); /* before an answer */
    room_tick(&room, SECOND_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    assert_string_equal(room_expect(&room, KG_ROOM_JOIN).token, "");
    kg_room_machine_destroy(room.machine);
}

/* Retries spread out: no two machines with other seeds try at the same moment, and waits grow. */
static void test_backoff(void **state)
{
    (void)state;
    int64_t last_us = 0, longest_us = 0;
    struct room room = room_start(room_on, "");
    for (int i = 0; i < 12; i++) {
        int64_t due_us = KG_MAX(kg_room_machine_next_us(room.machine), room.now_us);
        while (true) {
            struct kg_room_action action;
            room_tick(&room, KG_MAX(due_us - room.now_us, 0));
            if (kg_room_machine_take(room.machine, &action))
                break;
            due_us = kg_room_machine_next_us(room.machine);
        }
        longest_us = KG_MAX(longest_us, room.now_us - last_us);
        last_us = room.now_us;
        room_closed(&room, KG_WS_UNREACHABLE);
        assert_int_equal(kg_room_machine_state(room.machine)->relay, KG_RELAY_AWAY);
        assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_RELAY_UNREACHABLE);
    }
    assert_in_range(longest_us, KG_ROOM_RETRY_HOME_US / 2, KG_ROOM_RETRY_HOME_US);
    kg_room_machine_destroy(room.machine);
}

static void test_closing_asks_for_patience(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_message(&room,
                 (struct kg_message){.type = KG_MESSAGE_CLOSING,
                                     .closing = {.reason = KG_REASON_SHUTTING_DOWN, .retry_ms = 5000}});
    room_closed(&room, KG_WS_CLOSED);
    assert_true(kg_room_machine_state(room.machine)->relay_closing);
    room_tick(&room, 5 * SECOND_US - 1);
    room_expect_nothing(&room);
    room_tick(&room, 1);
    room_expect(&room, KG_ROOM_CONNECT);
    kg_room_machine_destroy(room.machine);
}

static void test_lost_media_is_resumed_thrice(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    for (int i = 1; i < KG_ROOM_MEDIA_TRIES; i++) {
        room_media(&room, KG_MEDIA_LOST);
        assert_true(kg_room_machine_state(room.machine)->meeting.reconnecting);
        struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
        assert_true(join.token[0] != '\0');
        room_joined(&room, join.request, "next", true);
        room_media(&room, KG_MEDIA_CONNECTED);
    }
    room_media(&room, KG_MEDIA_LOST);
    assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
    room_expect(&room, KG_ROOM_LEAVE);
    kg_room_machine_destroy(room.machine);
}

/* With a new certificate, at home only: a meeting is not disturbed for it. */
static void test_reconnects_at_home_only(void **state)
{
    (void)state;
    struct room room = room_start(room_on, NULL);
    room_tick(&room, 0);
    room_expect(&room, KG_ROOM_CONNECT);
    assert_false(kg_room_machine_reconnect(room.machine)); /* with which one? */
    room_welcome(&room);
    assert_true(kg_room_machine_reconnect(room.machine));
    room_expect(&room, KG_ROOM_CONNECT);
    room_tick(&room, 60 * SECOND_US);
    room_expect_nothing(&room);
    room_welcome(&room);
    room_intent(&room, KG_INTENT_JOIN);
    room_expect(&room, KG_ROOM_JOIN);
    assert_false(kg_room_machine_reconnect(room.machine));
    room_expect_nothing(&room);
    kg_room_machine_destroy(room.machine);
    room = room_at_home(room_on);
    room_closed(&room, KG_WS_CLOSED);
    assert_true(kg_room_machine_reconnect(room.machine)); /* it comes back with it by itself */
    room_expect_nothing(&room);
    kg_room_machine_destroy(room.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_while_relay_is_away),
        cmocka_unit_test(test_reconnect_and_resume),
        cmocka_unit_test(test_gives_up_after_five_minutes),
        cmocka_unit_test(test_rejoins_before_giving_up),
        cmocka_unit_test(test_gives_up_at_the_meetings_end),
        cmocka_unit_test(test_gives_up_without_an_answer),
        cmocka_unit_test(test_meeting_ended_while_cut_off),
        cmocka_unit_test(test_cut_off_while_joining),
        cmocka_unit_test(test_token_is_used_once),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_closing_asks_for_patience),
        cmocka_unit_test(test_lost_media_is_resumed_thrice),
        cmocka_unit_test(test_reconnects_at_home_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a room shows and does: from home into a meeting and out of it, while the line holds. */
#include "unit/app/room_world.h"

static void test_two_taps(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    assert_string_equal(s->meeting.title, "定例会");
    assert_int_equal(s->meeting.participant_count, 1); /* not ourselves */
    assert_int_equal(s->meeting.participants[0].camera, 77);
    assert_string_equal(s->room.organization, "架空市");
    room_tick(&room, 60 * SECOND_US);
    room_intent(&room, KG_INTENT_LEAVE);
    room_expect(&room, KG_ROOM_LEAVE);
    assert_int_equal(room_screen(&room), KG_SCREEN_ENDED);
    assert_true(s->ended.rejoinable);
    assert_int_equal(s->ended.duration_us, 60 * SECOND_US);
    assert_int_equal(s->meeting.participant_count, 0); /* nothing of the others stays */
    room_left(&room, KG_REASON_REQUESTED);
    room_tick(&room, KG_ROOM_ENDED_PAGE_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_alone_needs_no_picture(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_joined(&room, room_expect(&room, KG_ROOM_JOIN).request, "t", false);
    room_media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

static void test_picture_is_not_waited_for_long(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_joined(&room, room_expect(&room, KG_ROOM_JOIN).request, "t", true);
    room_media(&room, KG_MEDIA_CONNECTED);
    room_tick(&room, KG_ROOM_PICTURE_MAX_US - 1);
    assert_int_equal(room_screen(&room), KG_SCREEN_JOINING);
    room_tick(&room, 1);
    assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

static void test_answer_to_an_older_join_is_ignored(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    uint32_t first = room_expect(&room, KG_ROOM_JOIN).request;
    room_intent(&room, KG_INTENT_CANCEL_JOIN);
    room_expect(&room, KG_ROOM_LEAVE);
    room_intent(&room, KG_INTENT_JOIN);
    assert_int_not_equal(room_expect(&room, KG_ROOM_JOIN).request, first);
    room_joined(&room, first, "t", false);
    room_media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(room_screen(&room), KG_SCREEN_JOINING);
    kg_room_machine_destroy(room.machine);
}

/* Who saw an error page has left: the next person finds a home screen. */
static void test_error_page_goes_home(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_error(&room, room_expect(&room, KG_ROOM_JOIN).request, KG_ERROR_NOT_INVITED);
    room_tick(&room, KG_ROOM_ERROR_PAGE_US - 1);
    assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
    room_tick(&room, 1);
    assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_join_errors(void **state)
{
    (void)state;
    static const struct {
        enum kg_error_code code;
        enum kg_problem problem;
    } cases[] = {
        {KG_ERROR_UNKNOWN_MEETING, KG_PROBLEM_MEETING_NOT_FOUND},
        {KG_ERROR_NOT_INVITED, KG_PROBLEM_MEETING_NOT_INVITED},
        {KG_ERROR_NOT_OPEN_YET, KG_PROBLEM_MEETING_NOT_OPEN},
        {KG_ERROR_ENDED, KG_PROBLEM_MEETING_NOT_OPEN},
        {KG_ERROR_TOO_MANY, KG_PROBLEM_MEETING_FULL},
        {KG_ERROR_REVOKED, KG_PROBLEM_CERTIFICATE_REFUSED},
        {KG_ERROR_INTERNAL, KG_PROBLEM_INTERNAL},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        struct room room = room_at_home(room_on);
        room_intent(&room, KG_INTENT_JOIN);
        room_error(&room, room_expect(&room, KG_ROOM_JOIN).request, cases[i].code);
        assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
        assert_int_equal(kg_room_machine_state(room.machine)->error.problem, cases[i].problem);
        room_expect(&room, KG_ROOM_LEAVE); /* camera and microphone are let go */
        room_intent(&room, KG_INTENT_BACK_HOME);
        assert_int_equal(room_screen(&room), KG_SCREEN_HOME);
        kg_room_machine_destroy(room.machine);
    }
}

static void test_busy_relay_is_asked_again(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_error(&room, room_expect(&room, KG_ROOM_JOIN).request, KG_ERROR_BUSY);
    room_expect_nothing(&room);
    room_tick(&room, KG_ROOM_BUSY_WAIT_US / 2 - 1);
    room_expect_nothing(&room);
    room_tick(&room, KG_ROOM_BUSY_WAIT_US / 2 + 1);
    room_joined(&room, room_expect(&room, KG_ROOM_JOIN).request, "t", false);
    room_media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

/* Not for ever, and the page says what it was. */
static void test_relay_stays_busy(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    for (int64_t since_us = room.now_us; room.now_us < since_us + KG_ROOM_JOIN_MAX_US;) {
        assert_int_equal(room_screen(&room), KG_SCREEN_JOINING);
        room_error(&room, room_expect(&room, KG_ROOM_JOIN).request, KG_ERROR_BUSY);
        room_tick(&room, KG_ROOM_BUSY_WAIT_US);
    }
    assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_RELAY_BUSY);
    kg_room_machine_destroy(room.machine);
}

static void test_connection_failures_while_joining(void **state)
{
    (void)state;
    struct room room = room_start(room_on, "");
    room_tick(&room, 0);
    room_expect(&room, KG_ROOM_CONNECT);
    room_intent(&room, KG_INTENT_JOIN);
    room_closed(&room, KG_WS_TLS_NOT_YET);
    assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_CLOCK_WRONG);
    room_expect(&room, KG_ROOM_LEAVE);
    room_intent(&room, KG_INTENT_RETRY);
    assert_int_equal(room_screen(&room), KG_SCREEN_JOINING);
    room_expect(&room, KG_ROOM_CONNECT);
    kg_room_machine_destroy(room.machine);
}

static void test_no_media_path(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_intent(&room, KG_INTENT_JOIN);
    room_joined(&room, room_expect(&room, KG_ROOM_JOIN).request, "t", true);
    room_tick(&room, KG_ROOM_JOIN_MAX_US);
    assert_int_equal(room_screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_MEDIA_BLOCKED);
    kg_room_machine_destroy(room.machine);
}

static void test_left_reasons(void **state)
{
    (void)state;
    static const struct {
        enum kg_reason reason;
        enum kg_room_screen screen;
        enum kg_ended_reason ended;
    } cases[] = {
        {KG_REASON_ENDED, KG_SCREEN_ENDED, KG_ENDED_TIME},
        {KG_REASON_EXPELLED, KG_SCREEN_ENDED, KG_ENDED_REMOVED},
        {KG_REASON_REPLACED, KG_SCREEN_ENDED, KG_ENDED_REMOVED},
        {KG_REASON_SHUTTING_DOWN, KG_SCREEN_MEETING, 0},
        {KG_REASON_MEDIA_LOST, KG_SCREEN_MEETING, 0},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        struct room room = room_in_meeting(room_on);
        room_left(&room, cases[i].reason);
        assert_int_equal(room_screen(&room), cases[i].screen);
        if (cases[i].screen == KG_SCREEN_ENDED)
            assert_int_equal(kg_room_machine_state(room.machine)->ended.reason, cases[i].ended);
        kg_room_machine_destroy(room.machine);
    }
}

/* However it comes back, it never comes back unmuted. */
static void test_never_unmuted(void **state)
{
    (void)state;
    const struct kg_privacy off = {.microphone_off = true, .camera_off = true};
    struct room room = room_at_home(off);
    room_intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    /* The relay's idea of us does not matter. */
    room_joined(&room, join.request, "t", true);
    room_media(&room, KG_MEDIA_CONNECTED);
    room_media(&room, KG_MEDIA_LOST);
    join = room_expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    room_closed(&room, KG_WS_CLOSED);
    room_tick(&room, 2 * SECOND_US);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    join = room_expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    assert_true(kg_room_machine_state(room.machine)->meeting.camera_muted);
    kg_room_machine_destroy(room.machine);
}

static void room_policy(struct room *room, struct kg_message_policy what)
{
    room_message(room, (struct kg_message){.type = KG_MESSAGE_POLICY, .policy = what});
}

/* A join begins as administrators want it, in the room it can be switched on; they switch nothing on. */
static void test_policy_mutes_joins(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    room_policy(&room, (struct kg_message_policy){.microphone_muted = KG_SAY_YES, .camera_muted = KG_SAY_NO});
    room_expect_nothing(&room);
    room_intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && !join.muted.camera);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    /* Just behind the join: still in time. */
    room_policy(&room, (struct kg_message_policy){.camera_muted = KG_SAY_YES});
    struct kg_room_action mute = room_expect(&room, KG_ROOM_MUTE);
    assert_true(mute.muted.microphone && mute.muted.camera);
    room_intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    assert_false(room_expect(&room, KG_ROOM_MUTE).muted.microphone);
    room_expect(&room, KG_ROOM_SAVE_PRIVACY);
    room_joined(&room, join.request, "t", true);
    room_media(&room, KG_MEDIA_CONNECTED);
    kg_room_machine_destroy(room.machine);
}

/* In a meeting it is too late, for who comes back too. */
static void test_policy_leaves_meetings_alone(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    room_policy(&room,
                (struct kg_message_policy){.microphone_muted = KG_SAY_YES, .camera_muted = KG_SAY_YES});
    room_media(&room, KG_MEDIA_LOST);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_false(join.muted.microphone || join.muted.camera);
    kg_room_machine_destroy(room.machine);
}

static void test_auto_join(void **state)
{
    (void)state;
    struct room room = room_start(room_on, "auto");
    room_tick(&room, 0);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    assert_string_equal(room_expect(&room, KG_ROOM_JOIN).uid, MEETING_UID);
    room_intent(&room, KG_INTENT_CANCEL_JOIN);
    room_expect(&room, KG_ROOM_LEAVE);
    room_tick(&room, SECOND_US);
    room_expect_nothing(&room); /* only once */
    kg_room_machine_destroy(room.machine);
}

static void test_meetings_follow_the_clock(void **state)
{
    (void)state;
    struct room room = room_at_home(room_on);
    struct kg_room_meeting meetings[2] = {{.uid = "later"}, {.uid = "off", .state = KG_MEETING_CANCELLED}};
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    int64_t wall_us = s->wall_us;
    meetings[0].start_us = meetings[1].start_us = wall_us + KG_ROOM_OPEN_BEFORE_US + SECOND_US;
    meetings[0].end_us = meetings[1].end_us = meetings[0].start_us + 3600 * SECOND_US;
    kg_room_machine_agenda(room.machine, meetings, 2, wall_us);
    assert_false(s->meetings[0].joinable);
    room_tick(&room, 2 * SECOND_US);
    assert_true(s->meetings[0].joinable);
    assert_int_equal(s->meetings[0].state, KG_MEETING_UPCOMING);
    assert_false(s->meetings[1].joinable);
    room_tick(&room, KG_ROOM_OPEN_BEFORE_US);
    assert_int_equal(s->meetings[0].state, KG_MEETING_NOW);
    room_tick(&room, 3600 * SECOND_US);
    assert_int_equal(s->meetings[0].state, KG_MEETING_ENDED);
    assert_false(s->meetings[0].joinable);
    assert_int_equal(s->meetings[1].state, KG_MEETING_CANCELLED);
    kg_room_machine_destroy(room.machine);
}

static void test_devices(void **state)
{
    (void)state;
    struct room room = room_in_meeting(room_on);
    struct kg_media_report report = {.event = KG_MEDIA_DEVICE, .device = KG_MEDIA_CAMERA};
    kg_room_machine_media(room.machine, &report);
    assert_int_equal(kg_room_machine_state(room.machine)->camera, KG_DEVICE_MISSING);
    assert_true(kg_room_machine_state(room.machine)->notices[KG_NOTICE_CAMERA_UNPLUGGED]);
    report.device_present = true;
    kg_room_machine_media(room.machine, &report);
    assert_int_equal(kg_room_machine_state(room.machine)->camera, KG_DEVICE_OK);
    assert_false(kg_room_machine_state(room.machine)->notices[KG_NOTICE_CAMERA_UNPLUGGED]);
    kg_room_machine_destroy(room.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_taps),
        cmocka_unit_test(test_alone_needs_no_picture),
        cmocka_unit_test(test_picture_is_not_waited_for_long),
        cmocka_unit_test(test_answer_to_an_older_join_is_ignored),
        cmocka_unit_test(test_error_page_goes_home),
        cmocka_unit_test(test_join_errors),
        cmocka_unit_test(test_busy_relay_is_asked_again),
        cmocka_unit_test(test_relay_stays_busy),
        cmocka_unit_test(test_connection_failures_while_joining),
        cmocka_unit_test(test_no_media_path),
        cmocka_unit_test(test_left_reasons),
        cmocka_unit_test(test_never_unmuted),
        cmocka_unit_test(test_policy_mutes_joins),
        cmocka_unit_test(test_policy_leaves_meetings_alone),
        cmocka_unit_test(test_auto_join),
        cmocka_unit_test(test_meetings_follow_the_clock),
        cmocka_unit_test(test_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

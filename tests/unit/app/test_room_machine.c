#include "unit/cmocka_all.h"

#include "app/room_machine.h"

#define SECOND_US   INT64_C(1000000)
#define WALL_US     (INT64_C(1795219200) * SECOND_US)
#define MEETING_UID "weekly@test"

struct room {
    struct kg_room_machine *machine;
    int64_t now_us;
};

static struct room start(struct kg_privacy privacy, const char *auto_join)
{
    struct room room = {.now_us = 5 * SECOND_US};
    room.machine = kg_room_machine_create(&privacy, 1, auto_join, room.now_us, WALL_US);
    assert_non_null(room.machine);
    struct kg_room_meeting meeting = {.uid = MEETING_UID, .title = "定例会"};
    meeting.start_us = WALL_US - 60 * SECOND_US;
    meeting.end_us = WALL_US + 3600 * SECOND_US;
    kg_room_machine_agenda(room.machine, &meeting, 1, WALL_US - 60 * SECOND_US);
    return room;
}

static void tick(struct room *room, int64_t later_us)
{
    room->now_us += later_us;
    kg_room_machine_tick(room->machine, room->now_us, WALL_US + room->now_us);
}

static struct kg_room_action expect(struct room *room, enum kg_room_action_kind kind)
{
    struct kg_room_action action;
    assert_true(kg_room_machine_take(room->machine, &action));
    assert_int_equal(action.kind, kind);
    return action;
}

static void expect_nothing(struct room *room)
{
    struct kg_room_action action;
    assert_false(kg_room_machine_take(room->machine, &action));
}

static enum kg_room_screen screen(const struct room *room)
{
    return kg_room_machine_state(room->machine)->screen;
}

static void intent(struct room *room, enum kg_intent_kind kind)
{
    struct kg_intent what = {.kind = kind, .uid = MEETING_UID};
    kg_room_machine_intent(room->machine, &what);
}

static void message(struct room *room, struct kg_message what)
{
    kg_room_machine_message(room->machine, &what);
}

static void welcome(struct room *room)
{
    message(room,
            (struct kg_message){
                .type = KG_MESSAGE_WELCOME,
                .welcome = {.room_id = "a", .organization = "架空市", .department = "", .name = "大会議室"}});
}

static void closed(struct room *room, enum kg_ws_failure failure)
{
    const struct kg_ws_close close = {.failure = failure, .detail = "why"};
    kg_room_machine_closed(room->machine, &close);
}

static void media(struct room *room, enum kg_media_event event)
{
    const struct kg_media_report report = {.event = event, .text = "why"};
    kg_room_machine_media(room->machine, &report);
}

static void joined(struct room *room, uint32_t request, const char *token, bool other)
{
    const struct kg_participant participants[] = {
        {.party = 1, .organization = "架空市", .department = "", .name = "大会議室"},
        {.party = 2,
         .organization = "架空町",
         .department = "",
         .name = "会議室",
         .sources = {.camera = 77, .microphone = 78}},
    };
    message(room, (struct kg_message){.type = KG_MESSAGE_JOINED,
                                      .joined = {.request = request,
                                                 .meeting = MEETING_UID,
                                                 .resume = token,
                                                 .party = 1,
                                                 .participant_count = other ? 2 : 1,
                                                 .participants = participants}});
}

static void error(struct room *room, uint32_t request, enum kg_error_code code)
{
    message(room, (struct kg_message){.type = KG_MESSAGE_ERROR,
                                      .error = {.request = request, .code = code, .message = "no"}});
}

static void left(struct room *room, enum kg_reason reason)
{
    message(room, (struct kg_message){.type = KG_MESSAGE_LEFT, .left = {.reason = reason}});
}

static struct room at_home(struct kg_privacy privacy)
{
    struct room room = start(privacy, "");
    tick(&room, 0);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    expect_nothing(&room);
    return room;
}

static struct room in_meeting(struct kg_privacy privacy)
{
    struct room room = at_home(privacy);
    intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.uid, MEETING_UID);
    assert_string_equal(join.token, "");
    joined(&room, join.request, "token-1", true);
    media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(screen(&room), KG_SCREEN_JOINING);
    media(&room, KG_MEDIA_PICTURE);
    assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    expect_nothing(&room);
    return room;
}

static const struct kg_privacy on = {0};

static void test_two_taps(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    assert_string_equal(s->meeting.title, "定例会");
    assert_int_equal(s->meeting.participant_count, 1); /* not ourselves */
    assert_int_equal(s->meeting.participants[0].camera, 77);
    assert_string_equal(s->room.organization, "架空市");
    tick(&room, 60 * SECOND_US);
    intent(&room, KG_INTENT_LEAVE);
    expect(&room, KG_ROOM_LEAVE);
    assert_int_equal(screen(&room), KG_SCREEN_ENDED);
    assert_true(s->ended.rejoinable);
    assert_int_equal(s->ended.duration_us, 60 * SECOND_US);
    assert_int_equal(s->meeting.participant_count, 0); /* nothing of the others stays */
    left(&room, KG_REASON_REQUESTED);
    tick(&room, KG_ROOM_ENDED_PAGE_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_join_while_relay_is_away(void **state)
{
    (void)state;
    struct room room = start(on, "");
    tick(&room, 0);
    expect(&room, KG_ROOM_CONNECT);
    closed(&room, KG_WS_CLOSED);
    intent(&room, KG_INTENT_JOIN);
    expect(&room, KG_ROOM_CONNECT); /* at once: somebody waits */
    welcome(&room);
    expect(&room, KG_ROOM_JOIN);
    kg_room_machine_destroy(room.machine);
}

static void test_alone_needs_no_picture(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    joined(&room, expect(&room, KG_ROOM_JOIN).request, "t", false);
    media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

static void test_picture_is_not_waited_for_long(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    joined(&room, expect(&room, KG_ROOM_JOIN).request, "t", true);
    media(&room, KG_MEDIA_CONNECTED);
    tick(&room, KG_ROOM_PICTURE_MAX_US - 1);
    assert_int_equal(screen(&room), KG_SCREEN_JOINING);
    tick(&room, 1);
    assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

static void test_answer_to_an_older_join_is_ignored(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    uint32_t first = expect(&room, KG_ROOM_JOIN).request;
    intent(&room, KG_INTENT_CANCEL_JOIN);
    expect(&room, KG_ROOM_LEAVE);
    intent(&room, KG_INTENT_JOIN);
    assert_int_not_equal(expect(&room, KG_ROOM_JOIN).request, first);
    joined(&room, first, "t", false);
    media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(screen(&room), KG_SCREEN_JOINING);
    kg_room_machine_destroy(room.machine);
}

/* The relay dies in mid-meeting and comes back: same seat by token, muted as before, within two seconds. */
static void test_reconnect_and_resume(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    assert_true(expect(&room, KG_ROOM_MUTE).muted.microphone); /* before anything is written */
    assert_true(expect(&room, KG_ROOM_SAVE_PRIVACY).muted.microphone);
    closed(&room, KG_WS_CLOSED);
    assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    assert_true(kg_room_machine_state(room.machine)->meeting.reconnecting);
    for (int i = 0; i < 20; i++) {
        int64_t wait_us = kg_room_machine_next_us(room.machine) - room.now_us;
        assert_true(wait_us > 0 && wait_us <= KG_ROOM_RETRY_MEETING_US);
        tick(&room, KG_ROOM_RETRY_MEETING_US);
        expect(&room, KG_ROOM_CONNECT);
        closed(&room, KG_WS_UNREACHABLE);
        assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    }
    tick(&room, KG_ROOM_RETRY_MEETING_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.token, "token-1");
    assert_true(join.muted.microphone);
    error(&room, join.request, KG_ERROR_BAD_TOKEN); /* a new relay knows no seats */
    join = expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.token, "");
    assert_true(join.muted.microphone);
    joined(&room, join.request, "token-2", true);
    media(&room, KG_MEDIA_CONNECTED);
    assert_false(kg_room_machine_state(room.machine)->meeting.reconnecting);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    kg_room_machine_destroy(room.machine);
}

static void expect_cut(const struct room *room)
{
    assert_int_equal(screen(room), KG_SCREEN_MEETING);
    assert_true(kg_room_machine_state(room->machine)->meeting.reconnecting);
}

/* Ticks through the time, the relay away all the while. */
static void stay_away(struct room *room, int64_t for_us)
{
    struct kg_room_action action;
    for (int64_t until_us = room->now_us + for_us; room->now_us < until_us;) {
        tick(room, KG_MIN(SECOND_US, until_us - room->now_us));
        while (kg_room_machine_take(room->machine, &action))
            if (action.kind == KG_ROOM_CONNECT)
                closed(room, KG_WS_UNREACHABLE);
    }
}

/* The relay stays away: tried until the time on screen, then home, which says why. */
static void test_gives_up_after_five_minutes(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    expect(&room, KG_ROOM_MUTE);
    expect(&room, KG_ROOM_SAVE_PRIVACY);
    closed(&room, KG_WS_CLOSED);
    assert_int_equal(s->meeting.give_up_us, s->wall_us + KG_ROOM_GIVE_UP_US);
    stay_away(&room, KG_ROOM_GIVE_UP_US - SECOND_US);
    expect_cut(&room);
    tick(&room, SECOND_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    assert_int_equal(s->lost_us, s->wall_us);
    assert_int_equal(s->meeting.participant_count, 0);
    bool left_call = false;
    struct kg_room_action action;
    while (kg_room_machine_take(room.machine, &action)) {
        left_call |= action.kind == KG_ROOM_LEAVE;
        if (action.kind == KG_ROOM_CONNECT)
            closed(&room, KG_WS_UNREACHABLE);
    }
    assert_true(left_call); /* camera and microphone are let go */
    stay_away(&room, 60 * SECOND_US);
    tick(&room, KG_ROOM_RETRY_HOME_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    expect_nothing(&room); /* not back in by itself: perhaps nobody is there */
    intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
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
    struct room room = in_meeting(off);
    for (int i = 0; i < 2; i++) {
        closed(&room, KG_WS_CLOSED);
        stay_away(&room, KG_ROOM_GIVE_UP_US - 10 * SECOND_US);
        expect_cut(&room);
        tick(&room, 2 * SECOND_US);
        expect(&room, KG_ROOM_CONNECT);
        welcome(&room);
        struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
        error(&room, join.request, KG_ERROR_BAD_TOKEN);
        join = expect(&room, KG_ROOM_JOIN);
        assert_true(join.muted.microphone);
        joined(&room, join.request, "token", true);
        media(&room, KG_MEDIA_CONNECTED);
        assert_false(kg_room_machine_state(room.machine)->meeting.reconnecting);
        assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
        tick(&room, SECOND_US);
    }
    kg_room_machine_destroy(room.machine);
}

/* The meeting's end comes first; but a meeting may overrun, and a short cut must not cost the seat then. */
static void test_gives_up_at_the_meetings_end(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    tick(&room, s->meeting.end_us - s->wall_us - 60 * SECOND_US);
    closed(&room, KG_WS_CLOSED);
    assert_int_equal(s->meeting.give_up_us, s->meeting.end_us);
    stay_away(&room, 59 * SECOND_US);
    expect_cut(&room);
    stay_away(&room, SECOND_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);

    room = in_meeting(on);
    s = kg_room_machine_state(room.machine);
    tick(&room, s->meeting.end_us - s->wall_us + 60 * SECOND_US);
    closed(&room, KG_WS_CLOSED);
    stay_away(&room, KG_ROOM_SEAT_US - SECOND_US);
    expect_cut(&room);
    stay_away(&room, SECOND_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

/* Media lost, the relay there but without an answer: bounded as well. */
static void test_gives_up_without_an_answer(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    media(&room, KG_MEDIA_LOST);
    expect(&room, KG_ROOM_JOIN);
    stay_away(&room, KG_ROOM_GIVE_UP_US - SECOND_US);
    expect_cut(&room);
    tick(&room, SECOND_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_meeting_ended_while_cut_off(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    closed(&room, KG_WS_CLOSED);
    tick(&room, SECOND_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    error(&room, expect(&room, KG_ROOM_JOIN).request, KG_ERROR_ENDED);
    assert_int_equal(screen(&room), KG_SCREEN_ENDED);
    assert_int_equal(kg_room_machine_state(room.machine)->ended.reason, KG_ENDED_TIME);
    expect(&room, KG_ROOM_LEAVE);
    kg_room_machine_destroy(room.machine);
}

/* Who saw an error page has left: the next person finds a home screen. */
static void test_error_page_goes_home(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    error(&room, expect(&room, KG_ROOM_JOIN).request, KG_ERROR_NOT_INVITED);
    tick(&room, KG_ROOM_ERROR_PAGE_US - 1);
    assert_int_equal(screen(&room), KG_SCREEN_ERROR);
    tick(&room, 1);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

/* The line breaks just before the first picture: the meeting's page says so. */
static void test_cut_off_while_joining(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    joined(&room, expect(&room, KG_ROOM_JOIN).request, "t", true);
    closed(&room, KG_WS_CLOSED);
    media(&room, KG_MEDIA_CONNECTED);
    media(&room, KG_MEDIA_PICTURE);
    expect_cut(&room);
    stay_away(&room, KG_ROOM_GIVE_UP_US);
    assert_int_equal(screen(&room), KG_SCREEN_HOME);
    kg_room_machine_destroy(room.machine);
}

static void test_token_is_used_once(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    closed(&room, KG_WS_CLOSED);
    tick(&room, SECOND_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    assert_string_equal(expect(&room, KG_ROOM_JOIN).token, "token-1");
    closed(&room, KG_WS_CLOSED); /* before an answer */
    tick(&room, SECOND_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    assert_string_equal(expect(&room, KG_ROOM_JOIN).token, "");
    kg_room_machine_destroy(room.machine);
}

/* Retries spread out: no two machines with other seeds try at the same moment, and waits grow. */
static void test_backoff(void **state)
{
    (void)state;
    int64_t last_us = 0, longest_us = 0;
    struct room room = start(on, "");
    for (int i = 0; i < 12; i++) {
        int64_t due_us = KG_MAX(kg_room_machine_next_us(room.machine), room.now_us);
        while (true) {
            struct kg_room_action action;
            tick(&room, KG_MAX(due_us - room.now_us, 0));
            if (kg_room_machine_take(room.machine, &action))
                break;
            due_us = kg_room_machine_next_us(room.machine);
        }
        longest_us = KG_MAX(longest_us, room.now_us - last_us);
        last_us = room.now_us;
        closed(&room, KG_WS_UNREACHABLE);
        assert_int_equal(kg_room_machine_state(room.machine)->relay, KG_RELAY_AWAY);
        assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_RELAY_UNREACHABLE);
    }
    assert_in_range(longest_us, KG_ROOM_RETRY_HOME_US / 2, KG_ROOM_RETRY_HOME_US);
    kg_room_machine_destroy(room.machine);
}

static void test_closing_asks_for_patience(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    message(&room, (struct kg_message){.type = KG_MESSAGE_CLOSING,
                                       .closing = {.reason = KG_REASON_SHUTTING_DOWN, .retry_ms = 5000}});
    closed(&room, KG_WS_CLOSED);
    assert_true(kg_room_machine_state(room.machine)->relay_closing);
    tick(&room, 5 * SECOND_US - 1);
    expect_nothing(&room);
    tick(&room, 1);
    expect(&room, KG_ROOM_CONNECT);
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
        struct room room = at_home(on);
        intent(&room, KG_INTENT_JOIN);
        error(&room, expect(&room, KG_ROOM_JOIN).request, cases[i].code);
        assert_int_equal(screen(&room), KG_SCREEN_ERROR);
        assert_int_equal(kg_room_machine_state(room.machine)->error.problem, cases[i].problem);
        expect(&room, KG_ROOM_LEAVE); /* camera and microphone are let go */
        intent(&room, KG_INTENT_BACK_HOME);
        assert_int_equal(screen(&room), KG_SCREEN_HOME);
        kg_room_machine_destroy(room.machine);
    }
}

static void test_busy_relay_is_asked_again(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    error(&room, expect(&room, KG_ROOM_JOIN).request, KG_ERROR_BUSY);
    expect_nothing(&room);
    tick(&room, KG_ROOM_BUSY_WAIT_US / 2 - 1);
    expect_nothing(&room);
    tick(&room, KG_ROOM_BUSY_WAIT_US / 2 + 1);
    joined(&room, expect(&room, KG_ROOM_JOIN).request, "t", false);
    media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(screen(&room), KG_SCREEN_MEETING);
    kg_room_machine_destroy(room.machine);
}

/* Not for ever, and the page says what it was. */
static void test_relay_stays_busy(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    for (int64_t since_us = room.now_us; room.now_us < since_us + KG_ROOM_JOIN_MAX_US;) {
        assert_int_equal(screen(&room), KG_SCREEN_JOINING);
        error(&room, expect(&room, KG_ROOM_JOIN).request, KG_ERROR_BUSY);
        tick(&room, KG_ROOM_BUSY_WAIT_US);
    }
    assert_int_equal(screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_RELAY_BUSY);
    kg_room_machine_destroy(room.machine);
}

static void test_connection_failures_while_joining(void **state)
{
    (void)state;
    struct room room = start(on, "");
    tick(&room, 0);
    expect(&room, KG_ROOM_CONNECT);
    intent(&room, KG_INTENT_JOIN);
    closed(&room, KG_WS_TLS_NOT_YET);
    assert_int_equal(screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_CLOCK_WRONG);
    expect(&room, KG_ROOM_LEAVE);
    intent(&room, KG_INTENT_RETRY);
    assert_int_equal(screen(&room), KG_SCREEN_JOINING);
    expect(&room, KG_ROOM_CONNECT);
    kg_room_machine_destroy(room.machine);
}

static void test_no_media_path(void **state)
{
    (void)state;
    struct room room = at_home(on);
    intent(&room, KG_INTENT_JOIN);
    joined(&room, expect(&room, KG_ROOM_JOIN).request, "t", true);
    tick(&room, KG_ROOM_JOIN_MAX_US);
    assert_int_equal(screen(&room), KG_SCREEN_ERROR);
    assert_int_equal(kg_room_machine_state(room.machine)->error.problem, KG_PROBLEM_MEDIA_BLOCKED);
    kg_room_machine_destroy(room.machine);
}

static void test_lost_media_is_resumed_thrice(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    for (int i = 1; i < KG_ROOM_MEDIA_TRIES; i++) {
        media(&room, KG_MEDIA_LOST);
        assert_true(kg_room_machine_state(room.machine)->meeting.reconnecting);
        struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
        assert_true(join.token[0] != '\0');
        joined(&room, join.request, "next", true);
        media(&room, KG_MEDIA_CONNECTED);
    }
    media(&room, KG_MEDIA_LOST);
    assert_int_equal(screen(&room), KG_SCREEN_ERROR);
    expect(&room, KG_ROOM_LEAVE);
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
        struct room room = in_meeting(on);
        left(&room, cases[i].reason);
        assert_int_equal(screen(&room), cases[i].screen);
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
    struct room room = at_home(off);
    intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    /* The relay's idea of us does not matter. */
    joined(&room, join.request, "t", true);
    media(&room, KG_MEDIA_CONNECTED);
    media(&room, KG_MEDIA_LOST);
    join = expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    closed(&room, KG_WS_CLOSED);
    tick(&room, 2 * SECOND_US);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    join = expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && join.muted.camera);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    assert_true(kg_room_machine_state(room.machine)->meeting.camera_muted);
    kg_room_machine_destroy(room.machine);
}

static void policy(struct room *room, struct kg_message_policy what)
{
    message(room, (struct kg_message){.type = KG_MESSAGE_POLICY, .policy = what});
}

/* A join begins as administrators want it, in the room it can be switched on; they switch nothing on. */
static void test_policy_mutes_joins(void **state)
{
    (void)state;
    struct room room = at_home(on);
    policy(&room, (struct kg_message_policy){.microphone_muted = KG_SAY_YES, .camera_muted = KG_SAY_NO});
    expect_nothing(&room);
    intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
    assert_true(join.muted.microphone && !join.muted.camera);
    assert_true(kg_room_machine_state(room.machine)->meeting.microphone_muted);
    /* Just behind the join: still in time. */
    policy(&room, (struct kg_message_policy){.camera_muted = KG_SAY_YES});
    struct kg_room_action mute = expect(&room, KG_ROOM_MUTE);
    assert_true(mute.muted.microphone && mute.muted.camera);
    intent(&room, KG_INTENT_TOGGLE_MICROPHONE);
    assert_false(expect(&room, KG_ROOM_MUTE).muted.microphone);
    expect(&room, KG_ROOM_SAVE_PRIVACY);
    joined(&room, join.request, "t", true);
    media(&room, KG_MEDIA_CONNECTED);
    kg_room_machine_destroy(room.machine);
}

/* In a meeting it is too late, for who comes back too. */
static void test_policy_leaves_meetings_alone(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
    policy(&room, (struct kg_message_policy){.microphone_muted = KG_SAY_YES, .camera_muted = KG_SAY_YES});
    media(&room, KG_MEDIA_LOST);
    struct kg_room_action join = expect(&room, KG_ROOM_JOIN);
    assert_false(join.muted.microphone || join.muted.camera);
    kg_room_machine_destroy(room.machine);
}

/* With a new certificate, at home only: a meeting is not disturbed for it. */
static void test_reconnects_at_home_only(void **state)
{
    (void)state;
    struct room room = start(on, NULL);
    tick(&room, 0);
    expect(&room, KG_ROOM_CONNECT);
    assert_false(kg_room_machine_reconnect(room.machine)); /* with which one? */
    welcome(&room);
    assert_true(kg_room_machine_reconnect(room.machine));
    expect(&room, KG_ROOM_CONNECT);
    tick(&room, 60 * SECOND_US);
    expect_nothing(&room);
    welcome(&room);
    intent(&room, KG_INTENT_JOIN);
    expect(&room, KG_ROOM_JOIN);
    assert_false(kg_room_machine_reconnect(room.machine));
    expect_nothing(&room);
    kg_room_machine_destroy(room.machine);
    room = at_home(on);
    closed(&room, KG_WS_CLOSED);
    assert_true(kg_room_machine_reconnect(room.machine)); /* it comes back with it by itself */
    expect_nothing(&room);
    kg_room_machine_destroy(room.machine);
}

static void test_auto_join(void **state)
{
    (void)state;
    struct room room = start(on, "auto");
    tick(&room, 0);
    expect(&room, KG_ROOM_CONNECT);
    welcome(&room);
    assert_string_equal(expect(&room, KG_ROOM_JOIN).uid, MEETING_UID);
    intent(&room, KG_INTENT_CANCEL_JOIN);
    expect(&room, KG_ROOM_LEAVE);
    tick(&room, SECOND_US);
    expect_nothing(&room); /* only once */
    kg_room_machine_destroy(room.machine);
}

static void test_meetings_follow_the_clock(void **state)
{
    (void)state;
    struct room room = at_home(on);
    struct kg_room_meeting meetings[2] = {{.uid = "later"}, {.uid = "off", .state = KG_MEETING_CANCELLED}};
    const struct kg_room_state *s = kg_room_machine_state(room.machine);
    int64_t wall_us = s->wall_us;
    meetings[0].start_us = meetings[1].start_us = wall_us + KG_ROOM_OPEN_BEFORE_US + SECOND_US;
    meetings[0].end_us = meetings[1].end_us = meetings[0].start_us + 3600 * SECOND_US;
    kg_room_machine_agenda(room.machine, meetings, 2, wall_us);
    assert_false(s->meetings[0].joinable);
    tick(&room, 2 * SECOND_US);
    assert_true(s->meetings[0].joinable);
    assert_int_equal(s->meetings[0].state, KG_MEETING_UPCOMING);
    assert_false(s->meetings[1].joinable);
    tick(&room, KG_ROOM_OPEN_BEFORE_US);
    assert_int_equal(s->meetings[0].state, KG_MEETING_NOW);
    tick(&room, 3600 * SECOND_US);
    assert_int_equal(s->meetings[0].state, KG_MEETING_ENDED);
    assert_false(s->meetings[0].joinable);
    assert_int_equal(s->meetings[1].state, KG_MEETING_CANCELLED);
    kg_room_machine_destroy(room.machine);
}

static void test_devices(void **state)
{
    (void)state;
    struct room room = in_meeting(on);
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
        cmocka_unit_test(test_join_while_relay_is_away),
        cmocka_unit_test(test_alone_needs_no_picture),
        cmocka_unit_test(test_picture_is_not_waited_for_long),
        cmocka_unit_test(test_answer_to_an_older_join_is_ignored),
        cmocka_unit_test(test_reconnect_and_resume),
        cmocka_unit_test(test_gives_up_after_five_minutes),
        cmocka_unit_test(test_rejoins_before_giving_up),
        cmocka_unit_test(test_gives_up_at_the_meetings_end),
        cmocka_unit_test(test_gives_up_without_an_answer),
        cmocka_unit_test(test_meeting_ended_while_cut_off),
        cmocka_unit_test(test_error_page_goes_home),
        cmocka_unit_test(test_cut_off_while_joining),
        cmocka_unit_test(test_token_is_used_once),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_closing_asks_for_patience),
        cmocka_unit_test(test_join_errors),
        cmocka_unit_test(test_busy_relay_is_asked_again),
        cmocka_unit_test(test_relay_stays_busy),
        cmocka_unit_test(test_connection_failures_while_joining),
        cmocka_unit_test(test_no_media_path),
        cmocka_unit_test(test_lost_media_is_resumed_thrice),
        cmocka_unit_test(test_left_reasons),
        cmocka_unit_test(test_never_unmuted),
        cmocka_unit_test(test_policy_mutes_joins),
        cmocka_unit_test(test_policy_leaves_meetings_alone),
        cmocka_unit_test(test_reconnects_at_home_only),
        cmocka_unit_test(test_auto_join),
        cmocka_unit_test(test_meetings_follow_the_clock),
        cmocka_unit_test(test_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

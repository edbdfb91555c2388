#include "unit/app/room_world.h"

struct room room_start(struct kg_privacy privacy, const char *auto_join)
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

void room_tick(struct room *room, int64_t later_us)
{
    room->now_us += later_us;
    kg_room_machine_tick(room->machine, room->now_us, WALL_US + room->now_us);
}

struct kg_room_action room_expect(struct room *room, enum kg_room_action_kind kind)
{
    struct kg_room_action action;
    assert_true(kg_room_machine_take(room->machine, &action));
    assert_int_equal(action.kind, kind);
    return action;
}

void room_expect_nothing(struct room *room)
{
    struct kg_room_action action;
    assert_false(kg_room_machine_take(room->machine, &action));
}

enum kg_room_screen room_screen(const struct room *room)
{
    return kg_room_machine_state(room->machine)->screen;
}

void room_intent(struct room *room, enum kg_intent_kind kind)
{
    struct kg_intent what = {.kind = kind, .uid = MEETING_UID};
    kg_room_machine_intent(room->machine, &what);
}

void room_message(struct room *room, struct kg_message what)
{
    kg_room_machine_message(room->machine, &what);
}

void room_welcome(struct room *room)
{
    room_message(
        room,
        (struct kg_message){
            .type = KG_MESSAGE_WELCOME,
            .welcome = {.room_id = "a", .organization = "架空市", .department = "", .name = "大会議室"}});
}

void room_closed(struct room *room, enum kg_ws_failure failure)
{
    const struct kg_ws_close close = {.failure = failure, .detail = "why"};
    kg_room_machine_closed(room->machine, &close);
}

void room_media(struct room *room, enum kg_media_event event)
{
    const struct kg_media_report report = {.event = event, .text = "why"};
    kg_room_machine_media(room->machine, &report);
}

void room_joined(struct room *room, uint32_t request, const char *token, bool other)
{
    const struct kg_participant participants[] = {
        {.party = 1, .organization = "架空市", .department = "", .name = "大会議室"},
        {.party = 2,
         .organization = "架空町",
         .department = "",
         .name = "会議室",
         .sources = {.camera = 77, .microphone = 78}},
    };
    room_message(room, (struct kg_message){.type = KG_MESSAGE_JOINED,
                                           .joined = {.request = request,
                                                      .meeting = MEETING_UID,
                                                      .resume = token,
                                                      .party = 1,
                                                      .participant_count = other ? 2 : 1,
                                                      .participants = participants}});
}

void room_error(struct room *room, uint32_t request, enum kg_error_code code)
{
    room_message(room, (struct kg_message){.type = KG_MESSAGE_ERROR,
                                           .error = {.request = request, .code = code, .message = "no"}});
}

void room_left(struct room *room, enum kg_reason reason)
{
    room_message(room, (struct kg_message){.type = KG_MESSAGE_LEFT, .left = {.reason = reason}});
}

struct room room_at_home(struct kg_privacy privacy)
{
    struct room room = room_start(privacy, "");
    room_tick(&room, 0);
    room_expect(&room, KG_ROOM_CONNECT);
    room_welcome(&room);
    room_expect_nothing(&room);
    return room;
}

struct room room_in_meeting(struct kg_privacy privacy)
{
    struct room room = room_at_home(privacy);
    room_intent(&room, KG_INTENT_JOIN);
    struct kg_room_action join = room_expect(&room, KG_ROOM_JOIN);
    assert_string_equal(join.uid, MEETING_UID);
    assert_string_equal(join.token, "");
    room_joined(&room, join.request, "token-1", true);
    room_media(&room, KG_MEDIA_CONNECTED);
    assert_int_equal(room_screen(&room), KG_SCREEN_JOINING);
    room_media(&room, KG_MEDIA_PICTURE);
    assert_int_equal(room_screen(&room), KG_SCREEN_MEETING);
    room_expect_nothing(&room);
    return room;
}

void room_expect_cut(const struct room *room)
{
    assert_int_equal(room_screen(room), KG_SCREEN_MEETING);
    assert_true(kg_room_machine_state(room->machine)->meeting.reconnecting);
}

/* Ticks through the time, the relay away all the while. */
void room_stay_away(struct room *room, int64_t for_us)
{
    struct kg_room_action action;
    for (int64_t until_us = room->now_us + for_us; room->now_us < until_us;) {
        room_tick(room, KG_MIN(SECOND_US, until_us - room->now_us));
        while (kg_room_machine_take(room->machine, &action))
            if (action.kind == KG_ROOM_CONNECT)
                room_closed(room, KG_WS_UNREACHABLE);
    }
}

/* A room machine that runs on a clock of its own, for tests of it: what happens to a room, and what it must
 * do then. Everything it does is to be expected, in that order. */
#pragma once

#include "unit/cmocka_all.h"

#include "app/room_machine.h"

#define SECOND_US   INT64_C(1000000)
#define WALL_US     (INT64_C(1795219200) * SECOND_US)
#define MEETING_UID "weekly@test"

struct room {
    struct kg_room_machine *machine; /* kg_room_machine_destroy() */
    int64_t now_us;
};

static const struct kg_privacy room_on = {0};

/* Just switched on, with one meeting, which goes on for an hour. */
struct room room_start(struct kg_privacy privacy, const char *auto_join);
/* Connected, on the home screen. */
struct room room_at_home(struct kg_privacy privacy);
/* With another room, whose picture is there; the token is "token-1". */
struct room room_in_meeting(struct kg_privacy privacy);

enum kg_room_screen room_screen(const struct room *room);
struct kg_room_action room_expect(struct room *room, enum kg_room_action_kind kind);
void room_expect_nothing(struct room *room);
/* In the meeting, and it says that it is cut off. */
void room_expect_cut(const struct room *room);

void room_tick(struct room *room, int64_t later_us);
/* Ticks through the time, the relay away all the while. */
void room_stay_away(struct room *room, int64_t for_us);
/* Somebody touches the screen. */
void room_intent(struct room *room, enum kg_intent_kind kind);

/* The relay's messages. */
void room_message(struct room *room, struct kg_message what);
void room_welcome(struct room *room);
/* other: another room is in the meeting, with a camera. */
void room_joined(struct room *room, uint32_t request, const char *token, bool other);
void room_error(struct room *room, uint32_t request, enum kg_error_code code);
void room_left(struct room *room, enum kg_reason reason);

/* Of the connection, and of the media. */
void room_closed(struct room *room, enum kg_ws_failure failure);
void room_media(struct room *room, enum kg_media_event event);

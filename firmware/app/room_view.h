/* Pieces of the screen's state, filled from the relay's messages and the agenda. Pure; thread: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/agenda_cache.h"
#include "core/room_state.h"
#include "signal/message.h"

/* Steps before `step` are done, it is being done, those after it wait. */
void kg_room_view_step(struct kg_room_joining *joining, enum kg_joining_step step);
/* Title and times of the meeting to be joined, into joining and meeting. */
void kg_room_view_title(struct kg_room_state *state, const char *uid);
const struct kg_room_meeting *kg_room_view_find(const struct kg_room_state *state, const char *uid);
/* The others, without ourselves. */
void kg_room_view_participants(struct kg_room_in_meeting *meeting, const struct kg_participant *participants,
                               uint32_t count, uint32_t own_party);
/* Somebody else is there with a camera switched on. */
bool kg_room_view_expects_picture(const struct kg_room_in_meeting *meeting);
/* One meeting of the agenda; kg_room_view_time says the rest. */
void kg_room_view_meeting(struct kg_room_meeting *meeting, const struct kg_agenda_entry *entry);
void kg_room_view_agenda(struct kg_room_state *state, const struct kg_room_meeting *meetings, uint32_t count);
void kg_room_view_next(struct kg_room_state *state, const struct kg_agenda_day *next);
/* What of the state follows from state->wall_us alone. */
void kg_room_view_time(struct kg_room_state *state);

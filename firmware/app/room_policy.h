/* What administrators have set for this room, as the relay told it (`policy`): kept in memory only, and only
 * ever narrowing what the settings allow and what the person in the room chose. Pure. Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/terminal_settings.h"
#include "signal/message.h"

/* Zeroed: nothing was said. */
struct kg_room_policy {
    struct kg_message_policy said;
    bool untold; /* welcomed, and not told yet whether anything is set */
};

/* Every message of the relay. A relay that has nothing to say sends no policy: the one of the connection
 * before holds until the agenda, which it would have followed. */
void kg_room_policy_hear(struct kg_room_policy *policy, const struct kg_message *message);
/* How the next call's media goes. */
enum kg_media_path kg_room_policy_path(const struct kg_room_policy *policy, enum kg_media_path path);
/* The most that the camera may send; UINT32_MAX: nothing is said. Never so little that it would stop. */
uint32_t kg_room_policy_video_bps(const struct kg_room_policy *policy, uint32_t least_bps);
/* Switches off what a join is to begin without; nothing is ever switched on. */
void kg_room_policy_mute(const struct kg_room_policy *policy, struct kg_muted *muted);

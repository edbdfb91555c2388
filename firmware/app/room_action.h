/* What the room's state machine wants done. Plain values. */
#pragma once

#include <stdint.h>

#include "signal/message.h"

enum kg_room_action_kind {
    KG_ROOM_CONNECT,      /* the control channel */
    KG_ROOM_JOIN,         /* with a new call: request, uid, token ("" : a new seat), muted */
    KG_ROOM_LEAVE,        /* tell the relay, if it listens, and end the call */
    KG_ROOM_MUTE,         /* muted: of the call, and to the relay */
    KG_ROOM_SAVE_PRIVACY, /* muted: over restarts */
};

struct kg_room_action {
    enum kg_room_action_kind kind;
    uint32_t request;
    struct kg_muted muted;
    char uid[KG_MAX_NAME_BYTES + 1];
    char token[KG_MAX_TOKEN_BYTES + 1];
};

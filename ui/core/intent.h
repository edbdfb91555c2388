/* What a touch asks of the room's state machine. Thread: values, copied. */
#pragma once

enum { KG_ROOM_UID_SIZE = 256 };

enum kg_intent_kind {
    KG_INTENT_NONE,
    KG_INTENT_JOIN, /* uid */
    KG_INTENT_CANCEL_JOIN,
    KG_INTENT_LEAVE,
    KG_INTENT_TOGGLE_MICROPHONE,
    KG_INTENT_TOGGLE_CAMERA,
    KG_INTENT_BACK_HOME,
    KG_INTENT_RETRY,  /* from the error page: what failed, again */
    KG_INTENT_REJOIN, /* from the ended page */
    KG_INTENT_QUIT,   /* the window was closed (desktop) */
};

struct kg_intent {
    enum kg_intent_kind kind;
    char uid[KG_ROOM_UID_SIZE];
};

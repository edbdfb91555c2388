/* The net thread: the control channel to the relay and the call. Does what the room's state machine says and
 * tells it what came of it. Thread: created, told and destroyed by the main thread; runs its own.
 * Owns: the event loop, the connections, the call and its media. Borrows: the settings. */
#pragma once

#include <stdbool.h>

#include "app/media_report.h"
#include "app/room_action.h"
#include "app/terminal_settings.h"
#include "base/attr.h"
#include "net/ws_client.h"

struct kg_link;
struct kg_picture_slots;
struct kg_tap;

struct kg_link_params {
    const struct kg_terminal_settings *settings; /* outlives the link */
    enum kg_media_path path;
    struct kg_picture_slots *screen;
    struct kg_tap *tap;
    void (*wake)(void); /* after each event; any thread of the link */
};

enum kg_link_event_kind { KG_LINK_MESSAGE, KG_LINK_CLOSED, KG_LINK_MEDIA };

struct kg_link_event {
    enum kg_link_event_kind kind;
    union {
        struct kg_message *message; /* the taker's: kg_message_destroy */
        struct kg_ws_close close;
        struct kg_media_report media;
    };
};

/* NULL (logged): the system refuses. */
KG_MUST_CHECK struct kg_link *kg_link_create(const struct kg_link_params *params);
/* Leaves a meeting politely (bounded: 500 ms), stops and joins. */
void kg_link_destroy(struct kg_link *link);
/* Any action but KG_ROOM_SAVE_PRIVACY; each carries the newest `muted`, which is never lost. When too many
 * wait, any other may be: the call and the connection then end, and KG_LINK_CLOSED says so. */
void kg_link_do(struct kg_link *link, const struct kg_room_action *action);
/* No event that somebody may wait for is lost: when too many wait unread, call and connection end and
 * KG_LINK_CLOSED is the last of them. false: nothing waits. */
KG_MUST_CHECK bool kg_link_take(struct kg_link *link, struct kg_link_event *event);

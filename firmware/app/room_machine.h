/* The room's state machine: home → joining → in meeting → ended, with errors, reconnecting and resuming.
 * Takes touches, the relay's messages and the call's reports; gives what the screen shows and what is to be
 * done. Pure: no I/O, no clock. Thread: the main thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/media_report.h"
#include "app/privacy.h"
#include "app/room_action.h"
#include "base/attr.h"
#include "core/room_state.h"
#include "net/ws_client.h"
#include "signal/message.h"

enum {
    KG_ROOM_RETRY_FIRST_US = 200000,
    KG_ROOM_RETRY_MEETING_US = 1000000, /* longest wait between tries while in a meeting */
    KG_ROOM_RETRY_HOME_US = 15000000,
    KG_ROOM_TAKEN_WAIT_US = 60000000,  /* after another terminal took this room's place */
    KG_ROOM_JOIN_MAX_US = 12000000,    /* from touch to media, else an error page */
    KG_ROOM_PICTURE_MAX_US = 2000000,  /* from media to the meeting's page without a picture */
    KG_ROOM_ENDED_PAGE_US = 15000000,  /* then home by itself */
    KG_ROOM_ERROR_PAGE_US = 300000000, /* the same for an error page: who saw it has left */
    KG_ROOM_BUSY_WAIT_US = 1000000,    /* longest wait before a busy relay is asked again */
    KG_ROOM_GIVE_UP_US = 300000000,    /* cut off in a meeting for so long: home */
    KG_ROOM_SEAT_US = 30000000,        /* the relay keeps a seat: worth waiting for after the meeting's end */
    KG_ROOM_MEDIA_TRIES = 3,           /* calls lost in a row before an error page */
    KG_ROOM_OPEN_BEFORE_US = 900000000 /* 「会議に参加」 is offered so long before the start */
};

#define KG_ROOM_TELL_LOST_US (INT64_C(12) * 3600 * 1000000) /* home tells of a meeting given up */

struct kg_agenda_day;
struct kg_room_machine;

/* seed: of the jitter. uid of auto_join: "" none, "auto": the meeting that is open now, else that one; joined
 * as soon as it can be. NULL: memory is short. */
KG_MUST_CHECK struct kg_room_machine *kg_room_machine_create(const struct kg_privacy *privacy, uint32_t seed,
                                                             const char *auto_join, int64_t now_us,
                                                             int64_t wall_us);
void kg_room_machine_destroy(struct kg_room_machine *machine);

void kg_room_machine_intent(struct kg_room_machine *machine, const struct kg_intent *intent);
/* The connection is to be made anew, though nothing is wrong with it: at home only, where nobody notices.
 * false: not now. */
KG_MUST_CHECK bool kg_room_machine_reconnect(struct kg_room_machine *machine);
void kg_room_machine_closed(struct kg_room_machine *machine, const struct kg_ws_close *close);
void kg_room_machine_message(struct kg_room_machine *machine, const struct kg_message *message);
void kg_room_machine_media(struct kg_room_machine *machine, const struct kg_media_report *report);
/* At start: this room's name as the relay told it in the last run. */
void kg_room_machine_remember(struct kg_room_machine *machine, const struct kg_room_name *name);
/* Today's meetings, by start; state and joinable are filled in here and kept up to date. agenda_us: wall time
 * the relay sent them; 0: it never did. */
void kg_room_machine_agenda(struct kg_room_machine *machine, const struct kg_room_meeting *meetings,
                            uint32_t count, int64_t agenda_us);
/* Wall time of the end of the room's certificate that home tells of; 0: none. */
void kg_room_machine_certificate(struct kg_room_machine *machine, int64_t end_us);
/* Those of the days after, by start: only shown. */
void kg_room_machine_next(struct kg_room_machine *machine, const struct kg_agenda_day *next);
/* Before the inputs above, and whenever next_us has come: they all happen at the time last said here. */
void kg_room_machine_tick(struct kg_room_machine *machine, int64_t now_us, int64_t wall_us);
int64_t kg_room_machine_next_us(const struct kg_room_machine *machine);

/* What is to be done, in order; false: nothing more. */
KG_MUST_CHECK bool kg_room_machine_take(struct kg_room_machine *machine, struct kg_room_action *action);
/* For kg_ui_update. Borrowed. */
const struct kg_room_state *kg_room_machine_state(const struct kg_room_machine *machine);

/* What the files of the room's state machine share: its state, and the steps more than one of them takes.
 * Thread: main. */
#pragma once

#include "app/room_machine.h"
#include "app/room_policy.h"

enum { KG_ROOM_ACTIONS = 32 };
enum kg_room_link { KG_ROOM_LINK_DOWN, KG_ROOM_LINK_CONNECTING, KG_ROOM_LINK_READY };

struct kg_room_machine {
    struct kg_room_state state;
    struct kg_muted muted;
    struct kg_room_policy policy;
    int64_t now_us;
    uint32_t random;

    enum kg_room_link link;
    uint32_t attempts;     /* since the link was last ready */
    int64_t connect_us;    /* when to try next; INT64_MAX: not by time */
    int64_t not_before_us; /* the relay asked for patience */
    enum kg_problem told;  /* what the relay said of this connection, before it ended it */
    bool page_of_link;     /* the error page is about the link: it goes when the link is there again */

    char auto_join[KG_ROOM_UID_SIZE];
    char uid[KG_ROOM_UID_SIZE]; /* of the meeting joined, or being joined */
    char token[KG_MAX_TOKEN_BYTES + 1];
    uint32_t request;  /* number of the last join */
    bool join_pending; /* sent, not yet answered */
    bool refused_busy; /* the last answer */
    bool seated;       /* the relay has answered joined, and the call of that answer lives */
    uint32_t party;
    bool media_up, pictured;
    uint32_t media_losses;
    int64_t joining_since_us, media_since_us, meeting_since_us, busy_until_us;
    int64_t page_since_us; /* the ended or error page */
    int64_t give_up_us;    /* while the meeting's page waits to come back */

    struct kg_room_action actions[KG_ROOM_ACTIONS];
    unsigned action_first, action_count;
};

/* room_machine.c: pages and joining. */
/* The action is in the queue; fill in what it needs beyond kind and muted. */
struct kg_room_action *kg_room_machine_act(struct kg_room_machine *m, enum kg_room_action_kind kind);
/* Joining, or in a meeting. */
bool kg_room_machine_in_call(const struct kg_room_machine *m);
void kg_room_machine_show_home(struct kg_room_machine *m);
/* Ends the call, if there is one. */
void kg_room_machine_show_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail);
/* The same for a page that goes once the link is there again. */
void kg_room_machine_show_link_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail);
void kg_room_machine_show_ended(struct kg_room_machine *m, enum kg_ended_reason reason);
void kg_room_machine_join(struct kg_room_machine *m, const char *uid);
/* With the token we have, or for a new seat. */
void kg_room_machine_send_join(struct kg_room_machine *m);
void kg_room_machine_try_auto_join(struct kg_room_machine *m);
/* Ends the joining page once there is something to see, or nothing more to wait for. */
void kg_room_machine_check_joined(struct kg_room_machine *m);
/* The meeting's page waits for line or media to come back. */
void kg_room_machine_cut_off(struct kg_room_machine *m);
/* They did not: home, which tells of it. */
void kg_room_machine_give_up(struct kg_room_machine *m);

/* room_machine_link.c */
void kg_room_machine_connect(struct kg_room_machine *m);

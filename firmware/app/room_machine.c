/* The room's state machine: its actions, pages, and joining. What happens to it is in room_machine_link.c
 * (the relay), room_machine_call.c (the call), room_machine_person.c (touches) and room_machine_time.c. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/problems.h"
#include "app/room_machine_internal.h"
#include "app/room_view.h"
#include "base/log.h"

struct kg_room_action *kg_room_machine_act(struct kg_room_machine *m, enum kg_room_action_kind kind)
{
    static struct kg_room_action overflow;
    if (m->action_count == KG_ROOM_ACTIONS) {
        kg_log(KG_LOG_ERROR, "app", NULL, "an action of the room is lost");
        return &overflow;
    }
    struct kg_room_action *action = &m->actions[(m->action_first + m->action_count++) % KG_ROOM_ACTIONS];
    *action = (struct kg_room_action){.kind = kind, .muted = m->muted};
    return action;
}

bool kg_room_machine_take(struct kg_room_machine *m, struct kg_room_action *action)
{
    if (m->action_count == 0)
        return false;
    *action = m->actions[m->action_first];
    m->action_first = (m->action_first + 1) % KG_ROOM_ACTIONS;
    m->action_count--;
    return true;
}

static_assert(sizeof((struct kg_room_action){0}.uid) == KG_ROOM_UID_SIZE, "a meeting's id fits");

bool kg_room_machine_in_call(const struct kg_room_machine *m)
{
    return m->state.screen == KG_SCREEN_JOINING || m->state.screen == KG_SCREEN_MEETING;
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static void forget_call(struct kg_room_machine *m)
{
    m->uid[0] = m->token[0] = '\0';
    m->join_pending = m->refused_busy = m->seated = m->media_up = m->pictured = false;
    m->media_losses = 0;
    m->busy_until_us = 0;
    memset(&m->state.meeting, 0, sizeof m->state.meeting);
    memset(&m->state.joining, 0, sizeof m->state.joining);
    m->state.notices[KG_NOTICE_MEETING_ENDING] = m->state.notices[KG_NOTICE_LINE_POOR] = false;
}

void kg_room_machine_show_home(struct kg_room_machine *m)
{
    forget_call(m);
    m->state.screen = KG_SCREEN_HOME;
}

void kg_room_machine_show_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    kg_log(KG_LOG_WARN, "app", "app.problem", "page %s: %s", kg_problem_text(problem)->code, detail);
    m->page_of_link = false;
    char uid[KG_ROOM_UID_SIZE];
    memcpy(uid, m->uid, sizeof uid);
    if (kg_room_machine_in_call(m))
        kg_room_machine_act(m, KG_ROOM_LEAVE);
    forget_call(m);
    memcpy(m->uid, uid, sizeof uid); /* for retry */
    kg_problem_fill(&m->state.error, problem, detail);
    m->page_since_us = m->now_us;
    m->state.screen = KG_SCREEN_ERROR;
}

void kg_room_machine_show_link_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    kg_room_machine_show_error(m, problem, detail);
    m->page_of_link = true;
}

void kg_room_machine_show_ended(struct kg_room_machine *m, enum kg_ended_reason reason)
{
    char uid[KG_ROOM_UID_SIZE];
    memcpy(uid, m->uid, sizeof uid);
    memset(&m->state.ended, 0, sizeof m->state.ended);
    memcpy(m->state.ended.title, m->state.meeting.title, sizeof m->state.ended.title);
    m->state.ended.reason = reason;
    m->state.ended.duration_us = m->now_us - m->meeting_since_us;
    m->state.ended.rejoinable = reason == KG_ENDED_LEFT;
    kg_room_machine_act(m, KG_ROOM_LEAVE);
    forget_call(m);
    memcpy(m->uid, uid, sizeof uid);
    m->page_since_us = m->now_us;
    m->state.screen = KG_SCREEN_ENDED;
}

/* Whoever is still in the room wants back into the meeting; later nobody is there, and who comes next finds a
 * room that can be used. A meeting may overrun: its planned end alone does not cost the seat. */
void kg_room_machine_cut_off(struct kg_room_machine *m)
{
    struct kg_room_in_meeting *meeting = &m->state.meeting;
    meeting->line_quality = 0;
    meeting->speaking = 0;
    if (meeting->reconnecting)
        return;
    int64_t wait_us = KG_ROOM_GIVE_UP_US;
    if (meeting->end_us != 0)
        wait_us = KG_MIN(wait_us, KG_MAX(meeting->end_us - m->state.wall_us, KG_ROOM_SEAT_US));
    m->give_up_us = m->now_us + wait_us;
    meeting->give_up_us = m->state.wall_us + wait_us;
    meeting->reconnecting = true;
}

static void show_meeting(struct kg_room_machine *m)
{
    m->state.screen = KG_SCREEN_MEETING;
    m->state.meeting.reconnecting = false;
    if (m->link != KG_ROOM_LINK_READY)
        kg_room_machine_cut_off(m);
    if (m->meeting_since_us == 0)
        m->meeting_since_us = m->now_us;
}

void kg_room_machine_give_up(struct kg_room_machine *m)
{
    kg_log(KG_LOG_WARN, "app", "app.given-up", "the line did not come back: the meeting is left");
    kg_room_machine_act(m, KG_ROOM_LEAVE);
    kg_room_machine_show_home(m);
    m->state.lost_us = m->state.wall_us;
}

/* --- joining -------------------------------------------------------------------------------------------- */

void kg_room_machine_send_join(struct kg_room_machine *m)
{
    struct kg_room_action *action = kg_room_machine_act(m, KG_ROOM_JOIN);
    action->request = ++m->request;
    memcpy(action->uid, m->uid, sizeof action->uid);
    memcpy(action->token, m->token, sizeof action->token);
    m->token[0] = '\0'; /* good for one use */
    m->join_pending = true;
    m->seated = m->media_up = false;
    kg_room_view_step(&m->state.joining, KG_JOINING_ADMIT);
}

void kg_room_machine_join(struct kg_room_machine *m, const char *uid)
{
    char wanted[KG_ROOM_UID_SIZE];
    snprintf(wanted, sizeof wanted, "%s", uid);
    forget_call(m);
    memcpy(m->uid, wanted, sizeof m->uid);
    m->state.screen = KG_SCREEN_JOINING;
    m->joining_since_us = m->now_us;
    m->meeting_since_us = 0;
    m->attempts = 0;
    m->state.lost_us = 0;
    kg_room_policy_mute(&m->policy, &m->muted);
    m->state.meeting.microphone_muted = m->muted.microphone;
    m->state.meeting.camera_muted = m->muted.camera;
    kg_room_view_title(&m->state, m->uid);
    kg_room_view_step(&m->state.joining, KG_JOINING_RELAY);
    if (m->link == KG_ROOM_LINK_READY)
        kg_room_machine_send_join(m);
    else
        kg_room_machine_connect(m);
}

void kg_room_machine_try_auto_join(struct kg_room_machine *m)
{
    if (m->auto_join[0] == '\0' || m->state.screen != KG_SCREEN_HOME || m->link != KG_ROOM_LINK_READY)
        return;
    const struct kg_room_meeting *meeting = kg_room_view_find(&m->state, m->auto_join);
    if (strcmp(m->auto_join, "auto") == 0)
        meeting = kg_room_meeting_offered(&m->state);
    if (!meeting || !meeting->joinable)
        return;
    m->auto_join[0] = '\0';
    kg_room_machine_join(m, meeting->uid);
}

void kg_room_machine_check_joined(struct kg_room_machine *m)
{
    if (m->state.screen != KG_SCREEN_JOINING || !m->seated || !m->media_up)
        return;
    bool waited = m->now_us - m->media_since_us >= KG_ROOM_PICTURE_MAX_US;
    if (m->pictured || waited || !kg_room_view_expects_picture(&m->state.meeting))
        show_meeting(m);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

const struct kg_room_state *kg_room_machine_state(const struct kg_room_machine *m)
{
    return &m->state;
}

struct kg_room_machine *kg_room_machine_create(const struct kg_privacy *privacy, uint32_t seed,
                                               const char *auto_join, int64_t now_us, int64_t wall_us)
{
    struct kg_room_machine *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    kg_room_state_init(&m->state);
    m->random = seed ? seed : 1;
    m->muted = (struct kg_muted){.microphone = privacy->microphone_off, .camera = privacy->camera_off};
    snprintf(m->auto_join, sizeof m->auto_join, "%s", auto_join ? auto_join : "");
    m->now_us = m->connect_us = now_us;
    m->state.wall_us = wall_us;
    m->state.screen = KG_SCREEN_HOME;
    m->state.relay = KG_RELAY_CONNECTING;
    return m;
}

void kg_room_machine_destroy(struct kg_room_machine *m)
{
    free(m);
}

#include "app/room_machine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/problems.h"
#include "app/room_view.h"
#include "base/log.h"

enum { ACTIONS = 32 };
enum link { LINK_DOWN, LINK_CONNECTING, LINK_READY };

struct kg_room_machine {
    struct kg_room_state state;
    struct kg_muted muted;
    int64_t now_us;
    uint32_t random;

    enum link link;
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
    bool seated;       /* the relay has answered joined, and the call of that answer lives */
    uint32_t party;
    bool media_up, pictured;
    uint32_t media_losses;
    int64_t joining_since_us, media_since_us, meeting_since_us, ended_us, busy_until_us;

    struct kg_room_action actions[ACTIONS];
    unsigned action_first, action_count;
};

/* xorshift32: spreads retries, guards nothing. */
static uint32_t next_random(struct kg_room_machine *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 17;
    m->random ^= m->random << 5;
    return m->random;
}

static struct kg_room_action *act(struct kg_room_machine *m, enum kg_room_action_kind kind)
{
    static struct kg_room_action overflow;
    if (m->action_count == ACTIONS) {
        kg_log(KG_LOG_ERROR, "app", NULL, "an action of the room is lost");
        return &overflow;
    }
    struct kg_room_action *action = &m->actions[(m->action_first + m->action_count++) % ACTIONS];
    *action = (struct kg_room_action){.kind = kind, .muted = m->muted};
    return action;
}

bool kg_room_machine_take(struct kg_room_machine *m, struct kg_room_action *action)
{
    if (m->action_count == 0)
        return false;
    *action = m->actions[m->action_first];
    m->action_first = (m->action_first + 1) % ACTIONS;
    m->action_count--;
    return true;
}

static_assert(sizeof((struct kg_room_action){0}.uid) == KG_ROOM_UID_SIZE, "a meeting's id fits");

static bool in_call(const struct kg_room_machine *m)
{
    return m->state.screen == KG_SCREEN_JOINING || m->state.screen == KG_SCREEN_MEETING;
}

/* --- the link to the relay ------------------------------------------------------------------------------ */

static void schedule_connect(struct kg_room_machine *m)
{
    int64_t longest_us = in_call(m) ? KG_ROOM_RETRY_MEETING_US : KG_ROOM_RETRY_HOME_US;
    int64_t wait_us = (int64_t)KG_ROOM_RETRY_FIRST_US << KG_MIN(m->attempts, 10u);
    wait_us = KG_MIN(wait_us, longest_us);
    wait_us = wait_us / 2 + next_random(m) % (uint32_t)(wait_us / 2);
    m->connect_us = KG_MAX(m->now_us + wait_us, m->not_before_us);
    m->attempts++;
}

static void connect_now(struct kg_room_machine *m)
{
    if (m->link != LINK_DOWN)
        return;
    m->link = LINK_CONNECTING;
    m->connect_us = INT64_MAX;
    act(m, KG_ROOM_CONNECT);
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static void forget_call(struct kg_room_machine *m)
{
    m->uid[0] = m->token[0] = '\0';
    m->join_pending = m->seated = m->media_up = m->pictured = false;
    m->media_losses = 0;
    m->busy_until_us = 0;
    memset(&m->state.meeting, 0, sizeof m->state.meeting);
    memset(&m->state.joining, 0, sizeof m->state.joining);
    m->state.notices[KG_NOTICE_MEETING_ENDING] = m->state.notices[KG_NOTICE_LINE_POOR] = false;
}

static void show_home(struct kg_room_machine *m)
{
    forget_call(m);
    m->state.screen = KG_SCREEN_HOME;
}

static void show_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    kg_log(KG_LOG_WARN, "app", "app.problem", "page %s: %s", kg_problem_text(problem)->code, detail);
    m->page_of_link = false;
    char uid[KG_ROOM_UID_SIZE];
    memcpy(uid, m->uid, sizeof uid);
    if (in_call(m))
        act(m, KG_ROOM_LEAVE);
    forget_call(m);
    memcpy(m->uid, uid, sizeof uid); /* for retry */
    kg_problem_fill(&m->state.error, problem, detail);
    m->state.screen = KG_SCREEN_ERROR;
}

static void show_ended(struct kg_room_machine *m, enum kg_ended_reason reason)
{
    char uid[KG_ROOM_UID_SIZE];
    memcpy(uid, m->uid, sizeof uid);
    memset(&m->state.ended, 0, sizeof m->state.ended);
    memcpy(m->state.ended.title, m->state.meeting.title, sizeof m->state.ended.title);
    m->state.ended.reason = reason;
    m->state.ended.duration_us = m->now_us - m->meeting_since_us;
    m->state.ended.rejoinable = reason == KG_ENDED_LEFT;
    act(m, KG_ROOM_LEAVE);
    forget_call(m);
    memcpy(m->uid, uid, sizeof uid);
    m->ended_us = m->now_us;
    m->state.screen = KG_SCREEN_ENDED;
}

static void show_meeting(struct kg_room_machine *m)
{
    m->state.screen = KG_SCREEN_MEETING;
    m->state.meeting.reconnecting = false;
    if (m->meeting_since_us == 0)
        m->meeting_since_us = m->now_us;
}

/* --- joining -------------------------------------------------------------------------------------------- */

static void send_join(struct kg_room_machine *m)
{
    struct kg_room_action *action = act(m, KG_ROOM_JOIN);
    action->request = ++m->request;
    memcpy(action->uid, m->uid, sizeof action->uid);
    memcpy(action->token, m->token, sizeof action->token);
    m->token[0] = '\0'; /* good for one use */
    m->join_pending = true;
    m->seated = m->media_up = false;
    kg_room_view_step(&m->state.joining, KG_JOINING_ADMIT);
}

static void join(struct kg_room_machine *m, const char *uid)
{
    char wanted[KG_ROOM_UID_SIZE];
    snprintf(wanted, sizeof wanted, "%s", uid);
    forget_call(m);
    memcpy(m->uid, wanted, sizeof m->uid);
    m->state.screen = KG_SCREEN_JOINING;
    m->joining_since_us = m->now_us;
    m->meeting_since_us = 0;
    m->attempts = 0;
    m->state.meeting.microphone_muted = m->muted.microphone;
    m->state.meeting.camera_muted = m->muted.camera;
    kg_room_view_title(&m->state, m->uid);
    kg_room_view_step(&m->state.joining, KG_JOINING_RELAY);
    if (m->link == LINK_READY)
        send_join(m);
    else
        connect_now(m);
}

static void try_auto_join(struct kg_room_machine *m)
{
    if (m->auto_join[0] == '\0' || m->state.screen != KG_SCREEN_HOME || m->link != LINK_READY)
        return;
    const struct kg_room_meeting *meeting = kg_room_view_find(&m->state, m->auto_join);
    if (strcmp(m->auto_join, "auto") == 0)
        meeting = kg_room_meeting_offered(&m->state);
    if (!meeting || !meeting->joinable)
        return;
    m->auto_join[0] = '\0';
    join(m, meeting->uid);
}

/* Ends the joining page once there is something to see, or nothing more to wait for. */
static void check_joined(struct kg_room_machine *m)
{
    if (m->state.screen != KG_SCREEN_JOINING || !m->seated || !m->media_up)
        return;
    bool waited = m->now_us - m->media_since_us >= KG_ROOM_PICTURE_MAX_US;
    if (m->pictured || waited || !kg_room_view_expects_picture(&m->state.meeting))
        show_meeting(m);
}

static void on_joined(struct kg_room_machine *m, const struct kg_message *message)
{
    if (!in_call(m) || message->joined.request != m->request)
        return;
    m->join_pending = false;
    m->seated = true;
    m->party = message->joined.party;
    snprintf(m->token, sizeof m->token, "%s", message->joined.resume ? message->joined.resume : "");
    kg_room_view_participants(&m->state.meeting, message->joined.participants,
                              message->joined.participant_count, m->party);
    kg_room_view_step(&m->state.joining, KG_JOINING_MEDIA);
    if (!kg_room_view_expects_picture(&m->state.meeting))
        m->state.joining.steps[KG_JOINING_PICTURE] = KG_STEP_DONE;
    check_joined(m);
}

/* What is wrong with this room as such, not with a join: it ends a meeting, and stands on the home screen. */
static void be_told(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    m->told = problem;
    if (in_call(m)) {
        show_error(m, problem, detail);
        m->page_of_link = true;
    }
    kg_problem_fill(&m->state.error, problem, detail);
}

static void on_error(struct kg_room_machine *m, const struct kg_message *message)
{
    bool ours = m->join_pending && message->error.request == m->request;
    const char *name = kg_error_name(message->error.code);
    kg_log(KG_LOG_WARN, "app", "app.relay-error", "the relay says %s: %.200s", name,
           message->error.message ? message->error.message : "");
    if (!ours) {
        if (message->error.code == KG_ERROR_REVOKED || message->error.code == KG_ERROR_UNSUPPORTED_PROTOCOL)
            be_told(m, kg_problem_of_error(message->error.code), name);
        return;
    }
    m->join_pending = false;
    enum kg_problem problem = kg_problem_of_error(message->error.code);
    if (problem != KG_PROBLEM_NONE)
        show_error(m, problem, message->error.message ? message->error.message : name);
    else if (message->error.code == KG_ERROR_BAD_TOKEN)
        send_join(m); /* the seat is gone: a new one, with the mute state we have here */
    else if (message->error.code == KG_ERROR_BUSY)
        m->busy_until_us = m->now_us + 1000000; /* our own seat of before; it ends soon */
}

static void on_left(struct kg_room_machine *m, enum kg_reason reason)
{
    if (!in_call(m))
        return;
    kg_log(KG_LOG_INFO, "app", "app.left", "the relay ended our seat: %s", kg_reason_name(reason));
    switch (reason) {
    case KG_REASON_REQUESTED:
        break; /* of a seat left before */
    case KG_REASON_ENDED:
        show_ended(m, KG_ENDED_TIME);
        break;
    case KG_REASON_REVOKED:
        be_told(m, KG_PROBLEM_CERTIFICATE_REFUSED, "the relay has revoked this room");
        break;
    case KG_REASON_REPLACED:
    case KG_REASON_EXPELLED:
    case KG_REASON_OTHER:
        show_ended(m, KG_ENDED_REMOVED);
        break;
    case KG_REASON_MEDIA_LOST:
        if (!m->join_pending) {
            m->token[0] = '\0';
            m->state.meeting.reconnecting = true;
            send_join(m);
        }
        break;
    case KG_REASON_SHUTTING_DOWN:
    case KG_REASON_IDLE:
        m->state.meeting.reconnecting = true;
        break;
    }
}

static void on_welcome(struct kg_room_machine *m, const struct kg_message *message)
{
    m->link = LINK_READY;
    m->attempts = 0;
    m->not_before_us = 0;
    m->connect_us = INT64_MAX;
    m->state.relay = KG_RELAY_CONNECTED;
    m->state.relay_closing = false;
    kg_room_text_set(m->state.room.organization, sizeof m->state.room.organization,
                     message->welcome.organization);
    kg_room_text_set(m->state.room.department, sizeof m->state.room.department, message->welcome.department);
    kg_room_text_set(m->state.room.name, sizeof m->state.room.name, message->welcome.name);
    m->state.relay_closing = false;
    m->told = KG_PROBLEM_NONE;
    if (m->state.screen == KG_SCREEN_ERROR && m->page_of_link)
        show_home(m);
    if (m->state.screen != KG_SCREEN_ERROR)
        memset(&m->state.error, 0, sizeof m->state.error);
    if (in_call(m))
        send_join(m);
    try_auto_join(m);
}

static void on_closing(struct kg_room_machine *m, const struct kg_message *message)
{
    kg_log(KG_LOG_WARN, "app", "app.relay-closing", "the relay ends the connection: %s",
           kg_reason_name(message->closing.reason));
    m->not_before_us = m->now_us + (int64_t)message->closing.retry_ms * 1000;
    switch (message->closing.reason) {
    case KG_REASON_REVOKED:
        be_told(m, KG_PROBLEM_CERTIFICATE_REFUSED, "the relay has revoked this room");
        break;
    case KG_REASON_REPLACED:
        /* Coming back at once would only throw the other one out, and be thrown out again. */
        be_told(m, KG_PROBLEM_ROOM_TAKEN, "another terminal came with the same certificate");
        m->not_before_us = m->now_us + KG_ROOM_TAKEN_WAIT_US;
        break;
    case KG_REASON_SHUTTING_DOWN:
        m->state.relay_closing = true;
        break;
    default:
        break;
    }
}

void kg_room_machine_message(struct kg_room_machine *m, const struct kg_message *message)
{
    switch (message->type) {
    case KG_MESSAGE_WELCOME:
        on_welcome(m, message);
        break;
    case KG_MESSAGE_JOINED:
        on_joined(m, message);
        break;
    case KG_MESSAGE_PARTICIPANTS:
        if (m->seated)
            kg_room_view_participants(&m->state.meeting, message->participants.participants,
                                      message->participants.participant_count, m->party);
        check_joined(m);
        break;
    case KG_MESSAGE_LEFT:
        on_left(m, message->left.reason);
        break;
    case KG_MESSAGE_ERROR:
        on_error(m, message);
        break;
    case KG_MESSAGE_CLOSING:
        on_closing(m, message);
        break;
    default: /* the agenda comes through kg_room_machine_agenda; slots concern the call */
        break;
    }
}

static void be_cut_off(struct kg_room_machine *m)
{
    m->state.meeting.reconnecting = true;
    m->state.meeting.line_quality = 0;
    m->state.meeting.speaking = 0;
}

static void show_link_error(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    show_error(m, problem, detail);
    m->page_of_link = true;
}

void kg_room_machine_closed(struct kg_room_machine *m, const struct kg_ws_close *close)
{
    bool was_ready = m->link == LINK_READY;
    m->link = LINK_DOWN;
    m->join_pending = false;
    m->state.relay = KG_RELAY_AWAY;
    enum kg_problem problem = m->told != KG_PROBLEM_NONE ? m->told : kg_problem_of_close(close->failure);
    m->told = KG_PROBLEM_NONE;
    schedule_connect(m);
    if (m->state.screen == KG_SCREEN_MEETING) {
        be_cut_off(m);
        kg_problem_fill(&m->state.error, problem, close->detail);
    } else if (m->state.screen == KG_SCREEN_JOINING) {
        /* A line that just broke is tried again at once, within KG_ROOM_JOIN_MAX_US; the rest needs a person.
         */
        if (!was_ready && problem != KG_PROBLEM_NONE && !m->state.joining.resuming)
            show_link_error(m, problem, close->detail);
        else
            kg_room_view_step(&m->state.joining, KG_JOINING_RELAY);
    } else if (m->state.screen != KG_SCREEN_ERROR) {
        kg_problem_fill(&m->state.error, problem == KG_PROBLEM_NONE ? KG_PROBLEM_RELAY_UNREACHABLE : problem,
                        close->detail);
    }
}

/* --- the call ------------------------------------------------------------------------------------------- */

static void on_media_lost(struct kg_room_machine *m, const struct kg_media_report *report)
{
    kg_log(KG_LOG_WARN, "app", "app.media-lost", "the call is lost: %s", report->text);
    m->media_up = false;
    if (!in_call(m) || m->join_pending)
        return;
    if (++m->media_losses >= KG_ROOM_MEDIA_TRIES) {
        show_error(m, kg_problem_of_loss(report->loss), report->text);
        return;
    }
    be_cut_off(m);
    if (m->link == LINK_READY)
        send_join(m);
}

static void on_device(struct kg_room_machine *m, const struct kg_media_report *report)
{
    static const enum kg_notice notices[] = {[KG_MEDIA_CAMERA] = KG_NOTICE_CAMERA_UNPLUGGED,
                                             [KG_MEDIA_MICROPHONE] = KG_NOTICE_MICROPHONE_UNPLUGGED,
                                             [KG_MEDIA_SPEAKER] = KG_NOTICE_SPEAKER_UNPLUGGED};
    enum kg_device_state *const states[] = {[KG_MEDIA_CAMERA] = &m->state.camera,
                                            [KG_MEDIA_MICROPHONE] = &m->state.microphone,
                                            [KG_MEDIA_SPEAKER] = &m->state.speaker};
    *states[report->device] = report->device_present ? KG_DEVICE_OK : KG_DEVICE_MISSING;
    m->state.notices[notices[report->device]] = !report->device_present;
}

void kg_room_machine_media(struct kg_room_machine *m, const struct kg_media_report *report)
{
    switch (report->event) {
    case KG_MEDIA_CONNECTED:
        m->media_up = true;
        m->media_since_us = m->now_us;
        m->state.meeting.reconnecting = m->link != LINK_READY;
        kg_room_view_step(&m->state.joining, KG_JOINING_PICTURE);
        break;
    case KG_MEDIA_LOST:
        on_media_lost(m, report);
        break;
    case KG_MEDIA_STATUS:
        m->state.meeting.line_quality = report->line_quality;
        m->state.meeting.speaking = report->speaking;
        m->state.meeting.main_source = report->main_source;
        m->state.notices[KG_NOTICE_LINE_POOR] =
            m->state.screen == KG_SCREEN_MEETING && m->media_up && report->line_quality == 1;
        if (m->media_up && m->now_us - m->media_since_us > 30000000)
            m->media_losses = 0;
        break;
    case KG_MEDIA_PICTURE:
        m->pictured = true;
        break;
    case KG_MEDIA_DEVICE:
        on_device(m, report);
        break;
    }
    check_joined(m);
}

/* --- touches -------------------------------------------------------------------------------------------- */

static void toggle(struct kg_room_machine *m, bool *off)
{
    *off = !*off;
    m->state.meeting.microphone_muted = m->muted.microphone;
    m->state.meeting.camera_muted = m->muted.camera;
    act(m, KG_ROOM_MUTE); /* first: a slow card must not keep the microphone open while it is written to */
    act(m, KG_ROOM_SAVE_PRIVACY);
}

void kg_room_machine_intent(struct kg_room_machine *m, const struct kg_intent *intent)
{
    enum kg_room_screen screen = m->state.screen;
    switch (intent->kind) {
    case KG_INTENT_JOIN:
        if (screen == KG_SCREEN_HOME || screen == KG_SCREEN_ENDED)
            join(m, intent->uid);
        break;
    case KG_INTENT_CANCEL_JOIN:
        if (screen == KG_SCREEN_JOINING) {
            act(m, KG_ROOM_LEAVE);
            show_home(m);
        }
        break;
    case KG_INTENT_LEAVE:
        if (screen == KG_SCREEN_MEETING)
            show_ended(m, KG_ENDED_LEFT);
        break;
    case KG_INTENT_TOGGLE_MICROPHONE:
        toggle(m, &m->muted.microphone);
        break;
    case KG_INTENT_TOGGLE_CAMERA:
        toggle(m, &m->muted.camera);
        break;
    case KG_INTENT_BACK_HOME:
        if (!in_call(m))
            show_home(m);
        break;
    case KG_INTENT_RETRY:
    case KG_INTENT_REJOIN:
        if (m->uid[0] != '\0' && (screen == KG_SCREEN_ERROR || screen == KG_SCREEN_ENDED))
            join(m, m->uid);
        else if (screen == KG_SCREEN_ERROR)
            show_home(m);
        if (m->link == LINK_DOWN)
            connect_now(m);
        break;
    case KG_INTENT_NONE:
    case KG_INTENT_QUIT:
        break;
    }
}

/* --- time ----------------------------------------------------------------------------------------------- */

void kg_room_machine_remember(struct kg_room_machine *m, const struct kg_room_name *name)
{
    m->state.room = *name;
}

void kg_room_machine_agenda(struct kg_room_machine *m, const struct kg_room_meeting *meetings, uint32_t count,
                            int64_t agenda_us)
{
    m->state.agenda_us = agenda_us;
    kg_room_view_agenda(&m->state, meetings, count);
    kg_room_view_time(&m->state);
    try_auto_join(m);
}

static void on_join_too_long(struct kg_room_machine *m)
{
    if (m->seated)
        show_error(m, KG_PROBLEM_MEDIA_BLOCKED, "neither UDP nor the tunnel carries media");
    else
        show_link_error(m, KG_PROBLEM_RELAY_UNREACHABLE, "no answer in time");
}

void kg_room_machine_tick(struct kg_room_machine *m, int64_t now_us, int64_t wall_us)
{
    m->now_us = now_us;
    m->state.wall_us = wall_us;
    if (m->state.relay == KG_RELAY_CONNECTED && m->state.agenda_us != 0)
        m->state.agenda_us = wall_us;
    kg_room_view_time(&m->state);
    if (m->link == LINK_DOWN && now_us >= m->connect_us)
        connect_now(m);
    if (m->busy_until_us != 0 && now_us >= m->busy_until_us) {
        m->busy_until_us = 0;
        if (in_call(m) && m->link == LINK_READY && !m->join_pending && !m->seated)
            send_join(m);
    }
    if (m->state.screen == KG_SCREEN_JOINING && now_us - m->joining_since_us >= KG_ROOM_JOIN_MAX_US &&
        !m->media_up)
        on_join_too_long(m);
    if (m->state.screen == KG_SCREEN_ENDED && now_us - m->ended_us >= KG_ROOM_ENDED_PAGE_US)
        show_home(m);
    check_joined(m);
    try_auto_join(m);
}

int64_t kg_room_machine_next_us(const struct kg_room_machine *m)
{
    int64_t next_us = m->now_us + 1000000; /* the clock on screen, meetings that begin */
    if (m->link == LINK_DOWN)
        next_us = KG_MIN(next_us, m->connect_us);
    if (m->busy_until_us != 0)
        next_us = KG_MIN(next_us, m->busy_until_us);
    return next_us;
}

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

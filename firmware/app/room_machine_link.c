/* The room's state machine: the connection to the relay, and what the relay says over it. */
#include <stdio.h>
#include <string.h>

#include "app/problems.h"
#include "app/room_machine_internal.h"
#include "app/room_view.h"
#include "base/log.h"

/* xorshift32: spreads retries, guards nothing. */
static uint32_t next_random(struct kg_room_machine *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 17;
    m->random ^= m->random << 5;
    return m->random;
}

static void schedule_connect(struct kg_room_machine *m)
{
    int64_t longest_us = kg_room_machine_in_call(m) ? KG_ROOM_RETRY_MEETING_US : KG_ROOM_RETRY_HOME_US;
    int64_t wait_us = (int64_t)KG_ROOM_RETRY_FIRST_US << KG_MIN(m->attempts, 10u);
    wait_us = KG_MIN(wait_us, longest_us);
    wait_us = wait_us / 2 + next_random(m) % (uint32_t)(wait_us / 2);
    m->connect_us = KG_MAX(m->now_us + wait_us, m->not_before_us);
    m->attempts++;
}

void kg_room_machine_connect(struct kg_room_machine *m)
{
    if (m->link != KG_ROOM_LINK_DOWN)
        return;
    m->link = KG_ROOM_LINK_CONNECTING;
    m->connect_us = INT64_MAX;
    kg_room_machine_act(m, KG_ROOM_CONNECT);
}

bool kg_room_machine_reconnect(struct kg_room_machine *m)
{
    if (m->link == KG_ROOM_LINK_CONNECTING || m->state.screen != KG_SCREEN_HOME)
        return false;
    if (m->link == KG_ROOM_LINK_READY)
        kg_room_machine_act(m, KG_ROOM_CONNECT);
    m->link = m->link == KG_ROOM_LINK_READY ? KG_ROOM_LINK_CONNECTING : m->link;
    return true;
}

static void on_joined(struct kg_room_machine *m, const struct kg_message *message)
{
    if (!kg_room_machine_in_call(m) || message->joined.request != m->request)
        return;
    m->join_pending = m->refused_busy = false;
    m->seated = true;
    m->party = message->joined.party;
    snprintf(m->token, sizeof m->token, "%s", message->joined.resume ? message->joined.resume : "");
    kg_room_view_participants(&m->state.meeting, message->joined.participants,
                              message->joined.participant_count, m->party);
    kg_room_view_step(&m->state.joining, KG_JOINING_MEDIA);
    if (!kg_room_view_expects_picture(&m->state.meeting))
        m->state.joining.steps[KG_JOINING_PICTURE] = KG_STEP_DONE;
    kg_room_machine_check_joined(m);
}

/* What is wrong with this room as such, not with a join: it ends a meeting, and stands on the home screen. */
static void be_told(struct kg_room_machine *m, enum kg_problem problem, const char *detail)
{
    m->told = problem;
    if (kg_room_machine_in_call(m)) {
        kg_room_machine_show_error(m, problem, detail);
        m->page_of_link = true;
    }
    kg_problem_fill(&m->state.error, problem, detail);
}

/* The rooms that a busy relay refused come back spread over a while, not all at once. */
static void ask_again(struct kg_room_machine *m)
{
    m->refused_busy = true;
    m->busy_until_us =
        m->now_us + KG_ROOM_BUSY_WAIT_US / 2 + next_random(m) % (uint32_t)(KG_ROOM_BUSY_WAIT_US / 2);
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
    if (message->error.code == KG_ERROR_ENDED && m->state.screen == KG_SCREEN_MEETING)
        kg_room_machine_show_ended(m, KG_ENDED_TIME); /* while we were away */
    else if (problem != KG_PROBLEM_NONE)
        kg_room_machine_show_error(m, problem, message->error.message ? message->error.message : name);
    else if (message->error.code == KG_ERROR_BAD_TOKEN)
        kg_room_machine_send_join(m); /* the seat is gone: a new one, with the mute state we have here */
    else if (message->error.code == KG_ERROR_BUSY)
        ask_again(m);
}

static void on_left(struct kg_room_machine *m, enum kg_reason reason)
{
    if (!kg_room_machine_in_call(m))
        return;
    kg_log(KG_LOG_INFO, "app", "app.left", "the relay ended our seat: %s", kg_reason_name(reason));
    switch (reason) {
    case KG_REASON_REQUESTED:
        break; /* of a seat left before */
    case KG_REASON_ENDED:
        kg_room_machine_show_ended(m, KG_ENDED_TIME);
        break;
    case KG_REASON_REVOKED:
        be_told(m, KG_PROBLEM_CERTIFICATE_REFUSED, "the relay has revoked this room");
        break;
    case KG_REASON_REPLACED:
    case KG_REASON_EXPELLED:
    case KG_REASON_OTHER:
        kg_room_machine_show_ended(m, KG_ENDED_REMOVED);
        break;
    case KG_REASON_MEDIA_LOST:
        if (!m->join_pending) {
            m->token[0] = '\0';
            kg_room_machine_cut_off(m);
            kg_room_machine_send_join(m);
        }
        break;
    case KG_REASON_SHUTTING_DOWN:
    case KG_REASON_IDLE:
        kg_room_machine_cut_off(m);
        break;
    }
}

static void on_welcome(struct kg_room_machine *m, const struct kg_message *message)
{
    m->link = KG_ROOM_LINK_READY;
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
        kg_room_machine_show_home(m);
    if (m->state.screen != KG_SCREEN_ERROR)
        memset(&m->state.error, 0, sizeof m->state.error);
    if (kg_room_machine_in_call(m))
        kg_room_machine_send_join(m);
    kg_room_machine_try_auto_join(m);
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

/* It may come just behind the join that it is meant for: who was on the way has not been heard yet. */
static void follow_policy(struct kg_room_machine *m, const struct kg_message *message)
{
    const struct kg_muted before = m->muted;
    kg_room_policy_hear(&m->policy, message);
    if (message->type != KG_MESSAGE_POLICY || m->state.screen != KG_SCREEN_JOINING ||
        m->meeting_since_us != 0)
        return;
    kg_room_policy_mute(&m->policy, &m->muted);
    m->state.meeting.microphone_muted = m->muted.microphone;
    m->state.meeting.camera_muted = m->muted.camera;
    if (before.microphone != m->muted.microphone || before.camera != m->muted.camera)
        kg_room_machine_act(m, KG_ROOM_MUTE);
}

void kg_room_machine_message(struct kg_room_machine *m, const struct kg_message *message)
{
    follow_policy(m, message);
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
        kg_room_machine_check_joined(m);
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

void kg_room_machine_closed(struct kg_room_machine *m, const struct kg_ws_close *close)
{
    bool was_ready = m->link == KG_ROOM_LINK_READY;
    m->link = KG_ROOM_LINK_DOWN;
    m->join_pending = false;
    m->state.relay = KG_RELAY_AWAY;
    enum kg_problem problem = m->told != KG_PROBLEM_NONE ? m->told : kg_problem_of_close(close->failure);
    m->told = KG_PROBLEM_NONE;
    schedule_connect(m);
    if (m->state.screen == KG_SCREEN_MEETING) {
        kg_room_machine_cut_off(m);
        kg_problem_fill(&m->state.error, problem, close->detail);
    } else if (m->state.screen == KG_SCREEN_JOINING) {
        /* A line that just broke is tried again at once, within KG_ROOM_JOIN_MAX_US; the rest needs a person.
         */
        if (!was_ready && problem != KG_PROBLEM_NONE && !m->state.joining.resuming)
            kg_room_machine_show_link_error(m, problem, close->detail);
        else
            kg_room_view_step(&m->state.joining, KG_JOINING_RELAY);
    } else if (m->state.screen != KG_SCREEN_ERROR) {
        kg_problem_fill(&m->state.error, problem == KG_PROBLEM_NONE ? KG_PROBLEM_RELAY_UNREACHABLE : problem,
                        close->detail);
    }
}

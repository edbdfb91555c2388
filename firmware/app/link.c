#include "app/link.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/call.h"
#include "app/link_events.h"
#include "app/remedy.h"
#include "app/room_policy.h"
#include "base/clock.h"
#include "base/clock_floor.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "net/identity.h"
#include "net/srtp.h"
#include "signal/message.h"

enum { MUTED_MICROPHONE = 1, MUTED_CAMERA = 2 };
enum {
    ACTIONS = 32,
    CONTROL_QUEUE_BYTES = 1024 * 1024,
    PING_S = 10,
    GOODBYE_US = 500000,
    LEAST_VIDEO_BPS = 100000, /* of a policy: less would be no picture */
};
#define CONNECT_TIMEOUT_US 10000000

struct kg_link {
    struct kg_link_params params;
    struct kg_thread thread;
    struct kg_queue *actions;      /* struct kg_room_action: main → net */
    struct kg_link_events *events; /* net and media → main */
    atomic_uint wanted;            /* MUTED_*, the newest word of main: not lost in a full queue of actions */
    atomic_bool overrun;           /* an action was: what main believes of us is not so */
    struct kg_loop *loop;

    /* Of the net thread. */
    struct kg_loop_watch *actions_watch;
    struct kg_loop_timer goodbye, events_lost;
    bool stopping;
    struct kg_identity *identity;
    struct kg_ws_client *control;
    bool welcomed;
    bool away; /* said in the log */
    enum kg_ws_failure away_failure;
    struct kg_clock_floor clock;
    struct kg_call *call;
    struct kg_media *media;
    struct kg_room_policy policy;
    uint32_t request;
    struct kg_muted muted;
};

static void post(struct kg_link *link, const struct kg_link_event *event)
{
    /* Not here and now: the caller may be a callback of what is to be ended. */
    if (!kg_link_events_post(link->events, event))
        kg_loop_timer_set(link->loop, &link->events_lost, kg_clock_now_us());
}

/* That a call has come or gone is told by the net thread, the rest by any. */
static void on_report(void *user, const struct kg_media_report *report)
{
    struct kg_link *link = user;
    const struct kg_link_event event = {.kind = KG_LINK_MEDIA, .media = *report};
    if (report->event == KG_MEDIA_CONNECTED || report->event == KG_MEDIA_LOST)
        post(link, &event);
    else
        kg_link_events_report(link->events, report);
}

/* --- the control channel -------------------------------------------------------------------------------- */

static void send_message(struct kg_link *link, const struct kg_message *message)
{
    if (!link->control || !kg_ws_client_is_open(link->control))
        return;
    size_t size;
    char *text = kg_message_encode(message, &size);
    if (!text)
        return;
    if (!kg_ws_client_send(link->control, text, size, false, KG_WS_KEEP))
        kg_log(KG_LOG_ERROR, "app", NULL, "%s could not be sent", kg_message_name(message->type));
    free(text);
}

static void on_opened(void *user)
{
    const struct kg_message hello = {
        .type = KG_MESSAGE_HELLO,
        .hello = {.protocol = KG_PROTOCOL_VERSION, .software = "kaigi-terminal 0.1"}};
    send_message(user, &hello);
}

static void send_want(struct kg_link *link)
{
    /* The speaker and the presentation large, the others as thumbnails. */
    struct kg_message want = {.type = KG_MESSAGE_WANT};
    want.want.slots[0] =
        (struct kg_message_want){.role = KG_ROLE_PRESENTATION_SLOT, .wish = KG_WISH_AUTO, .height = 720};
    for (int i = 0; i < KG_VIDEO_SLOTS; i++)
        want.want.slots[1 + i] = (struct kg_message_want){.role = KG_ROLE_VIDEO_SLOT,
                                                          .index = (uint8_t)i,
                                                          .wish = KG_WISH_AUTO,
                                                          .height = i == 0 ? 720 : 180};
    want.want.slot_count = 1 + KG_VIDEO_SLOTS;
    send_message(link, &want);
}

static void lose_call(struct kg_link *link, const char *text)
{
    struct kg_media_report report = {.event = KG_MEDIA_LOST, .loss = KG_MEDIA_LOSS_OTHER};
    snprintf(report.text, sizeof report.text, "%s", text);
    on_report(link, &report);
}

static void on_joined(struct kg_link *link, const struct kg_message *message)
{
    if (!link->call || message->joined.request != link->request)
        return;
    kg_log(KG_LOG_INFO, "app", "app.joined", "seated in %s", message->joined.meeting);
    kg_call_set_party(link->call, message->joined.party);
    kg_call_participants(link->call, message->joined.participants, message->joined.participant_count);
    if (kg_call_answer(link->call, message->joined.answer))
        send_want(link);
    else
        lose_call(link, "the relay's answer cannot be used");
}

static void follow_policy(struct kg_link *link, const struct kg_message *message)
{
    kg_room_policy_hear(&link->policy, message);
    if (link->call)
        kg_call_limit_video(link->call, kg_room_policy_video_bps(&link->policy, LEAST_VIDEO_BPS));
    if (message->type == KG_MESSAGE_POLICY)
        kg_log(KG_LOG_INFO, "app", "app.policy", "administrators set: video %u kbit/s (0: unset), UDP %s",
               message->policy.video_kbps,
               message->policy.udp == KG_UDP_NEVER ? "never" : "as in the settings");
}

/* What concerns the call is taken out here, before the screen hears of it. */
static void look_into(struct kg_link *link, const struct kg_message *message)
{
    follow_policy(link, message);
    switch (message->type) {
    case KG_MESSAGE_WELCOME:
        if (link->away)
            kg_log(KG_LOG_INFO, "app", "app.relay-back", "the relay is there again");
        link->away = false;
        link->welcomed = true;
        /* The relay's certificate is of this day too: the time is believed. */
        kg_clock_floor_raise(&link->clock, kg_clock_wall_us() / 1000000);
        break;
    case KG_MESSAGE_JOINED:
        on_joined(link, message);
        break;
    case KG_MESSAGE_PARTICIPANTS:
        if (link->call)
            kg_call_participants(link->call, message->participants.participants,
                                 message->participants.participant_count);
        break;
    case KG_MESSAGE_SLOTS:
        if (link->call)
            kg_call_slots(link->call, message->slots.slots, message->slots.slot_count);
        break;
    case KG_MESSAGE_WATCHED:
        if (link->call)
            kg_call_watched(link->call, message->watched.sources, message->watched.source_count);
        break;
    default:
        break;
    }
}

static void on_message(void *user, const void *data, size_t size, bool binary)
{
    struct kg_link *link = user;
    struct kg_message_error error;
    struct kg_message *message = binary ? NULL : kg_message_decode(KG_FROM_RELAY, data, size, &error);
    if (!message) {
        kg_log(KG_LOG_WARN, "app", "app.bad-message", "a message of the relay is left aside: %s",
               binary ? "not a text" : error.text);
        return;
    }
    look_into(link, message);
    if (message->type == KG_MESSAGE_SLOTS || message->type == KG_MESSAGE_WATCHED) {
        kg_message_destroy(message); /* the call's alone */
        return;
    }
    struct kg_link_event event = {.kind = KG_LINK_MESSAGE, .message = message};
    post(link, &event);
}

/* Once for each failure, not for each try: a relay may be away for a weekend. */
static void log_away(struct kg_link *link, const struct kg_ws_close *close)
{
    if (link->stopping)
        return;
    bool again = link->away && link->away_failure == close->failure;
    link->away = true;
    link->away_failure = close->failure;
    const char *remedy = kg_remedy_of_close(close->failure);
    kg_log(again ? KG_LOG_DEBUG : KG_LOG_WARN, "app", "app.relay-away", "the relay is away: %s: %s%s%s",
           kg_ws_failure_name(close->failure), close->detail[0] ? close->detail : "the connection ended",
           remedy ? "; " : "", remedy ? remedy : "");
}

static void on_closed(void *user, const struct kg_ws_close *close)
{
    struct kg_link *link = user;
    struct kg_link_event event = {.kind = KG_LINK_CLOSED, .close = *close};
    log_away(link, close);
    kg_ws_client_destroy(link->control);
    link->control = NULL;
    link->welcomed = false;
    if (link->call)
        kg_call_assume_watched(link->call);
    if (link->stopping)
        kg_loop_stop(link->loop);
    else
        post(link, &event);
}

static struct kg_ws_client_params connection(const struct kg_terminal_settings *settings)
{
    return (struct kg_ws_client_params){
        .host = settings->relay_host,
        .port = (uint16_t)settings->relay_port,
        .path = "/v1/control",
        .subprotocol = "kaigi.v1",
        .ca_file = settings->relay_ca_file,
        .certificate_file = settings->identity_certificate_file,
        .key_file = settings->identity_key_file,
        .proxy_host = settings->proxy_host,
        .proxy_port = (uint16_t)settings->proxy_port,
        .proxy_user = settings->proxy_user,
        .proxy_password = settings->proxy_password,
        .max_message_bytes = KG_MESSAGE_MAX_BYTES,
        .max_queued_bytes = CONTROL_QUEUE_BYTES,
        .ping_s = PING_S,
        .connect_timeout_us = CONNECT_TIMEOUT_US,
    };
}

/* Certificates would be judged by it, and the relay blamed. */
static bool clock_is_wrong(struct kg_link *link)
{
    struct kg_link_event event = {.kind = KG_LINK_CLOSED, .close = {.failure = KG_WS_TLS_NOT_YET}};
    if (kg_clock_floor_believes(&link->clock, kg_clock_wall_us() / 1000000))
        return false;
    snprintf(event.close.detail, sizeof event.close.detail,
             "this clock is behind a time that has been already");
    log_away(link, &event.close);
    link->welcomed = false;
    post(link, &event);
    return true;
}

static void connect_control(struct kg_link *link)
{
    static const struct kg_ws_client_events events = {
        .opened = on_opened, .message = on_message, .closed = on_closed};
    const struct kg_ws_client_params params = connection(link->params.settings);
    kg_ws_client_destroy(link->control);
    link->control = NULL;
    if (clock_is_wrong(link))
        return;
    link->welcomed = false;
    link->control = kg_ws_client_create(link->loop, &params, &events, link);
    if (!link->control) {
        struct kg_link_event event = {.kind = KG_LINK_CLOSED, .close = {.failure = KG_WS_UNREACHABLE}};
        post(link, &event);
    }
}

/* --- the call ------------------------------------------------------------------------------------------- */

/* No word over the media path: `leave` or the next join says it, and two ways of saying it race. */
static void end_call(struct kg_link *link)
{
    if (!link->call)
        return;
    if (!link->welcomed)
        kg_call_close(link->call);
    kg_call_destroy(link->call);
    link->call = NULL;
}

static bool ensure_media(struct kg_link *link)
{
    const struct kg_terminal_settings *s = link->params.settings;
    if (link->media)
        return true;
    const struct kg_media_params params = {.camera = s->camera,
                                           .microphone = s->microphone,
                                           .speaker = s->speaker,
                                           .width = (uint32_t)s->width,
                                           .height = (uint32_t)s->height,
                                           .fps = (uint32_t)s->fps,
                                           .volume = (float)s->volume_percent / 100,
                                           .screen = link->params.screen,
                                           .tap = link->params.tap,
                                           .report = on_report,
                                           .user = link};
    link->media = kg_media_create(&params, link->muted.microphone, link->muted.camera);
    return link->media != NULL;
}

static void join(struct kg_link *link, const struct kg_room_action *action)
{
    end_call(link);
    link->request = action->request;
    if (!ensure_media(link)) {
        lose_call(link, "camera and microphone cannot be started");
        return;
    }
    const struct kg_terminal_settings *s = link->params.settings;
    const struct kg_call_params params = {.loop = link->loop,
                                          .media = link->media,
                                          .identity = link->identity,
                                          .path = kg_room_policy_path(&link->policy, link->params.path),
                                          .max_bps = (uint32_t)s->media_max_kbps * 1000,
                                          .max_video_bps =
                                              kg_room_policy_video_bps(&link->policy, LEAST_VIDEO_BPS),
                                          .tunnel = connection(s),
                                          .microphone_muted = link->muted.microphone,
                                          .camera_muted = link->muted.camera,
                                          .report = on_report,
                                          .user = link};
    link->call = kg_call_create(&params);
    if (!link->call) {
        lose_call(link, "no offer could be made");
        return;
    }
    struct kg_message message = {.type = KG_MESSAGE_JOIN,
                                 .join = {.request = action->request,
                                          .meeting = action->uid,
                                          .offer = kg_call_offer(link->call),
                                          .line_count = KG_OFFER_LINES,
                                          .muted = link->muted,
                                          .resume = action->token[0] ? action->token : NULL}};
    memcpy(message.join.lines, kg_call_lines(link->call), KG_OFFER_LINES * sizeof message.join.lines[0]);
    send_message(link, &message);
}

static void leave(struct kg_link *link)
{
    const struct kg_message message = {.type = KG_MESSAGE_LEAVE};
    if (link->welcomed && link->call)
        send_message(link, &message);
    end_call(link);
    kg_media_destroy(link->media);
    link->media = NULL;
}

/* As the newest action says, not as the one in hand: that one may have waited. */
static void follow_mute(struct kg_link *link)
{
    unsigned wanted = atomic_load(&link->wanted);
    const struct kg_muted muted = {.microphone = wanted & MUTED_MICROPHONE, .camera = wanted & MUTED_CAMERA};
    if (muted.microphone == link->muted.microphone && muted.camera == link->muted.camera)
        return;
    link->muted = muted;
    if (link->media)
        kg_media_mute(link->media, muted.microphone, muted.camera);
    if (!link->call)
        return;
    kg_call_mute(link->call, muted.microphone, muted.camera);
    const struct kg_message message = {.type = KG_MESSAGE_MUTE, .mute = muted};
    if (link->welcomed)
        send_message(link, &message);
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static void on_goodbye(void *user, int64_t now_us)
{
    (void)now_us;
    struct kg_link *link = user;
    kg_loop_stop(link->loop);
}

static void stop(struct kg_link *link)
{
    link->stopping = true;
    kg_loop_unwatch(link->actions_watch);
    link->actions_watch = NULL;
    leave(link);
    if (!link->control) {
        kg_loop_stop(link->loop);
        return;
    }
    link->goodbye = (struct kg_loop_timer){.fire = on_goodbye, .user = link};
    kg_loop_timer_set(link->loop, &link->goodbye, kg_clock_now_us() + GOODBYE_US);
    kg_ws_client_close(link->control);
}

/* A word between main and here is lost, perhaps the one that would have closed the microphone, or the one
 * that main waits for: nothing goes on that nobody is known to want. For the main thread it is a broken line,
 * after which it begins again. */
static void start_over(struct kg_link *link, const char *why)
{
    struct kg_room_action left;
    while (kg_queue_pop(link->actions, &left)) {
    }
    link->welcomed = false;
    leave(link);
    kg_ws_client_destroy(link->control);
    link->control = NULL;
    kg_link_events_cut(link->events, why);
}

static void on_events_lost(void *user, int64_t now_us)
{
    (void)now_us;
    struct kg_link *link = user;
    if (!link->stopping)
        start_over(link, "the main thread does not keep up");
}

static void act(struct kg_link *link, const struct kg_room_action *action)
{
    follow_mute(link);
    switch (action->kind) {
    case KG_ROOM_CONNECT:
        connect_control(link);
        break;
    case KG_ROOM_JOIN:
        join(link, action);
        break;
    case KG_ROOM_LEAVE:
        leave(link);
        break;
    case KG_ROOM_MUTE: /* done */
    case KG_ROOM_SAVE_PRIVACY:
        break;
    }
}

static void on_actions(void *user)
{
    struct kg_link *link = user;
    struct kg_room_action action;
    bool any = false;
    while (kg_queue_pop(link->actions, &action)) {
        any = true;
        if (atomic_exchange(&link->overrun, false))
            start_over(link, "the net thread does not keep up");
        else
            act(link, &action);
    }
    /* Readable and empty: the main thread has closed the queue. */
    if (!any)
        stop(link);
}

static void run(void *arg)
{
    struct kg_link *link = arg;
    /* Here rather than in the first join, where somebody waits. */
    kg_gst_init();
    kg_srtp_prepare();
    kg_loop_run(link->loop);
    leave(link);
    kg_loop_timer_cancel(link->loop, &link->goodbye);
    kg_loop_timer_cancel(link->loop, &link->events_lost);
    kg_loop_unwatch(link->actions_watch);
    kg_ws_client_destroy(link->control);
    kg_identity_destroy(link->identity);
    kg_loop_destroy(link->loop);
}

static void destroy_parts(struct kg_link *link)
{
    kg_link_events_destroy(link->events);
    kg_queue_destroy(link->actions);
    free(link);
}

static void open_clock(struct kg_link *link)
{
    char path[1024] = "";
    const char *folder = link->params.settings->state_folder;
    if (folder && (size_t)snprintf(path, sizeof path, "%s/clock", folder) >= sizeof path)
        path[0] = '\0';
    if (folder && mkdir(folder, 0700) != 0 && errno != EEXIST)
        kg_log(KG_LOG_DEBUG, "app", NULL, "%s: %m", folder); /* told by whoever needs it */
    kg_clock_floor_open(&link->clock, path, kg_clock_floor_build_s());
}

struct kg_link *kg_link_create(const struct kg_link_params *params)
{
    struct kg_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->params = *params;
    open_clock(link);
    link->actions = kg_queue_create(ACTIONS, sizeof(struct kg_room_action));
    link->events = kg_link_events_create(params->wake);
    link->events_lost = (struct kg_loop_timer){.fire = on_events_lost, .user = link};
    link->identity = kg_identity_create();
    link->loop = kg_loop_create();
    if (link->loop && link->actions)
        link->actions_watch = kg_loop_watch(link->loop, kg_queue_fd(link->actions), on_actions, link);
    if (!link->events || !link->identity || !link->actions_watch ||
        !kg_thread_start(&link->thread, "net", run, link)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot start the net thread");
        kg_identity_destroy(link->identity);
        kg_loop_destroy(link->loop);
        destroy_parts(link);
        return NULL;
    }
    return link;
}

void kg_link_destroy(struct kg_link *link)
{
    if (!link)
        return;
    kg_queue_close(link->actions);
    kg_thread_join(&link->thread);
    destroy_parts(link);
}

void kg_link_do(struct kg_link *link, const struct kg_room_action *action)
{
    atomic_store(&link->wanted, (action->muted.microphone ? MUTED_MICROPHONE : 0u) |
                                    (action->muted.camera ? MUTED_CAMERA : 0u));
    if (kg_queue_push(link->actions, action) || action->kind == KG_ROOM_MUTE)
        return; /* a mute needs no room: the thread looks before each action that waits */
    kg_log(KG_LOG_ERROR, "app", "app.actions-full", "the net thread does not keep up: action %d is lost",
           action->kind);
    atomic_store(&link->overrun, true);
    /* Again, only to wake it: there may be room by now, and then nothing may be left that would. */
    (void)!kg_queue_push(link->actions, action);
}

bool kg_link_take(struct kg_link *link, struct kg_link_event *event)
{
    return kg_link_events_take(link->events, event);
}

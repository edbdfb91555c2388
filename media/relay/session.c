#include "relay/session.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/identity.h"
#include "relay/control_internal.h"
#include "relay/tls_server.h"

enum {
    QUEUE_BYTES = 2 << 20,
    MAX_BAD_MESSAGES = 20,
    BURST_S = 10, /* the rate limit is an average over this */
    PING_US = 20000000,
    LINGER_US = 100000,
    CLOSE_WAIT_US = 1500000, /* for the last words to leave */
};

/* Sending. */

static void abort_session(struct kg_session *s)
{
    s->aborted = true;
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
}

void kg_session_send(struct kg_session *s, const struct kg_message *message)
{
    size_t size;
    if (s->closing || s->aborted)
        return;
    char *text = kg_message_encode(message, &size);
    if (!text) {
        kg_log(KG_LOG_ERROR, "relay", NULL, "%s: cannot write a message of type %s", s->peer,
               kg_message_name(message->type));
        return;
    }
    bool queued = kg_ws_queue_push(&s->queue, text, size, false, false);
    free(text);
    if (queued) {
        lws_callback_on_writable(s->wsi);
        return;
    }
    kg_log(KG_LOG_WARN, "relay", "session.slow", "%s (%s) does not take its messages; ending its connection",
           s->peer, s->room ? s->room->id : "unknown");
    abort_session(s);
}

void kg_session_error(struct kg_session *s, uint32_t request, enum kg_error_code code, const char *text)
{
    struct kg_message message = {.type = KG_MESSAGE_ERROR,
                                 .error = {.request = request, .code = code, .message = text}};
    kg_session_send(s, &message);
}

static void on_timer(void *user, int64_t now_us)
{
    struct kg_session *s = user;
    (void)now_us;
    if (!s->closing) {
        kg_session_close(s, KG_REASON_IDLE, 1000);
    } else if (s->last_words_sent) {
        s->finished = true;
        lws_callback_on_writable(s->wsi);
    } else {
        abort_session(s);
    }
}

/* A socket closed on unread bytes sends a reset, which takes the last words away from their reader: close
 * when the peer has been quiet for a moment. */
static void linger(struct kg_session *s)
{
    kg_loop_timer_set(s->control->loop, &s->timer, KG_MIN(kg_clock_now_us() + LINGER_US, s->close_by_us));
}

void kg_session_close(struct kg_session *s, enum kg_reason reason, uint32_t retry_ms)
{
    struct kg_message message = {.type = KG_MESSAGE_CLOSING,
                                 .closing = {.reason = reason, .retry_ms = retry_ms}};
    if (s->closing || s->aborted)
        return;
    kg_session_send(s, &message);
    s->closing = true;
    s->close_by_us = kg_clock_now_us() + CLOSE_WAIT_US;
    kg_loop_timer_set(s->control->loop, &s->timer, s->close_by_us);
    lws_callback_on_writable(s->wsi);
}

/* With a payload: libwebsockets gives no notice of a pong without. */
static bool send_ping(struct kg_session *s)
{
    uint8_t bytes[LWS_PRE + 4] = {0};
    s->ping_due = false;
    memcpy(bytes + LWS_PRE, "ping", 4);
    return lws_write(s->wsi, bytes + LWS_PRE, 4, LWS_WRITE_PING) >= 0;
}

static int send_some(struct kg_session *s)
{
    if (s->aborted)
        return -1;
    if (s->ping_due && !send_ping(s))
        return -1;
    struct kg_ws_message *message = kg_ws_queue_take(&s->queue);
    if (message) {
        int sent = lws_write(s->wsi, message->bytes + KG_WS_QUEUE_HEADROOM, message->size, LWS_WRITE_TEXT);
        free(message);
        if (sent < 0)
            return -1;
    }
    if (s->finished) {
        lws_close_reason(s->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    bool more = s->queue.first || (s->closing && lws_partial_buffered(s->wsi));
    if (more) {
        lws_callback_on_writable(s->wsi);
    } else if (s->closing && !s->last_words_sent) {
        s->last_words_sent = true;
        linger(s);
    }
    return 0;
}

/* Receiving. */

/* One message costs 1 s / rate; up to BURST_S of right are saved. */
static bool within_rate(struct kg_session *s)
{
    int64_t now_us = kg_clock_now_us();
    int64_t cost_us = 1000000 / s->control->params.settings->messages_per_second;
    s->tokens_us = KG_MIN(s->tokens_us + (now_us - s->refilled_us), INT64_C(1000000) * BURST_S);
    s->refilled_us = now_us;
    if (s->tokens_us < cost_us)
        return false;
    s->tokens_us -= cost_us;
    return true;
}

static void count_bad(struct kg_session *s)
{
    if (++s->bad_messages < MAX_BAD_MESSAGES)
        return;
    kg_log(KG_LOG_WARN, "relay", "session.bad",
           "%s (%s) keeps sending what is no message; ending its connection", s->peer, s->room->id);
    kg_session_close(s, KG_REASON_EXPELLED, 5000);
}

static void receive_whole(struct kg_session *s)
{
    if (!within_rate(s)) {
        kg_session_error(s, 0, KG_ERROR_TOO_MANY, "messages come too fast; this one was left out");
        count_bad(s);
        return;
    }
    struct kg_message_error error;
    struct kg_message *message =
        kg_message_decode(KG_FROM_CLIENT, (const char *)s->incoming, s->incoming_size, &error);
    if (!message) {
        kg_session_error(s, error.request, error.code, error.text);
        count_bad(s);
        return;
    }
    kg_control_message(s->control, s, message);
    kg_message_destroy(message);
}

static bool append(struct kg_session *s, const void *data, size_t size)
{
    size_t needed = s->incoming_size + size;
    if (needed > s->incoming_capacity) {
        size_t capacity = KG_MAX(needed, KG_MIN(s->incoming_capacity * 2, (size_t)KG_MESSAGE_MAX_BYTES));
        uint8_t *bytes = realloc(s->incoming, capacity);
        if (!bytes)
            return false;
        s->incoming = bytes;
        s->incoming_capacity = capacity;
    }
    memcpy(s->incoming + s->incoming_size, data, size);
    s->incoming_size = needed;
    return true;
}

static int receive(struct kg_session *s, const void *data, size_t size)
{
    s->heard_us = kg_clock_now_us();
    if (s->last_words_sent)
        linger(s);
    if (s->closing || s->aborted)
        return 0;
    if (lws_is_first_fragment(s->wsi)) {
        s->incoming_size = 0;
        s->oversized = false;
    }
    if (s->incoming_size + size > (size_t)s->control->params.settings->message_bytes)
        s->oversized = true;
    if (!s->oversized && size > 0 && !append(s, data, size))
        return -1;
    if (!lws_is_final_fragment(s->wsi) || lws_remaining_packet_payload(s->wsi) > 0)
        return 0;
    if (s->oversized || lws_frame_is_binary(s->wsi)) {
        kg_session_error(s, 0, KG_ERROR_BAD_MESSAGE,
                         s->oversized ? "the message is too long" : "binary messages mean nothing here");
        count_bad(s);
    } else {
        receive_whole(s);
    }
    /* A large offer comes once: its room is not kept for the hours of a meeting. */
    if (s->incoming_capacity > 16384) {
        free(s->incoming);
        s->incoming = NULL;
        s->incoming_capacity = 0;
    }
    s->incoming_size = 0;
    return 0;
}

/* Coming and going. */

static void read_addresses(struct kg_session *s)
{
    int fd = lws_get_socket_fd(s->wsi);
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof s->local, peer_size = sizeof peer;
    char host[INET6_ADDRSTRLEN], port[8];
    if (getsockname(fd, (struct sockaddr *)&s->local, &size) != 0)
        s->local = (struct sockaddr_storage){0};
    snprintf(s->peer, sizeof s->peer, "?");
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
        getnameinfo((struct sockaddr *)&peer, peer_size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(s->peer, sizeof s->peer, peer.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* NULL: no room's certificate, or one that nobody in the directory has (any more). */
static const struct kg_store_room *identify(const struct kg_control *control,
                                            const struct kg_peer_identity *peer)
{
    return peer->kind == KG_PEER_ROOM ? kg_directory_room_of(control->directory, peer->fingerprint) : NULL;
}

static void refuse(struct kg_session *s, const uint8_t *fingerprint, enum kg_error_code code,
                   const char *text)
{
    struct kg_enrolment_source source;
    const struct kg_audit_entry entry = {
        .event_id = "room.refused", .source = s->peer, .object = KG_FRONT_CONTROL_PATH, .detail = text};
    kg_front_source(s->wsi, &source);
    kg_control_refusal(s->control, &source, fingerprint, &entry);
    kg_session_error(s, 0, code, text);
    kg_session_close(s, KG_REASON_REVOKED, 60000);
}

/* The newer connection of a room wins: the older one is nearly always a line that broke unnoticed. */
static void replace_older(struct kg_session *s)
{
    for (struct kg_session *other = s->control->sessions; other; other = other->next) {
        if (other != s && other->room == s->room && !other->closing) {
            kg_log(KG_LOG_INFO, "relay", "session.replaced",
                   "room %s connects anew from %s; its connection from %s ends", s->room->id, s->peer,
                   other->peer);
            kg_control_session_gone(s->control, other);
            kg_session_close(other, KG_REASON_REPLACED, 60000);
        }
    }
}

static int open_session(struct kg_control *control, struct lws *wsi, struct kg_session **out)
{
    struct kg_session *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->control = control;
    s->wsi = wsi;
    s->refilled_us = s->heard_us = s->pinged_us = kg_clock_now_us();
    s->tokens_us = INT64_C(1000000) * BURST_S;
    s->timer = (struct kg_loop_timer){.fire = on_timer, .user = s};
    kg_ws_queue_init(&s->queue, QUEUE_BYTES);
    read_addresses(s);
    s->next = control->sessions;
    if (s->next)
        s->next->previous = s;
    control->sessions = s;
    control->session_count++;
    *out = s;
    struct kg_peer_identity peer;
    kg_tls_server_peer(lws_get_ssl(wsi), &peer);
    s->room = identify(control, &peer);
    kg_loop_timer_set(control->loop, &s->timer,
                      s->refilled_us + control->params.settings->handshake_seconds * 1000000);
    if (!s->room)
        refuse(s, peer.fingerprint, KG_ERROR_REVOKED,
               "this certificate is no room's (any more); enrol the room again");
    else if (s->room->revoked_s)
        refuse(s, peer.fingerprint, KG_ERROR_REVOKED,
               "this room's certificate has been revoked; enrol the room again");
    else if (control->stopping)
        kg_session_close(s, KG_REASON_SHUTTING_DOWN, 1000);
    else {
        replace_older(s);
        kg_est_server_connected(control->est, s->room, peer.fingerprint);
    }
    return 0;
}

static void close_session(struct kg_session *s)
{
    struct kg_control *control = s->control;
    kg_control_session_gone(control, s);
    kg_loop_timer_cancel(control->loop, &s->timer);
    *(s->previous ? &s->previous->next : &control->sessions) = s->next;
    if (s->next)
        s->next->previous = s->previous;
    control->session_count--;
    kg_ws_queue_clear(&s->queue);
    free(s->incoming);
    free(s);
}

void kg_session_check_idle(struct kg_session *first, int64_t now_us, int64_t idle_us)
{
    for (struct kg_session *s = first; s; s = s->next) {
        if (s->aborted)
            continue;
        if (now_us - s->heard_us >= idle_us) {
            kg_log(KG_LOG_INFO, "relay", "session.idle", "%s (%s) answers no ping; ending its connection",
                   s->peer, s->room ? s->room->id : "unknown");
            kg_control_session_gone(s->control, s);
            abort_session(s);
        } else if (now_us - s->pinged_us >= KG_MIN(idle_us / 3, PING_US)) {
            s->pinged_us = now_us;
            s->ping_due = true;
            lws_callback_on_writable(s->wsi);
        }
    }
}

int kg_session_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct kg_session **s = user;
    struct kg_control *control = kg_control_of(wsi);
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(control, wsi, s);
    case LWS_CALLBACK_RECEIVE:
        return *s ? receive(*s, in, size) : -1;
    case LWS_CALLBACK_RECEIVE_PONG:
        if (*s)
            (*s)->heard_us = kg_clock_now_us();
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return *s ? send_some(*s) : -1;
    case LWS_CALLBACK_CLOSED:
        if (*s)
            close_session(*s);
        *s = NULL;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        return kg_control_count_end(control, wsi);
    default:
        return 0;
    }
}

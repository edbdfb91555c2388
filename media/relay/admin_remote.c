#include "relay/admin_remote.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "relay/admin.h"
#include "relay/control_internal.h"
#include "relay/pace.h"
#include "relay/tls_server.h"

enum {
    QUEUE_BYTES = 32 << 20, /* of replies that are not read */
    FIRST_BYTES = 4096,
    PING_US = 20000000,
    MESSAGE_US = 60000000, /* from a message's first byte to its last */
    QUIET_US = 900000000,  /* without a request */
    CLOSE_US = 2000000,
    /* One administrator's requests, over all of its connections. */
    REQUEST_BURST = 600, /* a script that goes through all rooms */
    REQUEST_US = 50000,
};

/* Close codes of our own (RFC 6455 §7.4.2) are not needed: these exist. */
enum { CLOSE_GOING_AWAY = 1001, CLOSE_POLICY = 1008, CLOSE_AGAIN_LATER = 1013 };

struct session {
    struct kg_admin_remote *remote;
    struct lws *wsi;
    uint64_t id;
    struct kg_principal by;
    struct kg_ws_queue queue;
    char *incoming;
    size_t size, capacity;
    bool busy;    /* a request is worked on; nothing is read meanwhile */
    bool skipped; /* the rest of this message is not kept */
    bool ping_due, closing;
    uint16_t close_code;
    const char *close_text;
    int64_t heard_us, pinged_us, asked_us, message_us, close_by_us;
    struct kg_loop_timer again; /* set: nothing is read until then */
    struct session *previous, *next;
};

struct kg_admin_remote {
    struct kg_control *control;
    struct kg_queue *jobs, *replies;
    struct kg_loop_watch *watch;
    struct kg_pace *pace; /* by administrator */
    struct session *sessions;
    unsigned count;
    size_t bytes; /* capacity of all that is half received or not answered yet */
    uint64_t next_id;
};

/* --- who
 * ---------------------------------------------------------------------------------------------------- */

/* false: nobody's certificate, or one that is not valid any more. */
static bool find_principal(const struct kg_control *c, const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                           struct kg_principal *by)
{
    const struct kg_store_administrator *a = kg_directory_administrator_of(c->directory, fingerprint);
    const struct kg_store_certificate *certificate = kg_directory_certificate(c->directory, fingerprint);
    if (!a || a->revoked_s || !certificate || certificate->revoked_s || certificate->retired_s ||
        certificate->not_after_s <= kg_clock_wall_us() / 1000000 || !kg_role_kind_find(a->role, &by->role))
        return false;
    snprintf(by->id, sizeof by->id, "%s", a->id);
    snprintf(by->organization, sizeof by->organization, "%s", a->organization_id);
    return true;
}

bool kg_admin_remote_stands(const struct kg_control *c, const struct kg_principal *by)
{
    struct kg_principal now = {0};
    return find_principal(c, by->fingerprint, &now) && now.role == by->role && strcmp(now.id, by->id) == 0 &&
           strcmp(now.organization, by->organization) == 0;
}

static bool is_still(const struct session *s)
{
    return kg_admin_remote_stands(s->remote->control, &s->by);
}

static void read_source(struct lws *wsi, char source[64])
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    char host[48], port[8];
    snprintf(source, 64, "?");
    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&peer, &size) == 0 &&
        getnameinfo((struct sockaddr *)&peer, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(source, 64, peer.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void audit(const struct session *s, const char *event, enum kg_audit_result result, const char *detail)
{
    const struct kg_audit_entry entry = {.event_id = event,
                                         .actor = s->by.id,
                                         .role =
                                             result == KG_AUDIT_REFUSED ? "" : kg_role_kind_name(s->by.role),
                                         .source = s->by.source,
                                         .organization = s->by.organization,
                                         .object = s->by.id,
                                         .detail = detail,
                                         .result = result};
    kg_control_audit(s->remote->control, &entry);
}

/* --- sending
 * ------------------------------------------------------------------------------------------------ */

static void abort_session(struct session *s)
{
    s->closing = true;
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
}

static void close_session(struct session *s, uint16_t code, const char *text)
{
    if (s->closing)
        return;
    s->closing = true;
    s->close_code = code;
    s->close_text = text;
    s->close_by_us = kg_clock_now_us() + CLOSE_US;
    lws_rx_flow_control(s->wsi, 1);
    lws_callback_on_writable(s->wsi);
}

static void send_text(struct session *s, const char *text, size_t size)
{
    if (s->closing)
        return;
    if (kg_ws_queue_push(&s->queue, text, size, false, false)) {
        lws_callback_on_writable(s->wsi);
        return;
    }
    kg_log(KG_LOG_WARN, "relay", "administrator.slow",
           "%s (%s) does not take its replies; ending its connection", s->by.source, s->by.id);
    abort_session(s);
}

static void refuse(struct session *s, const char *text)
{
    char reply[300];
    int size = snprintf(reply, sizeof reply, "{\"ok\":false,\"error\":\"%s\"}", text);
    send_text(s, reply, (size_t)size);
}

static int send_some(struct session *s)
{
    if (s->ping_due) {
        uint8_t bytes[LWS_PRE + 4] = {0};
        s->ping_due = false;
        memcpy(bytes + LWS_PRE, "ping", 4);
        if (lws_write(s->wsi, bytes + LWS_PRE, 4, LWS_WRITE_PING) < 0)
            return -1;
    }
    struct kg_ws_message *message = kg_ws_queue_take(&s->queue);
    if (message) {
        int sent = lws_write(s->wsi, message->bytes + KG_WS_QUEUE_HEADROOM, message->size, LWS_WRITE_TEXT);
        free(message);
        if (sent < 0)
            return -1;
    }
    if (s->queue.first || (s->closing && lws_partial_buffered(s->wsi))) {
        lws_callback_on_writable(s->wsi);
    } else if (s->closing && s->close_code) {
        lws_close_reason(s->wsi, (enum lws_close_status)s->close_code, (unsigned char *)s->close_text,
                         strlen(s->close_text));
        return -1;
    }
    return 0;
}

/* --- receiving
 * ---------------------------------------------------------------------------------------------- */

static void forget_incoming(struct session *s)
{
    s->remote->bytes -= s->capacity;
    free(s->incoming);
    s->incoming = NULL;
    s->size = s->capacity = 0;
}

/* false: why in *text, and the rest of the message is not kept. */
static bool append(struct session *s, const void *data, size_t size, const char **text)
{
    size_t needed = s->size + size, capacity = s->capacity;
    *text = "the message is too long; at most 24 MiB are read";
    if (needed > KG_ADMIN_MAX_BYTES)
        return false;
    while (capacity < needed)
        capacity = KG_MAX(capacity * 2, (size_t)FIRST_BYTES);
    if (capacity != s->capacity) {
        *text = "the relay has too many large requests to read; try again";
        char *bytes = s->remote->bytes - s->capacity + capacity <= KG_ADMIN_REMOTE_BYTES
                          ? realloc(s->incoming, capacity)
                          : NULL;
        if (!bytes)
            return false;
        s->remote->bytes += capacity - s->capacity;
        s->incoming = bytes;
        s->capacity = capacity;
    }
    if (size > 0)
        memcpy(s->incoming + s->size, data, size);
    s->size = needed;
    return true;
}

static void note_refusal(const struct session *s, const char *event, const char *text)
{
    struct kg_enrolment_source source;
    const struct kg_audit_entry entry = {
        .event_id = event, .source = s->by.source, .object = s->by.id, .detail = text};
    kg_front_source(s->wsi, &source);
    kg_control_refusal(s->remote->control, &source, s->by.fingerprint, &entry);
}

static void on_again(void *user, int64_t now_us)
{
    struct session *s = user;
    (void)now_us;
    if (!s->busy)
        lws_rx_flow_control(s->wsi, 1);
}

/* Is the administrator faster than it may be? Then it is told so, and this connection waits. */
static bool slow_down(struct session *s)
{
    char reply[200];
    int64_t now_us = kg_clock_now_us(), wait_us = kg_pace_wait_us(s->remote->pace, s->by.id, now_us);
    if (wait_us == 0) {
        kg_pace_use(s->remote->pace, s->by.id, now_us);
        return false;
    }
    int size = snprintf(reply, sizeof reply,
                        "{\"ok\":false,\"busy\":true,\"retry_ms\":%lld,\"error\":\"requests come too fast, "
                        "nothing was done; ask again in %lld ms\"}",
                        (long long)wait_us / 1000 + 1, (long long)wait_us / 1000 + 1);
    send_text(s, reply, (size_t)size);
    note_refusal(s, "administrator.slowed", "requests come too fast");
    lws_rx_flow_control(s->wsi, 0);
    kg_loop_timer_set(s->remote->control->loop, &s->again, now_us + wait_us);
    return true;
}

static void hand_over(struct session *s)
{
    if (slow_down(s)) {
        forget_incoming(s);
        return;
    }
    struct kg_admin_job job = {
        .session = s->id, .by = s->by, .text = s->incoming, .size = s->size, .charge = s->capacity};
    s->asked_us = kg_clock_now_us();
    if (s->size == 0 || !kg_queue_push(s->remote->jobs, &job)) {
        refuse(s, s->size == 0 ? "the request is not a JSON object" : "the relay is too busy; try again");
        forget_incoming(s);
        return;
    }
    /* Its bytes stay counted until the reply comes, even if the session ends before. */
    s->incoming = NULL;
    s->size = s->capacity = 0;
    s->busy = true;
    lws_rx_flow_control(s->wsi, 0);
}

static int receive(struct session *s, const void *data, size_t size)
{
    const char *text;
    s->heard_us = kg_clock_now_us();
    if (s->closing)
        return 0;
    if (lws_is_first_fragment(s->wsi)) {
        s->message_us = s->heard_us;
        s->skipped = false;
    }
    if (!s->skipped && !append(s, data, size, &text)) {
        s->skipped = true;
        refuse(s, text);
        forget_incoming(s);
    }
    if (!lws_is_final_fragment(s->wsi) || lws_remaining_packet_payload(s->wsi) > 0)
        return 0;
    s->message_us = 0;
    if (s->skipped)
        s->skipped = false;
    else if (lws_frame_is_binary(s->wsi)) {
        refuse(s, "binary messages mean nothing here");
        forget_incoming(s);
    } else if (!is_still(s))
        kg_admin_remote_check(s->remote, s->heard_us);
    else
        hand_over(s);
    return 0;
}

static void on_replies(void *user)
{
    struct kg_admin_remote *remote = user;
    struct kg_admin_job reply;
    while (kg_queue_pop(remote->replies, &reply)) {
        struct session *s = remote->sessions;
        remote->bytes -= reply.charge;
        while (s && s->id != reply.session)
            s = s->next;
        if (s) {
            s->busy = false;
            s->heard_us = kg_clock_now_us();
            if (!s->again.set)
                lws_rx_flow_control(s->wsi, 1);
            send_text(s, reply.text, reply.size);
        }
        free(reply.text);
    }
}

/* --- coming and going
 * --------------------------------------------------------------------------------------- */

const char *kg_admin_remote_full(const struct kg_admin_remote *remote,
                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    const struct kg_store_administrator *a =
        kg_directory_administrator_of(remote->control->directory, fingerprint);
    unsigned own = 0;
    for (const struct session *s = remote->sessions; s; s = s->next)
        own += a && strcmp(s->by.id, a->id) == 0;
    if (remote->control->stopping)
        return "the relay is shutting down";
    if (own >= KG_ADMIN_REMOTE_PER_ADMINISTRATOR)
        return "this administrator has too many connections open; close one";
    return remote->count >= KG_ADMIN_REMOTE_MAX ? "too many administrators are connected; try again later"
                                                : NULL;
}

static int open_session(struct kg_admin_remote *remote, struct lws *wsi, struct session **out)
{
    struct kg_peer_identity peer;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    kg_tls_server_peer(lws_get_ssl(wsi), &peer);
    s->remote = remote;
    s->wsi = wsi;
    s->id = remote->next_id++;
    s->again = (struct kg_loop_timer){.fire = on_again, .user = s};
    s->heard_us = s->pinged_us = s->asked_us = kg_clock_now_us();
    static_assert(sizeof s->by.fingerprint == sizeof peer.fingerprint, "one kind of fingerprint");
    memcpy(s->by.fingerprint, peer.fingerprint, sizeof s->by.fingerprint);
    kg_ws_queue_init(&s->queue, QUEUE_BYTES);
    snprintf(s->by.id, sizeof s->by.id, "%s", peer.id); /* for the log, until the directory says */
    read_source(wsi, s->by.source);
    s->next = remote->sessions;
    if (s->next)
        s->next->previous = s;
    remote->sessions = s;
    remote->count++;
    *out = s;
    bool known =
        peer.kind == KG_PEER_ADMINISTRATOR && find_principal(remote->control, s->by.fingerprint, &s->by);
    const char *full = known ? kg_admin_remote_full(remote, s->by.fingerprint) : NULL;
    if (known && remote->count <= KG_ADMIN_REMOTE_MAX) {
        kg_log(KG_LOG_INFO, "relay", "administrator.connected", "%s connects from %s", s->by.id,
               s->by.source);
        audit(s, "administrator.connected", KG_AUDIT_OK, "");
    } else if (known) {
        if (!full)
            full = "too many administrators are connected; try again later";
        note_refusal(s, "administrator.refused", full);
        refuse(s, full);
        close_session(s, CLOSE_AGAIN_LATER, "too many connections");
    } else {
        static const char text[] = "this certificate is no administrator's (any more)";
        note_refusal(s, "administrator.refused", text);
        refuse(s, text);
        close_session(s, CLOSE_POLICY, "revoked");
    }
    return 0;
}

static void end_session(struct session *s)
{
    struct kg_admin_remote *remote = s->remote;
    *(s->previous ? &s->previous->next : &remote->sessions) = s->next;
    if (s->next)
        s->next->previous = s->previous;
    remote->count--;
    kg_loop_timer_cancel(remote->control->loop, &s->again);
    forget_incoming(s);
    kg_ws_queue_clear(&s->queue);
    free(s);
}

static void check_one(struct session *s, int64_t now_us)
{
    int64_t idle_us = s->remote->control->params.settings->idle_seconds * 1000000;
    if (s->closing) {
        if (s->close_by_us <= now_us)
            abort_session(s);
    } else if (!is_still(s)) {
        kg_log(KG_LOG_WARN, "relay", "administrator.cut",
               "%s at %s is no administrator (of this kind) any more", s->by.id, s->by.source);
        audit(s, "administrator.cut", KG_AUDIT_OK, "");
        close_session(s, CLOSE_POLICY, "revoked");
    } else if (!s->busy && (now_us - s->heard_us >= idle_us || now_us - s->asked_us >= QUIET_US ||
                            (s->message_us && now_us - s->message_us >= MESSAGE_US))) {
        kg_log(KG_LOG_INFO, "relay", "administrator.idle", "%s at %s has been idle for too long", s->by.id,
               s->by.source);
        close_session(s, CLOSE_GOING_AWAY, "idle");
    } else if (!s->busy && now_us - s->pinged_us >= KG_MIN(idle_us / 3, PING_US)) {
        s->pinged_us = now_us;
        s->ping_due = true;
        lws_callback_on_writable(s->wsi);
    }
}

void kg_admin_remote_check(struct kg_admin_remote *remote, int64_t now_us)
{
    for (struct session *s = remote->sessions; s; s = s->next)
        check_one(s, now_us);
}

void kg_admin_remote_close_all(struct kg_admin_remote *remote)
{
    for (struct session *s = remote->sessions; s; s = s->next)
        close_session(s, CLOSE_GOING_AWAY, "shutting down");
}

unsigned kg_admin_remote_count(const struct kg_admin_remote *remote)
{
    return remote->count;
}

int kg_admin_remote_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                             size_t size)
{
    struct session **s = user;
    struct kg_control *control = kg_control_of(wsi);
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(control->admin_remote, wsi, s);
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
            end_session(*s);
        *s = NULL;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        return kg_control_count_end(control, wsi);
    default:
        return 0;
    }
}

/* --- creating
 * ----------------------------------------------------------------------------------------------- */

struct kg_admin_remote *kg_admin_remote_create(struct kg_control *control)
{
    struct kg_admin_remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return NULL;
    remote->control = control;
    remote->next_id = 1;
    remote->jobs = kg_queue_create(KG_ADMIN_REMOTE_MAX, sizeof(struct kg_admin_job));
    remote->replies = kg_queue_create((size_t)KG_ADMIN_REMOTE_MAX * 2, sizeof(struct kg_admin_job));
    remote->pace = kg_pace_create(&(struct kg_pace_params){REQUEST_BURST, REQUEST_US, 256});
    if (remote->jobs && remote->replies && remote->pace)
        remote->watch = kg_loop_watch(control->loop, kg_queue_fd(remote->replies), on_replies, remote);
    if (remote->watch)
        return remote;
    kg_admin_remote_destroy(remote);
    return NULL;
}

static void drain(struct kg_queue *queue)
{
    struct kg_admin_job left;
    while (queue && kg_queue_pop(queue, &left))
        free(left.text);
    kg_queue_destroy(queue);
}

void kg_admin_remote_destroy(struct kg_admin_remote *remote)
{
    if (!remote)
        return;
    drain(remote->jobs);
    drain(remote->replies);
    kg_pace_destroy(remote->pace);
    free(remote);
}

struct kg_queue *kg_admin_remote_jobs(struct kg_admin_remote *remote)
{
    return remote->jobs;
}

struct kg_queue *kg_admin_remote_replies(struct kg_admin_remote *remote)
{
    return remote->replies;
}

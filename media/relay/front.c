#include "relay/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "relay/admin_remote.h"
#include "relay/control_internal.h"
#include "relay/est_server.h"

enum {
    MAX_REQUESTS = 128, /* 16 kB each */
    MAX_PATH = 64,
    REQUEST_US = 10000000,
    LINGER_US = 1000000, /* for the body of a request that was refused: a reset would take the answer away */
    SKIP_BYTES = 256 * 1024,
};

struct kg_front {
    struct kg_control *control;
    struct kg_front_request *requests;
    unsigned count;
    uint64_t next_id;
};

static const struct {
    const char *path;
    bool posts;
} paths[KG_FRONT_PATHS] = {
    [KG_FRONT_CA_CERTIFICATES] = {KG_EST_PATH "/cacerts", false},
    [KG_FRONT_ATTRIBUTES] = {KG_EST_PATH "/csrattrs", false},
    [KG_FRONT_ENROL] = {KG_EST_PATH "/simpleenroll", true},
    [KG_FRONT_RENEW] = {KG_EST_PATH "/simplereenroll", true},
};

struct kg_front *kg_front_create(struct kg_control *control)
{
    struct kg_front *front = calloc(1, sizeof *front);
    if (!front)
        return NULL;
    front->control = control;
    front->next_id = 1;
    return front;
}

void kg_front_destroy(struct kg_front *front)
{
    free(front);
}

/* --- answers --- */

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

/* The whole answer behind LWS_PRE free bytes; free() it. NULL: memory. */
static char *write_answer(const struct kg_front_answer *a, const char *allow, size_t *size)
{
    char retry[40] = "", allowed[40] = "", *text = NULL;
    if (a->retry_s)
        snprintf(retry, sizeof retry, "Retry-After: %u\r\n", a->retry_s);
    if (allow)
        snprintf(allowed, sizeof allowed, "Allow: %s\r\n", allow);
    int n = asprintf(
        &text,
        "%*sHTTP/1.1 %u %s\r\nContent-Type: %s\r\n%s%s%sContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s",
        LWS_PRE, "", a->status, reason_of(a->status), a->type ? a->type : "text/plain; charset=utf-8",
        a->base64 ? "Content-Transfer-Encoding: base64\r\n" : "", retry, allowed, strlen(a->body), a->body);
    if (n < 0)
        return NULL;
    *size = (size_t)n - LWS_PRE;
    return text;
}

/* Without a request of ours: what is refused by its headers. Always -1: the connection ends. */
static int refuse_at_once(struct lws *wsi, unsigned status, const char *allow, unsigned retry_s,
                          const char *text)
{
    char body[200];
    size_t size;
    snprintf(body, sizeof body, "%s\n", text);
    struct kg_front_answer answer = {.status = status, .retry_s = retry_s, .body = body};
    char *bytes = write_answer(&answer, allow, &size);
    if (bytes)
        lws_write(wsi, (unsigned char *)bytes + LWS_PRE, size, LWS_WRITE_HTTP_FINAL);
    free(bytes);
    return -1;
}

void kg_front_answer(struct kg_front_request *r, const struct kg_front_answer *answer)
{
    if (r->answer)
        return;
    r->answer = write_answer(answer, NULL, &r->answer_size);
    r->deadline_us = kg_clock_now_us() + (r->answer ? REQUEST_US : 0);
    if (r->answer)
        lws_callback_on_writable(r->wsi);
}

static void note_refusal(struct kg_control *control, const struct kg_peer_identity *peer,
                         const struct kg_enrolment_source *source, const char *event, const char *path,
                         const char *text)
{
    const struct kg_audit_entry entry = {.event_id = event,
                                         .actor = peer->id,
                                         .role = peer->kind == KG_PEER_ROOM && *peer->id ? "room" : "",
                                         .source = source->text,
                                         .object = path,
                                         .detail = text};
    kg_control_refusal(control, source, peer->kind == KG_PEER_NONE ? NULL : peer->fingerprint, &entry);
}

void kg_front_refuse(struct kg_front_request *r, unsigned status, unsigned retry_s, const char *text)
{
    char body[600];
    if (r->answer)
        return;
    note_refusal(r->front->control, &r->peer, &r->source, "enrolment.refused", paths[r->path].path, text);
    snprintf(body, sizeof body, "%s\n", text);
    kg_front_answer(r, &(struct kg_front_answer){.status = status, .retry_s = retry_s, .body = body});
}

void kg_front_wait(struct kg_front_request *r, int64_t wait_us)
{
    r->deadline_us = kg_clock_now_us() + wait_us;
    lws_set_timeout(r->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
                    (int)((wait_us + INT64_C(2) * REQUEST_US) / 1000000));
}

static bool body_is_through(const struct kg_front_request *r)
{
    return r->body_size + r->body_skipped >= r->body_expected;
}

static int send_answer(struct kg_front_request *r)
{
    if (!r->answer || r->answered)
        return 0;
    r->answered = true;
    r->deadline_us = kg_clock_now_us() + LINGER_US;
    if (lws_write(r->wsi, (unsigned char *)r->answer + LWS_PRE, r->answer_size, LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    return body_is_through(r) ? -1 : 0;
}

/* --- requests --- */

void kg_front_source(struct lws *wsi, struct kg_enrolment_source *source)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&address, &size) != 0)
        address.ss_family = AF_UNSPEC;
    kg_enrolment_source_of((struct sockaddr *)&address, source);
}

static void read_peer(struct lws *wsi, struct kg_peer_identity *peer, struct kg_enrolment_source *source)
{
    SSL *tls = lws_get_ssl(wsi);
    *peer = (struct kg_peer_identity){.kind = KG_PEER_NONE};
    if (tls)
        kg_tls_server_peer(tls, peer);
    kg_front_source(wsi, source);
}

static struct kg_front_request *add(struct kg_front *front, struct lws *wsi, enum kg_front_path path)
{
    struct kg_front_request *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct kg_front_request){.front = front,
                                   .wsi = wsi,
                                   .id = front->next_id++,
                                   .path = path,
                                   .deadline_us = kg_clock_now_us() + REQUEST_US,
                                   .next = front->requests};
    read_peer(wsi, &r->peer, &r->source);
    if (r->next)
        r->next->previous = r;
    front->requests = r;
    front->count++;
    return r;
}

static void end(struct kg_front_request *r)
{
    struct kg_front *front = r->front;
    *(r->previous ? &r->previous->next : &front->requests) = r->next;
    if (r->next)
        r->next->previous = r->previous;
    front->count--;
    free(r->body);
    free(r->answer);
    free(r);
}

struct kg_front_request *kg_front_find(const struct kg_front *front, uint64_t id)
{
    struct kg_front_request *r = front->requests;
    while (r && r->id != id)
        r = r->next;
    return r && !r->answer ? r : NULL;
}

void kg_front_check(struct kg_front *front, int64_t now_us)
{
    for (struct kg_front_request *r = front->requests; r; r = r->next) {
        if (r->deadline_us <= now_us)
            lws_set_timeout(r->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
    }
}

static bool path_of(struct lws *wsi, enum lws_token_indexes method, char path[MAX_PATH])
{
    return lws_hdr_copy(wsi, path, MAX_PATH, method) > 0;
}

/* -1: none of ours. */
static int find_path(const char *path)
{
    for (int i = 0; i < KG_FRONT_PATHS; i++) {
        if (strcmp(path, paths[i].path) == 0)
            return i;
    }
    return -1;
}

static bool has_type(struct lws *wsi, const char *type)
{
    char text[80] = "";
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_TYPE) <= 0)
        return false;
    text[strcspn(text, "; \t")] = '\0';
    return strcasecmp(text, type) == 0;
}

/* The body's length. false: *status and *text say why not. */
static bool check_body(struct lws *wsi, size_t *size, unsigned *status, const char **text)
{
    char digits[12] = "";
    *status = 411;
    *text = "a Content-Length is needed";
    int length = lws_hdr_copy(wsi, digits, sizeof digits, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (length == 0)
        return false;
    *status = 413;
    *text = "the body is too long; a certificate request has a few kilobytes";
    size_t digit_count = strspn(digits, "0123456789");
    if (length < 0 || digit_count > 8)
        return false;
    *size = digit_count && !digits[digit_count] ? strtoul(digits, NULL, 10) : 0;
    if (*size > KG_EST_REQUEST_MAX)
        return false;
    *status = *size == 0 ? 400 : 415;
    *text = *size == 0 ? "the body is empty" : "the Content-Type must be " KG_EST_REQUEST_TYPE;
    return *size > 0 && has_type(wsi, KG_EST_REQUEST_TYPE);
}

/* Whoever is refused here has a body on its way perhaps: it is skipped while the answer is read. */
static void receive_body(struct kg_front_request *r)
{
    unsigned status, retry_s;
    const char *text;
    size_t size = 0;
    char digits[24] = "";
    if (lws_hdr_copy(r->wsi, digits, sizeof digits, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
        r->body_expected = (size_t)strtoull(digits, NULL, 10);
    if (!check_body(r->wsi, &size, &status, &text)) {
        kg_front_refuse(r, status, 0, text);
    } else if (!kg_est_server_admits(r->front->control->est, r, &retry_s)) {
        kg_front_refuse(r, 503, retry_s, "too many requests; ask again later");
    } else {
        r->body = malloc(size);
        if (!r->body)
            kg_front_refuse(r, 503, KG_ENROLMENT_RETRY_S, "the relay has no memory left; ask again later");
    }
}

static int begin(struct kg_control *control, struct lws *wsi, struct kg_front_request **out)
{
    char path[MAX_PATH] = "";
    bool posts = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;
    bool gets = !posts && lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
    unsigned retry_s;
    int known;
    if (posts || gets) {
        known = path_of(wsi, posts ? WSI_TOKEN_POST_URI : WSI_TOKEN_GET_URI, path) ? find_path(path) : -1;
        if (gets && (strcmp(path, KG_FRONT_CONTROL_PATH) == 0 || strcmp(path, KG_FRONT_ADMIN_PATH) == 0))
            return refuse_at_once(wsi, 400, NULL, 0, "only a WebSocket is served here");
        if (known < 0)
            return refuse_at_once(wsi, 404, NULL, 0, "there is nothing at this path");
        if (paths[known].posts != posts)
            return refuse_at_once(wsi, 405, posts ? "GET" : "POST", 0, "another method is wanted here");
    } else {
        return refuse_at_once(wsi, 405, "GET, POST", 0, "this method is not served");
    }
    if (control->stopping || control->front->count >= MAX_REQUESTS) {
        static const char text[] = "the relay is busy; ask again later";
        struct kg_peer_identity peer;
        struct kg_enrolment_source source;
        read_peer(wsi, &peer, &source);
        note_refusal(control, &peer, &source, "enrolment.refused", path, text);
        return refuse_at_once(wsi, 503, NULL, KG_ENROLMENT_RETRY_S, text);
    }
    struct kg_front_request *r = add(control->front, wsi, (enum kg_front_path)known);
    if (!r)
        return -1;
    *out = r;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 3 * REQUEST_US / 1000000); /* ours comes first */
    if (posts)
        receive_body(r);
    else if (!kg_est_server_admits(control->est, r, &retry_s))
        kg_front_refuse(r, 503, retry_s, "too many requests; ask again later");
    else
        kg_est_server_take(control->est, r);
    return 0;
}

static int take_body(struct kg_front_request *r, const void *data, size_t size)
{
    if (r->body && !r->answer && r->body_size + size <= r->body_expected) {
        memcpy(r->body + r->body_size, data, size);
        r->body_size += size;
    } else {
        r->body_skipped += size;
    }
    if (r->body_skipped > SKIP_BYTES)
        return -1;
    if (!body_is_through(r))
        return 0;
    if (r->answered)
        return -1;
    if (r->body && !r->answer)
        kg_est_server_take(r->front->control->est, r);
    return 0;
}

/* --- WebSockets --- */

static bool wants(struct lws *wsi, const char *protocol)
{
    char text[64];
    return lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_PROTOCOL) > 0 && strcmp(text, protocol) == 0;
}

static int refuse_wrong_kind(struct kg_control *control, struct lws *wsi, const struct kg_peer_identity *peer,
                             const struct kg_enrolment_source *source, const char *path)
{
    static const struct {
        unsigned status;
        const char *text;
    } answers[] = {
        [KG_PEER_NONE] = {401, "this path needs a client certificate; a new device is enrolled first"},
        [KG_PEER_ROOM] = {403, "a room's certificate does not open the administrators' path"},
        [KG_PEER_ADMINISTRATOR] = {403, "an administrator's certificate does not open the rooms' path"},
    };
    bool admin = strcmp(path, KG_FRONT_ADMIN_PATH) == 0;
    const char *text = answers[peer->kind].text;
    note_refusal(control, peer, source, admin ? "administrator.refused" : "room.refused", path, text);
    return refuse_at_once(wsi, answers[peer->kind].status, NULL, 0, text);
}

/* 0: go on to the subprotocol's own callback; -1: refused. */
static int upgrade(struct kg_control *control, struct lws *wsi, const char *what)
{
    char path[MAX_PATH] = "";
    struct kg_peer_identity peer;
    struct kg_enrolment_source source;
    if (strcasecmp(what, "websocket") != 0 || !path_of(wsi, WSI_TOKEN_GET_URI, path))
        return refuse_at_once(wsi, 400, NULL, 0, "only WebSockets are upgraded to");
    bool rooms = strcmp(path, KG_FRONT_CONTROL_PATH) == 0, admins = strcmp(path, KG_FRONT_ADMIN_PATH) == 0;
    if (!rooms && !admins)
        return refuse_at_once(wsi, 404, NULL, 0, "there is nothing at this path");
    read_peer(wsi, &peer, &source);
    if (peer.kind != (rooms ? KG_PEER_ROOM : KG_PEER_ADMINISTRATOR))
        return refuse_wrong_kind(control, wsi, &peer, &source, path);
    if (!wants(wsi, rooms ? KG_FRONT_CONTROL_PROTOCOL : KG_FRONT_ADMIN_PROTOCOL))
        return refuse_at_once(wsi, 400, NULL, 0,
                              rooms ? "the subprotocol " KG_FRONT_CONTROL_PROTOCOL " is wanted here"
                                    : "the subprotocol " KG_FRONT_ADMIN_PROTOCOL " is wanted here");
    const char *text = admins ? kg_admin_remote_full(control->admin_remote, peer.fingerprint) : NULL;
    if (!text)
        return 0;
    note_refusal(control, &peer, &source, "administrator.refused", path, text);
    return refuse_at_once(wsi, 503, NULL, KG_ENROLMENT_RETRY_S, text);
}

int kg_front_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct kg_front_request **r = user;
    struct kg_control *control = kg_control_of(wsi);
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        control = lws_vhost_user((struct lws_vhost *)in);
        control->tls = user;
        return kg_tls_server_prepare(user, control->params.tls, KG_TLS_CLIENTS_OPTIONAL) ? 0 : -1;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return upgrade(control, wsi, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return -1; /* no subprotocol of ours */
    case LWS_CALLBACK_HTTP:
        return begin(control, wsi, r);
    case LWS_CALLBACK_HTTP_BODY:
        return *r ? take_body(*r, in, size) : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return *r ? send_answer(*r) : 0;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (r && *r) {
            end(*r);
            *r = NULL;
        }
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        return kg_control_count_end(control, wsi);
    default:
        return 0;
    }
}

#include "net/ws_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/resolve.h"
#include "net/tls_client.h"
#include "net/ws_failure.h"
#include "net/ws_queue.h"

enum {
    NOTSENT_BYTES = 16 * 1024, /* kept in the kernel: more would only grow old there */
    MAX_PROXY_TEXT = 96 + 64,  /* "user:password@[address]:port"; libwebsockets takes 95 for the first part */
};

/* What libwebsockets keeps pointing at until a virtual host is gone, which may be after its client: a
 * connection that was begun makes its TLS session even when it was given up meanwhile. */
struct host {
    SSL_CTX *tls;
    struct lws_protocols protocols[2];
    lws_retry_bo_t idle;
    char name[64];
};

enum stage { STAGE_RESOLVING, STAGE_CONNECTING, STAGE_OPEN, STAGE_CLOSING, STAGE_OVER };

struct kg_ws_client {
    struct kg_loop *loop;
    struct kg_ws_client_events events;
    void *user;
    char *host, *path, *subprotocol, *alpn, *proxy_host, *proxy_login;
    uint16_t port, proxy_port;
    size_t max_message_bytes;
    uint32_t ping_s;

    enum stage stage;
    struct kg_resolve *resolve;
    struct addrinfo *addresses, *next_address;
    struct kg_tls_client *tls;
    struct lws_vhost *vhost;
    const lws_retry_bo_t *idle; /* lives with the virtual host; NULL: no pings */
    struct lws *wsi;
    bool tcp_connected;
    struct kg_loop_watch *proxy_watch; /* sees the proxy's answer before libwebsockets swallows it */
    int proxy_fd, proxy_status;
    struct kg_loop_timer deadline; /* while connecting: its end; afterwards: tells `closed` from the loop */
    struct kg_ws_close close;

    struct kg_ws_queue queue;
    uint8_t *incoming;
    size_t incoming_size, incoming_capacity;
};

/* --- sending -------------------------------------------------------------------------------------------- */

static_assert(KG_WS_QUEUE_HEADROOM >= LWS_PRE, "libwebsockets writes its frame header in front");

bool kg_ws_client_send(struct kg_ws_client *client, const void *data, size_t size, bool binary,
                       enum kg_ws_priority priority)
{
    if (client->stage != STAGE_OPEN)
        return false;
    if (!kg_ws_queue_push(&client->queue, data, size, binary, priority == KG_WS_DROP))
        return false;
    lws_callback_on_writable(client->wsi);
    return true;
}

/* -1: the connection is to be closed. */
static int write_queued(struct kg_ws_client *client, struct lws *wsi)
{
    while (client->queue.first && !lws_send_pipe_choked(wsi)) {
        struct kg_ws_message *message = kg_ws_queue_take(&client->queue);
        enum lws_write_protocol kind = message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
        int written = lws_write(wsi, message->bytes + KG_WS_QUEUE_HEADROOM, message->size, kind);
        bool failed = written < (int)message->size;
        free(message);
        if (failed)
            return -1;
    }
    if (client->queue.first) {
        lws_callback_on_writable(wsi);
    } else if (client->stage == STAGE_CLOSING) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    return 0;
}

/* --- ending --------------------------------------------------------------------------------------------- */

static void stop_proxy_watch(struct kg_ws_client *client)
{
    if (!client->proxy_watch)
        return;
    kg_loop_unwatch(client->proxy_watch);
    client->proxy_watch = NULL;
    close(client->proxy_fd);
}

static void on_over(void *user, int64_t now_us)
{
    (void)now_us;
    struct kg_ws_client *client = user;
    client->events.closed(client->user, &client->close);
}

static void end(struct kg_ws_client *client, enum kg_ws_failure failure, int status, const char *detail)
{
    if (client->stage == STAGE_OVER)
        return;
    client->stage = STAGE_OVER;
    client->wsi = NULL;
    client->close.failure = failure;
    client->close.status = status;
    if (detail)
        snprintf(client->close.detail, sizeof client->close.detail, "%s", detail);
    stop_proxy_watch(client);
    kg_ws_queue_clear(&client->queue);
    client->deadline.fire = on_over;
    kg_loop_timer_set(client->loop, &client->deadline, kg_clock_now_us());
}

/* libwebsockets closes the connection in its own time; its callbacks no longer find us. */
static void abandon(struct kg_ws_client *client)
{
    struct lws *wsi = client->wsi;
    client->wsi = NULL;
    if (!wsi)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void end_tls(struct kg_ws_client *client)
{
    char detail[160];
    enum kg_tls_problem problem = kg_tls_client_problem(client->tls, detail, sizeof detail);
    end(client, kg_ws_failure_of_tls(problem), 0, detail);
}

static void end_timeout(struct kg_ws_client *client)
{
    const char *stage = !client->tcp_connected                        ? "connecting"
                        : client->proxy_host && !client->proxy_status ? "waiting for the proxy"
                        : !kg_tls_client_established(client->tls)     ? "in the TLS handshake"
                                                                      : "waiting for the WebSocket";
    char detail[80];
    snprintf(detail, sizeof detail, "no progress while %s", client->resolve ? "resolving" : stage);
    bool proxy = client->proxy_host && !client->proxy_status; /* its answer never came */
    end(client, proxy ? KG_WS_PROXY_UNREACHABLE : KG_WS_TIMEOUT, 0, detail);
}

static void on_deadline(void *user, int64_t now_us)
{
    (void)now_us;
    struct kg_ws_client *client = user;
    abandon(client);
    end_timeout(client);
}

/* --- connecting ----------------------------------------------------------------------------------------- */

static void connect_next(struct kg_ws_client *client);

/* RFC 9110 §15: "HTTP/1.1 407 …" */
static int status_of(const char *line)
{
    int status;
    return sscanf(line, "HTTP/1.%*1d %3d", &status) == 1 ? status : 0;
}

static void on_proxy_answer(void *user)
{
    struct kg_ws_client *client = user;
    char line[32];
    ssize_t size = recv(client->proxy_fd, line, sizeof line - 1, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0)
        return;
    line[size] = '\0';
    client->proxy_status = status_of(line);
    if (client->proxy_status != 0 || size == 0 || size == sizeof line - 1)
        stop_proxy_watch(client);
}

static void on_tcp_connected(struct kg_ws_client *client, struct lws *wsi)
{
    client->tcp_connected = true;
    int fd = lws_get_socket_fd(wsi);
    int on = 1, low = NOTSENT_BYTES;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof low) != 0)
        kg_log(KG_LOG_WARN, "net", NULL, "cannot tune the connection: %m");
    if (!client->proxy_host)
        return;
    client->proxy_fd = dup(fd);
    if (client->proxy_fd < 0)
        return;
    client->proxy_watch = kg_loop_watch(client->loop, client->proxy_fd, on_proxy_answer, client);
    if (!client->proxy_watch)
        close(client->proxy_fd);
}

/* A server that refuses our certificate says so in an alert, and closes; with TLS 1.3 our request is on its
 * way by then, and libwebsockets may trip over the broken pipe before it reads the alert. */
static void read_last_alert(struct lws *wsi)
{
    SSL *ssl = lws_get_ssl(wsi);
    char byte;
    ERR_clear_error();
    if (ssl && SSL_read(ssl, &byte, sizeof byte) > 0)
        kg_log(KG_LOG_DEBUG, "net", NULL, "data behind a failed handshake");
    ERR_clear_error();
}

static void on_connect_failed(struct kg_ws_client *client, struct lws *wsi, const char *why)
{
    char detail[160];
    int status = 0;
    client->wsi = NULL;
    if (wsi && kg_tls_client_established(client->tls))
        read_last_alert(wsi);
    if (client->proxy_watch)
        on_proxy_answer(client);
    if (!client->tcp_connected) {
        connect_next(client);
    } else if (client->proxy_host && client->proxy_status == 0) {
        snprintf(detail, sizeof detail, "%.100s port %u does not answer as an HTTP proxy", client->proxy_host,
                 client->proxy_port);
        end(client, KG_WS_PROXY_UNREACHABLE, 0, detail);
    } else if (client->proxy_host && client->proxy_status != 200) {
        snprintf(detail, sizeof detail, "the proxy %s answered %d", client->proxy_host, client->proxy_status);
        end(client, client->proxy_status == 407 ? KG_WS_PROXY_AUTH : KG_WS_PROXY, client->proxy_status,
            detail);
    } else if (!kg_tls_client_established(client->tls) ||
               kg_tls_client_problem(client->tls, detail, sizeof detail) != KG_TLS_OK) {
        end_tls(client);
    } else {
        status = wsi ? (int)lws_http_client_http_response(wsi) : 0;
        snprintf(detail, sizeof detail, "no WebSocket there: %s", why ? why : "?");
        end(client, KG_WS_HTTP, status, detail);
    }
}

static void on_lws_closed(struct kg_ws_client *client, struct lws *wsi)
{
    char detail[160];
    if (client->stage == STAGE_CONNECTING)
        read_last_alert(wsi);
    if (kg_tls_client_problem(client->tls, detail, sizeof detail) != KG_TLS_OK)
        end_tls(client);
    else if (client->stage == STAGE_CONNECTING)
        on_connect_failed(client, NULL, "closed");
    else
        end(client, KG_WS_CLOSED, client->close.status,
            client->stage == STAGE_CLOSING ? "closed by us" : NULL);
}

static bool receive(struct kg_ws_client *client, struct lws *wsi, const void *data, size_t size)
{
    bool whole = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    bool binary = lws_frame_is_binary(wsi);
    if (whole && client->incoming_size == 0) {
        client->events.message(client->user, data, size, binary);
        return true;
    }
    if (client->incoming_size + size > client->max_message_bytes) {
        kg_log(KG_LOG_WARN, "net", "net.message-too-long", "%s sent a message over %zu bytes", client->host,
               client->max_message_bytes);
        return false;
    }
    if (client->incoming_size + size > client->incoming_capacity) {
        size_t capacity = KG_MAX(client->incoming_capacity * 2, client->incoming_size + size);
        uint8_t *grown = realloc(client->incoming, capacity);
        if (!grown)
            return false;
        client->incoming = grown;
        client->incoming_capacity = capacity;
    }
    if (size > 0)
        memcpy(client->incoming + client->incoming_size, data, size);
    client->incoming_size += size;
    if (whole) {
        size_t total = client->incoming_size;
        client->incoming_size = 0;
        client->events.message(client->user, client->incoming, total, binary);
    }
    return true;
}

static void on_open(struct kg_ws_client *client)
{
    kg_loop_timer_cancel(client->loop, &client->deadline);
    stop_proxy_watch(client);
    client->stage = STAGE_OPEN;
    client->events.opened(client->user);
}

static void on_peer_close(struct kg_ws_client *client, const uint8_t *data, size_t size)
{
    if (size >= 2)
        client->close.status = data[0] << 8 | data[1];
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *unused, void *in, size_t size)
{
    (void)unused;
    struct kg_ws_client *client = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
        if (client)
            on_tcp_connected(client, wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (client)
            on_connect_failed(client, wsi, in);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (client)
            on_open(client);
        return client ? 0 : -1;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return client && receive(client, wsi, in, size) ? 0 : -1;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return client ? write_queued(client, wsi) : -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (client)
            on_peer_close(client, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        if (client)
            on_lws_closed(client, wsi);
        return 0;
    default:
        return 0;
    }
}

static void free_host(struct lws_vhost *vhost, void *arg)
{
    (void)vhost;
    struct host *host = arg;
    SSL_CTX_free(host->tls);
    free(host);
}

static struct host *create_host(const struct kg_ws_client *client)
{
    struct host *host = calloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->tls = kg_tls_client_context(client->tls);
    SSL_CTX_up_ref(host->tls);
    snprintf(host->name, sizeof host->name, "%s", client->subprotocol ? client->subprotocol : "kg-ws");
    host->protocols[0] = (struct lws_protocols){.name = host->name, .callback = on_lws};
    host->idle.secs_since_valid_ping = client->ping_s;
    host->idle.secs_since_valid_hangup = client->ping_s * 2;
    return host;
}

/* proxy: its literal address, or NULL. */
static bool create_vhost(struct kg_ws_client *client, const char *proxy)
{
    struct host *host = create_host(client);
    if (!host)
        return false;
    char proxy_text[MAX_PROXY_TEXT] = "";
    if (proxy)
        snprintf(proxy_text, sizeof proxy_text, strchr(proxy, ':') ? "%s%s[%s]:%u" : "%s%s%s:%u",
                 client->proxy_login ? client->proxy_login : "", client->proxy_login ? "@" : "", proxy,
                 client->proxy_port);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .protocols = host->protocols,
        .vhost_name = host->name,
        .http_proxy_address = proxy_text,
        .provided_client_ssl_ctx = host->tls,
        .finalize = free_host,
        .finalize_arg = host,
        .connect_timeout_secs = 5,
    };
    client->vhost = lws_create_vhost(kg_loop_lws(client->loop), &info);
    if (!client->vhost) {
        free_host(NULL, host);
        return false;
    }
    client->idle = client->ping_s > 0 ? &host->idle : NULL;
    return true;
}

static void destroy_vhost(struct kg_ws_client *client)
{
    if (client->vhost)
        lws_vhost_destroy(client->vhost);
    client->vhost = NULL;
}

static bool start_lws(struct kg_ws_client *client, const char *address)
{
    bool bracket = strchr(client->host, ':') != NULL;
    char authority[300];
    snprintf(authority, sizeof authority, bracket ? "[%s]:%u" : "%s:%u", client->host, client->port);
    if (!create_vhost(client, client->proxy_host ? address : NULL))
        return false;
    struct lws_client_connect_info info = {
        .context = kg_loop_lws(client->loop),
        .vhost = client->vhost,
        /* Behind a proxy the name goes to the proxy, for there may be no name service here. */
        .address = client->proxy_host ? client->host : address,
        .port = client->port,
        .ssl_connection = LCCSCF_USE_SSL | LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
                          LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK, /* tls_client checks it */
        .path = client->path,
        .host = authority,
        .protocol = client->subprotocol,
        .local_protocol_name = client->subprotocol ? client->subprotocol : "kg-ws",
        .alpn = client->alpn,
        .ietf_version_or_minus_one = -1,
        .opaque_user_data = client,
        .retry_and_idle_policy = client->idle,
        .pwsi = &client->wsi,
    };
    client->tcp_connected = false;
    client->proxy_status = 0;
    kg_tls_client_reset(client->tls);
    return lws_client_connect_via_info(&info) != NULL || client->stage == STAGE_OVER;
}

/* Tries the next address; none left: unreachable. */
static void connect_next(struct kg_ws_client *client)
{
    while (client->next_address) {
        struct addrinfo *address = client->next_address;
        client->next_address = address->ai_next;
        char text[INET6_ADDRSTRLEN + 16];
        if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) !=
            0)
            continue;
        destroy_vhost(client);
        if (start_lws(client, text))
            return;
        client->wsi = NULL;
    }
    char detail[160];
    snprintf(detail, sizeof detail, "%.100s port %u does not accept a connection",
             client->proxy_host ? client->proxy_host : client->host,
             client->proxy_host ? client->proxy_port : client->port);
    end(client, client->proxy_host ? KG_WS_PROXY_UNREACHABLE : KG_WS_UNREACHABLE, 0, detail);
}

static void on_resolved(void *user, struct addrinfo *addresses, int error)
{
    struct kg_ws_client *client = user;
    kg_resolve_destroy(client->resolve);
    client->resolve = NULL;
    if (!addresses) {
        char detail[160];
        snprintf(detail, sizeof detail, "%.80s: %s", client->proxy_host ? client->proxy_host : client->host,
                 gai_strerror(error));
        end(client, client->proxy_host ? KG_WS_PROXY_UNREACHABLE : KG_WS_NAME, 0, detail);
        return;
    }
    client->addresses = client->next_address = addresses;
    client->stage = STAGE_CONNECTING;
    connect_next(client);
}

/* --- creating ------------------------------------------------------------------------------------------- */

static char *copy(const char *text, bool *ok)
{
    char *result = text ? strdup(text) : NULL;
    *ok = *ok && (!text || result);
    return result;
}

static bool copy_params(struct kg_ws_client *client, const struct kg_ws_client_params *params)
{
    bool ok = true;
    client->host = copy(params->host, &ok);
    client->path = copy(params->path, &ok);
    client->subprotocol = copy(params->subprotocol, &ok);
    client->alpn = copy(params->alpn ? params->alpn : "http/1.1", &ok);
    client->proxy_host = copy(params->proxy_host, &ok);
    if (params->proxy_user) {
        const char *password = params->proxy_password ? params->proxy_password : "";
        ok = asprintf(&client->proxy_login, "%s:%s", params->proxy_user, password) >= 0 && ok;
    }
    client->port = params->port;
    client->proxy_port = params->proxy_port;
    client->max_message_bytes = params->max_message_bytes;
    client->ping_s = params->ping_s;
    return ok;
}

static void begin(struct kg_ws_client *client, const struct kg_ws_client_params *params)
{
    const struct kg_tls_client_params tls = {.ca_file = params->ca_file,
                                             .certificate_file = params->certificate_file,
                                             .key_file = params->key_file,
                                             .peer_name = params->host};
    enum kg_tls_problem problem;
    char detail[160];
    client->tls = kg_tls_client_create(&tls, &problem, detail, sizeof detail);
    if (!client->tls) {
        end(client, kg_ws_failure_of_tls(problem), 0, detail);
        return;
    }
    bool proxy = client->proxy_host != NULL;
    client->resolve = kg_resolve_start(client->loop, proxy ? client->proxy_host : client->host,
                                       proxy ? client->proxy_port : client->port, on_resolved, client);
    if (!client->resolve) {
        end(client, KG_WS_NAME, 0, "the name lookup cannot start");
        return;
    }
    client->deadline.fire = on_deadline;
    kg_loop_timer_set(client->loop, &client->deadline, kg_clock_now_us() + params->connect_timeout_us);
}

struct kg_ws_client *kg_ws_client_create(struct kg_loop *loop, const struct kg_ws_client_params *params,
                                         const struct kg_ws_client_events *events, void *user)
{
    struct kg_ws_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->loop = loop;
    client->events = *events;
    client->user = user;
    client->deadline.user = client;
    kg_ws_queue_init(&client->queue, params->max_queued_bytes);
    if (!copy_params(client, params)) {
        kg_log(KG_LOG_ERROR, "net", NULL, "memory is short");
        kg_ws_client_destroy(client);
        return NULL;
    }
    begin(client, params);
    return client;
}

void kg_ws_client_destroy(struct kg_ws_client *client)
{
    if (!client)
        return;
    abandon(client);
    destroy_vhost(client);
    stop_proxy_watch(client);
    kg_loop_timer_cancel(client->loop, &client->deadline);
    kg_resolve_destroy(client->resolve);
    if (client->addresses)
        freeaddrinfo(client->addresses);
    kg_tls_client_destroy(client->tls);
    kg_ws_queue_clear(&client->queue);
    free(client->incoming);
    free(client->host);
    free(client->path);
    free(client->subprotocol);
    free(client->alpn);
    free(client->proxy_host);
    free(client->proxy_login);
    free(client);
}

void kg_ws_client_close(struct kg_ws_client *client)
{
    if (client->stage == STAGE_OPEN) {
        client->stage = STAGE_CLOSING;
        lws_callback_on_writable(client->wsi);
    } else if (client->stage < STAGE_OPEN) {
        abandon(client);
        end(client, KG_WS_CLOSED, 0, "closed by us");
    }
}

bool kg_ws_client_is_open(const struct kg_ws_client *client)
{
    return client->stage == STAGE_OPEN;
}

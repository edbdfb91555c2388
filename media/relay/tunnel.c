#include "relay/tunnel.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "net/loop.h"
#include "net/ws_queue.h"
#include "relay/acceptor.h"
#include "relay/gate.h"
#include "relay/places.h"
#include "relay/tls_server.h"
#include "relay/worker.h"
#include "rtp/stun.h"

enum {
    NOTSENT_BYTES = 16 * 1024, /* kept in the kernel: more would only grow old there */
    QUEUE_BYTES = 48 * 1024,   /* ours: a quarter of a second of 1.5 Mbit/s */
    BATCH = 64,                /* datagrams taken from the workers before the sockets get their turn */
    NUMBER_BITS = 28,
};

struct thread;

/* One WebSocket; its address is the user value of its libwebsockets connection. */
struct connection {
    struct thread *thread;
    struct lws *wsi;
    struct kg_tunnel_route route;
    struct kg_ws_queue queue;
    struct kg_loop_timer hello; /* set until the first datagram */
    bool expired;
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    size_t incoming;
    uint8_t bytes[KG_WORKER_MAX_DATAGRAM];
    struct connection *next; /* in its bucket */
};

enum { BUCKETS = 256 };

struct thread {
    struct kg_tunnels *tunnels;
    unsigned index;
    struct kg_loop *loop;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct kg_loop_watch *accepted_watch, *out_watch, *reload_watch, *recheck_watch;
    int reload_fd, recheck_fd;
    SSL_CTX *tls; /* the vhost's */
    uint32_t next_number;
    unsigned ended;                      /* libwebsockets connections gone so far */
    struct connection *buckets[BUCKETS]; /* by route.tunnel */
    struct kg_thread thread;
    bool started;
};

struct kg_tunnels {
    struct kg_tunnels_params params;
    lws_retry_bo_t idle;
    _Atomic uint64_t messages_in, messages_out, dropped;
    atomic_uint connections;
    unsigned count;
    struct thread threads[KG_WORKER_MAX_TUNNEL_THREADS];
};

static struct connection **bucket_of(struct thread *t, uint32_t tunnel)
{
    return &t->buckets[tunnel % BUCKETS];
}

static struct connection *find(struct thread *t, uint32_t tunnel)
{
    struct connection *c = *bucket_of(t, tunnel);
    while (c && c->route.tunnel != tunnel)
        c = c->next;
    return c;
}

static void on_hello_late(void *user, int64_t now_us)
{
    struct connection *c = user;
    (void)now_us;
    c->expired = true;
    lws_callback_on_writable(c->wsi);
}

static int open_connection(struct thread *t, struct lws *wsi, struct connection **out)
{
    struct kg_peer_identity peer;
    kg_tls_server_peer(lws_get_ssl(wsi), &peer);
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return -1;
    memcpy(c->fingerprint, peer.fingerprint, sizeof c->fingerprint);
    int notsent = NOTSENT_BYTES;
    setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
    c->thread = t;
    c->wsi = wsi;
    kg_ws_queue_init(&c->queue, QUEUE_BYTES);
    t->next_number = (t->next_number + 1) & ((1u << NUMBER_BITS) - 1);
    c->route.tunnel = kg_tunnel_id(t->index, t->next_number);
    c->hello = (struct kg_loop_timer){.fire = on_hello_late, .user = c};
    kg_loop_timer_set(t->loop, &c->hello, kg_clock_now_us() + t->tunnels->params.hello_us);
    struct connection **bucket = bucket_of(t, c->route.tunnel);
    c->next = *bucket;
    *bucket = c;
    atomic_fetch_add(&t->tunnels->connections, 1);
    *out = c;
    return 0;
}

static void close_connection(struct connection *c)
{
    struct thread *t = c->thread;
    struct connection **at = bucket_of(t, c->route.tunnel);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    kg_loop_timer_cancel(t->loop, &c->hello);
    if (c->route.worker_plus_1)
        kg_worker_post_tunnel_closed(t->tunnels->params.pool, &c->route);
    kg_ws_queue_clear(&c->queue);
    atomic_fetch_sub(&t->tunnels->connections, 1);
    free(c);
}

/* −1 ends the connection: who opens a tunnel must begin with ICE. */
static int receive_datagram(struct connection *c)
{
    struct kg_tunnels *tunnels = c->thread->tunnels;
    bool first = c->hello.set;
    atomic_fetch_add(&tunnels->messages_in, 1);
    if (first && !kg_stun_is(c->bytes, c->incoming))
        return -1;
    if (!kg_worker_post_datagram(tunnels->params.pool, &c->route, c->bytes, c->incoming))
        atomic_fetch_add(&tunnels->dropped, 1);
    else if (first && c->route.worker_plus_1)
        kg_loop_timer_cancel(c->thread->loop, &c->hello);
    return 0;
}

static int receive(struct connection *c, const void *data, size_t size)
{
    /* One message is one datagram: a longer one, or text, is not ours. */
    if (!lws_frame_is_binary(c->wsi) || size > sizeof c->bytes - c->incoming)
        return -1;
    memcpy(c->bytes + c->incoming, data, size);
    c->incoming += size;
    if (!lws_is_final_fragment(c->wsi) || lws_remaining_packet_payload(c->wsi) > 0)
        return 0;
    int result = c->incoming > 0 ? receive_datagram(c) : 0;
    c->incoming = 0;
    return result;
}

static int send_some(struct connection *c)
{
    if (c->expired)
        return -1;
    while (c->queue.first && !lws_send_pipe_choked(c->wsi)) {
        struct kg_ws_message *message = kg_ws_queue_take(&c->queue);
        int sent = lws_write(c->wsi, message->bytes + KG_WS_QUEUE_HEADROOM, message->size, LWS_WRITE_BINARY);
        free(message);
        if (sent < 0)
            return -1;
        atomic_fetch_add(&c->thread->tunnels->messages_out, 1);
    }
    if (c->queue.first)
        lws_callback_on_writable(c->wsi);
    return 0;
}

static void on_out(void *user)
{
    struct thread *t = user;
    struct kg_tunnels *tunnels = t->tunnels;
    struct kg_tunnel_datagram d;
    for (int i = 0; i < BATCH && kg_queue_pop(tunnels->params.out[t->index], &d); i++) {
        struct connection *c = find(t, d.tunnel);
        if (!c)
            continue;
        uint64_t before = c->queue.dropped;
        bool queued = kg_ws_queue_push(&c->queue, d.data, d.size, true, d.video);
        atomic_fetch_add(&tunnels->dropped, c->queue.dropped - before);
        if (queued)
            lws_callback_on_writable(c->wsi);
    }
}

static void on_accepted(void *user)
{
    struct thread *t = user;
    struct kg_accepted accepted;
    while (kg_queue_pop(t->tunnels->params.accepted[t->index], &accepted)) {
        unsigned before = t->ended;
        /* A refused socket has been closed, with or without the notice below. */
        struct lws *wsi = lws_adopt_socket_vhost(t->vhost, accepted.fd);
        if (wsi)
            lws_set_opaque_user_data(wsi, accepted.place);
        else
            kg_places_leave(accepted.place);
        if (!wsi && t->ended == before)
            atomic_fetch_sub(t->tunnels->params.connections, 1);
    }
}

static void on_reload(void *user)
{
    struct thread *t = user;
    uint64_t ignored;
    while (read(t->reload_fd, &ignored, sizeof ignored) > 0) {
    }
    kg_tls_server_reload(t->tls, t->tunnels->params.tls);
}

static void on_recheck(void *user)
{
    struct thread *t = user;
    uint64_t ignored;
    while (read(t->recheck_fd, &ignored, sizeof ignored) > 0) {
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct connection *c = t->buckets[i]; c; c = c->next) {
            if (kg_gate_admits(t->tunnels->params.gate, c->fingerprint))
                continue;
            c->expired = true;
            lws_callback_on_writable(c->wsi);
        }
    }
}

/* An administrator's certificate, or a revoked room's, passes TLS too. */
static bool shows_room(const struct thread *t, struct lws *wsi)
{
    struct kg_peer_identity peer;
    if (!t)
        return false;
    kg_tls_server_peer(lws_get_ssl(wsi), &peer);
    if (peer.kind == KG_PEER_ROOM && kg_gate_admits(t->tunnels->params.gate, peer.fingerprint))
        return true;
    kg_tls_server_tell(t->tunnels->params.tls, lws_get_ssl(wsi),
                       peer.kind == KG_PEER_ROOM ? "it is no room's (any more), so it opens no tunnel"
                                                 : "an administrator's certificate opens no tunnel");
    return false;
}

static bool is_media_request(struct lws *wsi)
{
    char path[16];
    return lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 0 && strcmp(path, "/v1/media") == 0;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct lws_vhost *vhost = wsi ? lws_get_vhost(wsi) : NULL;
    struct thread *t = vhost ? lws_vhost_user(vhost) : NULL;
    struct connection **c = user;
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        t = lws_vhost_user((struct lws_vhost *)in);
        t->tls = user;
        return kg_tls_server_prepare(user, t->tunnels->params.tls, KG_TLS_CLIENTS_REQUIRED) ? 0 : -1;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return is_media_request(wsi) && shows_room(t, wsi) ? 0 : -1;
    case LWS_CALLBACK_HTTP:
        return lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, NULL) < 0 ||
                       lws_http_transaction_completed(wsi)
                   ? -1
                   : 0;
    case LWS_CALLBACK_ESTABLISHED:
        return t ? open_connection(t, wsi, c) : -1;
    case LWS_CALLBACK_RECEIVE:
        return *c ? receive(*c, in, size) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return *c ? send_some(*c) : -1;
    case LWS_CALLBACK_CLOSED:
        if (*c)
            close_connection(*c);
        *c = NULL;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        /* Every socket handed over ends here, WebSocket or not. */
        if (t) {
            t->ended++;
            kg_places_leave(lws_get_opaque_user_data(wsi));
            lws_set_opaque_user_data(wsi, NULL);
            atomic_fetch_sub(t->tunnels->params.connections, 1);
        }
        return 0;
    default:
        return 0;
    }
}

static void run(void *arg)
{
    struct thread *t = arg;
    kg_loop_run(t->loop);
}

static bool start_thread(struct kg_tunnels *tunnels, unsigned index)
{
    struct thread *t = &tunnels->threads[index];
    t->tunnels = tunnels;
    t->index = index;
    t->protocols[0] = (struct lws_protocols){.name = "kaigi-media",
                                             .callback = on_lws,
                                             .per_session_data_size = sizeof(struct connection *),
                                             .rx_buffer_size = 2048};
    t->reload_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    t->loop = kg_loop_create();
    t->recheck_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->reload_fd < 0 || t->recheck_fd < 0 || !t->loop)
        return false;
    t->vhost = kg_tls_server_vhost(kg_loop_lws(t->loop), "kaigi-media", KG_ALPN_MEDIA, t->protocols,
                                   &tunnels->idle, t);
    if (!t->vhost)
        return false;
    t->accepted_watch = kg_loop_watch(t->loop, kg_queue_fd(tunnels->params.accepted[index]), on_accepted, t);
    t->out_watch = kg_loop_watch(t->loop, kg_queue_fd(tunnels->params.out[index]), on_out, t);
    t->reload_watch = kg_loop_watch(t->loop, t->reload_fd, on_reload, t);
    t->recheck_watch = kg_loop_watch(t->loop, t->recheck_fd, on_recheck, t);
    if (!t->accepted_watch || !t->out_watch || !t->reload_watch || !t->recheck_watch)
        return false;
    t->started = kg_thread_start(&t->thread, "tunnel", run, t);
    return t->started;
}

static void stop_thread(struct thread *t)
{
    if (t->started) {
        kg_loop_stop(t->loop);
        kg_thread_join(&t->thread);
    }
    kg_loop_destroy(t->loop);
    if (t->reload_fd > 0)
        close(t->reload_fd);
    if (t->recheck_fd > 0)
        close(t->recheck_fd);
}

struct kg_tunnels *kg_tunnels_create(const struct kg_tunnels_params *params)
{
    struct kg_tunnels *tunnels = calloc(1, sizeof *tunnels);
    if (!tunnels)
        return NULL;
    tunnels->params = *params;
    tunnels->idle = (lws_retry_bo_t){.secs_since_valid_ping = (uint16_t)params->ping_s,
                                     .secs_since_valid_hangup = (uint16_t)params->idle_s};
    while (tunnels->count < params->threads) {
        if (!start_thread(tunnels, tunnels->count++)) {
            kg_log(KG_LOG_ERROR, "relay", "relay.tunnel", "cannot start the tunnel's threads");
            kg_tunnels_destroy(tunnels);
            return NULL;
        }
    }
    return tunnels;
}

void kg_tunnels_destroy(struct kg_tunnels *tunnels)
{
    if (!tunnels)
        return;
    for (unsigned i = 0; i < tunnels->count; i++)
        stop_thread(&tunnels->threads[i]);
    free(tunnels);
}

static void wake(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0 && errno != EAGAIN)
        kg_log(KG_LOG_ERROR, "relay", NULL, "cannot wake a tunnel thread: %m");
}

void kg_tunnels_reload(struct kg_tunnels *tunnels)
{
    for (unsigned i = 0; i < tunnels->count; i++)
        wake(tunnels->threads[i].reload_fd);
}

void kg_tunnels_recheck(struct kg_tunnels *tunnels)
{
    for (unsigned i = 0; i < tunnels->count; i++)
        wake(tunnels->threads[i].recheck_fd);
}

void kg_tunnels_totals(struct kg_tunnels *tunnels, struct kg_tunnel_totals *totals)
{
    *totals = (struct kg_tunnel_totals){
        .messages_in = atomic_load(&tunnels->messages_in),
        .messages_out = atomic_load(&tunnels->messages_out),
        .dropped = atomic_load(&tunnels->dropped),
        .connections = atomic_load(&tunnels->connections),
    };
}

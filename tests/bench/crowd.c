#include "bench/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS_AT_ONCE = 256,
    TURN_MS = 20,
    REDIAL_MS = 200,
    REDIAL_SPREAD_MS = 800,
    READ_BYTES = 16384,
    DIALS_AT_ONCE = 64
};
enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

static const char upgrade[] = "GET /v1/control HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Key: a2FpZ2ktYmVuY2gtcm9vbQ==\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: kaigi.v1\r\n\r\n";
static const char hello[] = "{\"type\":\"hello\",\"protocol\":1,\"software\":\"bench\"}";

bool kg_crowd_init(struct kg_crowd *c, const struct kg_bench_room *rooms, size_t count, uint16_t port,
                   bool bare)
{
    *c = (struct kg_crowd){.count = count, .port = port, .bare = bare, .come_back = true};
    c->members = calloc(count, sizeof *c->members);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->tls = SSL_CTX_new(TLS_client_method());
    if (!c->members || c->epoll_fd < 0 || !c->tls) {
        fprintf(stderr, "bench_control: no memory or descriptors for %zu rooms\n", count);
        return false;
    }
    SSL_CTX_set_mode(c->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_cache_mode(c->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(c->tls, SSL_VERIFY_NONE, NULL);
    for (size_t i = 0; i < count; i++)
        c->members[i] = (struct kg_crowd_member){.room = &rooms[i], .fd = -1};
    return true;
}

static void hang_up(struct kg_crowd *c, struct kg_crowd_member *m)
{
    if (m->state == KG_CROWD_UP)
        c->up--;
    SSL_free(m->tls);
    if (m->fd >= 0)
        close(m->fd);
    m->tls = NULL;
    m->fd = -1;
    m->state = KG_CROWD_AWAY;
}

void kg_crowd_finish(struct kg_crowd *c)
{
    for (size_t i = 0; c->members && i < c->count; i++)
        hang_up(c, &c->members[i]);
    free(c->members);
    SSL_CTX_free(c->tls);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    *c = (struct kg_crowd){.epoll_fd = -1};
}

void kg_crowd_cut(struct kg_crowd *c)
{
    for (size_t i = 0; i < c->count; i++)
        hang_up(c, &c->members[i]);
}

static void fail(struct kg_crowd *c, struct kg_crowd_member *m, const char *why)
{
    int64_t now_us = kg_clock_now_us();
    bool was_up = m->state == KG_CROWD_UP;
    hang_up(c, m);
    snprintf(m->failure, sizeof m->failure, "%s", why);
    atomic_store(&m->ended_us, now_us);
    if (was_up)
        return;
    m->refusals++;
    if (!c->come_back)
        return;
    m->state = KG_CROWD_WAITING;
    m->redial_us = now_us + (REDIAL_MS + rand() % REDIAL_SPREAD_MS) * INT64_C(1000);
}

static bool watch(struct kg_crowd *c, struct kg_crowd_member *m, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = m};
    int what = m->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (m->events == events)
        return true;
    m->events = events;
    return epoll_ctl(c->epoll_fd, what, m->fd, &event) == 0;
}

static void dial(struct kg_crowd *c, struct kg_crowd_member *m, int64_t now_us)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(c->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    m->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    m->tls = SSL_new(c->tls);
    m->events = 0;
    m->dialled_us = now_us;
    m->head_size = m->text_size = 0;
    m->out_size = 0;
    m->left = 0;
    atomic_store(&m->ended_us, 0);
    m->state = KG_CROWD_CONNECTING;
    if (m->fd < 0 || !m->tls || SSL_set_fd(m->tls, m->fd) != 1 ||
        SSL_use_certificate(m->tls, m->room->certificate) != 1 ||
        SSL_use_PrivateKey(m->tls, m->room->key) != 1) {
        fail(c, m, "no descriptor or memory here");
        return;
    }
    setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_connect_state(m->tls);
    if ((connect(m->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) ||
        !watch(c, m, EPOLLOUT))
        fail(c, m, strerror(errno));
}

void kg_crowd_dial(struct kg_crowd *c, size_t first, size_t count)
{
    for (size_t i = first; i < first + count && i < c->count; i++) {
        c->members[i].state = KG_CROWD_WAITING;
        c->members[i].redial_us = 0;
    }
}

/* Sends what is owed. */
static bool flush(struct kg_crowd *c, struct kg_crowd_member *m)
{
    while (m->out_size > 0) {
        int sent = SSL_write(m->tls, m->out, (int)m->out_size);
        if (sent <= 0)
            return SSL_get_error(m->tls, sent) == SSL_ERROR_WANT_WRITE && watch(c, m, EPOLLIN | EPOLLOUT);
        memmove(m->out, m->out + sent, m->out_size - (size_t)sent);
        m->out_size -= (size_t)sent;
    }
    return watch(c, m, EPOLLIN);
}

static bool put(struct kg_crowd_member *m, const void *bytes, size_t size)
{
    if (m->out_size + size > sizeof m->out)
        return false;
    memcpy(m->out + m->out_size, bytes, size);
    m->out_size += size;
    return true;
}

/* A small frame, masked by zeros: it stays readable. RFC 6455 §5.2 */
static bool put_frame(struct kg_crowd_member *m, uint8_t opcode, const void *bytes, size_t size)
{
    uint8_t head[6] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | size)};
    return size < 126 && put(m, head, sizeof head) && put(m, bytes, size);
}

static bool says(const struct kg_crowd_member *m, const char *type)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"type\":\"%s\"", type);
    return memmem(m->text, m->text_size, wanted, strlen(wanted)) != NULL;
}

static bool end_frame(struct kg_crowd *c, struct kg_crowd_member *m)
{
    uint8_t opcode = m->head[0] & 15;
    if (opcode == OPCODE_PING) {
        c->pings++;
        return put_frame(m, OPCODE_PONG, m->text, m->text_size);
    }
    if (opcode == OPCODE_CLOSE) {
        snprintf(m->failure, sizeof m->failure, "the relay closes");
        return false;
    }
    c->messages += opcode == OPCODE_TEXT;
    if (m->state == KG_CROWD_GREETING && opcode == OPCODE_TEXT && says(m, "agenda")) {
        m->state = KG_CROWD_UP;
        m->up_us = kg_clock_now_us();
        c->up++;
    }
    return true;
}

/* How many bytes the frame's head has, by what there is of it. */
static unsigned head_wanted(const struct kg_crowd_member *m)
{
    unsigned length = m->head_size > 1 ? m->head[1] & 127 : 0;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static uint64_t head_length(const struct kg_crowd_member *m)
{
    unsigned wanted = head_wanted(m);
    uint64_t length = 0;
    if (wanted == 2)
        return m->head[1] & 127;
    for (unsigned i = 2; i < wanted; i++)
        length = length << 8 | m->head[i];
    return length;
}

static bool take_frames(struct kg_crowd *c, struct kg_crowd_member *m, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        if (m->head_size < head_wanted(m)) {
            m->head[m->head_size++] = *bytes++;
            size--;
            if (m->head_size < 2 || m->head_size < head_wanted(m))
                continue;
            m->left = head_length(m);
            m->text_size = 0;
        }
        size_t some = size < m->left ? size : (size_t)m->left;
        size_t kept = sizeof m->text - m->text_size;
        kept = some < kept ? some : kept;
        memcpy(m->text + m->text_size, bytes, kept);
        m->text_size += (unsigned)kept;
        bytes += some;
        size -= some;
        m->left -= some;
        if (m->left > 0)
            continue;
        m->head_size = 0;
        if (!end_frame(c, m))
            return false;
    }
    return true;
}

/* The HTTP answer; frames may follow it at once. */
static bool take_upgrade(struct kg_crowd *c, struct kg_crowd_member *m, const uint8_t *bytes, size_t size)
{
    while (size > 0 && m->text_size < sizeof m->text) {
        m->text[m->text_size++] = (char)*bytes++;
        size--;
        if (m->text_size < 4 || memcmp(m->text + m->text_size - 4, "\r\n\r\n", 4) != 0)
            continue;
        if (m->text_size < 12 || memcmp(m->text, "HTTP/1.1 101", 12) != 0)
            break;
        m->state = KG_CROWD_GREETING;
        return put_frame(m, OPCODE_TEXT, hello, sizeof hello - 1) && take_frames(c, m, bytes, size);
    }
    if (m->text_size < sizeof m->text && size == 0)
        return true;
    snprintf(m->failure, sizeof m->failure, "the relay answers %.12s", m->text);
    return false;
}

static bool receive(struct kg_crowd *c, struct kg_crowd_member *m)
{
    static uint8_t bytes[READ_BYTES];
    for (;;) {
        int size = SSL_read(m->tls, bytes, sizeof bytes);
        if (size <= 0) {
            int error = SSL_get_error(m->tls, size);
            if (error == SSL_ERROR_WANT_READ)
                return flush(c, m);
            const char *reason = ERR_reason_error_string(ERR_peek_last_error());
            if (!m->failure[0])
                snprintf(m->failure, sizeof m->failure, "%s",
                         error == SSL_ERROR_ZERO_RETURN ? "closed"
                         : reason                       ? reason
                                                        : "broken off");
            return false;
        }
        bool ok = m->state == KG_CROWD_UPGRADE ? take_upgrade(c, m, bytes, (size_t)size)
                                               : take_frames(c, m, bytes, (size_t)size);
        if (!ok)
            return false;
    }
}

static bool shake_hands(struct kg_crowd *c, struct kg_crowd_member *m)
{
    int done = SSL_do_handshake(m->tls);
    if (done == 1) {
        m->state = c->bare ? KG_CROWD_UP : KG_CROWD_UPGRADE;
        if (c->bare) {
            m->up_us = kg_clock_now_us();
            c->up++;
            return watch(c, m, EPOLLIN);
        }
        return put(m, upgrade, sizeof upgrade - 1) && flush(c, m);
    }
    int error = SSL_get_error(m->tls, done);
    if (error == SSL_ERROR_WANT_READ)
        return watch(c, m, EPOLLIN);
    if (error == SSL_ERROR_WANT_WRITE)
        return watch(c, m, EPOLLOUT);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(m->failure, sizeof m->failure, "handshake: %s", reason ? reason : "broken off");
    return false;
}

static void serve(struct kg_crowd *c, struct kg_crowd_member *m)
{
    int error = 0;
    socklen_t size = sizeof error;
    bool ok;
    ERR_clear_error();
    m->failure[0] = '\0';
    if (m->state == KG_CROWD_CONNECTING) {
        ok = getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
        if (ok)
            m->state = KG_CROWD_TLS;
        else
            snprintf(m->failure, sizeof m->failure, "%s", strerror(error));
        ok = ok && shake_hands(c, m);
    } else {
        ok = m->state == KG_CROWD_TLS ? shake_hands(c, m) : receive(c, m);
    }
    char why[sizeof m->failure];
    memcpy(why, m->failure, sizeof why);
    if (!ok)
        fail(c, m, why);
}

/* Some in a turn: rooms do not wait for each other's connections before they say hello. */
static void redial(struct kg_crowd *c, int64_t now_us)
{
    unsigned dialled = 0;
    for (size_t i = 0; i < c->count && dialled < DIALS_AT_ONCE; i++) {
        struct kg_crowd_member *m = &c->members[i];
        if (m->state == KG_CROWD_WAITING && m->redial_us <= now_us) {
            dial(c, m, now_us);
            dialled++;
        }
    }
}

bool kg_crowd_run(struct kg_crowd *c, bool (*done)(const struct kg_crowd *crowd, void *user), void *user,
                  int64_t until_us)
{
    while (!done(c, user)) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int64_t now_us = kg_clock_now_us();
        if (now_us >= until_us)
            return false;
        redial(c, now_us);
        int count = epoll_wait(c->epoll_fd, events, EVENTS_AT_ONCE, TURN_MS);
        for (int i = 0; i < count; i++) {
            struct kg_crowd_member *m = events[i].data.ptr;
            if (m->fd >= 0)
                serve(c, m);
        }
    }
    return true;
}

unsigned kg_crowd_refusals(const struct kg_crowd *c)
{
    unsigned sum = 0;
    for (size_t i = 0; i < c->count; i++)
        sum += c->members[i].refusals;
    return sum;
}

#include "relay/syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"

enum { SLICE_MS = 100, FRAME_BYTES = 8 };
static const int64_t send_us = 5000000, first_pause_us = 200000, longest_pause_us = 60000000,
                     end_us = 1000000;

struct message {
    size_t size;
    char *bytes; /* as it goes out, the frame's count in front for TCP */
};

struct kg_syslog {
    struct kg_syslog_target target;
    char hostname[256];
    struct kg_queue *queue; /* of struct message */
    struct kg_thread thread;
    _Atomic uint64_t lost;
    _Atomic int64_t give_up_us; /* ending: INT64_MAX until then */
    struct kg_mutex mutex;      /* for `ending` alone */
    struct kg_cond ending;
    /* The thread's own. */
    int fd;
    uint64_t said; /* of lost */
    int64_t pause_us;
    bool down;
};

bool kg_syslog_target_parse(const char *text, struct kg_syslog_target *target)
{
    struct kg_syslog_target t = {.transport = KG_SYSLOG_NONE};
    if (!text || !*text) {
        *target = t;
        return true;
    }
    if (strncmp(text, "unix:/", 6) == 0 && strlen(text + 5) < sizeof t.address) {
        t.transport = KG_SYSLOG_UNIX;
        snprintf(t.address, sizeof t.address, "%s", text + 5);
        *target = t;
        return true;
    }
    t.transport = strncmp(text, "udp:", 4) == 0   ? KG_SYSLOG_UDP
                  : strncmp(text, "tcp:", 4) == 0 ? KG_SYSLOG_TCP
                                                  : KG_SYSLOG_NONE;
    const char *address = text + 4, *colon = t.transport ? strrchr(address, ':') : NULL;
    if (!colon)
        return false;
    bool v6 = *address == '[' && colon > address + 1 && colon[-1] == ']';
    size_t size = (size_t)(colon - address) - (v6 ? 2 : 0);
    struct in6_addr ignored;
    if (size == 0 || size >= sizeof t.address)
        return false;
    memcpy(t.address, address + v6, size);
    t.address[size] = '\0';
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || port < 1 || port > 65535 ||
        inet_pton(v6 ? AF_INET6 : AF_INET, t.address, &ignored) != 1)
        return false;
    t.port = (uint16_t)port;
    *target = t;
    return true;
}

const char *kg_syslog_target_expected(const char *text)
{
    struct kg_syslog_target ignored;
    return kg_syslog_target_parse(text, &ignored)
               ? NULL
               : "udp:ADDRESS:PORT, tcp:ADDRESS:PORT (numeric, IPv6 in brackets) or unix:/dev/log";
}

static bool set_message(struct message *m, enum kg_syslog_transport transport, const char *hostname,
                        const struct kg_audit_row *row)
{
    char text[KG_SYSLOG_MESSAGE_BYTES], frame[FRAME_BYTES + 1] = "";
    size_t room = transport == KG_SYSLOG_UDP ? KG_SYSLOG_UDP_BYTES : sizeof text;
    size_t size = kg_syslog_format(row, hostname, (long)getpid(), text, room);
    if (transport == KG_SYSLOG_TCP)
        snprintf(frame, sizeof frame, "%zu ", size);
    size_t front = strlen(frame);
    m->bytes = malloc(front + size);
    if (!m->bytes)
        return false;
    m->size = front + size;
    memcpy(m->bytes, frame, front);
    memcpy(m->bytes + front, text, size);
    return true;
}

void kg_syslog_post(struct kg_syslog *s, const struct kg_audit_row *row)
{
    struct message m;
    if (!set_message(&m, s->target.transport, s->hostname, row)) {
        atomic_fetch_add(&s->lost, 1);
    } else if (!kg_queue_push(s->queue, &m)) {
        atomic_fetch_add(&s->lost, 1);
        free(m.bytes);
    }
}

static socklen_t address_of(const struct kg_syslog_target *t, struct sockaddr_storage *out)
{
    struct sockaddr_un *local = (struct sockaddr_un *)out;
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (t->transport == KG_SYSLOG_UNIX) {
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, t->address, strlen(t->address) + 1);
        return sizeof *local;
    }
    if (inet_pton(AF_INET, t->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(t->port);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, t->address, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(t->port);
    return sizeof *v6;
}

/* In slices, for the end of the whole may come meanwhile. */
static bool wait_for(const struct kg_syslog *s, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t until_us = kg_clock_now_us() + send_us;
    while (kg_clock_now_us() < KG_MIN(until_us, atomic_load(&s->give_up_us))) {
        int ready = poll(&p, 1, SLICE_MS);
        if (ready != 0)
            return ready == 1;
    }
    errno = ETIMEDOUT;
    return false;
}

static int dial(const struct kg_syslog *s, int type)
{
    const struct kg_syslog_target *t = &s->target;
    struct sockaddr_storage address;
    socklen_t size = address_of(t, &address);
    int fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t error_size = sizeof error;
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, size) == 0)
        return fd;
    error = errno;
    if (error == EINPROGRESS) {
        error = ETIMEDOUT;
        if (wait_for(s, fd, POLLOUT) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static bool open_socket(struct kg_syslog *s)
{
    /* A collector that has closed says so by an end of file; TCP would take one more message for lost. */
    char ignored;
    if (s->fd >= 0 && s->target.transport != KG_SYSLOG_UDP &&
        recv(s->fd, &ignored, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
        close(s->fd);
        s->fd = -1;
    }
    if (s->fd >= 0)
        return true;
    s->fd = dial(s, s->target.transport == KG_SYSLOG_TCP ? SOCK_STREAM : SOCK_DGRAM);
    if (s->fd < 0 && s->target.transport == KG_SYSLOG_UNIX && errno == EPROTOTYPE)
        s->fd = dial(s, SOCK_STREAM);
    return s->fd >= 0;
}

static bool send_all(struct kg_syslog *s, const struct message *m)
{
    size_t done = 0;
    while (done < m->size) {
        ssize_t n = send(s->fd, m->bytes + done, m->size - done, MSG_NOSIGNAL);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN ? !wait_for(s, s->fd, POLLOUT) : errno != EINTR)
            return false;
    }
    return true;
}

static bool deliver(struct kg_syslog *s, const struct message *m)
{
    if (open_socket(s) && send_all(s, m))
        return true;
    if (!s->down)
        kg_log(KG_LOG_WARN, "relay", "syslog.down", "audit rows do not reach the syslog collector at %s: %s",
               s->target.address, strerror(errno));
    s->down = true;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    return false;
}

/* Ends early when the syslog ends. */
static void pause_for(struct kg_syslog *s, int64_t pause_us)
{
    int64_t until_us = kg_clock_now_us() + pause_us;
    kg_mutex_lock(&s->mutex);
    while (kg_clock_now_us() < KG_MIN(until_us, atomic_load(&s->give_up_us)) &&
           kg_cond_wait_until(&s->ending, &s->mutex, KG_MIN(until_us, atomic_load(&s->give_up_us))))
        ;
    kg_mutex_unlock(&s->mutex);
}

static void say_losses(struct kg_syslog *s)
{
    uint64_t lost = atomic_load(&s->lost);
    if (s->down)
        kg_log(KG_LOG_WARN, "relay", "syslog.recovered",
               "audit rows reach the syslog collector again; %llu did not",
               (unsigned long long)(lost - s->said));
    s->down = false;
    s->pause_us = first_pause_us;
    if (lost == s->said)
        return;
    char detail[80];
    snprintf(detail, sizeof detail, "%llu rows were not forwarded; the relay's own trail has them",
             (unsigned long long)(lost - s->said));
    struct kg_audit_row row = {.entry = {.event_id = "syslog.lost",
                                         .actor = "kaigi-relay",
                                         .role = "relay",
                                         .detail = detail,
                                         .result = KG_AUDIT_FAILED,
                                         .wall_us = kg_clock_wall_us()}};
    struct message m;
    if (set_message(&m, s->target.transport, s->hostname, &row)) {
        if (deliver(s, &m))
            s->said = lost;
        free(m.bytes);
    }
}

static void run_syslog(void *arg)
{
    struct kg_syslog *s = arg;
    struct message m;
    while (kg_queue_pop_wait(s->queue, &m, INT64_MAX)) {
        bool sent = kg_clock_now_us() < atomic_load(&s->give_up_us) && deliver(s, &m);
        while (!sent && kg_clock_now_us() < atomic_load(&s->give_up_us)) {
            pause_for(s, s->pause_us);
            s->pause_us = KG_MIN(2 * s->pause_us, longest_pause_us);
            sent = deliver(s, &m);
        }
        free(m.bytes);
        if (sent)
            say_losses(s);
        else
            atomic_fetch_add(&s->lost, 1);
    }
}

struct kg_syslog *kg_syslog_create(const struct kg_syslog_target *target, const char *hostname)
{
    struct kg_syslog *s = calloc(1, sizeof *s);
    if (!s || !(s->queue = kg_queue_create(KG_SYSLOG_QUEUE, sizeof(struct message))))
        goto fail;
    s->target = *target;
    snprintf(s->hostname, sizeof s->hostname, "%s", hostname);
    s->fd = -1;
    s->pause_us = first_pause_us;
    atomic_store(&s->give_up_us, INT64_MAX);
    kg_mutex_init(&s->mutex);
    kg_cond_init(&s->ending);
    if (kg_thread_start(&s->thread, "syslog", run_syslog, s))
        return s;
    kg_cond_finish(&s->ending);
    kg_mutex_finish(&s->mutex);
    kg_queue_destroy(s->queue);
fail:
    kg_log(KG_LOG_ERROR, "relay", "syslog.down", "cannot start forwarding to syslog: no memory or thread");
    free(s);
    return NULL;
}

void kg_syslog_destroy(struct kg_syslog *s)
{
    if (!s)
        return;
    kg_mutex_lock(&s->mutex);
    atomic_store(&s->give_up_us, kg_clock_now_us() + end_us);
    kg_cond_broadcast(&s->ending);
    kg_mutex_unlock(&s->mutex);
    kg_queue_close(s->queue);
    kg_thread_join(&s->thread);
    if (s->fd >= 0)
        close(s->fd);
    if (atomic_load(&s->lost) > s->said)
        kg_log(KG_LOG_WARN, "relay", "syslog.lost", "%llu audit rows were not forwarded",
               (unsigned long long)(atomic_load(&s->lost) - s->said));
    kg_cond_finish(&s->ending);
    kg_mutex_finish(&s->mutex);
    kg_queue_destroy(s->queue);
    free(s);
}

uint64_t kg_syslog_lost(const struct kg_syslog *s)
{
    return atomic_load(&((struct kg_syslog *)s)->lost);
}

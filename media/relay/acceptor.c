#include "relay/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "net/client_hello.h"
#include "relay/places.h"

enum { MAX_LISTEN = 4, BACKLOG = 1024, EVENTS_AT_ONCE = 64, ACCEPTS_AT_ONCE = 64, RETRY_US = 100000 };

/* What epoll gives back: the stop descriptor, a listener, or a place among the pending with its generation
 * (so that an event of a connection just ended does not meet its successor). */
#define STOP_TAG     UINT64_MAX
#define LISTENER_TAG (UINT64_MAX - 1 - MAX_LISTEN)

/* One connection whose ClientHello has not ended yet. */
struct pending {
    int fd; /* -1: a free place */
    struct kg_place *place;
    uint32_t generation;
    int64_t until_us;
};

struct kg_acceptor {
    struct kg_acceptor_params params;
    int listeners[MAX_LISTEN];
    unsigned listener_count;
    uint16_t port;
    int epoll_fd, stop_fd;
    bool started;
    struct kg_thread thread;
    struct pending *pending; /* params.max_pending places */
    unsigned pending_count;
    unsigned next_tunnel;
    struct kg_log_limit limit, address_limit;
};

static uint16_t *port_of(struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port
                                          : &((struct sockaddr_in *)address)->sin_port;
}

static void text_of(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (!inet_ntop(address->ss_family, bytes, text, INET6_ADDRSTRLEN))
        text[0] = '\0';
}

static bool bind_problem(const struct sockaddr_storage *address, uint16_t port, struct kg_problem *problem)
{
    char text[INET6_ADDRSTRLEN];
    int error = errno;
    const char *remedy = "";
    text_of(address, text);
    if (error == EADDRINUSE)
        remedy = "; another program (or another kaigi-relay) has this port: stop it, or set [listen] port";
    else if (error == EACCES)
        remedy = "; ports below 1024 need CAP_NET_BIND_SERVICE: start through systemd, or set [listen] port";
    else if (error == EADDRNOTAVAIL)
        remedy = "; this machine has no such address: set [listen] addresses";
    return kg_problem_set(problem, "cannot listen on %s port %u: %s%s", text, port, strerror(error), remedy);
}

static bool open_listener(struct kg_acceptor *a, const struct sockaddr_storage *wanted,
                          struct kg_problem *problem)
{
    struct sockaddr_storage address = *wanted;
    if (*port_of(&address) == 0)
        *port_of(&address) = htons(a->port);
    socklen_t size = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_problem(wanted, ntohs(*port_of(&address)), problem);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0) {
        bind_problem(wanted, ntohs(*port_of(&address)), problem);
        close(fd);
        return false;
    }
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        a->port = ntohs(*port_of(&address));
    a->listeners[a->listener_count++] = fd;
    return true;
}

static bool watch(struct kg_acceptor *a, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct kg_acceptor *kg_acceptor_create(const struct kg_acceptor_params *params, struct kg_problem *problem)
{
    struct kg_acceptor *a = calloc(1, sizeof *a);
    struct pending *pending = calloc(params->max_pending, sizeof *pending);
    if (!a || !pending || params->listen_count > MAX_LISTEN) {
        kg_problem_set(problem, a && pending ? "too many addresses to listen on" : "no memory");
        free(pending);
        free(a);
        return NULL;
    }
    a->params = *params;
    a->pending = pending;
    for (unsigned i = 0; i < params->max_pending; i++)
        pending[i].fd = -1;
    a->limit = a->address_limit = (struct kg_log_limit){.burst = 5, .interval_us = 10000000};
    a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    a->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (a->epoll_fd < 0 || a->stop_fd < 0 || !watch(a, a->stop_fd, EPOLLIN, STOP_TAG)) {
        kg_problem_set(problem, "cannot watch sockets: %s", strerror(errno));
        goto destroy;
    }
    for (unsigned i = 0; i < params->listen_count; i++) {
        if (!open_listener(a, &params->listen[i], problem))
            goto destroy;
        if (!watch(a, a->listeners[i], EPOLLIN, LISTENER_TAG + i)) {
            kg_problem_set(problem, "cannot watch sockets: %s", strerror(errno));
            goto destroy;
        }
    }
    return a;

destroy:
    kg_acceptor_destroy(a);
    return NULL;
}

uint16_t kg_acceptor_port(const struct kg_acceptor *acceptor)
{
    return acceptor->port;
}

static void forget(struct kg_acceptor *a, struct pending *p)
{
    p->fd = -1;
    p->generation++;
    a->pending_count--;
}

static void drop(struct kg_acceptor *a, struct pending *p)
{
    close(p->fd);
    kg_places_leave(p->place);
    forget(a, p);
}

/* NULL: there is none. */
static struct pending *oldest(const struct kg_acceptor *a)
{
    struct pending *found = NULL;
    for (unsigned i = 0; i < a->params.max_pending && a->pending_count > 0; i++) {
        struct pending *p = &a->pending[i];
        if (p->fd >= 0 && (!found || p->until_us < found->until_us))
            found = p;
    }
    return found;
}

/* A free place; when all are taken, the oldest connection gives way. */
static struct pending *make_place(struct kg_acceptor *a)
{
    struct pending *p = a->pending;
    if (a->pending_count < a->params.max_pending) {
        while (p->fd >= 0)
            p++;
        return p;
    }
    p = oldest(a);
    if (p)
        drop(a, p);
    return p;
}

static void hand_over(struct kg_acceptor *a, struct pending *p, bool media)
{
    struct kg_accepted accepted = {.fd = p->fd, .place = p->place};
    struct kg_queue *queue = a->params.control;
    if (media)
        queue = a->params.tunnels[a->next_tunnel++ % a->params.tunnel_count];
    epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    atomic_fetch_add(a->params.connections, 1);
    if (!kg_queue_push(queue, &accepted)) {
        atomic_fetch_sub(a->params.connections, 1);
        close(p->fd);
        kg_places_leave(p->place);
    }
    forget(a, p);
}

static void look(struct kg_acceptor *a, struct pending *p)
{
    uint8_t bytes[KG_CLIENT_HELLO_MAX_BYTES];
    ssize_t size = recv(p->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        drop(a, p);
        return;
    }
    /* What is not TLS goes to control too: there OpenSSL answers it with an alert. */
    enum kg_client_hello verdict = kg_client_hello_offers(bytes, (size_t)size, KG_ALPN_MEDIA);
    if (verdict != KG_CLIENT_HELLO_MORE)
        hand_over(a, p, verdict == KG_CLIENT_HELLO_YES && a->params.tunnel_count > 0);
}

static void refuse(struct kg_acceptor *a, int fd, int64_t now_us)
{
    uint32_t suppressed;
    close(fd);
    if (kg_log_allow(&a->limit, now_us, &suppressed))
        kg_log(KG_LOG_WARN, "relay", "relay.full",
               "refused a connection: %u are open; raise [limits] connections if they are wanted (%u more "
               "not logged)",
               a->params.max_connections, suppressed);
}

static void refuse_address(struct kg_acceptor *a, int fd, const struct sockaddr_storage *address,
                           int64_t now_us)
{
    uint32_t suppressed;
    char text[INET6_ADDRSTRLEN];
    close(fd);
    if (!kg_log_allow(&a->address_limit, now_us, &suppressed))
        return;
    text_of(address, text);
    kg_log(KG_LOG_WARN, "relay", "relay.address-full",
           "refused a connection of %s, which has as many open as one address may; raise [limits] "
           "connections-per-address if many rooms come from there (%u more not logged)",
           text, suppressed);
}

static void add(struct kg_acceptor *a, int fd, const struct sockaddr_storage *address, int64_t now_us)
{
    int on = 1;
    if (atomic_load(a->params.connections) + a->pending_count >= a->params.max_connections) {
        refuse(a, fd, now_us);
        return;
    }
    struct kg_place *place = kg_places_take(a->params.places, (const struct sockaddr *)address);
    if (!place) {
        refuse_address(a, fd, address, now_us);
        return;
    }
    struct pending *p = make_place(a);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    uint64_t tag = p ? (uint64_t)p->generation << 32 | (uint32_t)(p - a->pending) : 0;
    /* Edge-triggered: half a ClientHello must not keep the loop spinning. */
    if (!p || !watch(a, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, tag)) {
        close(fd);
        kg_places_leave(place);
        return;
    }
    p->fd = fd;
    p->place = place;
    p->until_us = now_us + a->params.hello_us;
    a->pending_count++;
}

static void accept_some(struct kg_acceptor *a, int listener, int64_t now_us)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add(a, fd, &address, now_us);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            kg_log(KG_LOG_ERROR, "relay", "relay.full", "cannot accept connections: %s", strerror(errno));
            usleep(RETRY_US); /* the listener stays readable: without a pause this would spin */
        }
        return;
    }
}

/* Drops what has waited too long; the time until the next is due, −1: nothing waits. */
static int expire(struct kg_acceptor *a)
{
    int64_t now_us = kg_clock_now_us();
    struct pending *p = oldest(a);
    while (p && p->until_us <= now_us) {
        drop(a, p);
        p = oldest(a);
    }
    return p ? (int)((p->until_us - now_us) / 1000 + 1) : -1;
}

static void handle(struct kg_acceptor *a, uint64_t tag)
{
    uint32_t place = (uint32_t)tag;
    if (tag >= LISTENER_TAG)
        accept_some(a, a->listeners[tag - LISTENER_TAG], kg_clock_now_us());
    else if (place < a->params.max_pending && a->pending[place].fd >= 0 &&
             a->pending[place].generation == (uint32_t)(tag >> 32))
        look(a, &a->pending[place]);
}

static void run(void *arg)
{
    struct kg_acceptor *a = arg;
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(a->epoll_fd, events, EVENTS_AT_ONCE, expire(a));
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == STOP_TAG)
                return;
            handle(a, events[i].data.u64);
        }
    }
}

bool kg_acceptor_start(struct kg_acceptor *acceptor)
{
    acceptor->started = kg_thread_start(&acceptor->thread, "acceptor", run, acceptor);
    return acceptor->started;
}

void kg_acceptor_destroy(struct kg_acceptor *a)
{
    if (!a)
        return;
    uint64_t one = 1;
    if (a->started) {
        while (write(a->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
        kg_thread_join(&a->thread);
    }
    for (unsigned i = 0; i < a->params.max_pending && a->pending; i++) {
        if (a->pending[i].fd >= 0)
            drop(a, &a->pending[i]);
    }
    free(a->pending);
    for (unsigned i = 0; i < a->listener_count; i++)
        close(a->listeners[i]);
    if (a->epoll_fd >= 0)
        close(a->epoll_fd);
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    free(a);
}

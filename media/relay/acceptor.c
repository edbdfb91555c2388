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

enum { MAX_LISTEN = 4, BACKLOG = 256, EVENTS_AT_ONCE = 64, ACCEPTS_AT_ONCE = 64, RETRY_US = 100000 };

/* One connection whose ClientHello has not ended yet; the list is in order of arrival. */
struct pending {
    int fd;
    int64_t until_us;
    struct pending *previous, *next;
};

struct kg_acceptor {
    struct kg_acceptor_params params;
    int listeners[MAX_LISTEN];
    unsigned listener_count;
    uint16_t port;
    int epoll_fd, stop_fd;
    bool started;
    struct kg_thread thread;
    struct pending *first, *last;
    unsigned pending_count;
    unsigned next_tunnel;
    struct kg_log_limit limit;
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

static bool watch(struct kg_acceptor *a, int fd, uint32_t events, void *ptr)
{
    struct epoll_event event = {.events = events, .data.ptr = ptr};
    return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct kg_acceptor *kg_acceptor_create(const struct kg_acceptor_params *params, struct kg_problem *problem)
{
    struct kg_acceptor *a = calloc(1, sizeof *a);
    if (!a || params->listen_count > MAX_LISTEN) {
        kg_problem_set(problem, a ? "too many addresses to listen on" : "no memory");
        free(a);
        return NULL;
    }
    a->params = *params;
    a->limit = (struct kg_log_limit){.burst = 5, .interval_us = 10000000};
    a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    a->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (a->epoll_fd < 0 || a->stop_fd < 0 || !watch(a, a->stop_fd, EPOLLIN, &a->stop_fd)) {
        kg_problem_set(problem, "cannot watch sockets: %s", strerror(errno));
        goto destroy;
    }
    for (unsigned i = 0; i < params->listen_count; i++) {
        if (!open_listener(a, &params->listen[i], problem))
            goto destroy;
        if (!watch(a, a->listeners[i], EPOLLIN, &a->listeners[i])) {
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
    *(p->previous ? &p->previous->next : &a->first) = p->next;
    *(p->next ? &p->next->previous : &a->last) = p->previous;
    a->pending_count--;
    free(p);
}

static void drop(struct kg_acceptor *a, struct pending *p)
{
    close(p->fd);
    forget(a, p);
}

static void hand_over(struct kg_acceptor *a, struct pending *p, bool media)
{
    struct kg_accepted accepted = {.fd = p->fd};
    struct kg_queue *queue = a->params.control;
    if (media)
        queue = a->params.tunnels[a->next_tunnel++ % a->params.tunnel_count];
    epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    atomic_fetch_add(a->params.connections, 1);
    if (!kg_queue_push(queue, &accepted)) {
        atomic_fetch_sub(a->params.connections, 1);
        close(p->fd);
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

static void add(struct kg_acceptor *a, int fd, int64_t now_us)
{
    int on = 1;
    if (atomic_load(a->params.connections) + a->pending_count >= a->params.max_connections) {
        refuse(a, fd, now_us);
        return;
    }
    if (a->pending_count >= a->params.max_pending)
        drop(a, a->first);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pending *p = calloc(1, sizeof *p);
    /* Edge-triggered: half a ClientHello must not keep the loop spinning. */
    if (!p || !watch(a, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, p)) {
        free(p);
        close(fd);
        return;
    }
    *p = (struct pending){.fd = fd, .until_us = now_us + a->params.hello_us, .previous = a->last};
    *(a->last ? &a->last->next : &a->first) = p;
    a->last = p;
    a->pending_count++;
}

static void accept_some(struct kg_acceptor *a, int listener, int64_t now_us)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add(a, fd, now_us);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            kg_log(KG_LOG_ERROR, "relay", "relay.full", "cannot accept connections: %s", strerror(errno));
            usleep(RETRY_US); /* the listener stays readable: without a pause this would spin */
        }
        return;
    }
}

static struct pending *as_pending(struct kg_acceptor *a, void *ptr)
{
    for (struct pending *p = a->first; p; p = p->next) {
        if (p == ptr)
            return p;
    }
    return NULL;
}

static bool is_listener(const struct kg_acceptor *a, const void *ptr)
{
    return (const int *)ptr >= a->listeners && (const int *)ptr < a->listeners + a->listener_count;
}

static int wait_ms(const struct kg_acceptor *a, int64_t now_us)
{
    if (!a->first)
        return -1;
    int64_t left_us = a->first->until_us - now_us;
    return left_us > 0 ? (int)(left_us / 1000 + 1) : 0;
}

static void run(void *arg)
{
    struct kg_acceptor *a = arg;
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(a->epoll_fd, events, EVENTS_AT_ONCE, wait_ms(a, kg_clock_now_us()));
        int64_t now_us = kg_clock_now_us();
        for (int i = 0; i < count; i++) {
            void *ptr = events[i].data.ptr;
            if (ptr == &a->stop_fd)
                return;
            if (is_listener(a, ptr)) {
                accept_some(a, *(int *)ptr, now_us);
                continue;
            }
            /* An earlier event of this round may have ended it. */
            struct pending *p = as_pending(a, ptr);
            if (p)
                look(a, p);
        }
        while (a->first && a->first->until_us <= now_us)
            drop(a, a->first);
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
    while (a->first)
        drop(a, a->first);
    for (unsigned i = 0; i < a->listener_count; i++)
        close(a->listeners[i]);
    if (a->epoll_fd >= 0)
        close(a->epoll_fd);
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    free(a);
}

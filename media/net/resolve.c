#include "net/resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

/* What the lookup's thread shares with us; getaddrinfo cannot be interrupted, so the last of the two frees
 * it. */
struct lookup {
    atomic_uint refs;
    int done_fd;
    atomic_bool done; /* addresses and error are ours from then on: a descriptor orders no memory */
    struct addrinfo *addresses;
    int error;
    char port[6];
    char host[];
};

struct kg_resolve {
    struct lookup *lookup;
    struct kg_loop_watch *watch;
    void (*done)(void *user, struct addrinfo *addresses, int error);
    void *user;
};

static void unref(struct lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->refs, 1) > 1)
        return;
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    if (lookup->done_fd >= 0)
        close(lookup->done_fd);
    free(lookup);
}

static void look_up(struct lookup *lookup, int flags)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    if (lookup->error != 0)
        lookup->addresses = NULL;
}

static void tell(struct lookup *lookup)
{
    uint64_t one = 1;
    atomic_store(&lookup->done, true);
    if (write(lookup->done_fd, &one, sizeof one) < 0)
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot end a name lookup: %m");
}

static void *run(void *arg)
{
    struct lookup *lookup = arg;
    look_up(lookup, 0);
    tell(lookup);
    unref(lookup);
    return NULL;
}

static bool start_thread(struct lookup *lookup)
{
    pthread_t thread;
    atomic_fetch_add(&lookup->refs, 1);
    int error = pthread_create(&thread, NULL, run, lookup);
    if (error != 0) {
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot start a name lookup: %s", strerror(error));
        unref(lookup);
        return false;
    }
    pthread_detach(thread);
    return true;
}

static void on_done(void *user)
{
    struct kg_resolve *resolve = user;
    if (!atomic_load(&resolve->lookup->done))
        return;
    struct addrinfo *addresses = resolve->lookup->addresses;
    resolve->lookup->addresses = NULL;
    kg_loop_unwatch(resolve->watch);
    resolve->watch = NULL;
    resolve->done(resolve->user, addresses, resolve->lookup->error);
}

static struct lookup *create_lookup(const char *host, uint16_t port)
{
    struct lookup *lookup = calloc(1, sizeof *lookup + strlen(host) + 1);
    if (!lookup)
        return NULL;
    memcpy(lookup->host, host, strlen(host) + 1);
    snprintf(lookup->port, sizeof lookup->port, "%u", port);
    atomic_init(&lookup->refs, 1);
    lookup->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (lookup->done_fd < 0) {
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot make an eventfd: %m");
        unref(lookup);
        return NULL;
    }
    return lookup;
}

struct kg_resolve *kg_resolve_start(struct kg_loop *loop, const char *host, uint16_t port,
                                    void (*done)(void *user, struct addrinfo *addresses, int error),
                                    void *user)
{
    struct kg_resolve *resolve = calloc(1, sizeof *resolve);
    if (!resolve)
        return NULL;
    resolve->done = done;
    resolve->user = user;
    resolve->lookup = create_lookup(host, port);
    if (!resolve->lookup)
        goto fail;
    resolve->watch = kg_loop_watch(loop, resolve->lookup->done_fd, on_done, resolve);
    if (!resolve->watch)
        goto fail;
    look_up(resolve->lookup, AI_NUMERICHOST);
    if (resolve->lookup->error == 0)
        tell(resolve->lookup);
    else if (!start_thread(resolve->lookup))
        goto fail;
    return resolve;
fail:
    kg_resolve_destroy(resolve);
    return NULL;
}

/* Until the lookup is done, or nobody waits any longer. */
static bool wait_done(struct lookup *lookup, int cancel_fd, int64_t deadline_us)
{
    struct pollfd fds[] = {{.fd = lookup->done_fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    int ready;
    do {
        int64_t left_us = KG_MAX(deadline_us - kg_clock_now_us(), INT64_C(0));
        ready = poll(fds, KG_ARRAY_LEN(fds), (int)KG_MIN(left_us / 1000, INT64_C(60000)));
    } while (ready < 0 && errno == EINTR);
    return atomic_load(&lookup->done);
}

struct addrinfo *kg_resolve_wait(const char *host, uint16_t port, int cancel_fd, int64_t deadline_us,
                                 int *error)
{
    struct lookup *lookup = create_lookup(host, port);
    struct addrinfo *addresses = NULL;
    *error = EAI_MEMORY;
    if (!lookup)
        return NULL;
    look_up(lookup, AI_NUMERICHOST);
    bool done = lookup->error == 0;
    if (!done) {
        *error = EAI_AGAIN;
        done = start_thread(lookup) && wait_done(lookup, cancel_fd, deadline_us);
    }
    if (done) {
        addresses = lookup->addresses;
        lookup->addresses = NULL;
        *error = lookup->error;
    }
    unref(lookup);
    return addresses;
}

void kg_resolve_destroy(struct kg_resolve *resolve)
{
    if (!resolve)
        return;
    kg_loop_unwatch(resolve->watch);
    if (resolve->lookup)
        unref(resolve->lookup);
    free(resolve);
}

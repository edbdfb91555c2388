#include "net/loop.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

/* Our descriptors live in an epoll set, of which libwebsockets sees only the set's own descriptor: it polls
 * in whole milliseconds, which is too coarse for pacing, and spins on a UDP socket that has an error to
 * report. */
enum { EVENTS_AT_ONCE = 16, TIMERS_AT_ONCE = 64, ROUNDS_AT_ONCE = 4 };

struct kg_loop_watch {
    struct kg_loop *loop;
    int fd;
    void (*readable)(void *user);
    void *user;
    bool dead;
    uint64_t turn; /* in which it was called last */
    struct kg_loop_watch *next;
};

struct kg_loop {
    struct lws_context *lws;
    int epoll_fd, timer_fd, stop_fd;
    atomic_bool stopping;
    struct kg_loop_timer *timers; /* by due_us */
    int64_t armed_us;             /* what timer_fd is set to; 0: nothing */
    struct kg_loop_watch *watches;
    unsigned dead_watches;
    uint64_t turn;
    struct kg_owner owner;
};

static void free_dead_watches(struct kg_loop *loop)
{
    struct kg_loop_watch **at = &loop->watches;
    while (loop->dead_watches > 0 && *at) {
        struct kg_loop_watch *watch = *at;
        if (!watch->dead) {
            at = &watch->next;
            continue;
        }
        *at = watch->next;
        free(watch);
        loop->dead_watches--;
    }
}

static void arm(struct kg_loop *loop)
{
    int64_t due_us = loop->timers ? KG_MAX(loop->timers->due_us, 1) : 0;
    if (due_us == loop->armed_us)
        return;
    struct itimerspec when = {0};
    when.it_value.tv_sec = due_us / 1000000;
    when.it_value.tv_nsec = due_us % 1000000 * 1000;
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot set the loop's timer: %m");
    loop->armed_us = due_us;
}

static void fire_timers(struct kg_loop *loop)
{
    /* Bounded, so that a timer which sets itself to now does not starve the descriptors. */
    int64_t now_us = kg_clock_now_us();
    for (int i = 0; i < TIMERS_AT_ONCE && loop->timers && loop->timers->due_us <= now_us; i++) {
        struct kg_loop_timer *timer = loop->timers;
        loop->timers = timer->next;
        timer->next = NULL;
        timer->set = false;
        timer->fire(timer->user, now_us);
    }
}

static void drain(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) > 0) {
    }
}

/* false: nothing new was ready. */
static bool run_events(struct kg_loop *loop)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, 0);
    bool ran = false;
    for (int i = 0; i < count; i++) {
        struct kg_loop_watch *watch = events[i].data.ptr;
        if (!watch) {
            drain(loop->timer_fd);
            loop->armed_us = 0;
        } else if (!watch->dead && watch->turn != loop->turn) {
            watch->turn = loop->turn;
            watch->readable(watch->user);
            ran = true;
        }
    }
    fire_timers(loop);
    arm(loop);
    free_dead_watches(loop);
    return ran;
}

/* What becomes readable meanwhile is read in the same turn, each descriptor once: libwebsockets' next turn
 * asks all its connections, and of thousands that takes milliseconds. */
static void run_ready(struct kg_loop *loop)
{
    loop->turn++;
    for (int i = 0; i < ROUNDS_AT_ONCE && run_events(loop); i++) {
    }
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    (void)user;
    (void)in;
    (void)size;
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        struct kg_loop *loop = lws_context_user(lws_get_context(wsi));
        run_ready(loop);
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "kg-loop", .callback = on_lws},
    {0},
};

static void log_lws(int level, const char *line)
{
    (void)level;
    size_t size = strcspn(line, "\n");
    kg_log(KG_LOG_DEBUG, "net", NULL, "libwebsockets: %.*s", (int)size, line);
}

static bool watch_own(struct kg_loop *loop, int fd, void *ptr)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ptr};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void on_stop(void *user)
{
    struct kg_loop *loop = user;
    drain(loop->stop_fd);
}

static bool open_descriptors(struct kg_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    loop->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return loop->epoll_fd >= 0 && loop->timer_fd >= 0 && loop->stop_fd >= 0 &&
           watch_own(loop, loop->timer_fd, NULL) && kg_loop_watch(loop, loop->stop_fd, on_stop, loop);
}

static bool open_lws(struct kg_loop *loop)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
    /* An empty proxy address keeps libwebsockets from asking the environment for one. */
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .port = CONTEXT_PORT_NO_LISTEN,
        .user = loop,
        .protocols = protocols,
        .vhost_name = "kg-loop",
        .http_proxy_address = "",
        .pt_serv_buf_size = 16 * 1024,
        .timeout_secs = 10,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    loop->lws = lws_create_context(&info);
    if (!loop->lws)
        return false;
    /* The loop's own virtual host speaks no TLS: asked to, libwebsockets would load every authority of the
     * system, and leak them when a process has two contexts. */
    info.options = 0;
    struct lws_vhost *vhost = lws_create_vhost(loop->lws, &info);
    lws_sock_file_fd_type fd = {.filefd = dup(loop->epoll_fd)};
    return vhost && fd.filefd >= 0 &&
           lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, fd, protocols[0].name, NULL);
}

struct kg_loop *kg_loop_create(void)
{
    struct kg_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->epoll_fd = loop->timer_fd = loop->stop_fd = -1;
    if (!open_descriptors(loop) || !open_lws(loop)) {
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot make an event loop: %m");
        kg_loop_destroy(loop);
        return NULL;
    }
    return loop;
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

void kg_loop_destroy(struct kg_loop *loop)
{
    if (!loop)
        return;
    if (loop->lws)
        lws_context_destroy(loop->lws);
    close_descriptor(loop->epoll_fd);
    close_descriptor(loop->timer_fd);
    close_descriptor(loop->stop_fd);
    while (loop->watches) {
        struct kg_loop_watch *watch = loop->watches;
        loop->watches = watch->next;
        free(watch);
    }
    free(loop);
}

void kg_loop_run(struct kg_loop *loop)
{
    kg_owner_check(&loop->owner);
    while (!atomic_load(&loop->stopping)) {
        arm(loop);
        if (lws_service(loop->lws, 0) < 0) {
            kg_log(KG_LOG_ERROR, "net", NULL, "the event loop cannot go on: %m");
            break;
        }
    }
}

void kg_loop_stop(struct kg_loop *loop)
{
    atomic_store(&loop->stopping, true);
    uint64_t one = 1;
    if (write(loop->stop_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot wake the event loop: %m");
}

struct kg_loop_watch *kg_loop_watch(struct kg_loop *loop, int fd, void (*readable)(void *user), void *user)
{
    struct kg_loop_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    *watch = (struct kg_loop_watch){.loop = loop, .fd = fd, .readable = readable, .user = user};
    if (!watch_own(loop, fd, watch)) {
        kg_log(KG_LOG_ERROR, "net", NULL, "cannot watch descriptor %d: %m", fd);
        free(watch);
        return NULL;
    }
    watch->next = loop->watches;
    loop->watches = watch;
    return watch;
}

void kg_loop_unwatch(struct kg_loop_watch *watch)
{
    if (!watch || watch->dead)
        return;
    /* Events already fetched may still point here: it is freed after this round. */
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->dead = true;
    watch->loop->dead_watches++;
}

void kg_loop_timer_set(struct kg_loop *loop, struct kg_loop_timer *timer, int64_t due_us)
{
    kg_loop_timer_cancel(loop, timer);
    timer->due_us = due_us;
    struct kg_loop_timer **at = &loop->timers;
    while (*at && (*at)->due_us <= due_us)
        at = &(*at)->next;
    timer->next = *at;
    timer->set = true;
    *at = timer;
    arm(loop);
}

void kg_loop_timer_cancel(struct kg_loop *loop, struct kg_loop_timer *timer)
{
    if (!timer->set)
        return;
    struct kg_loop_timer **at = &loop->timers;
    while (*at && *at != timer)
        at = &(*at)->next;
    if (*at)
        *at = timer->next;
    timer->next = NULL;
    timer->set = false;
}

struct lws_context *kg_loop_lws(struct kg_loop *loop)
{
    return loop->lws;
}

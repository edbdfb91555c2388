#include "relay/admin.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/admin_remote.h"
#include "relay/admin_socket.h"
#include "relay/control.h"

enum {
    VISITS = KG_ADMIN_MAX_LOCAL + KG_ADMIN_REMOTE_MAX,
    LINE_WAIT_US = 10000000,
    REPLY_WAIT_US = 40000000, /* a request may wait for others' calendars, and kaigi-ctl is more patient */
    FIRST_BYTES = 4096,
    ACCEPT_PAUSE_US = 100000, /* when no connection can be had: the socket stays readable */
};

enum visit_state {
    VISIT_FREE,
    VISIT_READING, /* its line from the socket */
    VISIT_ASKED,   /* control has its request */
    VISIT_OWED,    /* the visitor was told that it takes too long; control's reply is still to come */
    VISIT_WRITING, /* the reply to the socket */
};

/* One request, from its first byte to the last of its reply. */
struct visit {
    enum visit_state state;
    int fd;           /* -1: a remote one */
    uint64_t session; /* of a remote one */
    size_t charge;    /* likewise: goes back with the reply */
    struct kg_principal by;
    char *bytes; /* the line, then the reply */
    size_t size, capacity, done;
    struct kg_queue *replies; /* of json_t *: exactly one for each request; kept for the place's next visit */
    int64_t deadline_us;
};

struct kg_admin {
    struct kg_control *control;
    struct kg_queue *jobs, *remote_replies; /* admin_remote's */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd, stop_fd;
    int64_t accept_at_us; /* not before */
    bool started;
    struct kg_thread thread;
    struct visit visits[VISITS]; /* the first KG_ADMIN_MAX_LOCAL are the socket's */
};

/* --- a visit's end
 * -------------------------------------------------------------------------------------------- */

static void leave(struct visit *v)
{
    if (v->fd >= 0)
        close(v->fd);
    free(v->bytes);
    *v = (struct visit){.fd = -1, .replies = v->replies};
}

/* The visitor is gone or has its answer; control may still owe one. */
static void finish(struct visit *v, bool owed)
{
    leave(v);
    v->state = owed ? VISIT_OWED : VISIT_FREE;
    v->deadline_us = INT64_MAX;
}

static void write_more(struct visit *v)
{
    while (v->done < v->size) {
        ssize_t sent = send(v->fd, v->bytes + v->done, v->size - v->done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            break;
        v->done += (size_t)sent;
    }
    finish(v, false);
}

/* Takes text (NULL: memory). Sends it and, unless control owes another, ends the visit. */
static void send_answer(struct kg_admin *a, struct visit *v, char *text, bool owed)
{
    free(v->bytes);
    v->bytes = text;
    v->size = text ? strlen(text) : 0;
    v->done = 0;
    if (v->fd < 0) {
        struct kg_admin_job job = {.session = v->session, .text = text, .size = v->size, .charge = v->charge};
        /* Without memory for it the session would wait for ever: an empty text ends its wait. */
        if (kg_queue_push(a->remote_replies, &job))
            v->bytes = NULL;
        finish(v, owed);
        return;
    }
    if (text)
        text[v->size++] = '\n'; /* over the NUL: from here on it is bytes */
    if (owed) {
        /* As much as the socket takes at once: the place is needed for control's late reply. */
        ssize_t ignored = send(v->fd, v->bytes, v->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
        finish(v, true);
        return;
    }
    v->state = VISIT_WRITING;
    v->deadline_us = kg_clock_now_us() + LINE_WAIT_US;
    write_more(v);
}

/* Takes reply. */
static void answer(struct kg_admin *a, struct visit *v, json_t *reply, bool owed)
{
    send_answer(a, v, reply ? json_dumps(reply, JSON_COMPACT) : NULL, owed);
    json_decref(reply); /* of a long list it takes milliseconds: nobody waits for that */
}

static void fail(struct kg_admin *a, struct visit *v, const char *text)
{
    answer(a, v, json_pack("{s:b, s:s}", "ok", 0, "error", text), false);
}

/* --- requests
 * ------------------------------------------------------------------------------------------------- */

static void ask(struct kg_admin *a, struct visit *v)
{
    json_error_t error;
    json_t *request = json_loadb(v->bytes, v->size, JSON_REJECT_DUPLICATES, &error);
    free(v->bytes);
    v->bytes = NULL;
    v->size = v->capacity = 0;
    if (!json_is_object(request)) {
        json_decref(request);
        fail(a, v, "the request is not a JSON object");
        return;
    }
    v->state = VISIT_ASKED;
    if (!kg_control_ask(a->control, &v->by, request, v->replies))
        fail(a, v, "the relay is too busy; try again");
    else
        v->deadline_us = kg_clock_now_us() + REPLY_WAIT_US;
}

static void take_reply(struct kg_admin *a, struct visit *v)
{
    json_t *reply;
    if (!kg_queue_pop(v->replies, &reply))
        return;
    if (v->state == VISIT_ASKED) {
        answer(a, v, reply, false);
    } else {
        json_decref(reply);
        finish(v, false);
    }
}

/* --- visitors on this machine
 * --------------------------------------------------------------------------------- */

static bool may_enter(int fd, struct kg_principal *by)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid()))
        return false;
    *by = (struct kg_principal){.role = KG_ROLE_OPERATOR, .source = "local"};
    snprintf(by->id, sizeof by->id, "local:%u", (unsigned)peer.uid);
    return true;
}

static void read_more(struct kg_admin *a, struct visit *v)
{
    for (;;) {
        if (v->size + 1 >= v->capacity) {
            size_t capacity = v->capacity ? v->capacity * 2 : FIRST_BYTES;
            char *bytes = capacity <= (size_t)KG_ADMIN_MAX_BYTES * 2 ? realloc(v->bytes, capacity) : NULL;
            if (!bytes) {
                fail(a, v, "the request is too long");
                return;
            }
            v->bytes = bytes;
            v->capacity = capacity;
        }
        ssize_t size = recv(v->fd, v->bytes + v->size, v->capacity - v->size - 1, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            finish(v, false);
            return;
        }
        char *end = memchr(v->bytes + v->size, '\n', (size_t)size);
        v->size = end ? (size_t)(end - v->bytes) : v->size + (size_t)size;
        if (v->size > KG_ADMIN_MAX_BYTES) {
            fail(a, v, "the request is too long");
            return;
        }
        if (end) {
            ask(a, v);
            return;
        }
    }
}

static struct visit *free_place(struct kg_admin *a, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct visit *v = &a->visits[i];
        if (v->state != VISIT_FREE)
            continue;
        if (!v->replies)
            v->replies = kg_queue_create(2, sizeof(json_t *));
        return v->replies ? v : NULL;
    }
    return NULL;
}

static void accept_one(struct kg_admin *a)
{
    struct visit *v = free_place(a, 0, KG_ADMIN_MAX_LOCAL);
    int fd;
    if (!v)
        return;
    fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            a->accept_at_us = kg_clock_now_us() + ACCEPT_PAUSE_US;
        return;
    }
    v->fd = fd;
    v->state = VISIT_READING;
    v->deadline_us = kg_clock_now_us() + LINE_WAIT_US;
    if (may_enter(fd, &v->by))
        read_more(a, v);
    else
        fail(a, v, "only root and the relay's own user may do this");
}

/* --- visitors from afar
 * --------------------------------------------------------------------------------------- */

/* One in a turn: some are of 24 MiB, and the socket is the operator's way in. */
static void take_job(struct kg_admin *a)
{
    struct kg_admin_job job;
    if (!kg_queue_pop(a->jobs, &job))
        return;
    struct visit *v = free_place(a, KG_ADMIN_MAX_LOCAL, VISITS);
    if (v) {
        v->session = job.session;
        v->charge = job.charge;
        v->by = job.by;
        v->bytes = job.text;
        v->size = job.size;
        ask(a, v);
        return;
    }
    free(job.text);
    job.text = strdup("{\"ok\":false,\"error\":\"the relay is too busy; try again\"}");
    job.size = job.text ? strlen(job.text) : 0;
    if (!kg_queue_push(a->remote_replies, &job))
        free(job.text);
}

/* --- the loop
 * ------------------------------------------------------------------------------------------------- */

static void expire(struct kg_admin *a, struct visit *v, int64_t now_us)
{
    if (v->state == VISIT_FREE || v->deadline_us > now_us)
        return;
    if (v->state == VISIT_ASKED)
        answer(a, v,
               json_pack("{s:b, s:s}", "ok", 0, "error",
                         "the relay does not answer; the change may or may not be made: look with \"room "
                         "list\" or \"status\""),
               true);
    else
        finish(v, false);
}

/* What each visit waits for. The earliest deadline; INT64_MAX: none. */
static int64_t list_waits(struct kg_admin *a, struct pollfd waits[VISITS])
{
    int64_t first_us = INT64_MAX;
    for (size_t i = 0; i < VISITS; i++) {
        const struct visit *v = &a->visits[i];
        waits[i] = (struct pollfd){.fd = -1};
        if (v->state == VISIT_READING || v->state == VISIT_WRITING)
            waits[i] = (struct pollfd){.fd = v->fd, .events = v->state == VISIT_READING ? POLLIN : POLLOUT};
        else if (v->state != VISIT_FREE)
            waits[i] = (struct pollfd){.fd = kg_queue_fd(v->replies), .events = POLLIN};
        if (v->state != VISIT_FREE)
            first_us = KG_MIN(first_us, v->deadline_us);
    }
    return first_us;
}

static void serve(struct kg_admin *a, const struct pollfd waits[VISITS])
{
    for (size_t i = 0; i < VISITS; i++) {
        struct visit *v = &a->visits[i];
        if (waits[i].revents && v->state == VISIT_READING)
            read_more(a, v);
        else if (waits[i].revents && v->state == VISIT_WRITING)
            write_more(v);
        else if (waits[i].revents && v->state != VISIT_FREE)
            take_reply(a, v);
        expire(a, v, kg_clock_now_us());
    }
}

static void run(void *arg)
{
    struct kg_admin *a = arg;
    for (;;) {
        struct pollfd waits[3 + VISITS];
        int64_t first_us = list_waits(a, waits + 3), now_us = kg_clock_now_us();
        bool room = free_place(a, 0, KG_ADMIN_MAX_LOCAL) != NULL;
        if (room && a->accept_at_us > now_us) {
            room = false;
            first_us = KG_MIN(first_us, a->accept_at_us);
        }
        waits[0] = (struct pollfd){.fd = a->stop_fd, .events = POLLIN};
        waits[1] = (struct pollfd){.fd = room ? a->fd : -1, .events = POLLIN};
        waits[2] = (struct pollfd){.fd = kg_queue_fd(a->jobs), .events = POLLIN};
        int wait_ms = first_us == INT64_MAX ? -1 : (int)(KG_MAX(first_us - now_us, 0) / 1000 + 1);
        if (poll(waits, KG_ARRAY_LEN(waits), wait_ms) < 0)
            continue; /* EINTR: what is left in waits is not looked at */
        if (waits[0].revents)
            return;
        serve(a, waits + 3);
        if (waits[1].revents)
            accept_one(a);
        if (waits[2].revents)
            take_job(a);
    }
}

struct kg_admin *kg_admin_create(const char *state, struct kg_control *control, struct kg_problem *problem)
{
    struct kg_admin *a = calloc(1, sizeof *a);
    if (!a) {
        kg_problem_set(problem, "no memory");
        return NULL;
    }
    for (size_t i = 0; i < VISITS; i++)
        a->visits[i].fd = -1;
    a->control = control;
    a->jobs = kg_admin_remote_jobs(kg_control_admin_remote(control));
    a->remote_replies = kg_admin_remote_replies(kg_control_admin_remote(control));
    a->fd = kg_admin_socket_open(state, a->path, sizeof a->path, problem);
    a->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (a->fd >= 0 && a->stop_fd < 0)
        kg_problem_set(problem, "cannot make a socket: %s", strerror(errno));
    else if (a->fd >= 0) {
        a->started = kg_thread_start(&a->thread, "admin", run, a);
        if (a->started)
            return a;
        kg_problem_set(problem, "cannot start a thread");
    }
    kg_admin_destroy(a);
    return NULL;
}

void kg_admin_stop(struct kg_admin *a)
{
    uint64_t one = 1;
    if (!a || !a->started)
        return;
    while (write(a->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    kg_thread_join(&a->thread);
    a->started = false;
    for (size_t i = 0; i < VISITS; i++) {
        if (a->visits[i].replies)
            kg_queue_close(a->visits[i].replies);
    }
    unlink(a->path);
}

void kg_admin_destroy(struct kg_admin *a)
{
    if (!a)
        return;
    kg_admin_stop(a);
    if (a->fd >= 0)
        close(a->fd);
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    for (size_t i = 0; i < VISITS; i++) {
        struct visit *v = &a->visits[i];
        json_t *reply;
        leave(v);
        while (v->replies && kg_queue_pop(v->replies, &reply))
            json_decref(reply);
        kg_queue_destroy(v->replies);
    }
    free(a);
}

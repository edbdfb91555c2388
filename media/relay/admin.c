#include "relay/admin.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/control.h"

enum { LINE_WAIT_US = 10000000, REPLY_WAIT_US = 30000000, FIRST_BYTES = 4096 };

struct kg_admin {
    struct kg_control *control;
    struct kg_queue *replies; /* of json_t *: exactly one for each request */
    bool owed;                /* a reply that came too late for its visitor is still to come */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd, stop_fd;
    bool started;
    struct kg_thread thread;
};

struct line {
    char *bytes;
    size_t size, capacity;
};

/* false: time is up or the admin stops. */
static bool wait_for(const struct kg_admin *a, int fd, short events, int64_t deadline_us)
{
    int64_t left_us = deadline_us == INT64_MAX ? -1 : deadline_us - kg_clock_now_us();
    if (deadline_us != INT64_MAX && left_us <= 0)
        return false;
    struct pollfd watched[] = {{.fd = fd, .events = events}, {.fd = a->stop_fd, .events = POLLIN}};
    int count;
    do {
        count = poll(watched, 2, left_us < 0 ? -1 : (int)(left_us / 1000 + 1));
    } while (count < 0 && errno == EINTR);
    return count > 0 && !watched[1].revents;
}

/* Reads up to the line's end. false: it does not come, is too long, or there is no memory. */
static bool read_line(const struct kg_admin *a, int fd, struct line *line)
{
    int64_t deadline_us = kg_clock_now_us() + LINE_WAIT_US;
    for (;;) {
        if (line->size + 1 >= line->capacity) {
            size_t capacity = line->capacity ? line->capacity * 2 : FIRST_BYTES;
            char *bytes = capacity <= KG_ADMIN_MAX_BYTES ? realloc(line->bytes, capacity) : NULL;
            if (!bytes)
                return false;
            line->bytes = bytes;
            line->capacity = capacity;
        }
        if (!wait_for(a, fd, POLLIN, deadline_us))
            return false;
        ssize_t size = recv(fd, line->bytes + line->size, line->capacity - line->size - 1, MSG_DONTWAIT);
        if (size <= 0 && !(size < 0 && (errno == EAGAIN || errno == EINTR)))
            return false;
        if (size <= 0)
            continue;
        char *end = memchr(line->bytes + line->size, '\n', (size_t)size);
        line->size += (size_t)size;
        if (end) {
            line->size = (size_t)(end - line->bytes);
            return true;
        }
    }
}

static void write_reply(const struct kg_admin *a, int fd, const json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    size_t size = text ? strlen(text) : 0, done = 0;
    if (text)
        text[size++] = '\n'; /* over the NUL: from here on it is bytes */
    int64_t deadline_us = kg_clock_now_us() + LINE_WAIT_US;
    while (done < size && wait_for(a, fd, POLLOUT, deadline_us)) {
        ssize_t sent = send(fd, text + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            break;
        done += sent > 0 ? (size_t)sent : 0;
    }
    free(text);
}

static json_t *failure(const char *text)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

static json_t *ask(struct kg_admin *a, const struct kg_principal *by, const struct line *line)
{
    json_error_t error;
    json_t *reply;
    json_t *request = json_loadb(line->bytes, line->size, JSON_REJECT_DUPLICATES, &error);
    /* What is no object leaves its row in the trail too. */
    if (!json_is_object(request)) {
        json_decref(request);
        request = json_object();
    }
    if (a->owed && !kg_queue_pop(a->replies, &reply)) {
        json_decref(request);
        return failure("the relay is still busy with an earlier request; try again");
    }
    if (a->owed)
        json_decref(reply);
    a->owed = false;
    if (!kg_control_ask(a->control, by, request, a->replies))
        return failure("the relay is too busy; try again");
    if (kg_queue_pop_wait(a->replies, &reply, kg_clock_now_us() + REPLY_WAIT_US))
        return reply;
    a->owed = true;
    return failure("the relay does not answer; the change may or may not be made: look with \"room list\" or "
                   "\"status\"");
}

/* Whoever may be root or the relay's user here could change its files as well: an operator. */
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

static void serve(struct kg_admin *a, int fd)
{
    struct line line = {0};
    struct kg_principal by;
    json_t *reply = NULL;
    if (!may_enter(fd, &by))
        reply = failure("only root and the relay's own user may do this");
    else if (read_line(a, fd, &line))
        reply = ask(a, &by, &line);
    if (reply)
        write_reply(a, fd, reply);
    json_decref(reply);
    free(line.bytes);
}

static void run(void *arg)
{
    struct kg_admin *a = arg;
    while (wait_for(a, a->fd, POLLIN, INT64_MAX)) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(a, fd);
        close(fd);
    }
}

static bool name_socket(struct kg_admin *a, const char *state, struct sockaddr_un *address,
                        struct kg_problem *problem)
{
    int size = snprintf(a->path, sizeof a->path, "%s/%s", state, KG_ADMIN_SOCKET);
    if (size < 0 || (size_t)size >= sizeof a->path) {
        a->path[0] = '\0';
        return kg_problem_set(problem,
                              "the state folder's path %s is too long for a socket (%zu bytes with its name)",
                              state, sizeof a->path - 1);
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, a->path, (size_t)size + 1);
    return true;
}

/* A living relay answers; a dead one's socket refuses. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool served = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return served;
}

static bool open_socket(struct kg_admin *a, const char *state, struct kg_problem *problem)
{
    struct sockaddr_un address;
    if (!name_socket(a, state, &address, problem))
        return false;
    if (is_served(&address)) {
        snprintf(problem->text, sizeof problem->text, "another kaigi-relay is using the state folder %s",
                 state);
        a->path[0] = '\0'; /* its socket is not ours to remove */
        return false;
    }
    unlink(a->path);
    mode_t before = umask(0177);
    bool bound = bind(a->fd, (struct sockaddr *)&address, sizeof address) == 0;
    int error = errno;
    umask(before);
    if (!bound || listen(a->fd, 8) != 0)
        return kg_problem_set(problem, "cannot open %s: %s", a->path, strerror(bound ? errno : error));
    return true;
}

struct kg_admin *kg_admin_create(const char *state, struct kg_control *control, struct kg_problem *problem)
{
    struct kg_admin *a = calloc(1, sizeof *a);
    if (!a) {
        kg_problem_set(problem, "no memory");
        return NULL;
    }
    a->control = control;
    a->replies = kg_queue_create(4, sizeof(json_t *));
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    a->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!a->replies || a->fd < 0 || a->stop_fd < 0)
        kg_problem_set(problem, "cannot make a socket: %s", strerror(errno));
    else if (open_socket(a, state, problem)) {
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
    kg_queue_close(a->replies);
    while (write(a->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    kg_thread_join(&a->thread);
    a->started = false;
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
    json_t *reply;
    while (a->replies && kg_queue_pop(a->replies, &reply))
        json_decref(reply);
    kg_queue_destroy(a->replies);
    free(a);
}

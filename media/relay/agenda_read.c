#include "relay/agenda_read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/agenda_wire.h"

#define PROGRAM "kaigi-agenda-reader"

enum { FIRST_BYTES = 64 * 1024 };

enum outcome {
    ENDED, /* it closed its side */
    LATE,
    STOPPED,
    TALKATIVE, /* more than any answer has */
    SHORT_OF_MEMORY,
};

/* One conversation over one socket, which is the reader's stdin and stdout. */
struct talk {
    int fd, stop_fd; /* stop_fd -1: none */
    int64_t deadline_us;
    uint8_t head[KG_AGENDA_QUESTION_BYTES];
    const char *text;
    size_t text_size, sent; /* sent: of head and text together */
    uint8_t *answer;
    size_t answer_size, answer_room;
};

/* --- the program */

bool kg_agenda_reader_find(char *path, size_t size, struct kg_problem *problem)
{
    static const char *const places[] = {"", KAIGI_LIBEXEC "/"};
    char folder[4096], tried[8192];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0)
        return kg_problem_set(problem, "cannot find " PROGRAM ": /proc/self/exe: %s", strerror(errno));
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    for (size_t i = 0; i < KG_ARRAY_LEN(places); i++) {
        int written = snprintf(tried, sizeof tried, "%s/%s" PROGRAM, folder, places[i]);
        if (access(tried, X_OK) == 0 && (size_t)written < size) {
            memcpy(path, tried, (size_t)written + 1);
            return true;
        }
    }
    return kg_problem_set(problem,
                          PROGRAM " is neither in %s nor in %s/" KAIGI_LIBEXEC
                                  "; install the package kaigi-relay again",
                          folder, folder);
}

static bool spawn(const char *program, int fd, pid_t *pid, struct kg_problem *problem)
{
    char *const arguments[] = {PROGRAM, NULL}, *const environment[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attributes) != 0)
        return kg_problem_set(problem, "cannot start %s: no memory", program);
    /* What it says beside its answer is a stranger's and does not belong into the relay's log. Preparing
     * fails for want of memory only. */
    bool prepared =
        posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO) == 0 &&
        posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO) == 0 &&
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1) == 0 &&
        posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
        posix_spawnattr_setsigdefault(&attributes, &all) == 0 &&
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
    int wrong = prepared ? posix_spawn(pid, program, &files, &attributes, arguments, environment) : ENOMEM;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return !wrong || kg_problem_set(problem, "cannot start %s: %s", program, strerror(wrong));
}

/* --- the conversation */

/* A reader that has gone is found out by reading. */
static void send_more(struct talk *t)
{
    size_t total = sizeof t->head + t->text_size;
    while (t->sent < total) {
        bool in_head = t->sent < sizeof t->head;
        const void *at = in_head ? (const void *)(t->head + t->sent) : t->text + (t->sent - sizeof t->head);
        size_t left = in_head ? sizeof t->head - t->sent : total - t->sent;
        ssize_t sent = send(t->fd, at, left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        t->sent = sent < 0 ? total : t->sent + (size_t)sent;
    }
    shutdown(t->fd, SHUT_WR);
}

/* true: there may be more; else *outcome. */
static bool receive_more(struct talk *t, enum outcome *outcome)
{
    for (;;) {
        if (t->answer_size == t->answer_room) {
            size_t room = t->answer_room ? t->answer_room * 2 : FIRST_BYTES;
            uint8_t *bigger = t->answer_size <= KG_AGENDA_MAX_ANSWER_BYTES ? realloc(t->answer, room) : NULL;
            *outcome = t->answer_size > KG_AGENDA_MAX_ANSWER_BYTES ? TALKATIVE : SHORT_OF_MEMORY;
            if (!bigger)
                return false;
            t->answer = bigger;
            t->answer_room = room;
        }
        ssize_t got = recv(t->fd, t->answer + t->answer_size, t->answer_room - t->answer_size, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        *outcome = ENDED; /* ECONNRESET: it ended with something unread */
        if (got <= 0)
            return false;
        t->answer_size += (size_t)got;
    }
}

static enum outcome converse(struct talk *t)
{
    enum outcome outcome = LATE;
    for (;;) {
        int64_t left_us = t->deadline_us - kg_clock_now_us();
        if (left_us <= 0)
            return LATE;
        bool sending = t->sent < sizeof t->head + t->text_size;
        struct pollfd waits[] = {{.fd = t->fd, .events = (short)(sending ? POLLIN | POLLOUT : POLLIN)},
                                 {.fd = t->stop_fd, .events = POLLIN}};
        if (poll(waits, KG_ARRAY_LEN(waits), (int)(left_us / 1000 + 1)) <= 0)
            continue; /* late, or EINTR */
        if (waits[1].revents)
            return STOPPED;
        if (waits[0].revents & POLLOUT)
            send_more(t);
        if (waits[0].revents & (POLLIN | POLLHUP | POLLERR) && !receive_more(t, &outcome))
            return outcome;
    }
}

/* It has ended, or it has to: the kill finds a reader that ended by itself dead already, and its status
 * stays. */
static int reap(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* --- what came of it */

static const char *ended_badly(int status)
{
    switch (status) {
    case KG_AGENDA_READER_UNCONFINED:
        return "it could not shut itself in; the kernel must have seccomp filters (CONFIG_SECCOMP_FILTER)";
    case KG_AGENDA_READER_NO_MEMORY:
        return "it had no memory; import the calendar in parts";
    case KG_AGENDA_READER_TOO_MUCH:
        return "the meetings take more than 32 MiB; import the calendar in parts";
    case 127:
        return "a library it needs is missing; install the package kaigi-relay again";
    default:
        return "start it by hand to see why";
    }
}

static struct kg_agenda *judge(const struct talk *t, enum outcome outcome, int status, const char *program,
                               const struct kg_agenda_read_params *p, struct kg_problem *problem)
{
    struct kg_agenda *agenda = NULL;
    const char *wrong = "it is longer than any";
    if (outcome == LATE || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
        kg_problem_set(problem,
                       "the calendar takes too long to be read and was given up; import it in parts, or with "
                       "fewer repeating events");
    else if (outcome == STOPPED)
        kg_problem_set(problem, "the relay is shutting down; import the calendar again when it is back");
    else if (outcome == SHORT_OF_MEMORY)
        kg_problem_set(problem, "the relay has no memory left");
    else if (outcome == ENDED && WIFSIGNALED(status))
        kg_problem_set(
            problem,
            "reading the calendar ended by signal %d (%s); import it in parts to find the event that "
            "does it, and do not trust where it came from",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (outcome == ENDED && WEXITSTATUS(status) != KG_AGENDA_READER_DONE)
        kg_problem_set(problem, "%s ended with %d: %s", program, WEXITSTATUS(status),
                       ended_badly(WEXITSTATUS(status)));
    else if (outcome == TALKATIVE ||
             !(agenda = kg_agenda_answer_decode(t->answer, t->answer_size, p->from_us, p->to_us, &wrong)))
        kg_problem_set(
            problem,
            "%s gave no answer the relay may take (%s); restart the relay if it was upgraded, else do "
            "not trust where the calendar came from",
            program, wrong);
    return agenda;
}

static struct kg_agenda *ask(const char *program, const char *text, size_t size,
                             const struct kg_agenda_read_params *p, struct kg_problem *problem)
{
    const struct kg_agenda_question question = {p->from_us, p->to_us, (uint32_t)size};
    int64_t wait_us = p->deadline_us ? p->deadline_us : KG_AGENDA_READ_DEADLINE_US;
    struct talk t = {.stop_fd = p->stop_fd ? *p->stop_fd : -1,
                     .deadline_us = kg_clock_now_us() + wait_us,
                     .text = text,
                     .text_size = size};
    int ends[2];
    pid_t pid = -1;
    kg_agenda_question_encode(&question, t.head);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        kg_problem_set(problem, "cannot make a socket to read the calendar: %s", strerror(errno));
        return NULL;
    }
    t.fd = ends[0];
    bool started = spawn(program, ends[1], &pid, problem);
    close(ends[1]);
    struct kg_agenda *agenda = NULL;
    if (started) {
        enum outcome outcome = converse(&t);
        agenda = judge(&t, outcome, reap(pid), program, p, problem);
    }
    close(t.fd);
    free(t.answer);
    return agenda;
}

struct kg_agenda_reading *kg_agenda_read(const char *text, size_t size, const struct kg_agenda_read_params *p)
{
    struct kg_agenda_reading *reading = calloc(1, sizeof *reading);
    char found[4096];
    const char *program = p->program ? p->program : found;
    if (!reading)
        kg_log(KG_LOG_ERROR, "relay", NULL, "memory is short: a calendar is not read");
    else if (size > KG_AGENDA_MAX_BYTES)
        kg_problem_set(&reading->problem, "the calendar is longer than 8 MiB; import it in parts");
    else if (p->program || kg_agenda_reader_find(found, sizeof found, &reading->problem))
        reading->agenda = ask(program, text, size, p, &reading->problem);
    if (reading && !reading->agenda)
        kg_log(KG_LOG_ERROR, "relay", "agenda.unread", "%s", reading->problem.text);
    return reading;
}

void kg_agenda_reading_destroy(struct kg_agenda_reading *reading)
{
    if (reading)
        kg_agenda_destroy(reading->agenda);
    free(reading);
}

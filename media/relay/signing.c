#include "relay/signing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/clock_floor.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/signer_protocol.h"
#include "relay/unix_socket.h"

struct question {
    uint64_t request;
    char *line; /* own */
};

struct kg_signing {
    char *path;
    struct kg_clock_floor clock;
    struct kg_queue *questions; /* of struct question */
    struct kg_queue *answers;
    struct kg_thread thread;
    atomic_bool stopping;
    bool started;
};

#define CLOCK_FILE     "clock"
#define CLOCK_EVERY_US (INT64_C(3600) * 1000000)

static bool away(const char *path, const char *why, struct kg_problem *problem)
{
    return kg_problem_set(problem,
                          "the signer does not answer at %s (%s): start kaigi-signer; nothing was "
                          "signed",
                          path, why);
}

static int open_signer(const char *path, struct kg_problem *problem)
{
    struct sockaddr_un address;
    if (!kg_unix_address(&address, path)) {
        kg_problem_set(problem, "the signer's path %.200s is too long for a socket", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A unix socket connects at once or, when the signer's queue is full, not (EAGAIN). */
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    away(path, strerror(errno), problem);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool ask(const char *path, const char *question, struct kg_ca_certificate *out,
                struct kg_problem *problem)
{
    int64_t deadline_us = kg_clock_now_us() + KG_SIGNING_WAIT_US;
    size_t size = 0;
    char *line = malloc(KG_SIGNER_MAX_BYTES);
    int fd = line ? open_signer(path, problem) : -1;
    bool ok = fd >= 0 || (!line && kg_problem_set(problem, "no memory"));
    if (ok) {
        bool sent = kg_unix_send(fd, question, deadline_us);
        /* A refusal may come before the question was taken whole. */
        ok = kg_unix_receive(fd, line, KG_SIGNER_MAX_BYTES, &size, deadline_us) ||
             away(path, sent ? "no answer came" : "it takes no question", problem);
    }
    ok = ok && kg_signer_answer_read(line, size, out, problem);
    if (fd >= 0)
        close(fd);
    free(line);
    return ok;
}

/* A certificate of last year's date would be refused by every device, or outlive its room. */
static bool clock_is_right(struct kg_signing *s, struct kg_problem *problem)
{
    int64_t now_s = kg_clock_wall_us() / 1000000;
    if (kg_clock_floor_believes(&s->clock, now_s)) {
        kg_clock_floor_raise(&s->clock, now_s);
        return true;
    }
    return kg_problem_set(
        problem,
        "this machine's clock is behind a time that has been already, so nothing is signed: set "
        "it, and try again (if it was once too far ahead, remove %s and restart first)",
        s->clock.path);
}

/* Every hour too, so that a relay that signs seldom remembers the time. */
static void look_at_clock(struct kg_signing *s)
{
    struct kg_problem problem;
    if (!clock_is_right(s, &problem))
        kg_log(KG_LOG_ERROR, "relay", "relay.clock", "%s", problem.text);
}

/* false: the queue is closed. */
static bool next_question(struct kg_signing *s, struct question *q)
{
    for (;;) {
        int64_t until_us = kg_clock_now_us() + CLOCK_EVERY_US;
        look_at_clock(s);
        if (kg_queue_pop_wait(s->questions, q, until_us))
            return true;
        if (atomic_load(&s->stopping))
            return false;
    }
}

static void run(void *arg)
{
    struct kg_signing *s = arg;
    struct question q;
    while (next_question(s, &q)) {
        struct kg_signing_answer answer = {.request = q.request};
        answer.ok =
            clock_is_right(s, &answer.problem) && ask(s->path, q.line, &answer.certificate, &answer.problem);
        free(q.line);
        if (!answer.ok)
            kg_log(KG_LOG_WARN, "relay", "signing.failed", "%s", answer.problem.text);
        if (!kg_queue_push(s->answers, &answer)) {
            kg_log(KG_LOG_ERROR, "relay", "signing.lost", "nobody takes a certificate that was signed");
            kg_ca_certificate_finish(&answer.certificate);
        }
    }
}

struct kg_signing *kg_signing_create(const char *state, const char *socket, struct kg_queue *answers)
{
    char clock[1024];
    struct kg_signing *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    snprintf(clock, sizeof clock, "%s/%s", state, CLOCK_FILE);
    kg_clock_floor_open(&s->clock, clock, kg_clock_floor_build_s());
    s->answers = answers;
    s->path = strdup(socket);
    s->questions = kg_queue_create(KG_SIGNING_QUEUE, sizeof(struct question));
    s->started = s->path && s->questions && kg_thread_start(&s->thread, "signing", run, s);
    if (s->started)
        return s;
    kg_signing_destroy(s);
    return NULL;
}

void kg_signing_destroy(struct kg_signing *s)
{
    struct question left;
    if (!s)
        return;
    /* Those waiting are not asked any more: the thread ends with the one in work. */
    while (s->questions && kg_queue_pop(s->questions, &left))
        free(left.line);
    atomic_store(&s->stopping, true);
    if (s->started) {
        kg_queue_close(s->questions);
        kg_thread_join(&s->thread);
    }
    while (s->questions && kg_queue_pop(s->questions, &left))
        free(left.line);
    kg_queue_destroy(s->questions);
    free(s->path);
    free(s);
}

bool kg_signing_ask(struct kg_signing *s, uint64_t request, const struct kg_ca_subject *subject,
                    const void *csr, size_t csr_size)
{
    struct question q = {.request = request, .line = kg_signer_request_write(subject, csr, csr_size)};
    if (q.line && kg_queue_push(s->questions, &q))
        return true;
    free(q.line);
    return false;
}

bool kg_signing_now(const char *socket, const struct kg_ca_subject *subject, const void *csr, size_t csr_size,
                    struct kg_ca_certificate *out, struct kg_problem *problem)
{
    char *line = kg_signer_request_write(subject, csr, csr_size);
    if (!line)
        return kg_problem_set(problem,
                              "the certificate request cannot be sent: is it text of a sensible size?");
    bool ok = ask(socket, line, out, problem);
    free(line);
    return ok;
}

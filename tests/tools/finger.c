#include "tools/finger.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 65536, POLL_MS = 50, ANSWER_SECONDS = 20 };

static int reach(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/finger.sock", dir) >=
        (int)sizeof address.sun_path)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* Sends one line and reads the one that answers it. */
static bool ask(const char *dir, const char *question, char *answer, size_t size)
{
    int fd = reach(dir);
    if (fd < 0)
        return false;
    size_t n = 0;
    bool ok = write(fd, question, strlen(question)) == (ssize_t)strlen(question);
    while (ok && n + 1 < size && !(n > 0 && answer[n - 1] == '\n')) {
        ssize_t got = read(fd, answer + n, size - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    answer[n] = '\0';
    close(fd);
    return n > 0;
}

/* The middle of a visible target. */
static bool find(const char *dir, const char *id, int *x, int *y)
{
    static char answer[LINE_MAX_BYTES];
    if (!ask(dir, "targets\n", answer, sizeof answer))
        return false;
    json_t *targets = json_loads(answer, 0, NULL), *target;
    size_t i;
    bool found = false;
    json_array_foreach(targets, i, target)
    {
        const char *name = NULL;
        int left, top, width, height;
        if (json_unpack(target, "{s:s,s:i,s:i,s:i,s:i}", "id", &name, "x", &left, "y", &top, "w", &width, "h",
                        &height) == 0 &&
            strcmp(name, id) == 0) {
            *x = left + width / 2;
            *y = top + height / 2;
            found = true;
        }
    }
    json_decref(targets);
    return found;
}

static bool find_in_time(const char *dir, const char *id, uint32_t wait_ms, int *x, int *y)
{
    int64_t deadline_us = kg_clock_now_us() + (int64_t)wait_ms * 1000;
    while (!find(dir, id, x, y)) {
        if (kg_clock_now_us() > deadline_us) {
            fprintf(stderr, "target %s did not appear on the screen of %s within %u ms\n", id, dir, wait_ms);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return true;
}

bool kg_finger_wait(const char *dir, const char *id, uint32_t wait_ms)
{
    int x, y;
    return find_in_time(dir, id, wait_ms, &x, &y);
}

bool kg_finger_touch(const char *dir, const char *id, uint32_t wait_ms, int64_t *touched_us)
{
    char question[64], answer[256];
    int x, y;
    if (!find_in_time(dir, id, wait_ms, &x, &y))
        return false;
    snprintf(question, sizeof question, "touch %d %d\n", x, y);
    *touched_us = kg_clock_now_us();
    return ask(dir, question, answer, sizeof answer);
}

bool kg_finger_screenshot(const char *dir, const char *png)
{
    char question[4200], answer[256];
    snprintf(question, sizeof question, "screenshot %s\n", png);
    bool ok = ask(dir, question, answer, sizeof answer) && strncmp(answer, "ok", 2) == 0;
    if (!ok)
        fprintf(stderr, "no screenshot from %s\n", dir);
    return ok;
}

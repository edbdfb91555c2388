#include "app/finger.h"

#ifdef KAIGI_TAPS

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/png.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "core/ui.h"

enum { LINE_BYTES = PATH_MAX + 32, WAITING = 8, TARGETS = 64 };

struct request {
    int fd; /* to be answered and closed */
    char line[LINE_BYTES];
};

struct kg_finger {
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    int listen_fd, stop_fd;
    struct kg_thread thread;
    struct kg_queue *requests; /* struct request */
    void (*wake)(void);
};

static void take_request(struct kg_finger *finger)
{
    struct request request = {.fd = accept4(finger->listen_fd, NULL, NULL, SOCK_CLOEXEC)};
    if (request.fd < 0)
        return;
    const struct timeval patience = {.tv_sec = 2};
    setsockopt(request.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t size = read(request.fd, request.line, sizeof request.line - 1);
    request.line[size > 0 ? (size_t)size : 0] = '\0';
    request.line[strcspn(request.line, "\r\n")] = '\0';
    if (!kg_queue_push(finger->requests, &request))
        close(request.fd);
    finger->wake();
}

static void listen_on(void *arg)
{
    struct kg_finger *finger = arg;
    struct pollfd fds[] = {{.fd = finger->listen_fd, .events = POLLIN},
                           {.fd = finger->stop_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents)
            return;
        if (fds[0].revents)
            take_request(finger);
    }
}

static bool open_socket(struct kg_finger *finger, const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/finger.sock", folder) >=
        (int)sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(finger->path, address.sun_path, sizeof finger->path);
    unlink(finger->path);
    finger->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    finger->stop_fd = eventfd(0, EFD_CLOEXEC);
    return finger->listen_fd >= 0 && finger->stop_fd >= 0 &&
           bind(finger->listen_fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
           chmod(finger->path, 0600) == 0 && listen(finger->listen_fd, WAITING) == 0;
}

static void destroy_parts(struct kg_finger *finger)
{
    if (finger->listen_fd >= 0)
        close(finger->listen_fd);
    if (finger->stop_fd >= 0)
        close(finger->stop_fd);
    struct request request;
    while (finger->requests && kg_queue_pop(finger->requests, &request))
        close(request.fd);
    kg_queue_destroy(finger->requests);
    free(finger);
}

struct kg_finger *kg_finger_create(const char *folder, void (*wake)(void))
{
    struct kg_finger *finger = folder ? calloc(1, sizeof *finger) : NULL;
    if (!finger)
        return NULL;
    finger->wake = wake;
    finger->listen_fd = finger->stop_fd = -1;
    finger->requests = kg_queue_create(WAITING, sizeof(struct request));
    if (!finger->requests || !open_socket(finger, folder) ||
        !kg_thread_start(&finger->thread, "finger", listen_on, finger)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "%s/finger.sock: %m", folder);
        destroy_parts(finger);
        return NULL;
    }
    return finger;
}

void kg_finger_destroy(struct kg_finger *finger)
{
    if (!finger)
        return;
    const uint64_t one = 1;
    if (write(finger->stop_fd, &one, sizeof one) < 0)
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot stop the finger: %m");
    kg_thread_join(&finger->thread);
    unlink(finger->path);
    destroy_parts(finger);
}

static char *list_targets(const struct kg_ui *ui)
{
    static struct kg_ui_target targets[TARGETS];
    size_t count = kg_ui_targets(ui, targets, TARGETS);
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < TARGETS; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:i,s:i,s:i,s:i}", "id", targets[i].id, "label",
                                        targets[i].label, "x", targets[i].rect.x, "y", targets[i].rect.y, "w",
                                        targets[i].rect.w, "h", targets[i].rect.h));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static bool screenshot(struct kg_ui *ui, const char *file)
{
    int width, height;
    kg_ui_size(ui, &width, &height);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 4);
    bool ok = pixels && kg_ui_read_pixels(ui, (struct kg_rect){0, 0, width, height}, pixels) &&
              kg_png_write(file, pixels, (uint32_t)width, (uint32_t)height);
    free(pixels);
    return ok;
}

static void answer(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

/* false: quit. */
static bool obey(const struct request *request, struct kg_ui *ui)
{
    int x, y;
    if (sscanf(request->line, "touch %d %d", &x, &y) == 2) {
        kg_ui_push_touch(ui, x, y);
        answer(request->fd, "ok\n");
    } else if (strcmp(request->line, "targets") == 0) {
        char *list = list_targets(ui);
        answer(request->fd, list ? list : "[]");
        answer(request->fd, "\n");
        free(list);
    } else if (strncmp(request->line, "screenshot ", 11) == 0) {
        answer(request->fd, screenshot(ui, request->line + 11) ? "ok\n" : "error: no screenshot\n");
    } else if (strcmp(request->line, "quit") == 0) {
        answer(request->fd, "ok\n");
        return false;
    } else {
        answer(request->fd, "error: touch X Y, targets, screenshot FILE or quit\n");
    }
    return true;
}

bool kg_finger_run(struct kg_finger *finger, struct kg_ui *ui)
{
    struct request request;
    bool go_on = true;
    while (finger && kg_queue_pop(finger->requests, &request)) {
        go_on = obey(&request, ui) && go_on;
        close(request.fd);
    }
    return go_on;
}

#else

struct kg_finger *kg_finger_create(const char *folder, void (*wake)(void))
{
    (void)folder;
    (void)wake;
    return NULL;
}

void kg_finger_destroy(struct kg_finger *finger)
{
    (void)finger;
}

bool kg_finger_run(struct kg_finger *finger, struct kg_ui *ui)
{
    (void)finger;
    (void)ui;
    return true;
}

#endif

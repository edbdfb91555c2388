#include "gst/path_watch.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

bool kg_path_watch_init(struct kg_path_watch *watch, const char *path)
{
    *watch = (struct kg_path_watch){
        .inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
        .stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        .folder = -1,
    };
    if (watch->inotify_fd < 0 || watch->stop_fd < 0) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "cannot watch devices: %s", strerror(errno));
        kg_path_watch_finish(watch);
        return false;
    }
    if (!kg_path_watch_set(watch, path)) {
        kg_path_watch_finish(watch);
        return false;
    }
    return true;
}

void kg_path_watch_finish(struct kg_path_watch *watch)
{
    if (watch->inotify_fd >= 0)
        close(watch->inotify_fd);
    if (watch->stop_fd >= 0)
        close(watch->stop_fd);
    free(watch->path);
    watch->inotify_fd = watch->stop_fd = -1; /* a failed init has ended here already */
    watch->path = NULL;
}

/* (Re-)watches path's folder, which may itself come and go: /dev/v4l/by-id exists only with a camera in it.
 */
static void watch_folder(struct kg_path_watch *watch)
{
    char *copy = watch->path ? strdup(watch->path) : NULL;
    if (!copy)
        return;
    watch->folder = inotify_add_watch(watch->inotify_fd, dirname(copy),
                                      IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE |
                                          IN_ATTRIB | IN_DELETE_SELF);
    free(copy);
}

bool kg_path_watch_set(struct kg_path_watch *watch, const char *path)
{
    char *copy = path ? strdup(path) : NULL;
    if (path && !copy) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "no memory to watch %s", path);
        return false;
    }
    if (watch->folder >= 0)
        inotify_rm_watch(watch->inotify_fd, watch->folder);
    free(watch->path);
    watch->path = copy;
    watch->folder = -1;
    watch_folder(watch);
    return true;
}

bool kg_path_watch_mark(struct kg_path_watch *watch)
{
    struct stat found;
    if (!watch->path || stat(watch->path, &found) != 0)
        return false;
    watch->device = found.st_dev;
    watch->inode = found.st_ino;
    return true;
}

bool kg_path_watch_same(const struct kg_path_watch *watch)
{
    struct stat found;
    return watch->path && stat(watch->path, &found) == 0 && found.st_dev == watch->device &&
           found.st_ino == watch->inode;
}

static void drain(struct kg_path_watch *watch)
{
    _Alignas(struct inotify_event) char events[4096];
    while (read(watch->inotify_fd, events, sizeof events) > 0)
        ;
}

/* true: fds[0], the stop, or another of the `count` became readable. */
static bool poll_until(struct pollfd *fds, nfds_t count, int64_t deadline_us)
{
    int64_t left_us = deadline_us - kg_clock_now_us();
    if (left_us < 0)
        left_us = 0;
    struct timespec timeout = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    return ppoll(fds, count, &timeout, NULL) > 0;
}

void kg_path_watch_wait(struct kg_path_watch *watch, int64_t deadline_us)
{
    watch_folder(watch);
    struct pollfd fds[] = {{.fd = watch->stop_fd, .events = POLLIN},
                           {.fd = watch->inotify_fd, .events = POLLIN}};
    if (poll_until(fds, 2, deadline_us))
        drain(watch);
}

bool kg_path_watch_sleep(struct kg_path_watch *watch, int64_t deadline_us)
{
    struct pollfd fd = {.fd = watch->stop_fd, .events = POLLIN};
    while (!kg_path_watch_stopped(watch) && kg_clock_now_us() < deadline_us) {
        if (poll_until(&fd, 1, deadline_us))
            return false;
    }
    return !kg_path_watch_stopped(watch);
}

void kg_path_watch_stop(struct kg_path_watch *watch)
{
    uint64_t one = 1;
    ssize_t written = write(watch->stop_fd, &one, sizeof one);
    (void)written; /* fails only when it already counts 2^64-2 stops */
}

bool kg_path_watch_stopped(const struct kg_path_watch *watch)
{
    struct pollfd fd = {.fd = watch->stop_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* Waits for a device node or file to come (back), and notices when it went away.
 * Thread: one owner, but kg_path_watch_stop from any. Owns: an inotify and an event descriptor. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct kg_path_watch {
    int inotify_fd;
    int stop_fd;
    int folder; /* inotify's number for the watched folder, -1: it does not exist itself */
    char *path;
    dev_t device; /* identity of what was found last */
    ino_t inode;
};

/* path: NULL to watch nothing and only wait. false: the system refuses descriptors or memory (logged). */
KG_MUST_CHECK bool kg_path_watch_init(struct kg_path_watch *watch, const char *path);
void kg_path_watch_finish(struct kg_path_watch *watch);
/* Changes the watched path; false: no memory (logged). */
KG_MUST_CHECK bool kg_path_watch_set(struct kg_path_watch *watch, const char *path);

/* true: path exists; what it is now is remembered. */
bool kg_path_watch_mark(struct kg_path_watch *watch);
/* true: what was marked is still there. Another file of the same name is not it. */
bool kg_path_watch_same(const struct kg_path_watch *watch);
/* Returns when something happened in path's folder, deadline_us (kg_clock_now_us) passed, or after a stop. */
void kg_path_watch_wait(struct kg_path_watch *watch, int64_t deadline_us);
/* Sleeps until deadline_us whatever happens to the path. false: stopped. */
bool kg_path_watch_sleep(struct kg_path_watch *watch, int64_t deadline_us);
/* From now on waits return at once. */
void kg_path_watch_stop(struct kg_path_watch *watch);
bool kg_path_watch_stopped(const struct kg_path_watch *watch);

/* The terminal as a whole: every part is made and joined here, in one place.
 * Thread: the main thread. */
#pragma once

#include <stdbool.h>

#include "app/terminal_settings.h"
#include "base/attr.h"

struct kg_terminal_options {
    const char *config;
    bool headless;
    const char *tap_folder;                    /* NULL: no taps */
    int64_t seconds;                           /* 0: until told to stop */
    const char *camera, *microphone, *speaker; /* NULL: as the settings say */
    const char *join;                          /* NULL, "auto" or a meeting's UID */
    const char *path;                          /* NULL: as the settings say; auto, udp, tunnel */
};

/* Runs until the window is closed, a signal comes or seconds have passed. The process's exit status. */
int kg_terminal_run(const struct kg_terminal_options *options);

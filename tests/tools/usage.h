/* What a running process has used so far, read from /proc. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct kg_usage {
    double at_s;       /* when: CLOCK_MONOTONIC */
    double cpu_s;      /* all threads */
    double cpu_main_s; /* the main thread: in the terminal, touch and drawing */
    long rss_kb;       /* now */
    long pss_kb;       /* now, with what is shared counted in parts; 0: not allowed to know */
    long rss_peak_kb;
};
/* false: no such process. */
bool kg_usage_read(pid_t pid, struct kg_usage *out);

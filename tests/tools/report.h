/* Puts what the taps show of a meeting of two rooms into report.json, and judges: did both see and hear? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/voice.h"

struct kg_report_room {
    const char *name;
    const char *tap_dir;
    const char *clip;    /* its camera's marked .y4m */
    enum kg_chirp chirp; /* its microphone's */
    int64_t touched_us;  /* when the join button was touched; 0: not by touch */
    const char *before;  /* usage files, before and after the meeting */
    const char *after;
};

struct kg_report {
    struct kg_report_room room[2];
    double seconds;             /* how long the rooms were to be together */
    const char *early, *status; /* `kaigi-ctl status --json` soon after the beginning, and at the end */
    const char *relay_idle;     /* usage files: before any room came */
    const char *relay_before, *relay_after;
    const char *out; /* report.json */
};

/* true: written, and both rooms saw and heard the other. Each shortcoming is said on stderr. */
bool kg_report_write(const struct kg_report *report);

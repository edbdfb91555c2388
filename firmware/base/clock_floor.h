/* A time that cannot have been yet: the newer of the program's build and the last time that was believed and
 * written down. A clock before it has lost its battery or was set wrong, and every certificate would be
 * judged by it. Thread: the owner's. Reads no clock: times are passed in, seconds since 1970 UTC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum { KG_CLOCK_FLOOR_STORE_S = 3600 }; /* written down at most so often */

struct kg_clock_floor {
    char path[1024];
    int64_t floor_s;
    int64_t stored_s;
};

/* When this program was configured for building (SOURCE_DATE_EPOCH, if that was set). */
int64_t kg_clock_floor_build_s(void);
/* path: the file of the last believed time, which need not exist; one that holds anything else counts as
 * missing (logged). "": nothing is kept. path is copied. */
void kg_clock_floor_open(struct kg_clock_floor *floor, const char *path, int64_t build_s);
/* May this be the time? */
bool kg_clock_floor_believes(const struct kg_clock_floor *floor, int64_t now_s);
/* The time is believed: raises the floor, and writes it down when it was long ago. A time before the floor
 * changes nothing. A file that cannot be written is logged once a try and costs nothing else. */
void kg_clock_floor_raise(struct kg_clock_floor *floor, int64_t now_s);

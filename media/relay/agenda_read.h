/* Has a calendar read by kaigi-agenda-reader, a process of its own for each (agenda_wire.h): the relay itself
 * parses none. Whatever the reader does, the call comes back by the deadline and leaves no process.
 * Thread: any that may wait (the relay's: calendars.h); calls share nothing.
 * Ownership: readings are the caller's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"
#include "signal/agenda.h"

enum { KG_AGENDA_READ_DEADLINE_US = 8000000 /* with stopping it, below the service's TimeoutStopSec */ };

/* What became of a request's calendar. */
struct kg_agenda_reading {
    struct kg_agenda *agenda; /* as kg_agenda_parse gives it, without sites; NULL: problem says why */
    struct kg_problem problem;
};

struct kg_agenda_read_params {
    const char *program; /* path; NULL: kg_agenda_reader_find's */
    int64_t deadline_us; /* from the call on; 0: KG_AGENDA_READ_DEADLINE_US */
    int64_t from_us, to_us;
    const int *stop_fd; /* once it is readable, the calendar is given up; NULL: none */
};

/* Reads `size` bytes of iCalendar. NULL only when memory is short (logged). Failures are logged. */
KG_MUST_CHECK struct kg_agenda_reading *kg_agenda_read(const char *text, size_t size,
                                                       const struct kg_agenda_read_params *params);
void kg_agenda_reading_destroy(struct kg_agenda_reading *reading);

/* The reader: beside the running program, as in a build folder, else where the package puts it. false: it is
 * in neither place. */
KG_MUST_CHECK bool kg_agenda_reader_find(char *path, size_t size, struct kg_problem *problem);

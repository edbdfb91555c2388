/* Reads an iCalendar file (RFC 5545) into meetings, event by event: a bad event is reported with its line and
 * reason and the others are taken. And writes the calendar one room may see. Pure; thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/store.h"

enum { KG_AGENDA_MAX_BYTES = 8 << 20, KG_AGENDA_MAX_EVENTS = 5000, KG_AGENDA_MAX_ROOMS = 100 };

struct kg_agenda_problem {
    unsigned line; /* 1-based, in the file: the property at fault, or the event's BEGIN */
    char uid[128]; /* "" if the event has none */
    char reason[256];
};
struct kg_agenda {
    struct kg_store_meeting *meetings; /* end_s 0: STATUS:CANCELLED */
    size_t meeting_count;
    struct kg_agenda_problem *problems;
    size_t problem_count;
};

/* Always fills *out; a file that is no calendar at all gives one problem and no meeting. */
void kg_agenda_parse(const char *text, size_t size, struct kg_agenda *out);
void kg_agenda_finish(struct kg_agenda *agenda);

/* A VCALENDAR of these events (kg_store_meeting.ics), CRLF lines; free(). NULL: memory. */
char *kg_agenda_write(const struct kg_store_meeting *const *meetings, size_t count);

/* Is `room` one of the space-separated ids in `rooms`? */
bool kg_agenda_invites(const char *rooms, const char *room);

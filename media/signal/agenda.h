/* Meetings as iCalendar (RFC 5545): read leniently (a bad event is reported, the good ones are kept), written
 * for a room's own agenda. UID is the meeting's id; rooms are ATTENDEE;CUTYPE=ROOM with
 * mailto:<room-id>@anything. Times without a zone, and Asia/Tokyo, are Japan time (UTC+9, no summer time).
 * Thread: one at a time for the whole process (libical keeps global tables): the caller's owner thread.
 * Ownership: an agenda owns everything in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_AGENDA_MAX_BYTES = 8 * 1024 * 1024,
    KG_AGENDA_MAX_LINE_BYTES = 64 * 1024, /* unfolded */
    KG_AGENDA_MAX_MEETINGS = 10000,       /* occurrences too */
    KG_AGENDA_MAX_OCCURRENCES = 400,      /* of one recurring event in one window */
    KG_AGENDA_MAX_REPORTS = 1000,
    KG_AGENDA_MAX_ROOMS = 128,       /* of one meeting */
    KG_AGENDA_MAX_SITES = 8,         /* other rooms of one meeting, named; the rest is counted */
    KG_AGENDA_MAX_SITE_BYTES = 120,  /* of each part of such a name */
    KG_AGENDA_MAX_UID_BYTES = 255,   /* a relay puts an organization's id in front and keeps to this */
    KG_AGENDA_MAX_TEXT_BYTES = 1000, /* a longer title or description is cut at a character */
    KG_ROOM_ID_MAX = 63,
};

/* [a-z0-9-]{1,63} */
bool kg_room_id_valid(const char *id);

enum kg_meeting_status { KG_MEETING_CONFIRMED, KG_MEETING_TENTATIVE, KG_MEETING_CANCELLED };

/* Another room of a meeting as a room is told about it: by its name, never by its id. */
struct kg_meeting_site {
    char *organization, *department, *name; /* "" when absent, not all three */
};

struct kg_meeting {
    char *uid; /* an occurrence of a recurring event: its UID, '/' and its start as 20261121T010000Z */
    char *title, *description, *organizer, *location; /* "" when absent; organizer: CN, else the address */
    int64_t start_us, end_us;                         /* wall clock, UTC; start < end */
    uint32_t sequence;
    enum kg_meeting_status status;
    uint16_t room_count;
    char **rooms; /* room ids, in order, each once */
    /* A bit for each: the relay's, who keeps on whose word a room is invited (store_rows.h). */
    uint8_t by_operator[KG_AGENDA_MAX_ROOMS / 8];
    uint16_t site_count;
    uint16_t site_total;           /* other rooms in all, those without a name here too; ≥ site_count */
    struct kg_meeting_site *sites; /* in order; the store keeps none */
};

enum kg_agenda_severity {
    KG_AGENDA_BAD,  /* the event was left out */
    KG_AGENDA_NOTE, /* kept, but something in it was changed or not understood */
};
struct kg_agenda_report {
    enum kg_agenda_severity severity;
    uint32_t line; /* of the text, from 1; 0: the calendar as a whole */
    char uid[64];  /* start of the event's UID, "" when it has none */
    char reason[160];
};

struct kg_agenda {
    size_t meeting_count;
    struct kg_meeting *meetings; /* by start, then UID */
    size_t report_count;
    struct kg_agenda_report *reports; /* by line */
    bool truncated;                   /* a bound above was reached; the last report says which */
};

/* Meetings that touch [from_us, to_us); recurring events give their occurrences in it. NULL only when memory
 * is short (logged): a text that is no calendar at all gives no meetings and one report. */
KG_MUST_CHECK struct kg_agenda *kg_agenda_parse(const char *text, size_t size, int64_t from_us,
                                                int64_t to_us);
void kg_agenda_destroy(struct kg_agenda *agenda);

/* The meetings as text/calendar, times in UTC, NUL-terminated; free with free(). room not NULL: only those
 * this room is invited to, and of the room ids its own alone (the others' are not its business: they are told
 * as sites). What this writes, kg_agenda_parse reads back the same. NULL: a value is out of range or memory
 * is short (logged). */
KG_MUST_CHECK char *kg_agenda_format(const struct kg_meeting *meetings, size_t count, const char *room);

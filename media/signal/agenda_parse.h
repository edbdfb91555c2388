/* Shared by the files that read calendars: an agenda being read. Thread: the caller's. */
#pragma once

#include <libical/ical.h>

#include "signal/agenda_internal.h"

/* The lines of an iCalendar text, folds undone (RFC 5545 §3.1), with the number of their first physical line.
 */
struct kg_ical_line {
    const char *text; /* NUL-terminated; valid until the next call */
    size_t size;
    uint32_t number;
    bool too_long; /* text is its first KG_AGENDA_MAX_LINE_BYTES */
};
struct kg_ical_reader {
    const char *text;
    size_t size, pos;
    uint32_t number;
    char *buffer; /* KG_AGENDA_MAX_LINE_BYTES + 1 */
};
KG_MUST_CHECK bool kg_ical_next(struct kg_ical_reader *reader, struct kg_ical_line *line);
/* NUL-safe: does the line start with this word and then end, or go on with ';' or ':'? Case is ignored. */
bool kg_ical_line_is(const struct kg_ical_line *line, const char *word);

struct kg_agenda_item {
    struct kg_meeting meeting;
    uint32_t line;
    bool override; /* RECURRENCE-ID: takes the place of an occurrence */
};

struct kg_agenda_builder {
    int64_t from_us, to_us;
    struct kg_agenda_item *items;
    size_t item_count, item_room;
    struct kg_agenda_report *reports;
    size_t report_count, report_room;
    size_t recurring; /* events expanded so far */
    size_t fruitless; /* of these, rules that never matched */
    bool truncated, out_of_memory;
};

enum {
    KG_AGENDA_MAX_EXDATES = 512,
    KG_AGENDA_MAX_RECURRING = 1000,
    KG_AGENDA_MAX_FRUITLESS = 4, /* rules without any date: libical takes up to 0.8 s to find out */
};

struct kg_agenda_event {
    uint32_t line;
    char uid[KG_AGENDA_MAX_UID_BYTES + 1]; /* "" : none yet */
    struct kg_meeting meeting;             /* uid, start_us and end_us not yet set */
    bool bad;                              /* reported; the rest of it is skipped */
    bool has_start, has_end, has_duration, has_rule, has_recurrence_id;
    struct icaltimetype start; /* no zone: Japan time, or UTC */
    int64_t end_us, duration_us, recurrence_us;
    struct icalrecurrencetype rule;
    uint32_t rule_line;
    uint16_t other_rooms; /* as the calendar counts them; 0: it does not */
    size_t exdate_count;
    int64_t exdates[KG_AGENDA_MAX_EXDATES];
};

/* Adds a report, or notes that there are too many. */
void kg_agenda_report_add(struct kg_agenda_builder *b, enum kg_agenda_severity severity, uint32_t line,
                          const char *fmt, ...) KG_PRINTF(4, 5);
/* Takes *meeting whatever happens. */
void kg_agenda_item_add(struct kg_agenda_builder *b, struct kg_meeting *meeting, uint32_t line,
                        bool override);
/* One property line of an event. */
void kg_agenda_event_line(struct kg_agenda_builder *b, struct kg_agenda_event *event,
                          const struct kg_ical_line *line);
/* The event is complete: adds its meetings. */
void kg_agenda_event_end(struct kg_agenda_builder *b, struct kg_agenda_event *event);
/* Adds the occurrences in the window. end_us: of the first. */
void kg_agenda_expand(struct kg_agenda_builder *b, const struct kg_agenda_event *event, int64_t length_us);
/* Wall clock of a checked time. */
int64_t kg_ical_time_us(struct icaltimetype time);
/* "<uid>/20261121T010000Z"; false: memory is short. The caller frees *out. */
KG_MUST_CHECK bool kg_agenda_occurrence_uid(const char *uid, int64_t start_us, char **out);

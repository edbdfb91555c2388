/* The calendar around the events: blocks, reports, duplicates and order. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "signal/agenda_parse.h"

/* Makes room for one more; false: memory is short (remembered). */
static bool grow(struct kg_agenda_builder *b, void **array, size_t count, size_t *room, size_t element)
{
    if (count < *room)
        return true;
    size_t wanted = *room * 2 + 16;
    void *bigger = realloc(*array, wanted * element);
    if (!bigger) {
        b->out_of_memory = true;
        return false;
    }
    *array = bigger;
    *room = wanted;
    return true;
}

void kg_agenda_report_add(struct kg_agenda_builder *b, enum kg_agenda_severity severity, uint32_t line,
                          const char *fmt, ...)
{
    if (b->report_count >= KG_AGENDA_MAX_REPORTS) {
        struct kg_agenda_report *last = &b->reports[KG_AGENDA_MAX_REPORTS - 1];
        b->truncated = true;
        last->uid[0] = '\0';
        snprintf(last->reason, sizeof(last->reason), "more than %d remarks: the rest is not shown",
                 KG_AGENDA_MAX_REPORTS);
        return;
    }
    if (!grow(b, (void **)&b->reports, b->report_count, &b->report_room, sizeof(*b->reports)))
        return;
    struct kg_agenda_report *report = &b->reports[b->report_count++];
    *report = (struct kg_agenda_report){.severity = severity, .line = line};
    va_list args;
    va_start(args, fmt);
    vsnprintf(report->reason, sizeof(report->reason), fmt, args);
    va_end(args);
}

void kg_agenda_item_add(struct kg_agenda_builder *b, struct kg_meeting *meeting, uint32_t line, bool override)
{
    if (b->item_count >= KG_AGENDA_MAX_MEETINGS) {
        if (!b->truncated)
            kg_agenda_report_add(b, KG_AGENDA_BAD, line,
                                 "more than %d meetings: this and later ones are left out",
                                 KG_AGENDA_MAX_MEETINGS);
        b->truncated = true;
    } else if (grow(b, (void **)&b->items, b->item_count, &b->item_room, sizeof(*b->items))) {
        b->items[b->item_count++] = (struct kg_agenda_item){*meeting, line, override};
        *meeting = (struct kg_meeting){0};
        return;
    }
    kg_meeting_finish(meeting);
}

enum event_end {
    EVENT_CLOSED,
    EVENT_CUT,       /* the text ended inside */
    EVENT_RESTARTED, /* another BEGIN:VEVENT came first */
};

/* One VEVENT, from behind its BEGIN to its END. *restart: the line of the event that came instead. */
static enum event_end read_event(struct kg_agenda_builder *b, struct kg_ical_reader *reader,
                                 struct kg_agenda_event *event, uint32_t *restart)
{
    size_t nested = 0;
    struct kg_ical_line line;
    while (kg_ical_next(reader, &line)) {
        if (strcasecmp(line.text, "BEGIN:VEVENT") == 0) {
            *restart = line.number;
            return EVENT_RESTARTED;
        }
        bool closes_event = strcasecmp(line.text, "END:VEVENT") == 0;
        if (closes_event || strcasecmp(line.text, "END:VCALENDAR") == 0) {
            if (!closes_event || nested > 0)
                kg_agenda_report_add(b, KG_AGENDA_NOTE, line.number,
                                     "what is open in the event is not closed");
            kg_agenda_event_end(b, event);
            return EVENT_CLOSED;
        }
        if (kg_ical_line_is(&line, "BEGIN"))
            nested++;
        else if (kg_ical_line_is(&line, "END"))
            nested -= nested > 0;
        else if (nested == 0)
            kg_agenda_event_line(b, event, &line);
    }
    return EVENT_CUT;
}

/* The reports of one event carry its UID, which may stand below the line they are about. */
static void name_reports(struct kg_agenda_builder *b, size_t from, const char *uid)
{
    for (size_t i = from; i < b->report_count; i++) {
        char *out = b->reports[i].uid;
        size_t size = KG_MIN(strlen(uid), sizeof(b->reports[i].uid) - 1);
        while (size > 0 && ((unsigned char)uid[size] & 0xc0) == 0x80)
            size--; /* do not cut inside a character */
        memcpy(out, uid, size);
        out[size] = '\0';
    }
}

/* The event that begins at this line. Returns the line of one that began inside it, or 0. */
static uint32_t one_event(struct kg_agenda_builder *b, struct kg_ical_reader *reader, uint32_t line,
                          struct kg_agenda_event *event)
{
    size_t first_report = b->report_count;
    uint32_t restart = 0;
    memset(event, 0, sizeof(*event));
    event->line = line;
    if (read_event(b, reader, event, &restart) != EVENT_CLOSED)
        kg_agenda_report_add(b, KG_AGENDA_BAD, line, "the event has no END:VEVENT");
    name_reports(b, first_report, event->uid);
    kg_meeting_finish(&event->meeting);
    return restart;
}

static void read_calendar(struct kg_agenda_builder *b, struct kg_ical_reader *reader,
                          struct kg_agenda_event *event)
{
    struct kg_ical_line line;
    bool opened = false;
    bool closed = false;
    while (!b->out_of_memory && kg_ical_next(reader, &line)) {
        if (line.size == 0)
            continue;
        if (strcasecmp(line.text, "BEGIN:VCALENDAR") == 0) {
            opened = true;
            closed = false;
        } else if (!opened) {
            kg_agenda_report_add(b, KG_AGENDA_BAD, line.number,
                                 "not an iCalendar text: BEGIN:VCALENDAR is missing");
            return;
        } else if (strcasecmp(line.text, "END:VCALENDAR") == 0) {
            closed = true;
        } else if (strcasecmp(line.text, "BEGIN:VEVENT") == 0) {
            for (uint32_t at = line.number; at != 0 && !b->out_of_memory;)
                at = one_event(b, reader, at, event);
        }
    }
    if (!opened)
        kg_agenda_report_add(b, KG_AGENDA_BAD, 0, "the calendar is empty");
    else if (!closed)
        kg_agenda_report_add(b, KG_AGENDA_NOTE, 0, "END:VCALENDAR is missing: the calendar may be cut off");
}

/* Equal UIDs together, the one that counts first: an override, then the higher SEQUENCE, then the later line.
 */
static int compare_uid(const void *x, const void *y)
{
    const struct kg_agenda_item *a = x;
    const struct kg_agenda_item *b = y;
    int order = strcmp(a->meeting.uid, b->meeting.uid);
    if (order == 0)
        order = (int)b->override - (int)a->override;
    if (order == 0)
        order = (b->meeting.sequence > a->meeting.sequence) - (b->meeting.sequence < a->meeting.sequence);
    return order ? order : (b->line > a->line) - (b->line < a->line);
}

static int compare_start(const void *x, const void *y)
{
    const struct kg_meeting *a = x;
    const struct kg_meeting *b = y;
    int order = (a->start_us > b->start_us) - (a->start_us < b->start_us);
    return order ? order : strcmp(a->uid, b->uid);
}

static int compare_report(const void *x, const void *y)
{
    const struct kg_agenda_report *a = x;
    const struct kg_agenda_report *b = y;
    return (a->line > b->line) - (a->line < b->line);
}

/* Moves the meetings that stay into the agenda. */
static void settle(struct kg_agenda_builder *b, struct kg_agenda *agenda)
{
    if (b->item_count > 0)
        qsort(b->items, b->item_count, sizeof(*b->items), compare_uid);
    const struct kg_agenda_item *winner = NULL;
    for (size_t i = 0; i < b->item_count; i++) {
        struct kg_agenda_item *item = &b->items[i];
        if (winner && strcmp(winner->meeting.uid, item->meeting.uid) == 0) {
            if (!winner->override || item->override)
                kg_agenda_report_add(b, KG_AGENDA_BAD, item->line,
                                     "an event of this UID stands at line %u too, which counts",
                                     winner->line);
            continue;
        }
        winner = item;
    }
    char *last_uid = NULL;
    for (size_t i = 0; i < b->item_count; i++) {
        struct kg_meeting *m = &b->items[i].meeting;
        bool repeated = last_uid && strcmp(last_uid, m->uid) == 0;
        if (!repeated) {
            free(last_uid);
            last_uid = strdup(m->uid);
            b->out_of_memory |= !last_uid;
        }
        if (!repeated && m->end_us > b->from_us && m->start_us < b->to_us)
            agenda->meetings[agenda->meeting_count++] = *m;
        else
            kg_meeting_finish(m);
        *m = (struct kg_meeting){0};
    }
    free(last_uid);
    if (agenda->meeting_count > 0)
        qsort(agenda->meetings, agenda->meeting_count, sizeof(*agenda->meetings), compare_start);
}

static void finish_builder(struct kg_agenda_builder *b)
{
    for (size_t i = 0; i < b->item_count; i++)
        kg_meeting_finish(&b->items[i].meeting);
    free(b->items);
    free(b->reports);
}

struct kg_agenda *kg_agenda_parse(const char *text, size_t size, int64_t from_us, int64_t to_us)
{
    struct kg_agenda_builder b = {.from_us = from_us, .to_us = to_us};
    struct kg_ical_reader reader = {
        .text = text, .size = size, .buffer = malloc(KG_AGENDA_MAX_LINE_BYTES + 1)};
    struct kg_agenda_event *event = malloc(sizeof(*event));
    struct kg_agenda *agenda = calloc(1, sizeof(*agenda));
    bool good = reader.buffer && event && agenda;
    icalerror_set_errors_are_fatal(0);
    if (good && size > KG_AGENDA_MAX_BYTES) {
        kg_agenda_report_add(&b, KG_AGENDA_BAD, 0, "the calendar is longer than 8 MB");
        b.truncated = true;
    } else if (good) {
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
            reader.pos = 3; /* a byte order mark, which some office programs write */
        read_calendar(&b, &reader, event);
        agenda->meetings = calloc(b.item_count + 1, sizeof(*agenda->meetings));
        good = agenda->meetings != NULL;
        if (good)
            settle(&b, agenda);
    }
    if (good && !b.out_of_memory) {
        if (b.report_count > 0)
            qsort(b.reports, b.report_count, sizeof(*b.reports), compare_report);
        agenda->reports = b.reports;
        agenda->report_count = b.report_count;
        agenda->truncated = b.truncated;
        b.reports = NULL;
    } else {
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: an agenda of %zu bytes", size);
        kg_agenda_destroy(agenda);
        agenda = NULL;
    }
    finish_builder(&b);
    free(reader.buffer);
    free(event);
    return agenda;
}

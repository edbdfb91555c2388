#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "signal/agenda_internal.h"
#include "signal/text_builder.h"

#define EOL "\r\n"

/* Adds one content line, folded so that no physical line has more than 75 bytes and no character is cut
 * (RFC 5545 §3.1). */
static void add_line(struct kg_text *t, const struct kg_text *line)
{
    size_t at = 0;
    size_t room = 75;
    if (line->failed || !line->data) {
        t->failed = true;
        return;
    }
    while (line->size - at > room) {
        size_t take = room;
        while (take > 1 && ((unsigned char)line->data[at + take] & 0xc0) == 0x80)
            take--;
        kg_text_add_bytes(t, line->data + at, take);
        kg_text_add(t, EOL " ");
        at += take;
        room = 74; /* the fold's space counts */
    }
    kg_text_add_bytes(t, line->data + at, line->size - at);
    kg_text_add(t, EOL);
}

/* RFC 5545 §3.3.11. */
static void add_escaped(struct kg_text *t, const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            kg_text_add(t, "\\n");
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            kg_text_add(t, " ");
        else if (*c == '\\' || *c == ';' || *c == ',')
            kg_text_add(t, "\\%c", *c);
        else
            kg_text_add_bytes(t, c, 1);
    }
}

static void add_text(struct kg_text *t, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    struct kg_text line = kg_text_init(KG_AGENDA_MAX_LINE_BYTES);
    kg_text_add(&line, "%s:", name);
    add_escaped(&line, value);
    add_line(t, &line);
    kg_text_finish(&line);
}

/* A parameter value cannot hold a quote or a line end: RFC 6868 writes them with a caret. */
static void add_parameter(struct kg_text *line, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    kg_text_add(line, ";%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '"')
            kg_text_add(line, "^'");
        else if (*c == '^')
            kg_text_add(line, "^^");
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            kg_text_add(line, " ");
        else
            kg_text_add_bytes(line, c, 1);
    }
    kg_text_add(line, "\"");
}

static void add_organizer(struct kg_text *t, const char *name)
{
    if (!name || !name[0])
        return;
    struct kg_text line = kg_text_init(KG_AGENDA_MAX_LINE_BYTES);
    kg_text_add(&line, "ORGANIZER");
    add_parameter(&line, "CN", name);
    kg_text_add(&line, ":mailto:organizer@kaigi.invalid");
    add_line(t, &line);
    kg_text_finish(&line);
}

static void add_time(struct kg_text *t, const char *name, int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    char text[32];
    if (us < 0 || !gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm))
        t->failed = true;
    else
        kg_text_add(t, "%s:%s" EOL, name, text);
}

static void add_room(struct kg_text *t, const char *id)
{
    if (!kg_room_id_valid(id)) {
        t->failed = true;
        return;
    }
    struct kg_text line = kg_text_init(KG_AGENDA_MAX_LINE_BYTES);
    kg_text_add(&line, "ATTENDEE;CUTYPE=ROOM:mailto:%s@kaigi.invalid", id);
    add_line(t, &line);
    kg_text_finish(&line);
}

/* The address says nothing: a calendar user must have one (RFC 5545 §3.3.3), and nobody needs this one. */
static void add_site(struct kg_text *t, const struct kg_meeting_site *site)
{
    struct kg_text line = kg_text_init(KG_AGENDA_MAX_LINE_BYTES);
    kg_text_add(&line, "ATTENDEE;CUTYPE=ROOM");
    add_parameter(&line, "CN", site->name);
    add_parameter(&line, "X-KAIGI-ORGANIZATION", site->organization);
    add_parameter(&line, "X-KAIGI-DEPARTMENT", site->department);
    kg_text_add(&line, ":" KG_AGENDA_SITE_ADDRESS);
    add_line(t, &line);
    kg_text_finish(&line);
}

static bool invited(const struct kg_meeting *m, const char *room)
{
    for (uint16_t i = 0; i < m->room_count; i++)
        if (strcmp(m->rooms[i], room) == 0)
            return true;
    return false;
}

static void add_meeting(struct kg_text *t, const struct kg_meeting *m, const char *room)
{
    static const char *const statuses[] = {[KG_MEETING_CONFIRMED] = "CONFIRMED",
                                           [KG_MEETING_TENTATIVE] = "TENTATIVE",
                                           [KG_MEETING_CANCELLED] = "CANCELLED"};
    if (!m->uid || !m->uid[0] || m->start_us >= m->end_us) {
        t->failed = true;
        return;
    }
    kg_text_add(t, "BEGIN:VEVENT" EOL);
    add_text(t, "UID", m->uid);
    add_time(t, "DTSTAMP", m->start_us); /* required, and must not make equal agendas differ */
    add_time(t, "DTSTART", m->start_us);
    add_time(t, "DTEND", m->end_us);
    add_text(t, "SUMMARY", m->title);
    add_text(t, "DESCRIPTION", m->description);
    add_text(t, "LOCATION", m->location);
    add_organizer(t, m->organizer);
    for (uint16_t i = 0; i < m->room_count; i++)
        if (!room || strcmp(m->rooms[i], room) == 0)
            add_room(t, m->rooms[i]);
    for (uint16_t i = 0; i < m->site_count; i++)
        add_site(t, &m->sites[i]);
    if (m->site_total > m->site_count)
        kg_text_add(t, KG_AGENDA_SITES_PROPERTY ":%u" EOL, m->site_total);
    kg_text_add(t, "SEQUENCE:%" PRIu32 EOL "STATUS:%s" EOL "END:VEVENT" EOL, m->sequence,
                statuses[m->status]);
}

char *kg_agenda_format(const struct kg_meeting *meetings, size_t count, const char *room)
{
    struct kg_text t = kg_text_init(KG_AGENDA_MAX_BYTES);
    kg_text_add(&t, "BEGIN:VCALENDAR" EOL "VERSION:2.0" EOL "PRODID:-//Kaigi//Agenda//JA" EOL);
    for (size_t i = 0; i < count; i++)
        if (!room || invited(&meetings[i], room))
            add_meeting(&t, &meetings[i], room);
    kg_text_add(&t, "END:VCALENDAR" EOL);
    char *text = kg_text_take(&t);
    if (!text)
        kg_log(KG_LOG_ERROR, "signal", NULL,
               "an agenda holds a value that cannot be written, or memory is short");
    return text;
}

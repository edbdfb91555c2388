/* One VEVENT: each property line is read by libical on its own, so that a mistake has a line number. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "signal/agenda_parse.h"

#define SECOND_US ((int64_t)1000000)
#define JAPAN_S   (INT64_C(9) * 3600)

static void bad(struct kg_agenda_builder *b, struct kg_agenda_event *e, uint32_t line, const char *reason)
{
    if (!e->bad)
        kg_agenda_report_add(b, KG_AGENDA_BAD, line, "%s", reason);
    e->bad = true;
}

/* Days since 1970-01-01 of a Gregorian date, March-based so that leap days fall at a year's end. */
static int64_t days_from_date(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

int64_t kg_ical_time_us(struct icaltimetype t)
{
    int64_t seconds = days_from_date(t.year, t.month, t.day) * 86400;
    if (!t.is_date)
        seconds += t.hour * INT64_C(3600) + t.minute * INT64_C(60) + t.second;
    if (!icaltime_is_utc(t))
        seconds -= JAPAN_S;
    return seconds * SECOND_US;
}

static bool time_in_range(struct icaltimetype t)
{
    if (icaltime_is_null_time(t) || t.year < 1970 || t.year > 2199 || t.month < 1 || t.month > 12 ||
        t.day < 1 || t.day > icaltime_days_in_month(t.month, t.year))
        return false;
    return t.is_date ||
           (t.hour >= 0 && t.hour < 24 && t.minute >= 0 && t.minute < 60 && t.second >= 0 && t.second <= 60);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

/* Names of Japan time as calendars write them (Outlook: "Tokyo Standard Time"). */
static bool zone_known(const char *tzid)
{
    return !tzid || ends_with(tzid, "Asia/Tokyo") || strcasecmp(tzid, "Tokyo Standard Time") == 0 ||
           strcasecmp(tzid, "Japan") == 0 || strcasecmp(tzid, "JST") == 0;
}

static bool zone_is_utc(const char *tzid)
{
    return tzid &&
           (strcasecmp(tzid, "UTC") == 0 || strcasecmp(tzid, "Etc/UTC") == 0 || strcasecmp(tzid, "GMT") == 0);
}

/* A date-time property's time. NULL: good, else what is wrong. */
static const char *read_time(icalproperty *property, struct icaltimetype time, struct icaltimetype *out)
{
    icalparameter *parameter = icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);
    const char *tzid = parameter ? icalparameter_get_tzid(parameter) : NULL;
    if (!time_in_range(time))
        return "the date or time does not exist, or is not between 1970 and 2199";
    if (!icaltime_is_utc(time) && !zone_known(tzid) && !zone_is_utc(tzid))
        return "the time zone is neither Asia/Tokyo nor UTC";
    bool utc = icaltime_is_utc(time) || zone_is_utc(tzid);
    time.zone = utc ? icaltimezone_get_utc_timezone() : NULL;
    /* The first morning of 1970 in Japan: what is negative could not be written again (agenda_format.c). */
    if (kg_ical_time_us(time) < 0)
        return "the date or time does not exist, or is not between 1970 and 2199";
    *out = time;
    return NULL;
}

/* A backslash that escapes nothing (RFC 5545 §3.3.11), as in C:\, stands for itself: libical would drop the
 * byte after it, and with it half a character. */
static GString *keep_backslashes(const char *text)
{
    GString *kept = g_string_sized_new(strlen(text) + 16);
    for (const char *c = text; *c; c++) {
        g_string_append_c(kept, *c);
        if (*c == '\\' && c[1] && strchr("\\;,nN\"", c[1]))
            g_string_append_c(kept, *++c);
        else if (*c == '\\')
            g_string_append_c(kept, '\\');
    }
    return kept;
}

/* libical's view of the line; NULL: it cannot read it. */
static icalproperty *read_property(const struct kg_ical_line *line)
{
    GString *text = keep_backslashes(line->text);
    icalproperty *property = icalproperty_new_from_string(text->str);
    g_string_free(text, TRUE);
    if (property && icalproperty_get_value(property) && icalproperty_isa(property) != ICAL_XLICERROR_PROPERTY)
        return property;
    if (property)
        icalproperty_free(property);
    return NULL;
}

/* Copies text as people may read it: what parts words or lines becomes a space (a line feed stays when lines
 * are allowed), what else hides or turns text is left out. NULL: memory is short. */
static char *copy_clean(const char *text, bool lines, bool *changed)
{
    size_t left = strlen(text), used = 0;
    char *out = malloc(left + 1);
    while (out && left > 0) {
        uint32_t c = 0;
        size_t taken = kg_utf8_take(text, left, &c);
        bool parts = c < 0xa0 || c == 0x2028 || c == 0x2029;
        if ((taken && !kg_utf8_is_treacherous(c)) || (lines && *text == '\n')) {
            memcpy(out + used, text, taken);
            used += taken;
        } else if (taken && parts) {
            out[used++] = ' ';
        } else {
            *changed = true;
        }
        taken = taken ? taken : 1;
        text += taken;
        left -= taken;
    }
    if (out)
        out[used] = '\0';
    return out;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n';
}

/* Copies text, clean, without blanks at its ends, cut at max bytes on a character's edge. Keeps the first of
 * several.
 */
static void set_bounded(struct kg_agenda_builder *b, char **out, const char *text, size_t max, bool lines,
                        uint32_t line)
{
    if (*out || !text)
        return;
    bool changed = false;
    char *clean = copy_clean(text, lines, &changed);
    if (changed)
        kg_agenda_report_add(b, KG_AGENDA_NOTE, line, "characters that hide or turn text are left out");
    if (!clean) {
        b->out_of_memory = true;
        return;
    }
    const char *from = clean + strspn(clean, " \n");
    size_t size = strlen(from);
    bool cut = size > max;
    if (cut) {
        size = max;
        while (size > 0 && ((unsigned char)from[size] & 0xc0) == 0x80)
            size--;
        kg_agenda_report_add(b, KG_AGENDA_NOTE, line, "the text is cut at %zu bytes", max);
    }
    while (size > 0 && is_blank(from[size - 1]))
        size--;
    memmove(clean, from, size);
    clean[size] = '\0';
    char *fitting = cut ? realloc(clean, size + 1) : NULL;
    *out = fitting ? fitting : clean;
}

static void set_text(struct kg_agenda_builder *b, char **out, const char *text, bool lines, uint32_t line)
{
    set_bounded(b, out, text, KG_AGENDA_MAX_TEXT_BYTES, lines, line);
}

static void on_uid(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    const char *uid = icalproperty_get_uid(p);
    if (!uid || !uid[0] || strlen(uid) > KG_AGENDA_MAX_UID_BYTES) {
        bad(b, e, line, "UID must have 1 to 255 bytes");
        return;
    }
    if (!kg_utf8_is_clean(uid, strlen(uid))) {
        bad(b, e, line, "UID holds a control character or one that is hidden");
        return;
    }
    if (!e->uid[0])
        snprintf(e->uid, sizeof(e->uid), "%s", uid);
}

static void on_summary(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    set_text(b, &e->meeting.title, icalproperty_get_summary(p), false, line);
}

static void on_description(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                           uint32_t line)
{
    set_text(b, &e->meeting.description, icalproperty_get_description(p), true, line);
}

static void on_location(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                        uint32_t line)
{
    set_text(b, &e->meeting.location, icalproperty_get_location(p), false, line);
}

static const char *address_of(const char *value)
{
    return value && strncasecmp(value, "mailto:", 7) == 0 ? value + 7 : value;
}

static void on_organizer(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                         uint32_t line)
{
    icalparameter *cn = icalproperty_get_first_parameter(p, ICAL_CN_PARAMETER);
    const char *name = cn ? icalparameter_get_cn(cn) : NULL;
    set_text(b, &e->meeting.organizer, name && name[0] ? name : address_of(icalproperty_get_organizer(p)),
             false, line);
}

/* The text of an X- parameter, or NULL. */
static const char *own_parameter(icalproperty *p, const char *name)
{
    for (icalparameter *x = icalproperty_get_first_parameter(p, ICAL_X_PARAMETER); x;
         x = icalproperty_get_next_parameter(p, ICAL_X_PARAMETER))
        if (strcasecmp(icalparameter_get_xname(x), name) == 0)
            return icalparameter_get_xvalue(x);
    return NULL;
}

/* Another room, told by its name alone. */
static void on_site(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    struct kg_meeting *m = &e->meeting;
    icalparameter *cn = icalproperty_get_first_parameter(p, ICAL_CN_PARAMETER);
    const char *const texts[] = {own_parameter(p, "X-KAIGI-ORGANIZATION"),
                                 own_parameter(p, "X-KAIGI-DEPARTMENT"), cn ? icalparameter_get_cn(cn) : ""};
    struct kg_meeting_site site = {0};
    char **const parts[] = {&site.organization, &site.department, &site.name};
    bool named = false;
    if (!m->sites && !(m->sites = calloc(KG_AGENDA_MAX_SITES, sizeof(*m->sites)))) {
        b->out_of_memory = true;
        return;
    }
    m->site_total = (uint16_t)KG_MIN(m->site_total + 1, KG_AGENDA_MAX_ROOMS);
    if (m->site_count >= KG_AGENDA_MAX_SITES)
        return;
    for (size_t i = 0; i < KG_ARRAY_LEN(parts); i++) {
        set_bounded(b, parts[i], texts[i] ? texts[i] : "", KG_AGENDA_MAX_SITE_BYTES, false, line);
        named |= *parts[i] && **parts[i];
    }
    m->sites[m->site_count] = site;
    m->site_count += named;
    for (size_t i = 0; i < KG_ARRAY_LEN(parts) && !named; i++)
        free(*parts[i]);
}

static void on_attendee(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                        uint32_t line)
{
    icalparameter *type = icalproperty_get_first_parameter(p, ICAL_CUTYPE_PARAMETER);
    if (!type || icalparameter_get_cutype(type) != ICAL_CUTYPE_ROOM)
        return;
    struct kg_meeting *m = &e->meeting;
    const char *address = address_of(icalproperty_get_attendee(p));
    if (address && strcasecmp(address, KG_AGENDA_SITE_ADDRESS) == 0) {
        on_site(b, e, p, line);
        return;
    }
    char id[KG_ROOM_ID_MAX + 1] = "";
    size_t size = address ? strcspn(address, "@") : 0;
    for (size_t i = 0; i < size && size <= KG_ROOM_ID_MAX; i++)
        id[i] = (char)g_ascii_tolower(address[i]);
    if (!kg_room_id_valid(id) || !strchr(address, '@')) {
        kg_agenda_report_add(b, KG_AGENDA_NOTE, line,
                             "the room's address is not mailto:<room id>@<anything>");
        return;
    }
    for (uint16_t i = 0; i < m->room_count; i++)
        if (strcmp(m->rooms[i], id) == 0)
            return;
    if (m->room_count >= KG_AGENDA_MAX_ROOMS) {
        kg_agenda_report_add(b, KG_AGENDA_NOTE, line, "more than %d rooms: this one is left out",
                             KG_AGENDA_MAX_ROOMS);
        return;
    }
    if (!m->rooms)
        m->rooms = calloc(KG_AGENDA_MAX_ROOMS, sizeof(char *));
    char *copy = m->rooms ? strdup(id) : NULL;
    if (copy)
        m->rooms[m->room_count++] = copy;
    else
        b->out_of_memory = true;
}

static void on_extension(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                         uint32_t line)
{
    const char *text = icalproperty_get_x(p);
    char *end = NULL;
    unsigned long count = text ? strtoul(text, &end, 10) : 0;
    if (!text || end == text || *end || text[0] == '-' || count > KG_AGENDA_MAX_ROOMS)
        kg_agenda_report_add(b, KG_AGENDA_NOTE, line, KG_AGENDA_SITES_PROPERTY " is no number of rooms");
    else
        e->other_rooms = (uint16_t)count;
}

static void on_start(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    const char *wrong = read_time(p, icalproperty_get_dtstart(p), &e->start);
    if (wrong)
        bad(b, e, line, wrong);
    e->has_start = true;
}

static void on_end(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    struct icaltimetype end = icaltime_null_time();
    const char *wrong = read_time(p, icalproperty_get_dtend(p), &end);
    if (wrong)
        bad(b, e, line, wrong);
    else
        e->end_us = kg_ical_time_us(end);
    e->has_end = true;
}

static void on_duration(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                        uint32_t line)
{
    struct icaldurationtype d = icalproperty_get_duration(p);
    if (icaldurationtype_is_bad_duration(d) || d.is_neg || d.weeks > 60 || d.days > 400 || d.hours > 10000 ||
        d.minutes > 600000 || d.seconds > 36000000) {
        bad(b, e, line, "DURATION is negative or longer than a year");
        return;
    }
    int64_t days = (int64_t)d.weeks * 7 + d.days;
    e->duration_us =
        (days * 86400 + (int64_t)d.hours * 3600 + (int64_t)d.minutes * 60 + d.seconds) * SECOND_US;
    e->has_duration = true;
}

static void on_sequence(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                        uint32_t line)
{
    (void)b;
    (void)line;
    int sequence = icalproperty_get_sequence(p);
    e->meeting.sequence = sequence > 0 ? (uint32_t)sequence : 0;
}

static void on_status(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    (void)b;
    (void)line;
    switch (icalproperty_get_status(p)) {
    case ICAL_STATUS_CANCELLED:
        e->meeting.status = KG_MEETING_CANCELLED;
        break;
    case ICAL_STATUS_TENTATIVE:
        e->meeting.status = KG_MEETING_TENTATIVE;
        break;
    default:
        e->meeting.status = KG_MEETING_CONFIRMED;
        break;
    }
}

static void on_rule(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    if (e->has_rule) {
        bad(b, e, line, "a second RRULE");
        return;
    }
    e->rule = icalproperty_get_rrule(p);
    e->rule_line = line;
    e->has_rule = true;
    /* Finer rules are never meetings, and would let a few bytes cost minutes. */
    if (e->rule.freq != ICAL_DAILY_RECURRENCE && e->rule.freq != ICAL_WEEKLY_RECURRENCE &&
        e->rule.freq != ICAL_MONTHLY_RECURRENCE && e->rule.freq != ICAL_YEARLY_RECURRENCE)
        bad(b, e, line, "RRULE must repeat daily, weekly, monthly or yearly");
    else if (e->rule.by_second[0] != ICAL_RECURRENCE_ARRAY_MAX ||
             e->rule.by_minute[0] != ICAL_RECURRENCE_ARRAY_MAX ||
             e->rule.by_hour[0] != ICAL_RECURRENCE_ARRAY_MAX)
        bad(b, e, line, "RRULE with BYHOUR, BYMINUTE or BYSECOND is not taken");
    else if (e->rule.rscale)
        bad(b, e, line, "RRULE with RSCALE is not taken: repeat by the Gregorian calendar");
    e->rule.rscale = NULL; /* the property's, which is freed before the rule is followed */
}

static void on_rdate(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p, uint32_t line)
{
    (void)e;
    (void)p;
    kg_agenda_report_add(b, KG_AGENDA_NOTE, line,
                         "RDATE is not supported: write those dates as events of their own");
}

static void on_recurrence_id(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                             uint32_t line)
{
    struct icaltimetype time = icaltime_null_time();
    const char *wrong = read_time(p, icalproperty_get_recurrenceid(p), &time);
    if (wrong)
        bad(b, e, line, wrong);
    else
        e->recurrence_us = kg_ical_time_us(time);
    e->has_recurrence_id = true;
}

/* Several times may stand on one line; libical's property holds the first only, so each is read for itself.
 */
static void on_exdates(struct kg_agenda_builder *b, struct kg_agenda_event *e, icalproperty *p,
                       const struct kg_ical_line *line)
{
    const char *colon = strrchr(line->text, ':');
    for (const char *at = colon ? colon + 1 : ""; *at;) {
        char text[32] = "";
        size_t size = strcspn(at, ",");
        struct icaltimetype time = icaltime_null_time();
        if (size < sizeof(text))
            memcpy(text, at, size);
        const char *wrong = read_time(p, icaltime_from_string(text), &time);
        if (wrong) {
            bad(b, e, line->number, wrong);
            return;
        }
        if (e->exdate_count >= KG_AGENDA_MAX_EXDATES) {
            bad(b, e, line->number, "more than 512 EXDATEs");
            return;
        }
        e->exdates[e->exdate_count++] = kg_ical_time_us(time);
        at += size + (at[size] == ',');
    }
}

typedef void property_fn(struct kg_agenda_builder *, struct kg_agenda_event *, icalproperty *, uint32_t line);
static const struct {
    const char *name;
    icalproperty_kind kind;
    property_fn *read;
    bool vital; /* a mistake in it costs the event */
} properties[] = {
    {"UID", ICAL_UID_PROPERTY, on_uid, true},
    {"DTSTART", ICAL_DTSTART_PROPERTY, on_start, true},
    {"DTEND", ICAL_DTEND_PROPERTY, on_end, true},
    {"DURATION", ICAL_DURATION_PROPERTY, on_duration, true},
    {"RRULE", ICAL_RRULE_PROPERTY, on_rule, true},
    {"EXDATE", ICAL_EXDATE_PROPERTY, NULL, true},
    {"RECURRENCE-ID", ICAL_RECURRENCEID_PROPERTY, on_recurrence_id, true},
    {"RDATE", ICAL_RDATE_PROPERTY, on_rdate, false},
    {"SUMMARY", ICAL_SUMMARY_PROPERTY, on_summary, false},
    {"DESCRIPTION", ICAL_DESCRIPTION_PROPERTY, on_description, false},
    {"LOCATION", ICAL_LOCATION_PROPERTY, on_location, false},
    {"ORGANIZER", ICAL_ORGANIZER_PROPERTY, on_organizer, false},
    {"ATTENDEE", ICAL_ATTENDEE_PROPERTY, on_attendee, false},
    {"SEQUENCE", ICAL_SEQUENCE_PROPERTY, on_sequence, false},
    {"STATUS", ICAL_STATUS_PROPERTY, on_status, false},
    {KG_AGENDA_SITES_PROPERTY, ICAL_X_PROPERTY, on_extension, false},
};

void kg_agenda_event_line(struct kg_agenda_builder *b, struct kg_agenda_event *e,
                          const struct kg_ical_line *line)
{
    size_t i = 0;
    while (i < KG_ARRAY_LEN(properties) && !kg_ical_line_is(line, properties[i].name))
        i++;
    if (i == KG_ARRAY_LEN(properties) || (e->bad && i != 0))
        return;
    const char *wrong = NULL;
    icalproperty *property = NULL;
    if (line->too_long)
        wrong = "is longer than 64 kB";
    else if (memchr(line->text, '\0', line->size) || !g_utf8_validate(line->text, (gssize)line->size, NULL))
        wrong = "is not UTF-8 text: save the calendar as UTF-8";
    else if (!(property = read_property(line)) || icalproperty_isa(property) != properties[i].kind)
        wrong = "cannot be read";
    if (wrong) {
        kg_agenda_report_add(b, properties[i].vital ? KG_AGENDA_BAD : KG_AGENDA_NOTE, line->number, "%s %s",
                             properties[i].name, wrong);
        e->bad |= properties[i].vital;
    } else if (properties[i].read) {
        properties[i].read(b, e, property, line->number);
    } else {
        on_exdates(b, e, property, line);
    }
    if (property)
        icalproperty_free(property);
}

static bool length_of(struct kg_agenda_builder *b, struct kg_agenda_event *e, int64_t start_us,
                      int64_t *length_us)
{
    if (e->has_end)
        *length_us = e->end_us - start_us;
    else if (e->has_duration)
        *length_us = e->duration_us;
    else if (e->start.is_date)
        *length_us = 86400 * SECOND_US; /* RFC 5545 §3.6.1 */
    else {
        *length_us = 3600 * SECOND_US;
        kg_agenda_report_add(b, KG_AGENDA_NOTE, e->line, "the event has no end: one hour is assumed");
    }
    if (*length_us > 0)
        return true;
    bad(b, e, e->line, "the event ends before it starts");
    return false;
}

/* Absent texts become "", the list of rooms as long as it must be. false: memory is short. */
static bool complete(struct kg_meeting *m)
{
    char **rooms = m->rooms ? realloc(m->rooms, (m->room_count + 1u) * sizeof(char *)) : NULL;
    if (rooms)
        m->rooms = rooms;
    char **const texts[] = {&m->title, &m->description, &m->organizer, &m->location};
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++)
        if (!*texts[i] && !(*texts[i] = strdup("")))
            return false;
    return true;
}

void kg_agenda_event_end(struct kg_agenda_builder *b, struct kg_agenda_event *e)
{
    int64_t length_us;
    if (!e->bad && !e->uid[0])
        bad(b, e, e->line, "the event has no UID");
    if (!e->bad && !e->has_start)
        bad(b, e, e->line, "the event has no DTSTART");
    if (!e->bad && (e->has_rule || e->has_recurrence_id) &&
        strlen(e->uid) > KG_AGENDA_MAX_UID_BYTES - strlen("/20261121T010000Z"))
        bad(b, e, e->line, "the UID of a repeating event must have at most 238 bytes");
    if (e->bad)
        return;
    e->meeting.site_total = KG_MAX(e->meeting.site_total, e->other_rooms);
    int64_t start_us = kg_ical_time_us(e->start);
    if (!length_of(b, e, start_us, &length_us))
        return;
    if (e->meeting.room_count == 0)
        kg_agenda_report_add(b, KG_AGENDA_NOTE, e->line, "no room is invited (ATTENDEE;CUTYPE=ROOM)");
    if (e->has_rule && !e->has_recurrence_id) {
        kg_agenda_expand(b, e, length_us);
        return;
    }
    bool named = true;
    if (e->has_recurrence_id)
        named = kg_agenda_occurrence_uid(e->uid, e->recurrence_us, &e->meeting.uid);
    else
        named = (e->meeting.uid = strdup(e->uid)) != NULL;
    e->meeting.start_us = start_us;
    e->meeting.end_us = start_us + length_us;
    if (named && complete(&e->meeting))
        kg_agenda_item_add(b, &e->meeting, e->line, e->has_recurrence_id);
    else
        b->out_of_memory = true;
}

/* Occurrences of a repeating event. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "signal/agenda_parse.h"

enum { MAX_STEPS = 20000 /* 54 years of days */ };

bool kg_agenda_occurrence_uid(const char *uid, int64_t start_us, char **out)
{
    time_t seconds = (time_t)(start_us / 1000000);
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
    return asprintf(out, "%s/%s", uid, text) >= 0;
}

/* The rule's end in the start's own terms: libical compares them without regard to our zone. */
static void adjust_until(struct icalrecurrencetype *rule, struct icaltimetype start)
{
    if (icaltime_is_null_time(rule->until))
        return;
    bool utc = icaltime_is_utc(start);
    if (rule->until.is_date) {
        rule->until.is_date = 0;
        rule->until.hour = 23;
        rule->until.minute = 59;
        rule->until.second = 59;
    } else if (icaltime_is_utc(rule->until) && !utc) {
        icaltime_adjust(&rule->until, 0, 9, 0, 0);
    }
    rule->until.zone = utc ? icaltimezone_get_utc_timezone() : NULL;
}

static bool excluded(const struct kg_agenda_event *e, int64_t start_us)
{
    for (size_t i = 0; i < e->exdate_count; i++)
        if (e->exdates[i] == start_us)
            return true;
    return false;
}

static bool add_occurrence(struct kg_agenda_builder *b, const struct kg_agenda_event *e, int64_t start_us,
                           int64_t length_us)
{
    char *uid;
    struct kg_meeting meeting;
    if (!kg_agenda_occurrence_uid(e->uid, start_us, &uid))
        return false;
    bool good = kg_meeting_copy(&e->meeting, uid, start_us, start_us + length_us, &meeting);
    if (good)
        kg_agenda_item_add(b, &meeting, e->line, false);
    free(uid);
    return good;
}

void kg_agenda_expand(struct kg_agenda_builder *b, const struct kg_agenda_event *e, int64_t length_us)
{
    if (b->recurring++ >= KG_AGENDA_MAX_RECURRING) {
        kg_agenda_report_add(b, KG_AGENDA_BAD, e->rule_line, "more than %d repeating events",
                             KG_AGENDA_MAX_RECURRING);
        b->truncated = true;
        return;
    }
    if (b->fruitless >= KG_AGENDA_MAX_FRUITLESS) {
        kg_agenda_report_add(b, KG_AGENDA_BAD, e->rule_line,
                             "left out: too many rules in this calendar never match");
        b->truncated = true;
        return;
    }
    struct icalrecurrencetype rule = e->rule;
    adjust_until(&rule, e->start);
    icalrecur_iterator *iterator = icalrecur_iterator_new(rule, e->start);
    if (!iterator) {
        kg_agenda_report_add(b, KG_AGENDA_BAD, e->rule_line, "RRULE cannot be followed, or never matches");
        b->fruitless++;
        return;
    }
    unsigned count = 0;
    unsigned steps = 0;
    bool reached_end = false;
    for (; steps < MAX_STEPS && count < KG_AGENDA_MAX_OCCURRENCES; steps++) {
        struct icaltimetype time = icalrecur_iterator_next(iterator);
        if (icaltime_is_null_time(time))
            break;
        int64_t start_us = kg_ical_time_us(time);
        reached_end = start_us >= b->to_us;
        if (reached_end)
            break;
        if (start_us + length_us <= b->from_us || excluded(e, start_us))
            continue;
        if (!add_occurrence(b, e, start_us, length_us)) {
            b->out_of_memory = true;
            break;
        }
        count++;
    }
    icalrecur_iterator_free(iterator);
    b->fruitless += steps == 0 && count == 0 && !reached_end;
    bool cut = steps == MAX_STEPS || count == KG_AGENDA_MAX_OCCURRENCES;
    b->truncated |= cut;
    kg_agenda_report_add(b, KG_AGENDA_NOTE, e->rule_line, "the event repeats: %u occurrences are kept%s",
                         count, cut ? ", the later ones are left out" : "");
}

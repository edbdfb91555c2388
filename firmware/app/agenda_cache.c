#include "app/agenda_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/state_file.h"
#include "base/log.h"
#include "signal/agenda.h"

enum { NEXT_DAYS = 32 }; /* as far as the relay tells */

static const char file_name[] = "agenda.ics";

struct kg_agenda_cache {
    char *folder;
    char *text; /* NULL: none yet */
    int64_t time_us;
};

struct kg_agenda_cache *kg_agenda_cache_create(const char *folder)
{
    struct kg_agenda_cache *cache = calloc(1, sizeof *cache);
    if (!cache || !(cache->folder = strdup(folder))) {
        free(cache);
        return NULL;
    }
    size_t size;
    if (kg_state_file_read(folder, file_name, KG_AGENDA_CACHE_MAX_BYTES, &cache->text, &size) !=
        KG_STATE_FILE_OK)
        cache->text = NULL;
    if (cache->text)
        cache->time_us = kg_state_file_time_us(folder, file_name);
    return cache;
}

void kg_agenda_cache_destroy(struct kg_agenda_cache *cache)
{
    if (!cache)
        return;
    free(cache->folder);
    free(cache->text);
    free(cache);
}

bool kg_agenda_cache_put(struct kg_agenda_cache *cache, const char *calendar, int64_t wall_us)
{
    size_t size = strlen(calendar);
    if (size > KG_AGENDA_CACHE_MAX_BYTES) {
        kg_log(KG_LOG_WARN, "app", "app.agenda-too-large", "an agenda of %zu bytes is left aside", size);
        return false;
    }
    char *copy = strdup(calendar);
    if (!copy)
        return false;
    free(cache->text);
    cache->text = copy;
    cache->time_us = wall_us;
    /* Even the same again: the file's time says as of when it holds. */
    if (!kg_state_file_write(cache->folder, file_name, copy, size))
        kg_log(KG_LOG_WARN, "app", NULL, "the agenda is not kept for the next start");
    return true;
}

int64_t kg_agenda_cache_time_us(const struct kg_agenda_cache *cache)
{
    return cache->time_us;
}

static int64_t midnight_us(int64_t wall_us, int days)
{
    time_t now = (time_t)(wall_us / 1000000);
    struct tm day;
    localtime_r(&now, &day);
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_mday += days;
    day.tm_isdst = -1;
    return (int64_t)mktime(&day) * 1000000;
}

int64_t kg_agenda_next_day_us(int64_t wall_us)
{
    return midnight_us(wall_us, 1);
}

_Static_assert(sizeof((struct kg_agenda_site *)NULL)->name > KG_AGENDA_MAX_SITE_BYTES, "a name is not cut");

static void copy_sites(const struct kg_meeting *meeting, struct kg_agenda_entry *entry)
{
    for (uint16_t i = 0; i < meeting->site_count && i < KG_AGENDA_DAY_SITES; i++) {
        const struct kg_meeting_site *from = &meeting->sites[i];
        struct kg_agenda_site *to = &entry->sites[i];
        snprintf(to->organization, sizeof to->organization, "%s", from->organization);
        snprintf(to->department, sizeof to->department, "%s", from->department);
        snprintf(to->name, sizeof to->name, "%s", from->name);
    }
    entry->site_count = meeting->site_total;
}

static void copy_entry(const struct kg_meeting *meeting, struct kg_agenda_entry *entry)
{
    snprintf(entry->uid, sizeof entry->uid, "%s", meeting->uid);
    snprintf(entry->title, sizeof entry->title, "%s", meeting->title);
    entry->start_us = meeting->start_us;
    entry->end_us = meeting->end_us;
    entry->cancelled = meeting->status == KG_MEETING_CANCELLED;
    copy_sites(meeting, entry);
}

void kg_agenda_cache_day(const struct kg_agenda_cache *cache, int64_t wall_us, struct kg_agenda_day *day)
{
    memset(day, 0, sizeof *day);
    if (!cache->text)
        return;
    struct kg_agenda *agenda =
        kg_agenda_parse(cache->text, strlen(cache->text), midnight_us(wall_us, 0), midnight_us(wall_us, 1));
    if (!agenda)
        return;
    for (size_t i = 0; i < agenda->report_count; i++)
        kg_log(KG_LOG_WARN, "app", "app.agenda-report", "agenda line %u: %s", agenda->reports[i].line,
               agenda->reports[i].reason);
    for (size_t i = 0; i < agenda->meeting_count && day->count < KG_AGENDA_DAY_MEETINGS; i++)
        copy_entry(&agenda->meetings[i], &day->entries[day->count++]);
    kg_agenda_destroy(agenda);
}

void kg_agenda_cache_next(const struct kg_agenda_cache *cache, int64_t wall_us, struct kg_agenda_day *next)
{
    int64_t from_us = midnight_us(wall_us, 1);
    memset(next, 0, sizeof *next);
    struct kg_agenda *agenda = cache->text ? kg_agenda_parse(cache->text, strlen(cache->text), from_us,
                                                             midnight_us(wall_us, NEXT_DAYS))
                                           : NULL;
    for (size_t i = 0; agenda && i < agenda->meeting_count && next->count < KG_AGENDA_DAY_MEETINGS; i++) {
        const struct kg_meeting *meeting = &agenda->meetings[i];
        if (meeting->start_us >= from_us && meeting->status != KG_MEETING_CANCELLED)
            copy_entry(meeting, &next->entries[next->count++]);
    }
    kg_agenda_destroy(agenda);
}

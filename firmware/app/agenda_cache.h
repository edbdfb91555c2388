/* This room's meetings, as last sent by the relay: kept as iCalendar in the state folder, so that the home
 * screen shows them while the relay is away. Thread: the main thread (libical keeps global tables).
 * Owns: the calendar's text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum { KG_AGENDA_CACHE_MAX_BYTES = 4 * 1024 * 1024, KG_AGENDA_DAY_MEETINGS = 32, KG_AGENDA_DAY_SITES = 6 };

/* Another room of a meeting. */
struct kg_agenda_site {
    char organization[128], department[128], name[128];
};

struct kg_agenda_entry {
    char uid[256];
    char title[256];
    int64_t start_us, end_us; /* wall */
    bool cancelled;
    struct kg_agenda_site sites[KG_AGENDA_DAY_SITES]; /* the first ones whose names are told */
    uint32_t site_count;                              /* other rooms in all */
};

struct kg_agenda_day {
    size_t count;
    struct kg_agenda_entry entries[KG_AGENDA_DAY_MEETINGS]; /* by start */
};

struct kg_agenda_cache;

/* With what the folder holds; without a readable file, empty. NULL: memory is short. */
KG_MUST_CHECK struct kg_agenda_cache *kg_agenda_cache_create(const char *folder);
void kg_agenda_cache_destroy(struct kg_agenda_cache *cache);
/* A new calendar, sent by the relay at wall_us: kept in memory, and in the folder if it can be written (else
 * logged). false: too large or not a text; the old one stays. */
KG_MUST_CHECK bool kg_agenda_cache_put(struct kg_agenda_cache *cache, const char *calendar, int64_t wall_us);
/* The meetings of the local day wall_us lies in, those that reach into it too. */
void kg_agenda_cache_day(const struct kg_agenda_cache *cache, int64_t wall_us, struct kg_agenda_day *day);
/* The first meetings that begin after that day, cancelled ones left out. */
void kg_agenda_cache_next(const struct kg_agenda_cache *cache, int64_t wall_us, struct kg_agenda_day *next);
/* Wall time at which the relay last sent a calendar; 0: never. */
int64_t kg_agenda_cache_time_us(const struct kg_agenda_cache *cache);
/* When the local day after wall_us begins. */
int64_t kg_agenda_next_day_us(int64_t wall_us);

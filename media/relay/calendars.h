/* Reads the calendars in administrators' requests one after another on a thread of its own, and hands each
 * request to control when its calendar has been read: nobody else's request waits for a calendar. An
 * organization (the relay's own people: each for the organization he names) has one here at a time, so that a
 * slow one holds up its own organization most.
 * Thread: created and destroyed by control's owner; offers come from the admin thread. Owns: its thread and
 * the requests offered to it, until control has them. */
#pragma once

#include "base/attr.h"
#include "relay/control_internal.h"

struct kg_calendars;

enum { KG_CALENDARS_MAX = 4 /* being read and waiting: together less than the visitors' patience */ };

/* commands: control's. reader: as kg_agenda_read's program. NULL: no memory or thread (logged). */
struct kg_calendars *kg_calendars_create(struct kg_queue *commands, const char *reader);
/* Kills the reader under way and joins. What was not read yet is dropped without an answer. */
void kg_calendars_destroy(struct kg_calendars *calendars);

/* The request's "calendar" must be a text. NULL: taken. Else why not now; the request stays the caller's. */
KG_MUST_CHECK const char *kg_calendars_offer(struct kg_calendars *calendars,
                                             const struct kg_control_command *command);

/* What writing, reading and carrying agendas share. Thread: the caller's. */
#pragma once

#include "base/attr.h"
#include "signal/agenda.h"

/* Stands for the address of a room whose id is not told. */
#define KG_AGENDA_SITE_ADDRESS "urn:x-kaigi:other-room"
/* How many other rooms there are, when not all have a line. */
#define KG_AGENDA_SITES_PROPERTY "X-KAIGI-OTHER-ROOMS"

/* A deep copy with another UID and time; false: memory is short. */
KG_MUST_CHECK bool kg_meeting_copy(const struct kg_meeting *from, const char *uid, int64_t start_us,
                                   int64_t end_us, struct kg_meeting *out);

/* Frees what it owns and leaves it zero. */
void kg_meeting_finish(struct kg_meeting *meeting);

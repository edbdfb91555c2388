/* The time zone of the room's clock and calendar, whatever the PC's own is. Thread: main. */
#pragma once

#include <stdbool.h>

/* NULL: the system knows this zone, a name as Asia/Tokyo; else what is expected instead. */
const char *kg_time_zone_expected(const char *name);
/* Local time is this zone's from here on. Before threads that ask for it start: the environment is written.
 * With TZ set glibc never looks at /etc/localtime again, which libwebsockets would make it do at every poll.
 */
void kg_time_zone_apply(const char *name);

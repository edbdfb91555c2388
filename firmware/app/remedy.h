/* What to do about a connection that failed, in the log's words; the touchscreen's are in ui/core/problems.
 * Pure; thread: any. */
#pragma once

#include "net/ws_client.h"

/* NULL for KG_WS_CLOSED: a line that was cut is taken up again by itself. */
const char *kg_remedy_of_close(enum kg_ws_failure failure);

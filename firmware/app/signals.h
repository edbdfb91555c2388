/* SIGINT and SIGTERM as a question the main loop asks. One per process; started before any other thread, so
 * that all inherit the blocked signals. Thread: the main thread. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

/* wake: called in a thread when one was caught. false (logged): no thread. */
KG_MUST_CHECK bool kg_signals_start(void (*wake)(void));
void kg_signals_stop(void);
bool kg_signals_caught(void);

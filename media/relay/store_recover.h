/* Opening the store whatever has happened to its file. Thread: the caller's. */
#pragma once

#include <sqlite3.h>

#include "relay/store.h"

/* The database, brought to the newest version and read; from its last good copy when it is damaged or gone.
 * NULL: *problem. */
sqlite3 *kg_store_open_or_recover(const char *path, const char *copy_path, struct kg_store_snapshot *snapshot,
                                  struct kg_problem *problem);

/* Opening the store whatever has happened to its file. The write-ahead log holds everything since the last
 * good copy was made, as whole pages: laid over that copy it gives what it gives laid over the file, so
 * damage to the file loses nothing. Thread: the caller's. */
#pragma once

#include <sqlite3.h>

#include "relay/store.h"

/* The database, brought to the newest version and read; from its last good copy when it is damaged or gone,
 * with the log if the two are sound together, otherwise without; else an empty one. The damaged files are
 * kept. NULL: *problem. */
sqlite3 *kg_store_open_or_recover(const char *path, const char *copy_path, struct kg_store_snapshot *snapshot,
                                  struct kg_problem *problem);

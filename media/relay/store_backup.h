/* Whole copies of the store. Thread: the connection's. */
#pragma once

#include <sqlite3.h>
#include <stdatomic.h>

#include "relay/store.h"

struct kg_store_copy {
    const char *path;
    bool replace;      /* a file of that name; otherwise it is left as it is and the copy refused */
    atomic_bool *stop; /* set by another thread: give up; NULL: never */
    sqlite3 *empty; /* another connection to the store: empties the log as far as the copy goes; NULL: no */
};
/* Copies one moment's state beside `path` (in a folder of its own, where nobody else may write), checks its
 * pages and its audit trail, syncs it and renames it. Mode 0600. A link at `path` is never followed.
 * verdict: of the copy's trail; may be NULL. KG_STORE_CORRUPT with a verdict that is not sound: the copy is
 * there all the same, under its name with ".unsound". Not KG_STORE_OK: *problem. */
enum kg_store_status kg_store_copy(sqlite3 *db, const struct kg_store_copy *copy,
                                   struct kg_audit_verdict *verdict, struct kg_problem *problem);
/* Removes what copies to `path` that were cut off have left beside it: they are as large as the store. None
 * may be under way. */
void kg_store_copy_sweep(const char *path);
/* Page by page, indexes too. A SQLite code: SQLITE_CORRUPT when something is wrong. */
int kg_store_check_pages(sqlite3 *db, bool quick);
/* Syncs the folder a file lies in, so that its name survives a power cut. */
bool kg_store_sync_folder(const char *path);

/* The store's tables as numbered steps. Thread: the caller's. */
#pragma once

#include <sqlite3.h>

#include "base/attr.h"

/* The version this program writes. */
int kg_store_schema_version(void);
/* SQL that leads from version `from` to the next; NULL when there is none. */
const char *kg_store_schema_step(int from);
/* What of that step SQL alone cannot say, after its SQL, in the same transaction. A SQLite code. */
int kg_store_schema_finish(sqlite3 *db, int from);

/* The audit trail in the store: its SQL. Thread: one at a time for each connection. Integers returned are
 * SQLite codes. */
#pragma once

#include <sqlite3.h>

#include "relay/store.h"

/* Within the caller's transaction. *row (may be NULL) is what was written; its texts are the entry's. */
int kg_store_audit_append(sqlite3 *db, const struct kg_audit_entry *entry, struct kg_audit_row *row);
/* The same in a transaction of its own: the store tells of itself. */
int kg_store_audit_tell(sqlite3 *db, const char *event_id, const char *actor, const char *detail);
/* Part of migration 2: the events of before become the trail's first rows. */
int kg_store_audit_take_events(sqlite3 *db);
/* The oldest rows from before cutoff_us, at most max_rows, in one transaction that says so in a row of its
 * own. The newest row always stays. */
int kg_store_audit_prune(sqlite3 *db, int64_t cutoff_us, int64_t now_us, int max_rows, int64_t *pruned);
int kg_store_audit_remember(sqlite3 *db, const struct kg_audit_anchor *anchor);

/* Reads, each of one moment's state. */
int kg_store_audit_rows(sqlite3 *db, const struct kg_audit_filter *filter, struct kg_store_answer *answer);
int kg_store_audit_lines(sqlite3 *db, const struct kg_audit_filter *filter, int64_t now_us,
                         struct kg_store_answer *answer);
/* anchor: NULL or one kept elsewhere. kept_us: wall clock; rows from before may be pruned already, later ones
 * must be there. 0: all. */
int kg_store_audit_check(sqlite3 *db, const struct kg_audit_anchor *anchor, int64_t kept_us,
                         struct kg_audit_verdict *verdict);

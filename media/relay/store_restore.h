/* Putting a backup in the store's place while no relay runs: kaigi-ctl restore. Thread: the caller's. */
#pragma once

#include "base/attr.h"
#include "relay/audit.h"
#include "relay/problem.h"

/* Checks the backup (pages, version, audit trail), copies it beside the store, syncs it and only then swaps
 * it in. The store that was there is kept: its path in *kept ("": there was none). false: nothing was
 * changed, *problem says what to do; a relay that holds the state folder's lock is such a case. */
KG_MUST_CHECK bool kg_store_restore(const char *state, const char *backup, char kept[4096],
                                    struct kg_audit_verdict *verdict, struct kg_problem *problem);

/* The store's tables as numbered steps. Pure; thread: any. */
#pragma once

#include "base/attr.h"

/* The version this program writes. */
int kg_store_schema_version(void);
/* SQL that leads from version `from` to the next; NULL when there is none. */
const char *kg_store_schema_step(int from);

/* What this process uses. Thread: any. */
#pragma once

#include <stdint.h>

/* Resident memory in KiB; 0 when /proc does not say. */
int64_t kg_process_rss_kb(void);

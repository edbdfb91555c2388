/* A number for what some texts say now: the same for the same texts, also after a restart. Pure. */
#pragma once

#include <stdint.h>

/* 52 bits of a hash over texts, the last NULL: any JSON reader keeps so many. */
int64_t kg_revision_of(const char *first, ...) __attribute__((sentinel));

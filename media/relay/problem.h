/* Why an operation was refused, in one English line with cause and remedy: for the log and for kaigi-ctl.
 * Thread: any; a plain value. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct kg_problem {
    char text[512];
};

/* Always false, so that a failing function may end with `return kg_problem_set(...)`. problem may be NULL. */
bool kg_problem_set(struct kg_problem *problem, const char *fmt, ...) KG_PRINTF(2, 3);

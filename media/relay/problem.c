#include "relay/problem.h"

#include <stdarg.h>
#include <stdio.h>

bool kg_problem_set(struct kg_problem *problem, const char *fmt, ...)
{
    if (!problem)
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, args);
    va_end(args);
    return false;
}

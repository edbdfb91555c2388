/* Small deterministic helpers of the flow tests. */
#pragma once

#include <stdint.h>

/* A fixed pseudo-random sequence: tests are the same every time. */
static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

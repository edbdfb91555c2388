/* The two clocks. Protocol code takes a time and never calls these. Thread: any. */
#pragma once

#include <stdint.h>

/* Microseconds from an arbitrary start; never goes back (CLOCK_MONOTONIC). */
int64_t kg_clock_now_us(void);
/* Microseconds since 1970-01-01 UTC; may jump (CLOCK_REALTIME). */
int64_t kg_clock_wall_us(void);
/* CPU time this process has used, microseconds. */
int64_t kg_clock_cpu_us(void);

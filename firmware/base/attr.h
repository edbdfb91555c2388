/* Compiler attributes and small helpers used everywhere. */
#pragma once

#include <stddef.h>

#define KG_MUST_CHECK        __attribute__((warn_unused_result))
#define KG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define KG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KG_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define KG_MAX(a, b)    ((a) > (b) ? (a) : (b))

/* The struct that holds `member` at `ptr`. */
#define KG_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* What an administrator may write into a request, checked in one place before anything looks at it. Every
 * refusal names the field and what would do.
 * Thread: any; pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

enum {
    KG_CHECK_ID_BYTES = 63,
    KG_CHECK_TEXT_BYTES = 255,
    KG_CHECK_MEETING_BYTES = 255, /* "<organization>/<UID>" */
    KG_CHECK_PEM_BYTES = 64 * 1024,
    KG_CHECK_MAX_IDS = 256,
    KG_CHECK_QUOTE_BYTES = 100, /* of kg_check_quote, with NUL */
};

enum kg_check_kind {
    KG_CHECK_ID,       /* [a-z0-9-]{1,63} */
    KG_CHECK_NAME,     /* 1 to 255 bytes on one line, with something to be seen */
    KG_CHECK_TEXT,     /* the same, or nothing */
    KG_CHECK_READING,  /* かな, カナ, ー, Latin letters, digits, spaces; or nothing */
    KG_CHECK_WORD,     /* 1 to 64 of printable ASCII without space: keys, choices, values */
    KG_CHECK_MEETING,  /* "<organization>/<UID>" */
    KG_CHECK_PEM,      /* ASCII lines, at most 64 KiB */
    KG_CHECK_CALENDAR, /* at most 8 MiB; its own parser judges it */
    KG_CHECK_IDS,      /* an array of ids, each once */
    KG_CHECK_BOOL,
    KG_CHECK_INTEGER, /* 0 to 2^53 */
    KG_CHECK_PATH,    /* absolute, at most 1,024 bytes, no control characters */
    KG_CHECK_DIGEST,  /* 64 hexadecimal digits */
    KG_CHECK_KINDS
};

/* Is this value of `field` of that kind? */
KG_MUST_CHECK bool kg_check_value(enum kg_check_kind kind, const char *field, const json_t *value,
                                  struct kg_problem *problem);
/* The same for text that need not end with NUL. Only kinds that are text. */
KG_MUST_CHECK bool kg_check_text(enum kg_check_kind kind, const char *field, const char *text, size_t size,
                                 struct kg_problem *problem);

/* Text of unknown origin made fit to stand in one line of a message: what is invisible, steers a terminal or
 * turns the writing direction becomes "?", and what is long is cut at a character. */
void kg_check_quote(const char *text, size_t size, char out[KG_CHECK_QUOTE_BYTES]);

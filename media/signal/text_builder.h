/* Text that grows as it is written: for SDP and iCalendar output.
 * Thread: the owner's. Owns its text until taken. A failure (memory, or the limit) sticks: check once at the
 * end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct kg_text {
    char *data;
    size_t size; /* without the final NUL */
    size_t room;
    size_t limit; /* of size */
    bool failed;
};

struct kg_text kg_text_init(size_t limit);
void kg_text_finish(struct kg_text *text);
void kg_text_add(struct kg_text *text, const char *fmt, ...) KG_PRINTF(2, 3);
void kg_text_add_bytes(struct kg_text *text, const char *bytes, size_t size);
/* The text, NUL-terminated, the caller's to free(); NULL after a failure. Leaves text finished. */
KG_MUST_CHECK char *kg_text_take(struct kg_text *text);

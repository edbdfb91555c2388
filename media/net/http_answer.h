/* An HTTP/1.1 answer as a client reads it (RFC 9112): status, the few fields anybody here asks for, body. The
 * bytes may come from anyone: everything is bounded. Pure: no I/O. Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_HTTP_HEAD_MAX = 16 * 1024,
    KG_HTTP_BODY_MAX = 64 * 1024,
    KG_HTTP_ANSWER_MAX = 128 * 1024, /* with what chunks cost; no whole answer is longer */
    KG_HTTP_RETRY_MAX_S = 86400,     /* a longer wait is taken as this one */
};

struct kg_http_answer {
    int status;            /* 200 … 599; 100 to 199 are passed over */
    int64_t retry_after_s; /* -1: not said, or as a date */
    char type[64];         /* of the body, in small letters, without parameters; "": none */
    char *body;            /* NUL-terminated; NULL from kg_http_head_read */
    size_t body_size;
};

enum kg_http_state {
    KG_HTTP_MORE, /* what there is so far is the beginning of one */
    KG_HTTP_WHOLE,
    KG_HTTP_BAD, /* not an HTTP/1.x answer, broken, or over a limit */
};

/* size bytes have come; ended: no more will. WHOLE: *answer is the caller's (kg_http_answer_finish); anything
 * else leaves it untouched. Bytes behind the end are not looked at. BAD is also what an ended MORE is, and
 * memory that is short. */
enum kg_http_state kg_http_answer_read(const char *bytes, size_t size, bool ended,
                                       struct kg_http_answer *answer);
/* The head alone, as a proxy answers CONNECT (RFC 9110 §9.3.6). */
enum kg_http_state kg_http_head_read(const char *bytes, size_t size, struct kg_http_answer *answer);
void kg_http_answer_finish(struct kg_http_answer *answer);

/* Words, numbers and lines of a session description: helpers of sdp_*.c and of whoever reads decimal text.
 * Thread: any; pure. Words are views into the caller's text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_sdp_error;

struct kg_word {
    const char *at;
    size_t size;
};

struct kg_word kg_word_of(const char *text);
/* The next word of *at, which moves on; words are separated by spaces. false: none left. */
KG_MUST_CHECK bool kg_word_next(const char **at, struct kg_word *out);
bool kg_word_is(struct kg_word word, const char *text);
bool kg_word_is_nocase(struct kg_word word, const char *text);
/* Decimal digits and nothing else, at most max. */
KG_MUST_CHECK bool kg_word_number(struct kg_word word, uint64_t max, uint64_t *out);
/* Copies with a NUL. false: longer than size-1. */
KG_MUST_CHECK bool kg_word_copy(struct kg_word word, char *out, size_t size);
/* Every character is a letter, a digit or one of extra. */
bool kg_word_chars(struct kg_word word, const char *extra);

/* Sizes, counts and the x= form of every line. */
KG_MUST_CHECK bool kg_sdp_text_check(const char *text, size_t size, struct kg_sdp_error *error);

/* The number, from 1, of a line: section 0 is the session, 1.. the media; attribute −1 is the section's first
 * line, else the a= line of that ordinal in it. 0: not found. */
uint32_t kg_sdp_text_line(const char *text, size_t size, size_t section, int attribute);

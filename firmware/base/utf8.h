/* UTF-8 (RFC 3629) of unknown origin: its characters, and which of them may stand in a line that people read.
 * Thread: any; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* The bytes of the character at text, of which `size` may be read; 0: none begins there, or it is cut off.
 * character may be NULL. */
size_t kg_utf8_take(const char *text, size_t size, uint32_t *character);

/* A character that breaks a line, steers a terminal, turns the direction of writing or is not to be seen:
 * with it a line forges another, or one name looks like another (Unicode TR 36). That is: controls,
 * separators of lines and paragraphs, Unicode's Default_Ignorable_Code_Point, blanks that are letters or
 * signs, noncharacters. Selectors of a character's form are none: Japanese names need them. */
bool kg_utf8_is_treacherous(uint32_t character);

/* UTF-8 with nothing treacherous in it. */
KG_MUST_CHECK bool kg_utf8_is_clean(const char *text, size_t size);

/* Copies what is well-formed and not treacherous; of the rest, `instead` for each character or stray byte
 * ("": it is left out). Cut between characters where out, of out_size ≥ 1 bytes, is full; NUL-terminated.
 * Returns the bytes written without the NUL. out may be text itself if `instead` is at most one byte. */
size_t kg_utf8_clean(const char *text, size_t size, const char *instead, char *out, size_t out_size);

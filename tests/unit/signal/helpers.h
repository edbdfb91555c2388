/* Shared by the signal tests: whole files, and a text with one passage replaced. Thread: the test's. */
#pragma once

#include <stddef.h>

/* The file, NUL-terminated, free with free(); NULL: not there. */
char *read_file(const char *path, size_t *size);
/* Calls visit for every file below the folder, in no order; returns how many. */
unsigned each_file(const char *folder, void (*visit)(const char *path, const char *text, size_t size));
/* text with the first `from` replaced by `to` ("" removes); fails the test when it is not there. free() it.
 */
char *replaced(const char *text, const char *from, const char *to);

/* What is wrong in the settings file, as one Japanese sentence for the error page; the log has the English
 * one. Thread: any. */
#pragma once

#include <stddef.h>

#include "base/settings.h"

/* path: the file. Writes at most size bytes, NUL-terminated; where the whole path has no room only the file's
 * name is written. Always Japanese: without settings nobody has chosen another language. */
void kg_settings_words(char *text, size_t size, const char *path, const struct kg_settings_error *error);

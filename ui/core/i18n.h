/* The screen's words. Japanese is the source text; assets/po/en.po translates it (gettext catalogue, compiled
 * into the program). Thread: main. */
#pragma once

#include <stddef.h>

#include "core/ui.h"

void kg_i18n_set_language(enum kg_ui_language language);
enum kg_ui_language kg_i18n_language(void);
/* The words in the chosen language; the Japanese ones where a translation is missing. Lives for ever. */
const char *kg_tr(const char *japanese) __attribute__((format_arg(1)));
/* Lookups so far that found no translation: tests want 0. The last of them, or NULL. */
size_t kg_i18n_missing(const char **last);

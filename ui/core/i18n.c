#include "core/i18n.h"

#include <stdint.h>
#include <string.h>

/* assets/po/en.po compiled by msgfmt; written by the build (assets/embed.cmake). */
extern const unsigned char kg_catalogue_en[];
extern const size_t kg_catalogue_en_size;

static enum kg_ui_language current = KG_UI_JAPANESE;
static size_t missing_count;
static const char *missing_last;

void kg_i18n_set_language(enum kg_ui_language language)
{
    current = language;
}

enum kg_ui_language kg_i18n_language(void)
{
    return current;
}

size_t kg_i18n_missing(const char **last)
{
    if (last)
        *last = missing_last;
    return missing_count;
}

static uint32_t word(size_t at)
{
    uint32_t v;
    if (at + sizeof(v) > kg_catalogue_en_size)
        return 0;
    memcpy(&v, kg_catalogue_en + at, sizeof(v));
    return v;
}

/* A .mo file: magic, revision, count, offset of the sorted table of originals, offset of translations;
 * each table row is length, offset (GNU gettext manual, "The Format of GNU MO Files"). */
static const char *find(const char *japanese)
{
    if (word(0) != 0x950412de)
        return NULL;
    uint32_t low = 0, high = word(8), originals = word(12), translations = word(16);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        uint32_t at = word(originals + 8 * mid + 4);
        if (at >= kg_catalogue_en_size)
            return NULL;
        int order = strcmp(japanese, (const char *)kg_catalogue_en + at);
        if (order == 0) {
            uint32_t to = word(translations + 8 * mid + 4);
            return to < kg_catalogue_en_size ? (const char *)kg_catalogue_en + to : NULL;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const char *kg_tr(const char *japanese)
{
    if (current == KG_UI_JAPANESE || !japanese[0])
        return japanese;
    const char *english = find(japanese);
    if (!english || !english[0]) {
        missing_count++;
        missing_last = japanese;
        return japanese;
    }
    return english;
}

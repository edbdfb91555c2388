#include "relay/check.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "signal/agenda.h"

enum { WORD_BYTES = 64, PATH_BYTES = 1024, DIGEST_CHARS = 64 };

static bool is_space(gunichar c)
{
    return g_unichar_isspace(c);
}

/* The next character, or (gunichar)-1 when it is none. */
static gunichar take(const char **text, const char *end)
{
    uint32_t c = (gunichar)-1;
    *text += kg_utf8_take(*text, (size_t)(end - *text), &c);
    return c;
}

static bool is_kana(gunichar c)
{
    bool ascii = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    bool wide = (c >= 0xff10 && c <= 0xff19) || (c >= 0xff21 && c <= 0xff3a) || (c >= 0xff41 && c <= 0xff5a);
    return ascii || wide || c == ' ' || c == 0x3000 || (c >= 0x3041 && c <= 0x3096) || c == 0x309d ||
           c == 0x309e || (c >= 0x30a1 && c <= 0x30fa) || (c >= 0x30fc && c <= 0x30fe);
}

/* Something to be seen, and no space around it. */
static bool is_trimmed(const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    gunichar first = take(&at, end), last = first;
    while (at < end)
        last = take(&at, end);
    return !is_space(first) && !is_space(last);
}

static bool check_line(const char *field, const char *text, size_t size, size_t least,
                       struct kg_problem *problem)
{
    if (size < least || size > KG_CHECK_TEXT_BYTES)
        return kg_problem_set(problem, "%s must have %zu to %d bytes of text; this has %zu", field, least,
                              KG_CHECK_TEXT_BYTES, size);
    if (!kg_utf8_is_clean(text, size))
        return kg_problem_set(problem,
                              "%s must be one line of UTF-8 text; leave out control characters, line breaks "
                              "and marks of writing direction",
                              field);
    if (size > 0 && !is_trimmed(text, size))
        return kg_problem_set(problem, "%s must hold something to be seen; leave out spaces around it",
                              field);
    return true;
}

static bool check_reading(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    const char *at = text, *end = text + size;
    bool ok = size <= KG_CHECK_TEXT_BYTES;
    while (ok && at < end)
        ok = is_kana(take(&at, end));
    if (!ok)
        return kg_problem_set(problem,
                              "%s must be at most %d bytes of kana, Latin letters, digits and spaces; "
                              "write it as it is spoken",
                              field, KG_CHECK_TEXT_BYTES);
    return true;
}

static bool is_id(const char *text, size_t size)
{
    bool ok = size >= 1 && size <= KG_CHECK_ID_BYTES;
    for (size_t i = 0; i < size && ok; i++)
        ok = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '-';
    return ok;
}

static bool check_id(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    char quoted[KG_CHECK_QUOTE_BYTES];
    if (is_id(text, size))
        return true;
    kg_check_quote(text, size, quoted);
    return kg_problem_set(problem, "%s must have 1 to %d characters of a-z, 0-9 and \"-\", not \"%s\"", field,
                          KG_CHECK_ID_BYTES, quoted);
}

/* ASCII with ink. */
static bool is_printable(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    }
    return true;
}

static bool check_word(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    if (size >= 1 && size <= WORD_BYTES && is_printable(text, size))
        return true;
    return kg_problem_set(problem, "%s must be one word of 1 to %d ASCII characters", field, WORD_BYTES);
}

static bool check_meeting(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    const char *slash = memchr(text, '/', size);
    if (slash && is_id(text, (size_t)(slash - text)) && slash + 1 < text + size &&
        size <= KG_CHECK_MEETING_BYTES && kg_utf8_is_clean(text, size))
        return true;
    return kg_problem_set(problem,
                          "%s must be ORGANIZATION/UID of at most %d bytes, as \"meeting list\" shows it",
                          field, KG_CHECK_MEETING_BYTES);
}

static bool check_pem(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    bool ok = size >= 1 && size <= KG_CHECK_PEM_BYTES;
    for (size_t i = 0; i < size && ok; i++)
        ok = (text[i] >= ' ' && text[i] < 0x7f) || text[i] == '\n' || text[i] == '\r' || text[i] == '\t';
    if (!ok)
        return kg_problem_set(problem, "%s must be a PEM text of at most %d bytes", field,
                              KG_CHECK_PEM_BYTES);
    return true;
}

static bool check_path(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    if (size >= 2 && size <= PATH_BYTES && text[0] == '/' && kg_utf8_is_clean(text, size))
        return true;
    return kg_problem_set(problem, "%s must be an absolute path of at most %d bytes", field, PATH_BYTES);
}

static bool check_digest(const char *field, const char *text, size_t size, struct kg_problem *problem)
{
    bool ok = size == DIGEST_CHARS;
    for (size_t i = 0; i < size && ok; i++)
        ok = g_ascii_isxdigit(text[i]);
    if (!ok)
        return kg_problem_set(problem, "%s must have %d hexadecimal digits", field, DIGEST_CHARS);
    return true;
}

bool kg_check_text(enum kg_check_kind kind, const char *field, const char *text, size_t size,
                   struct kg_problem *problem)
{
    switch (kind) {
    case KG_CHECK_ID:
        return check_id(field, text, size, problem);
    case KG_CHECK_NAME:
        return check_line(field, text, size, 1, problem);
    case KG_CHECK_TEXT:
        return check_line(field, text, size, 0, problem);
    case KG_CHECK_READING:
        return check_reading(field, text, size, problem);
    case KG_CHECK_WORD:
        return check_word(field, text, size, problem);
    case KG_CHECK_MEETING:
        return check_meeting(field, text, size, problem);
    case KG_CHECK_PEM:
        return check_pem(field, text, size, problem);
    case KG_CHECK_CALENDAR:
        if (size >= 1 && size <= KG_AGENDA_MAX_BYTES && !memchr(text, 0, size))
            return true;
        return kg_problem_set(problem, "%s must have 1 to %d bytes of text/calendar", field,
                              KG_AGENDA_MAX_BYTES);
    case KG_CHECK_PATH:
        return check_path(field, text, size, problem);
    case KG_CHECK_DIGEST:
        return check_digest(field, text, size, problem);
    case KG_CHECK_IDS:
    case KG_CHECK_BOOL:
    case KG_CHECK_INTEGER:
    case KG_CHECK_KINDS:
        break;
    }
    return kg_problem_set(problem, "%s cannot be text", field);
}

static bool check_ids(const char *field, const json_t *value, struct kg_problem *problem)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > KG_CHECK_MAX_IDS)
        return kg_problem_set(problem, "%s must be a list of at most %d ids", field, KG_CHECK_MAX_IDS);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(value, i);
        if (!json_is_string(id))
            return kg_problem_set(problem, "%s must be a list of ids", field);
        if (!check_id(field, json_string_value(id), json_string_length(id), problem))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (json_equal(id, json_array_get(value, j)))
                return kg_problem_set(problem, "%s names %s twice; name it once", field,
                                      json_string_value(id));
        }
    }
    return true;
}

bool kg_check_value(enum kg_check_kind kind, const char *field, const json_t *value,
                    struct kg_problem *problem)
{
    if (kind == KG_CHECK_IDS)
        return check_ids(field, value, problem);
    if (kind == KG_CHECK_BOOL) {
        if (json_is_boolean(value))
            return true;
        return kg_problem_set(problem, "%s must be true or false", field);
    }
    if (kind == KG_CHECK_INTEGER) {
        json_int_t number = json_integer_value(value);
        if (json_is_integer(value) && number >= 0 && number <= INT64_C(1) << 53)
            return true;
        return kg_problem_set(problem, "%s must be a whole number from 0 to 2^53", field);
    }
    if (!json_is_string(value))
        return kg_problem_set(problem, "%s must be text", field);
    return kg_check_text(kind, field, json_string_value(value), json_string_length(value), problem);
}

void kg_check_quote(const char *text, size_t size, char out[KG_CHECK_QUOTE_BYTES])
{
    static const char more[] = "...";
    char whole[KG_CHECK_QUOTE_BYTES + 8]; /* a character more than fits shows here */
    size_t used = kg_utf8_clean(text, size, "?", whole, sizeof whole);
    if (used < KG_CHECK_QUOTE_BYTES) {
        memcpy(out, whole, used + 1);
        return;
    }
    used = kg_utf8_clean(text, size, "?", out, KG_CHECK_QUOTE_BYTES - (sizeof more - 1));
    memcpy(out + used, more, sizeof more);
}

#include "app/settings_words.h"

#include <stdio.h>
#include <string.h>

enum { SENTENCE = 640 };

/* What base/settings.h, terminal_settings.c and time_zone.c say they expect, apart from numbers and choices.
 */
static const struct {
    const char *begin, *words;
} expectations[] = {
    {"true or false", "trueかfalse"},
    {"text in which", "「\\」を「\\\\」と書いた文字列"},
    {"the name of a time zone", "Asia/Tokyoのような時間帯の名前"},
    {"a time zone that stands in", "Asia/Tokyoのような時間帯の名前"},
    {"an even number", "偶数"},
    {"a name without a colon", "「:」を含まない名前"},
};

static void say_expected(char *text, size_t size, const char *expected)
{
    long long low, high;
    static const char choices[] = "one of: ";
    if (sscanf(expected, "a whole number %lld to %lld", &low, &high) == 2)
        snprintf(text, size, "%lldから%lldまでの整数", low, high);
    else if (sscanf(expected, "%lld to %lld bytes", &low, &high) == 2)
        snprintf(text, size, "%lldから%lldバイトまでの文字列", low, high);
    else if (sscanf(expected, "%lld to %lld items", &low, &high) == 2)
        snprintf(text, size, "「;」で区切った%lldから%lld個までの値", low, high);
    else if (strncmp(expected, choices, sizeof choices - 1) == 0)
        snprintf(text, size, "%sのどれか", expected + sizeof choices - 1);
    else
        snprintf(text, size, "%s", expected);
    for (size_t i = 0; i < KG_ARRAY_LEN(expectations); i++)
        if (strncmp(expected, expectations[i].begin, strlen(expectations[i].begin)) == 0)
            snprintf(text, size, "%s", expectations[i].words);
}

static void say_bad_value(char *text, size_t size, const struct kg_settings_error *e)
{
    char expected[320];
    const char *beside = strstr(e->expected, " beside it"); /* "a user beside it" */
    if (beside && strncmp(e->expected, "a ", 2) == 0) {
        snprintf(text, size, "[%s]に%sがあるときは、%.*sも書いてください。", e->section, e->key,
                 (int)(beside - e->expected - 2), e->expected + 2);
        return;
    }
    say_expected(expected, sizeof expected, e->expected);
    snprintf(text, size, "[%s]の%sの値が正しくありません。%sにしてください。", e->section, e->key, expected);
}

static void say_unknown(char *text, size_t size, const struct kg_settings_error *e)
{
    bool section = e->problem == KG_SETTINGS_UNKNOWN_SECTION;
    char what[160], near[192];
    snprintf(what, sizeof what, section ? "[%s]" : "[%s]の%s", e->section, e->key);
    snprintf(near, sizeof near, section ? "[%s]" : "%s", e->nearest);
    if (e->nearest[0])
        snprintf(text, size, "%sという項目はありません。%sの書き間違いではありませんか。", what, near);
    else
        snprintf(text, size, "%sという項目はありません。消してください。", what);
}

static void say_what(char *text, size_t size, const struct kg_settings_error *e)
{
    switch (e->problem) {
    case KG_SETTINGS_UNREADABLE:
        snprintf(text, size, "ファイルを読めません。場所と、読む権限を確かめてください。");
        return;
    case KG_SETTINGS_SYNTAX:
        snprintf(
            text, size,
            "書き方が正しくありません。[名前]、項目=値、#で始まる注釈のどれかを、UTF-8で書いてください。");
        return;
    case KG_SETTINGS_UNKNOWN_SECTION:
    case KG_SETTINGS_UNKNOWN_KEY:
        say_unknown(text, size, e);
        return;
    case KG_SETTINGS_TWICE:
        snprintf(text, size, "[%s]の%sが2回書かれています。1つだけ残してください。", e->section, e->key);
        return;
    case KG_SETTINGS_BAD_VALUE:
        say_bad_value(text, size, e);
        return;
    case KG_SETTINGS_MISSING:
        snprintf(text, size, "[%s]の%sがありません。書き加えてください。", e->section, e->key);
        return;
    case KG_SETTINGS_OK:
        break;
    }
    text[0] = '\0';
}

void kg_settings_words(char *text, size_t size, const char *path, const struct kg_settings_error *error)
{
    char what[SENTENCE], line[24] = "";
    const char *slash = strrchr(path, '/');
    say_what(what, sizeof what, error);
    if (error->line)
        snprintf(line, sizeof line, "の%u行目", error->line);
    if (slash && strlen(path) + strlen(line) + strlen(": ") + strlen(what) >= size)
        path = slash + 1;
    snprintf(text, size, "%s%s: %s", path, line, what);
}

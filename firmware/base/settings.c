#include "base/settings.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX_BYTES = 1 << 20, DEFAULT_MAX_TEXT = 4096, DEFAULT_MAX_ITEMS = 64 };

struct load {
    const char *path;
    const struct kg_setting *table;
    size_t count;
    char *values;        /* a scratch struct: only a whole success reaches the caller's */
    unsigned *seen_line; /* by table index: where the file sets it, 0: nowhere */
    struct kg_settings_error *error;
};

unsigned kg_settings_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    size_t an = strnlen(a, MAX), bn = strnlen(b, MAX);
    unsigned rows[3][MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= bn; j++)
        last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= an; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = KG_MIN(best, KG_MIN(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = KG_MIN(best, before[j - 2] + 1);
            now[j] = best;
        }
        unsigned *recycled = before;
        before = last;
        last = now;
        now = recycled;
    }
    return last[bn];
}

KG_PRINTF(3, 4)
static bool fail(struct load *l, enum kg_settings_problem problem, const char *fmt, ...)
{
    struct kg_settings_error *e = l->error;
    e->problem = problem;
    char text[800];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (e->line)
        snprintf(e->message, sizeof e->message, "%s:%u: %s", l->path, e->line, text);
    else
        snprintf(e->message, sizeof e->message, "%s: %s", l->path, text);
    return false;
}

/* Close enough to be a slip of the hand: at most a third of the word, at least two edits. */
static bool is_near(unsigned distance, const char *word)
{
    return distance <= KG_MAX(2, strlen(word) / 3);
}

static bool unknown_section(struct load *l, const char *section)
{
    unsigned best = UINT32_MAX;
    for (size_t i = 0; i < l->count; i++) {
        unsigned d = kg_settings_distance(section, l->table[i].section);
        if (d < best && is_near(d, section)) {
            best = d;
            g_strlcpy(l->error->nearest, l->table[i].section, sizeof l->error->nearest);
        }
    }
    if (best == UINT32_MAX)
        return fail(l, KG_SETTINGS_UNKNOWN_SECTION, "unknown section [%s]; remove it", section);
    return fail(l, KG_SETTINGS_UNKNOWN_SECTION, "unknown section [%s]; did you mean [%s]?", section,
                l->error->nearest);
}

static bool unknown_key(struct load *l, const char *section, const char *key)
{
    unsigned best = UINT32_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct kg_setting *s = &l->table[i];
        bool same = strcmp(s->section, section) == 0;
        /* A key of another section counts as one edit more: the own section wins a draw. */
        unsigned d = kg_settings_distance(key, s->key) * 2 + !same;
        if (d < best && is_near(d / 2, key)) {
            best = d;
            if (same)
                g_strlcpy(l->error->nearest, s->key, sizeof l->error->nearest);
            else
                snprintf(l->error->nearest, sizeof l->error->nearest, "[%s] %s", s->section, s->key);
        }
    }
    if (best == UINT32_MAX)
        return fail(l, KG_SETTINGS_UNKNOWN_KEY, "unknown key \"%s\" in [%s]; remove it", key, section);
    return fail(l, KG_SETTINGS_UNKNOWN_KEY, "unknown key \"%s\" in [%s]; did you mean \"%s\"?", key, section,
                l->error->nearest);
}

static size_t find(const struct load *l, const char *section, const char *key)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->table[i].section, section) == 0 && (!key || strcmp(l->table[i].key, key) == 0))
            return i;
    }
    return SIZE_MAX;
}

static bool scan_section(struct load *l, char *line, char *section, size_t size)
{
    size_t n = strlen(line);
    if (n < 3 || line[n - 1] != ']' || n - 2 >= size)
        return fail(l, KG_SETTINGS_SYNTAX, "a section is written [name]");
    line[n - 1] = '\0';
    g_strlcpy(section, line + 1, size);
    g_strlcpy(l->error->section, section, sizeof l->error->section);
    if (find(l, section, NULL) == SIZE_MAX)
        return unknown_section(l, section);
    return true;
}

static bool scan_key(struct load *l, char *line, const char *section)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return fail(l, KG_SETTINGS_SYNTAX, "expected key=value, [section] or a comment starting with #");
    *equals = '\0';
    const char *key = g_strstrip(line);
    g_strlcpy(l->error->key, key, sizeof l->error->key);
    if (!*key)
        return fail(l, KG_SETTINGS_SYNTAX, "there is no key before \"=\"");
    if (!*section)
        return fail(l, KG_SETTINGS_SYNTAX, "key \"%s\" stands before any [section]", key);
    size_t at = find(l, section, key);
    if (at == SIZE_MAX)
        return unknown_key(l, section, key);
    if (l->seen_line[at])
        return fail(l, KG_SETTINGS_TWICE, "\"%s\" is set already at line %u; keep one", key,
                    l->seen_line[at]);
    l->seen_line[at] = l->error->line;
    return true;
}

/* GKeyFile keeps no line numbers and merges repeated keys, so names and lines are read here, values there. */
static bool scan(struct load *l, const char *text, size_t size)
{
    const char *bad;
    if (!g_utf8_validate(text, (gssize)size, &bad)) {
        for (const char *p = text; p < bad; p++)
            l->error->line += *p == '\n';
        l->error->line++;
        return fail(l, KG_SETTINGS_SYNTAX, "not UTF-8 text; save the file as UTF-8");
    }
    char *copy = g_strndup(text, size);
    char section[sizeof l->error->section] = "";
    bool ok = true;
    char *rest = copy, *line;
    while (ok && (line = strsep(&rest, "\n"))) {
        l->error->line++;
        l->error->key[0] = '\0';
        g_strstrip(line);
        if (*line == '[')
            ok = scan_section(l, line, section, sizeof section);
        else if (*line && *line != '#')
            ok = scan_key(l, line, section);
    }
    g_free(copy);
    return ok;
}

static bool bad_value(struct load *l, const char *value)
{
    return fail(l, KG_SETTINGS_BAD_VALUE, "\"%s\" in [%s] cannot be \"%.80s\"; expected %s", l->error->key,
                l->error->section, value, l->error->expected);
}

static bool put_integer(struct load *l, const struct kg_setting *s, void *field, const char *value)
{
    errno = 0;
    char *end;
    long long n = strtoll(value, &end, 10);
    if (errno || end == value || *end || n < s->min || n > s->max) {
        snprintf(l->error->expected, sizeof l->error->expected, "a whole number %lld to %lld",
                 (long long)s->min, (long long)s->max);
        return bad_value(l, value);
    }
    *(int64_t *)field = n;
    return true;
}

static bool put_boolean(struct load *l, void *field, const char *value)
{
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0) {
        g_strlcpy(l->error->expected, "true or false", sizeof l->error->expected);
        return bad_value(l, value);
    }
    *(bool *)field = yes;
    return true;
}

static bool put_choice(struct load *l, const struct kg_setting *s, void *field, const char *value)
{
    for (int i = 0; s->choices[i]; i++) {
        if (strcmp(s->choices[i], value) == 0) {
            *(int *)field = i;
            return true;
        }
    }
    char *joined = g_strjoinv(", ", (char **)s->choices);
    snprintf(l->error->expected, sizeof l->error->expected, "one of: %s", joined);
    g_free(joined);
    return bad_value(l, value);
}

static bool put_text(struct load *l, const struct kg_setting *s, void *field, const char *value)
{
    size_t max = s->max ? (size_t)s->max : DEFAULT_MAX_TEXT, n = strlen(value);
    if (n < (size_t)s->min || n > max) {
        snprintf(l->error->expected, sizeof l->error->expected, "%lld to %zu bytes of text",
                 (long long)s->min, max);
        return bad_value(l, value);
    }
    const char *expected = s->expected ? s->expected(value) : NULL;
    if (expected) {
        g_strlcpy(l->error->expected, expected, sizeof l->error->expected);
        return bad_value(l, value);
    }
    if (s->type == KG_SETTING_PATH && l->path && *value && *value != '/') {
        char *folder = g_path_get_dirname(l->path);
        *(char **)field = g_build_filename(folder, value, NULL);
        g_free(folder);
    } else {
        *(char **)field = g_strdup(value);
    }
    return true;
}

static bool put_list(struct load *l, const struct kg_setting *s, void *field, const char *value)
{
    size_t max = s->max ? (size_t)s->max : DEFAULT_MAX_ITEMS, n = 0;
    char **raw = g_strsplit(value, ";", -1);
    char **items = g_new0(char *, g_strv_length(raw) + 1);
    for (char **p = raw; *p; p++) {
        g_strstrip(*p);
        if (**p)
            items[n++] = g_strdup(*p);
    }
    g_strfreev(raw);
    if (n < (size_t)s->min || n > max) {
        g_strfreev(items);
        snprintf(l->error->expected, sizeof l->error->expected, "%lld to %zu items separated by ;",
                 (long long)s->min, max);
        return bad_value(l, value);
    }
    *(char ***)field = items;
    return true;
}

static bool put(struct load *l, const struct kg_setting *s, const char *value)
{
    void *field = l->values + s->offset;
    switch (s->type) {
    case KG_SETTING_INTEGER:
        return put_integer(l, s, field, value);
    case KG_SETTING_BOOLEAN:
        return put_boolean(l, field, value);
    case KG_SETTING_CHOICE:
        return put_choice(l, s, field, value);
    case KG_SETTING_LIST:
        return put_list(l, s, field, value);
    case KG_SETTING_TEXT:
    case KG_SETTING_PATH:
        break;
    }
    return put_text(l, s, field, value);
}

/* Bytes of the caller's struct that the table covers. */
static size_t span(const struct kg_setting *table, size_t count)
{
    size_t end = 0;
    for (size_t i = 0; i < count; i++)
        end = KG_MAX(end, table[i].offset + sizeof(int64_t));
    return end;
}

static size_t width(const struct kg_setting *s)
{
    switch (s->type) {
    case KG_SETTING_INTEGER:
        return sizeof(int64_t);
    case KG_SETTING_BOOLEAN:
        return sizeof(bool);
    case KG_SETTING_CHOICE:
        return sizeof(int);
    default:
        return sizeof(char *);
    }
}

static bool put_value(struct load *l, GKeyFile *file, size_t at)
{
    const struct kg_setting *s = &l->table[at];
    g_strlcpy(l->error->section, s->section, sizeof l->error->section);
    g_strlcpy(l->error->key, s->key, sizeof l->error->key);
    l->error->line = l->seen_line[at];
    if (!l->error->line) {
        if (s->required)
            return fail(l, KG_SETTINGS_MISSING, "\"%s\" in [%s] must be set", s->key, s->section);
        return !s->fallback || put(l, s, s->fallback);
    }
    /* Lists keep GKeyFile's plain form; texts have its escapes (\s \t \n \\) undone. */
    bool raw = s->type == KG_SETTING_LIST;
    GError *why = NULL;
    char *value = raw ? g_key_file_get_value(file, s->section, s->key, &why)
                      : g_key_file_get_string(file, s->section, s->key, &why);
    if (why) {
        /* A bad escape gives both an error and what could be read. */
        g_strlcpy(l->error->expected, "text in which \\\\ stands for a backslash", sizeof l->error->expected);
        fail(l, KG_SETTINGS_BAD_VALUE, "\"%s\": %s", s->key, why->message);
        g_error_free(why);
        g_free(value);
        return false;
    }
    bool ok = put(l, s, value);
    g_free(value);
    return ok;
}

/* GKeyFile keeps what trails a value: an invisible blank must not spoil a number. */
static char *without_trailing_blanks(const char *text, size_t size)
{
    char *copy = g_strndup(text, size);
    char **lines = g_strsplit(copy, "\n", -1);
    for (char **line = lines; *line; line++)
        g_strchomp(*line);
    g_free(copy);
    copy = g_strjoinv("\n", lines);
    g_strfreev(lines);
    return copy;
}

bool kg_settings_parse(const char *text, size_t size, const char *path, const struct kg_setting *table,
                       size_t count, void *into, struct kg_settings_error *error)
{
    *error = (struct kg_settings_error){0};
    struct load l = {.path = path, .table = table, .count = count, .error = error};
    l.values = g_malloc0(span(table, count));
    l.seen_line = g_new0(unsigned, count);
    GKeyFile *file = g_key_file_new();
    GError *why = NULL;
    bool ok = scan(&l, text, size);
    char *clean = ok ? without_trailing_blanks(text, size) : NULL;
    if (ok && *clean && !g_key_file_load_from_data(file, clean, strlen(clean), G_KEY_FILE_NONE, &why)) {
        error->line = 0;
        ok = fail(&l, KG_SETTINGS_SYNTAX, "%s", why->message);
        g_error_free(why);
    }
    for (size_t i = 0; i < count && ok; i++)
        ok = put_value(&l, file, i);
    if (ok) {
        *error = (struct kg_settings_error){0};
        for (size_t i = 0; i < count; i++)
            memcpy((char *)into + table[i].offset, l.values + table[i].offset, width(&table[i]));
    } else {
        kg_settings_finish(table, count, l.values);
    }
    g_key_file_free(file);
    g_free(clean);
    g_free(l.seen_line);
    g_free(l.values);
    return ok;
}

bool kg_settings_load(const char *path, const struct kg_setting *table, size_t count, void *into,
                      struct kg_settings_error *error)
{
    *error = (struct kg_settings_error){0};
    struct load l = {.path = path, .error = error};
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(&l, KG_SETTINGS_UNREADABLE, "cannot read the settings: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
        return fail(&l, KG_SETTINGS_UNREADABLE, "not a settings file (a plain file of at most 1 MiB)");
    char *text;
    size_t size;
    GError *why = NULL;
    if (!g_file_get_contents(path, &text, &size, &why)) {
        fail(&l, KG_SETTINGS_UNREADABLE, "cannot read the settings: %s", why->message);
        g_error_free(why);
        return false;
    }
    bool ok = kg_settings_parse(text, size, path, table, count, into, error);
    g_free(text);
    return ok;
}

void kg_settings_defaults(const struct kg_setting *table, size_t count, void *into)
{
    struct kg_settings_error error = {0};
    struct load l = {.table = table, .count = count, .values = into, .error = &error};
    for (size_t i = 0; i < count; i++) {
        memset((char *)into + table[i].offset, 0, width(&table[i]));
        bool ok = !table[i].fallback || put(&l, &table[i], table[i].fallback);
        assert((ok || table[i].expected) && "a default outside its own range");
        (void)ok;
    }
}

void kg_settings_finish(const struct kg_setting *table, size_t count, void *into)
{
    for (size_t i = 0; i < count; i++) {
        char *field = (char *)into + table[i].offset;
        if (table[i].type == KG_SETTING_LIST) {
            g_strfreev(*(char ***)field);
            *(char ***)field = NULL;
        } else if (table[i].type == KG_SETTING_TEXT || table[i].type == KG_SETTING_PATH) {
            g_free(*(char **)field);
            *(char **)field = NULL;
        }
    }
}

/* Strict settings files in GKeyFile syntax ([section], key=value, # comment): a table describes every key
 * once, with type, range and default; anything the table does not know is refused with its line and the
 * nearest key. Thread: the caller's; call at start-up or reload. Owns: the strings it puts into the caller's
 * struct, until kg_settings_finish. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum kg_setting_type {
    KG_SETTING_TEXT,    /* char *, NULL when unset; min..max bytes (max 0: 4096) */
    KG_SETTING_PATH,    /* char *, NULL when unset; a relative path is taken from the file's own folder */
    KG_SETTING_INTEGER, /* int64_t, min..max */
    KG_SETTING_BOOLEAN, /* bool: true or false */
    KG_SETTING_CHOICE,  /* int: index into choices */
    KG_SETTING_LIST, /* char **, NULL-ended, separated by ';'; NULL when unset; min..max items (max 0: 64) */
};

struct kg_setting { /* NOLINT(clang-analyzer-optin.performance.Padding): in the order a table is read */
    const char *section;
    const char *key;
    enum kg_setting_type type;
    size_t offset; /* offsetof(the caller's struct, field) */
    int64_t min, max;
    const char *const *choices; /* CHOICE: NULL-ended, in the order of the caller's enum */
    const char *fallback; /* the default as a file would write it; NULL: unset (TEXT, PATH and LIST only) */
    bool required;        /* the file must set it */
    const char *(*expected)(const char *value); /* TEXT: NULL when the value is right, else what would be */
};

enum kg_settings_problem {
    KG_SETTINGS_OK,
    KG_SETTINGS_UNREADABLE, /* no such file, no permission, a folder, larger than 1 MiB */
    KG_SETTINGS_SYNTAX, /* neither section, key=value, comment nor blank; not UTF-8; a key before any section
                         */
    KG_SETTINGS_UNKNOWN_SECTION, /* nearest: a section or "" */
    KG_SETTINGS_UNKNOWN_KEY,     /* nearest: a key, or "[section] key", or "" */
    KG_SETTINGS_TWICE,           /* the same key (or section) stands at an earlier line too */
    KG_SETTINGS_BAD_VALUE,       /* expected: what would be right */
    KG_SETTINGS_MISSING,         /* a required key is not set; line 0 */
};

/* What is wrong, in parts for a screen and as one English line for the log: "FILE:12: unknown key ...". */
struct kg_settings_error {
    enum kg_settings_problem problem;
    unsigned line; /* 1-based; 0: the file as a whole */
    char section[64];
    char key[64];
    char nearest[160];
    char expected[160];
    char message[1024];
};

/* Fills `into` from the defaults and then the file at path. false: *error says the first problem by line, and
 * `into` is untouched. On true the caller ends it with kg_settings_finish. error may not be NULL. */
KG_MUST_CHECK bool kg_settings_load(const char *path, const struct kg_setting *table, size_t count,
                                    void *into, struct kg_settings_error *error);
/* The same from memory. path names the file in messages and is the folder of relative paths. */
KG_MUST_CHECK bool kg_settings_parse(const char *text, size_t size, const char *path,
                                     const struct kg_setting *table, size_t count, void *into,
                                     struct kg_settings_error *error);
/* The defaults alone (no file); relative paths stay relative. Required keys, and defaults that `expected`
 * refuses on this system, stay unset. */
void kg_settings_defaults(const struct kg_setting *table, size_t count, void *into);
/* Frees the strings and lists in `into` and sets them NULL. */
void kg_settings_finish(const struct kg_setting *table, size_t count, void *into);

/* Edits (insert, delete, replace, swap neighbours) from a to b; for "did you mean". At most 63 bytes of each
 * count. */
unsigned kg_settings_distance(const char *a, const char *b);

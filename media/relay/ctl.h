/* kaigi-ctl's parts. Single-threaded. */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/attr.h"
#include "relay/ctl_target.h"

struct kg_ctl {
    char *state;                 /* folder */
    struct kg_ctl_target target; /* relay NULL: the one with this state folder is asked */
    gboolean json;
};

/* Exit codes, for scripts. */
enum { KG_CTL_DONE = 0, KG_CTL_FAILED = 1, KG_CTL_USAGE = 2, KG_CTL_PARTLY = 3 };

/* Each parses what follows its own name and returns an exit code. */
int kg_ctl_ca_init(int argc, char **argv);
int kg_ctl_ca_issue(int argc, char **argv);
int kg_ctl_ca_server(int argc, char **argv);
int kg_ctl_ca_show(int argc, char **argv);
int kg_ctl_restore(int argc, char **argv);
int kg_ctl_room_enrol(int argc, char **argv);
int kg_ctl_room_pending(int argc, char **argv);
int kg_ctl_room_reject(int argc, char **argv);

/* Parses options and exactly `words` further words into word[]. usage: "NAME - what it does". false: told. */
KG_MUST_CHECK bool kg_ctl_options(struct kg_ctl *ctl, int argc, char **argv, const char *usage,
                                  const char *summary, const GOptionEntry *entries, int words,
                                  const char **word);
void kg_ctl_finish(struct kg_ctl *ctl);

/* Sends the request (taken) and returns the reply, {"ok":true,...}. NULL: told why. */
json_t *kg_ctl_ask(const struct kg_ctl *ctl, json_t *request);
/* The same for a relay elsewhere: text in, whatever it answers out. */
json_t *kg_ctl_ask_remote(const struct kg_ctl *ctl, const char *text);
/* Tells a failure, as text on stderr or as JSON on stdout. Returns KG_CTL_FAILED. */
int kg_ctl_fail(const struct kg_ctl *ctl, const char *fmt, ...) KG_PRINTF(2, 3);
/* With --json, prints the object and returns true. */
bool kg_ctl_print_json(const struct kg_ctl *ctl, const json_t *object);
/* A text file of at most max_bytes; NULL: told. g_free() it. */
char *kg_ctl_read_file(const struct kg_ctl *ctl, const char *path, size_t max_bytes);

/* Commands that are one verb of the running relay (ADMIN.md): what they are called, what they take, what they
 * say. ctl_verb.c turns words and options into the request. */
enum kg_ctl_kind {
    KG_CTL_TEXT,
    KG_CTL_FLAG,
    KG_CTL_NUMBER,
    KG_CTL_FILE, /* the file's text */
    KG_CTL_LIST, /* may be repeated */
    KG_CTL_TIME, /* YYYY-MM-DD or YYYY-MM-DDTHH:MM, here; sent as seconds since 1970 UTC */
};
struct kg_ctl_option {
    const char *name;  /* "name-reading" */
    const char *field; /* of the request; NULL: not sent, see kg_ctl_value */
    enum kg_ctl_kind kind;
    bool required;
    const char *arg, *help;
};
enum { KG_CTL_MAX_OPTIONS = 12, KG_CTL_MAX_WORDS = 3 };
struct kg_ctl_values;
struct kg_ctl_command {
    const char *group, *name, *help;   /* name NULL: the group is the command */
    int (*run)(int argc, char **argv); /* a command of another kind; then the rest is empty */
    const char *verb, *summary;
    struct kg_ctl_word {
        const char *shown, *field;
    } words[KG_CTL_MAX_WORDS];
    struct kg_ctl_option options[KG_CTL_MAX_OPTIONS];
    /* Says what came of it; quiet: --json has said all. Returns an exit code. */
    int (*show)(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                bool quiet);
    /* Instead of asking once; takes the request. NULL: asks once. */
    int (*ask)(const struct kg_ctl *ctl, const struct kg_ctl_values *values, json_t *request);
};
/* Each ends with an empty one. */
extern const struct kg_ctl_command kg_ctl_people[], kg_ctl_rooms[], kg_ctl_communities[], kg_ctl_settings[],
    kg_ctl_meetings[], kg_ctl_trail[];

int kg_ctl_run(const struct kg_ctl_command *command, int argc, char **argv);
/* What was given for the option, NULL: nothing; of a word by its field. */
const char *kg_ctl_value(const struct kg_ctl_values *values, const char *name);
/* Writes what was signed to the file of --cert-out, and says so. */
int kg_ctl_keep_certificate(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                            const char *what, bool quiet);

/* What a relay says, before people see it: in every text, whatever steers a terminal or turns writing becomes
 * "?". Lines stay lines; is_export: the reply's own text belongs into a file and stays as it is. */
void kg_ctl_make_printable(json_t *reply, bool is_export);
/* Tables for people: columns as wide as they are on a screen, Japanese too. */
enum kg_ctl_column_kind { KG_CTL_COLUMN_TEXT, KG_CTL_COLUMN_DAY, KG_CTL_COLUMN_TIME, KG_CTL_COLUMN_YES };
struct kg_ctl_column {
    const char *title, *key;
    enum kg_ctl_column_kind kind;
};
void kg_ctl_print_table(const json_t *rows, const struct kg_ctl_column *columns, size_t count);
/* "" and 0 when absent. */
const char *kg_ctl_text_of(const json_t *object, const char *key);
long long kg_ctl_number_of(const json_t *object, const char *key);

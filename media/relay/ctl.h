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
int kg_ctl_room_add(int argc, char **argv);
int kg_ctl_room_list(int argc, char **argv);
int kg_ctl_room_revoke(int argc, char **argv);
int kg_ctl_agenda_import(int argc, char **argv);
int kg_ctl_status(int argc, char **argv);

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

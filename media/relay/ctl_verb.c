/* kaigi-ctl: from words and options to a request, and from its reply to an exit code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "relay/ctl.h"

enum { FILE_MAX_BYTES = 8 << 20, FILE_FIELD_MAX_BYTES = 64 * 1024 };

struct kg_ctl_values {
    const struct kg_ctl_command *command;
    struct {
        char *text;
        char **list;
        gboolean flag;
    } option[KG_CTL_MAX_OPTIONS];
    const char *word[KG_CTL_MAX_WORDS];
};

const char *kg_ctl_value(const struct kg_ctl_values *values, const char *name)
{
    const struct kg_ctl_command *c = values->command;
    for (int i = 0; i < KG_CTL_MAX_WORDS && c->words[i].shown; i++) {
        if (strcmp(c->words[i].field, name) == 0)
            return values->word[i];
    }
    for (int i = 0; i < KG_CTL_MAX_OPTIONS && c->options[i].name; i++) {
        if (strcmp(c->options[i].name, name) == 0)
            return values->option[i].flag ? "" : values->option[i].text;
    }
    return NULL;
}

/* -1: no time. */
static long long read_time(const char *text)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M", &tm);
    if (!end || *end) {
        tm = (struct tm){.tm_isdst = -1};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    return end && !*end ? (long long)mktime(&tm) : -1;
}

static json_t *value_of(const struct kg_ctl *ctl, const struct kg_ctl_option *o, const char *text,
                        char **list, bool *ok)
{
    char *end = NULL;
    if (text && (o->kind == KG_CTL_NUMBER || o->kind == KG_CTL_TIME)) {
        errno = 0;
        long long number = o->kind == KG_CTL_TIME ? read_time(text) : strtoll(text, &end, 10);
        *ok = number >= 0 && (o->kind == KG_CTL_TIME || (errno == 0 && *text && !*end));
        if (!*ok)
            kg_ctl_fail(ctl, "--%s must be %s", o->name,
                        o->kind == KG_CTL_TIME ? "YYYY-MM-DD or YYYY-MM-DDTHH:MM" : "a whole number");
        return json_integer(number);
    }
    if (o->kind == KG_CTL_FILE) {
        char *contents = kg_ctl_read_file(ctl, text, FILE_FIELD_MAX_BYTES);
        json_t *value = contents ? json_string(contents) : NULL;
        if (contents && !value)
            kg_ctl_fail(ctl, "%s is not UTF-8 text", text);
        g_free(contents);
        *ok = value != NULL;
        return value;
    }
    json_t *value = o->kind == KG_CTL_LIST ? json_array() : json_string(text);
    for (; list && *list; list++)
        json_array_append_new(value, json_string(*list));
    if (!value) {
        *ok = false;
        kg_ctl_fail(ctl, "--%s is not UTF-8 text", o->name);
    }
    return value;
}

/* NULL: told why. */
static json_t *request_of(const struct kg_ctl *ctl, const struct kg_ctl_values *v)
{
    const struct kg_ctl_command *c = v->command;
    json_t *request = json_pack("{s:s}", "command", c->verb);
    bool ok = true;
    for (int i = 0; i < KG_CTL_MAX_WORDS && c->words[i].shown && ok; i++) {
        ok = json_object_set_new(request, c->words[i].field, json_string(v->word[i])) == 0;
        if (!ok)
            kg_ctl_fail(ctl, "%s is not UTF-8 text", c->words[i].shown);
    }
    for (int i = 0; i < KG_CTL_MAX_OPTIONS && c->options[i].name && ok; i++) {
        const struct kg_ctl_option *o = &c->options[i];
        bool given = v->option[i].text || v->option[i].list || v->option[i].flag;
        if (o->required && !given) {
            kg_ctl_fail(ctl, "--%s is needed; see --help", o->name);
            ok = false;
        }
        if (!ok || !given || !o->field)
            continue;
        json_t *value = o->kind == KG_CTL_FLAG ? json_true()
                                               : value_of(ctl, o, v->option[i].text, v->option[i].list, &ok);
        json_object_set_new(request, o->field, value);
    }
    if (ok)
        return request;
    json_decref(request);
    return NULL;
}

static int ask_once(const struct kg_ctl *ctl, const struct kg_ctl_values *v, json_t *request)
{
    json_t *reply = kg_ctl_ask(ctl, request);
    if (!reply)
        return KG_CTL_FAILED;
    bool quiet = kg_ctl_print_json(ctl, reply);
    int code = v->command->show ? v->command->show(ctl, v, reply, quiet) : KG_CTL_DONE;
    json_decref(reply);
    return code;
}

static void list_entries(struct kg_ctl_values *v, GOptionEntry entries[KG_CTL_MAX_OPTIONS + 1])
{
    for (int i = 0; i < KG_CTL_MAX_OPTIONS && v->command->options[i].name; i++) {
        const struct kg_ctl_option *o = &v->command->options[i];
        entries[i] =
            (GOptionEntry){o->name, 0, 0, G_OPTION_ARG_FILENAME, &v->option[i].text, o->help, o->arg};
        /* FILENAME, not STRING: the terminal's locale has no say in what is UTF-8. */
        if (o->kind == KG_CTL_LIST) {
            entries[i].arg = G_OPTION_ARG_FILENAME_ARRAY;
            entries[i].arg_data = &v->option[i].list;
        } else if (o->kind == KG_CTL_FLAG) {
            entries[i].arg = G_OPTION_ARG_NONE;
            entries[i].arg_data = &v->option[i].flag;
        }
    }
}

int kg_ctl_run(const struct kg_ctl_command *command, int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct kg_ctl_values values = {.command = command};
    GOptionEntry entries[KG_CTL_MAX_OPTIONS + 1] = {{0}};
    char usage[200] = "";
    int words = 0, code = KG_CTL_USAGE;
    for (; words < KG_CTL_MAX_WORDS && command->words[words].shown; words++)
        snprintf(usage + strlen(usage), sizeof usage - strlen(usage), "%s ", command->words[words].shown);
    snprintf(usage + strlen(usage), sizeof usage - strlen(usage), "- %s", command->help);
    list_entries(&values, entries);
    if (kg_ctl_options(&ctl, argc, argv, usage, command->summary, entries, words, values.word)) {
        json_t *request = request_of(&ctl, &values);
        if (request)
            code = command->ask ? command->ask(&ctl, &values, request) : ask_once(&ctl, &values, request);
    }
    for (int i = 0; i < KG_CTL_MAX_OPTIONS; i++) {
        g_free(values.option[i].text);
        g_strfreev(values.option[i].list);
    }
    kg_ctl_finish(&ctl);
    return code;
}

int kg_ctl_keep_certificate(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                            const char *what, bool quiet)
{
    const char *path = kg_ctl_value(values, "cert-out"), *pem = kg_ctl_text_of(reply, "certificate");
    GError *error = NULL;
    time_t until = (time_t)kg_ctl_number_of(reply, "not_after");
    struct tm tm;
    char day[32];
    if (!*pem) {
        if (!quiet)
            printf("%s %s is written down; it has no certificate yet\n", what, kg_ctl_text_of(reply, "id"));
        return KG_CTL_DONE;
    }
    if (path && !g_file_set_contents(path, pem, -1, &error)) {
        int code = kg_ctl_fail(ctl,
                               "%s %s is enrolled, but its certificate cannot be written (%s); repeat with "
                               "--replace",
                               what, kg_ctl_text_of(reply, "id"), error->message);
        g_error_free(error);
        return code;
    }
    localtime_r(&until, &tm);
    strftime(day, sizeof day, "%Y-%m-%d", &tm);
    if (!quiet)
        printf("%s %s is enrolled; its certificate, valid until %s%s%s\nSHA-256: %s\n", what,
               kg_ctl_text_of(reply, "id"), day, path ? ", is " : "", path ? path : "",
               kg_ctl_text_of(reply, "fingerprint"));
    return KG_CTL_DONE;
}

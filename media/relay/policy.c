#include "relay/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_kind { NUMBER, BOOLEAN, PATH };

static const struct {
    const char *name;
    enum value_kind kind;
    int32_t min, max;
    bool per_room;
} keys[KG_POLICY_KEYS] = {
    /* The ranges of relay.conf's [meeting]. */
    [KG_POLICY_OPEN_BEFORE_MINUTES] = {"meeting.open-before-minutes", NUMBER, 0, 1440, false},
    [KG_POLICY_SEAT_SECONDS] = {"meeting.seat-seconds", NUMBER, 1, 3600, false},
    [KG_POLICY_VIDEO_KBPS] = {"media.video-kbps", NUMBER, 100, 8000, true},
    [KG_POLICY_UDP] = {"media.udp", PATH, KG_POLICY_UDP_AUTO, KG_POLICY_UDP_NEVER, true},
    [KG_POLICY_MICROPHONE_MUTED] = {"join.microphone-muted", BOOLEAN, 0, 1, true},
    [KG_POLICY_CAMERA_MUTED] = {"join.camera-muted", BOOLEAN, 0, 1, true},
};
static const char *const words[][2] = {[BOOLEAN] = {"false", "true"}, [PATH] = {"auto", "never"}};

static const char *const scopes[KG_POLICY_SCOPES] = {
    [KG_POLICY_FILE] = "relay.conf",
    [KG_POLICY_RELAY] = "relay",
    [KG_POLICY_ORGANIZATION] = "organization",
    [KG_POLICY_ROOM] = "room",
};

const char *kg_policy_scope_name(enum kg_policy_scope scope)
{
    return scopes[scope];
}

bool kg_policy_scope_find(const char *name, enum kg_policy_scope *scope)
{
    for (unsigned i = KG_POLICY_RELAY; i < KG_POLICY_SCOPES; i++) {
        if (strcmp(scopes[i], name) == 0) {
            *scope = (enum kg_policy_scope)i;
            return true;
        }
    }
    return false;
}

const char *kg_policy_key_name(enum kg_policy_key key)
{
    return keys[key].name;
}

bool kg_policy_key_find(const char *name, enum kg_policy_key *key)
{
    for (unsigned i = 0; i < KG_POLICY_KEYS; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            *key = (enum kg_policy_key)i;
            return true;
        }
    }
    return false;
}

const char *kg_policy_key_names(void)
{
    return "meeting.open-before-minutes, meeting.seat-seconds, media.video-kbps, media.udp, "
           "join.microphone-muted and join.camera-muted";
}

bool kg_policy_key_fits(enum kg_policy_key key, enum kg_policy_scope scope)
{
    return scope != KG_POLICY_FILE && (scope != KG_POLICY_ROOM || keys[key].per_room);
}

static bool parse_number(const char *text, int32_t *value)
{
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    long number = strtol(text, &end, 10);
    *value = (int32_t)number;
    return errno == 0 && *end == '\0' && number <= INT32_MAX;
}

bool kg_policy_parse(enum kg_policy_key key, const char *text, int32_t *value, struct kg_problem *problem)
{
    int32_t number;
    if (keys[key].kind == NUMBER) {
        if (!parse_number(text, &number) || number < keys[key].min || number > keys[key].max)
            return kg_problem_set(problem, "%s must be a whole number from %d to %d", keys[key].name,
                                  keys[key].min, keys[key].max);
        *value = number;
        return true;
    }
    for (number = 0; number < 2; number++) {
        if (strcmp(text, words[keys[key].kind][number]) == 0) {
            *value = number;
            return true;
        }
    }
    return kg_problem_set(problem, "%s must be %s or %s", keys[key].name, words[keys[key].kind][0],
                          words[keys[key].kind][1]);
}

void kg_policy_format(enum kg_policy_key key, int32_t value, char text[KG_POLICY_TEXT_BYTES])
{
    if (keys[key].kind == NUMBER)
        snprintf(text, KG_POLICY_TEXT_BYTES, "%d", value);
    else
        snprintf(text, KG_POLICY_TEXT_BYTES, "%s", words[keys[key].kind][value != 0]);
}

void kg_policy_of_file(int64_t open_before_minutes, int64_t seat_seconds, struct kg_policy_layer *layer)
{
    *layer = (struct kg_policy_layer){0};
    layer->set[KG_POLICY_OPEN_BEFORE_MINUTES] = layer->set[KG_POLICY_SEAT_SECONDS] = true;
    layer->value[KG_POLICY_OPEN_BEFORE_MINUTES] = (int32_t)open_before_minutes;
    layer->value[KG_POLICY_SEAT_SECONDS] = (int32_t)seat_seconds;
}

int kg_policy_resolve(const struct kg_policy_layer *const layers[KG_POLICY_SCOPES], enum kg_policy_key key,
                      int32_t *value)
{
    for (int scope = KG_POLICY_SCOPES - 1; scope >= 0; scope--) {
        if (!layers[scope] || !layers[scope]->set[key])
            continue;
        *value = layers[scope]->value[key];
        return scope;
    }
    return -1;
}

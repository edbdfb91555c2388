/* Settings in layers: a room's, over its organization's, over the whole relay's, over relay.conf's. One
 * strict table says which keys there are, in which layers each may stand and what it may hold. Thread: any;
 * pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

enum kg_policy_key {
    KG_POLICY_OPEN_BEFORE_MINUTES,
    KG_POLICY_SEAT_SECONDS,
    KG_POLICY_VIDEO_KBPS,
    KG_POLICY_UDP,
    KG_POLICY_MICROPHONE_MUTED,
    KG_POLICY_CAMERA_MUTED,
    KG_POLICY_KEYS
};
enum kg_policy_udp { KG_POLICY_UDP_AUTO, KG_POLICY_UDP_NEVER };

/* From the weakest to the strongest. */
enum kg_policy_scope {
    KG_POLICY_FILE, /* relay.conf; never stored */
    KG_POLICY_RELAY,
    KG_POLICY_ORGANIZATION,
    KG_POLICY_ROOM,
    KG_POLICY_SCOPES
};
/* "relay", "organization", "room"; "relay.conf" for the file. */
const char *kg_policy_scope_name(enum kg_policy_scope scope);
KG_MUST_CHECK bool kg_policy_scope_find(const char *name, enum kg_policy_scope *scope);

/* What one layer says; the rest is left to the layers below it. */
struct kg_policy_layer {
    bool set[KG_POLICY_KEYS];
    int32_t value[KG_POLICY_KEYS];
};

const char *kg_policy_key_name(enum kg_policy_key key);
KG_MUST_CHECK bool kg_policy_key_find(const char *name, enum kg_policy_key *key);
/* All names, for messages: "a, b and c". */
const char *kg_policy_key_names(void);
/* Meetings belong to organizations: what is about them has no layer of a room. */
bool kg_policy_key_fits(enum kg_policy_key key, enum kg_policy_scope scope);

enum { KG_POLICY_TEXT_BYTES = 16 };
/* false: *problem says what the key holds. */
KG_MUST_CHECK bool kg_policy_parse(enum kg_policy_key key, const char *text, int32_t *value,
                                   struct kg_problem *problem);
void kg_policy_format(enum kg_policy_key key, int32_t value, char text[KG_POLICY_TEXT_BYTES]);

/* relay.conf's layer. */
void kg_policy_of_file(int64_t open_before_minutes, int64_t seat_seconds, struct kg_policy_layer *layer);

/* The layer that decides, or -1 when none says anything; *value is left alone then. A layer may be
 * NULL. */
int kg_policy_resolve(const struct kg_policy_layer *const layers[KG_POLICY_SCOPES], enum kg_policy_key key,
                      int32_t *value);

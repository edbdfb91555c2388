/* The table of messages, and what decoding and encoding have in common. */
#include "signal/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "signal/message_internal.h"

static const struct {
    const char *name;
    enum kg_message_from from;
    kg_message_decode_fn *decode;
    kg_message_encode_fn *encode;
} types[KG_MESSAGE_TYPES] = {
    [KG_MESSAGE_HELLO] = {"hello", KG_FROM_CLIENT, kg_decode_hello, kg_encode_hello},
    [KG_MESSAGE_JOIN] = {"join", KG_FROM_CLIENT, kg_decode_join, kg_encode_join},
    [KG_MESSAGE_WANT] = {"want", KG_FROM_CLIENT, kg_decode_want, kg_encode_want},
    [KG_MESSAGE_MUTE] = {"mute", KG_FROM_CLIENT, kg_decode_mute, kg_encode_mute},
    [KG_MESSAGE_LEAVE] = {"leave", KG_FROM_CLIENT, kg_decode_leave, kg_encode_leave},
    [KG_MESSAGE_WELCOME] = {"welcome", KG_FROM_RELAY, kg_decode_welcome, kg_encode_welcome},
    [KG_MESSAGE_AGENDA] = {"agenda", KG_FROM_RELAY, kg_decode_agenda, kg_encode_agenda},
    [KG_MESSAGE_POLICY] = {"policy", KG_FROM_RELAY, kg_decode_policy, kg_encode_policy},
    [KG_MESSAGE_JOINED] = {"joined", KG_FROM_RELAY, kg_decode_joined, kg_encode_joined},
    [KG_MESSAGE_PARTICIPANTS] = {"participants", KG_FROM_RELAY, kg_decode_participants,
                                 kg_encode_participants},
    [KG_MESSAGE_SLOTS] = {"slots", KG_FROM_RELAY, kg_decode_slots, kg_encode_slots},
    [KG_MESSAGE_WATCHED] = {"watched", KG_FROM_RELAY, kg_decode_watched, kg_encode_watched},
    [KG_MESSAGE_LEFT] = {"left", KG_FROM_RELAY, kg_decode_left, kg_encode_left},
    [KG_MESSAGE_ERROR] = {"error", KG_FROM_RELAY, kg_decode_error, kg_encode_error},
    [KG_MESSAGE_CLOSING] = {"closing", KG_FROM_RELAY, kg_decode_closing, kg_encode_closing},
};

const char *kg_message_name(enum kg_message_type type)
{
    return (unsigned)type < KG_MESSAGE_TYPES ? types[type].name : "unknown";
}

static struct kg_message *refuse(struct kg_message_error *error, enum kg_error_code code, const char *text)
{
    error->code = code;
    snprintf(error->text, sizeof(error->text), "%s", text);
    return NULL;
}

/* jansson recurses once per level, so the depth is bounded before it sees the text. */
static bool depth_allowed(const char *text, size_t size)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > KG_MESSAGE_MAX_DEPTH)
                return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* Decodes storage->root. false: *error is filled. */
static bool decode_root(struct kg_message_storage *storage, enum kg_message_from from,
                        struct kg_message_error *error)
{
    const json_t *root = storage->root;
    if (!json_is_object(root))
        return refuse(error, KG_ERROR_BAD_MESSAGE, "a message is a JSON object");
    json_int_t request = json_integer_value(json_object_get(root, "request"));
    if (request > 0 && request <= UINT32_MAX)
        error->request = (uint32_t)request;
    const char *name = json_string_value(json_object_get(root, "type"));
    if (!name)
        return refuse(error, KG_ERROR_BAD_MESSAGE, "type: must be a string");
    for (unsigned i = 0; i < KG_MESSAGE_TYPES; i++) {
        if (types[i].from != from || strcmp(types[i].name, name) != 0)
            continue;
        struct kg_message_reader reader = {.storage = storage, .error = error, .type = types[i].name};
        storage->message.type = (enum kg_message_type)i;
        error->code = KG_ERROR_BAD_MESSAGE;
        if (!types[i].decode(&reader, root, &storage->message))
            return false;
        *error = (struct kg_message_error){0};
        return true;
    }
    refuse(error, KG_ERROR_UNKNOWN_TYPE, "");
    snprintf(error->text, sizeof(error->text), "no message \"%.40s\" goes this way", name);
    /* The cut may split a character; what is sent back must be UTF-8. */
    for (char *c = error->text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = '?';
    return false;
}

struct kg_message *kg_message_decode(enum kg_message_from from, const char *text, size_t size,
                                     struct kg_message_error *error)
{
    memset(error, 0, sizeof(*error));
    if (size > KG_MESSAGE_MAX_BYTES)
        return refuse(error, KG_ERROR_BAD_MESSAGE, "the message is longer than 262144 bytes");
    if (!text || !depth_allowed(text, size))
        return refuse(error, KG_ERROR_BAD_MESSAGE, "the message is nested deeper than 8 levels");
    struct kg_message_storage *storage = calloc(1, sizeof(*storage));
    if (!storage) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: a message");
        return refuse(error, KG_ERROR_INTERNAL, "memory is short");
    }
    storage->message.owned = storage;
    json_error_t json_error;
    storage->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &json_error);
    if (!storage->root && json_error.text[0] == '\0') { /* jansson finds nothing wrong with the text */
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: a message");
        refuse(error, KG_ERROR_INTERNAL, "memory is short");
    } else if (!storage->root) {
        error->code = KG_ERROR_BAD_MESSAGE;
        snprintf(error->text, sizeof(error->text), "not valid JSON at byte %d", json_error.position);
    } else if (decode_root(storage, from, error)) {
        return &storage->message;
    }
    kg_message_destroy(&storage->message);
    return NULL;
}

void kg_message_destroy(struct kg_message *message)
{
    if (!message)
        return;
    struct kg_message_storage *storage = message->owned;
    json_decref(storage->root);
    free(storage->participants);
    free(storage);
}

/* Reading back what was written keeps both directions' limits the same, whatever the caller put in. */
static bool acceptable(const char *text, size_t size, enum kg_message_type type)
{
    struct kg_message_error error;
    struct kg_message *back = kg_message_decode(types[type].from, text, size, &error);
    if (!back)
        kg_log(KG_LOG_ERROR, "signal", NULL, "cannot send %s: %s", types[type].name, error.text);
    kg_message_destroy(back);
    return back != NULL;
}

char *kg_message_encode(const struct kg_message *message, size_t *size)
{
    if ((unsigned)message->type >= KG_MESSAGE_TYPES)
        return NULL;
    const char *name = types[message->type].name;
    char *text = NULL;
    json_t *object = json_object();
    if (object && json_object_set_new(object, "type", json_string(name)) == 0 &&
        types[message->type].encode(message, object))
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text) {
        kg_log(KG_LOG_ERROR, "signal", NULL,
               "cannot write %s: a value is out of range or not UTF-8, or memory is short", name);
        return NULL;
    }
    *size = strlen(text);
    if (!acceptable(text, *size, message->type)) {
        free(text);
        return NULL;
    }
    return text;
}

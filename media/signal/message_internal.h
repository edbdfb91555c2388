/* Shared by message*.c only: JSON field by field. Thread: the caller's. */
#pragma once

#include <jansson.h>

#include "signal/message.h"

/* One decoded message and what its pointers point into. */
struct kg_message_storage {
    struct kg_message message;
    json_t *root;
    struct kg_participant *participants;
};

struct kg_message_reader {
    struct kg_message_storage *storage;
    struct kg_message_error *error;
    const char *type; /* for error texts */
};

/* Fill storage->message from the root object. false: *error is filled. */
typedef bool kg_message_decode_fn(struct kg_message_reader *reader, const json_t *root,
                                  struct kg_message *message);
/* Sets the fields of object. false: memory is short, or a value that JSON cannot hold. */
typedef bool kg_message_encode_fn(const struct kg_message *message, json_t *object);

kg_message_decode_fn kg_decode_hello, kg_decode_join, kg_decode_want, kg_decode_mute, kg_decode_leave,
    kg_decode_welcome, kg_decode_agenda, kg_decode_policy, kg_decode_joined, kg_decode_participants,
    kg_decode_slots, kg_decode_watched, kg_decode_left, kg_decode_error, kg_decode_closing;
kg_message_encode_fn kg_encode_hello, kg_encode_join, kg_encode_want, kg_encode_mute, kg_encode_leave,
    kg_encode_welcome, kg_encode_agenda, kg_encode_policy, kg_encode_joined, kg_encode_participants,
    kg_encode_slots, kg_encode_watched, kg_encode_left, kg_encode_error, kg_encode_closing;

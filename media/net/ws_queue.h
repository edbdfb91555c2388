/* Messages waiting for a WebSocket: bounded in bytes, and the oldest droppable ones give way.
 * Thread: the owner's. Owns its messages until they are taken. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum { KG_WS_QUEUE_HEADROOM = 32 }; /* free bytes before a message, for the frame's header */

struct kg_ws_message {
    struct kg_ws_message *next;
    size_t size;
    bool binary, droppable;
    uint8_t bytes[]; /* KG_WS_QUEUE_HEADROOM, then size */
};

struct kg_ws_queue {
    struct kg_ws_message *first, **last;
    size_t bytes, max_bytes;
    uint64_t dropped; /* given way or refused */
};

void kg_ws_queue_init(struct kg_ws_queue *queue, size_t max_bytes);
void kg_ws_queue_clear(struct kg_ws_queue *queue);
/* Copies data. false: no room even after dropping, or memory is short. */
KG_MUST_CHECK bool kg_ws_queue_push(struct kg_ws_queue *queue, const void *data, size_t size, bool binary,
                                    bool droppable);
/* The oldest, to be freed with free(); NULL: none. */
struct kg_ws_message *kg_ws_queue_take(struct kg_ws_queue *queue);

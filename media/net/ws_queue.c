#include "net/ws_queue.h"

#include <stdlib.h>
#include <string.h>

void kg_ws_queue_init(struct kg_ws_queue *queue, size_t max_bytes)
{
    *queue = (struct kg_ws_queue){.max_bytes = max_bytes};
    queue->last = &queue->first;
}

static struct kg_ws_message *unlink_at(struct kg_ws_queue *queue, struct kg_ws_message **at)
{
    struct kg_ws_message *message = *at;
    *at = message->next;
    if (queue->last == &message->next)
        queue->last = at;
    queue->bytes -= message->size;
    return message;
}

void kg_ws_queue_clear(struct kg_ws_queue *queue)
{
    while (queue->first)
        free(unlink_at(queue, &queue->first));
}

static bool make_room(struct kg_ws_queue *queue, size_t size)
{
    struct kg_ws_message **at = &queue->first;
    while (queue->bytes + size > queue->max_bytes && *at) {
        if ((*at)->droppable) {
            free(unlink_at(queue, at));
            queue->dropped++;
        } else {
            at = &(*at)->next;
        }
    }
    return queue->bytes + size <= queue->max_bytes;
}

bool kg_ws_queue_push(struct kg_ws_queue *queue, const void *data, size_t size, bool binary, bool droppable)
{
    struct kg_ws_message *message =
        make_room(queue, size) ? malloc(sizeof *message + KG_WS_QUEUE_HEADROOM + size) : NULL;
    if (!message) {
        queue->dropped++;
        return false;
    }
    *message = (struct kg_ws_message){.size = size, .binary = binary, .droppable = droppable};
    if (size > 0)
        memcpy(message->bytes + KG_WS_QUEUE_HEADROOM, data, size);
    *queue->last = message;
    queue->last = &message->next;
    queue->bytes += size;
    return true;
}

struct kg_ws_message *kg_ws_queue_take(struct kg_ws_queue *queue)
{
    return queue->first ? unlink_at(queue, &queue->first) : NULL;
}

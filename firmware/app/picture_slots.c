#include "app/picture_slots.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/queue.h"

enum { WAITING = 8 };

struct kg_picture_slots {
    void (*wake)(void);
    struct kg_queue *queues[KG_PICTURE_PLACES]; /* of struct kg_frame * */
    /* Not an element of the queue, which may be full: a picture must never outstay its meeting. */
    atomic_bool cleared[KG_PICTURE_PLACES];
    struct kg_frame *next[KG_PICTURE_PLACES]; /* of the main thread: taken from the queue, not yet due */
};

static void release(struct kg_frame *frame)
{
    if (frame)
        kg_frame_unref(frame);
}

struct kg_picture_slots *kg_picture_slots_create(void (*wake)(void))
{
    struct kg_picture_slots *slots = calloc(1, sizeof *slots);
    if (!slots)
        return NULL;
    slots->wake = wake;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        slots->queues[i] = kg_queue_create(WAITING, sizeof(struct kg_frame *));
        if (!slots->queues[i]) {
            kg_picture_slots_destroy(slots);
            return NULL;
        }
    }
    return slots;
}

static void drop_waiting(struct kg_picture_slots *slots, unsigned place)
{
    struct kg_frame *frame;
    release(slots->next[place]);
    slots->next[place] = NULL;
    while (slots->queues[place] && kg_queue_pop(slots->queues[place], &frame))
        release(frame);
}

void kg_picture_slots_destroy(struct kg_picture_slots *slots)
{
    if (!slots)
        return;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        drop_waiting(slots, i);
        kg_queue_destroy(slots->queues[i]);
    }
    free(slots);
}

void kg_picture_slots_put(struct kg_picture_slots *slots, unsigned place, struct kg_frame *frame)
{
    if (!frame)
        atomic_store(&slots->cleared[place], true);
    else if (!kg_queue_push(slots->queues[place], &frame))
        release(frame);
    slots->wake();
}

static struct kg_frame *peek(struct kg_picture_slots *slots, unsigned place)
{
    if (!slots->next[place] && !kg_queue_pop(slots->queues[place], &slots->next[place]))
        slots->next[place] = NULL;
    return slots->next[place];
}

bool kg_picture_slots_take(struct kg_picture_slots *slots, unsigned place, int64_t now_us,
                           struct kg_frame **frame)
{
    struct kg_frame *next;
    *frame = NULL;
    if (atomic_exchange(&slots->cleared[place], false)) {
        /* A picture put since goes too; the next one comes soon. */
        drop_waiting(slots, place);
        return true;
    }
    while ((next = peek(slots, place)) != NULL && (next->capture_us <= now_us || place == KG_PICTURE_SELF)) {
        release(*frame);
        *frame = next;
        slots->next[place] = NULL;
    }
    return *frame != NULL;
}

int64_t kg_picture_slots_next_us(const struct kg_picture_slots *slots)
{
    int64_t next_us = INT64_MAX;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        if (slots->next[i] && slots->next[i]->capture_us < next_us)
            next_us = slots->next[i]->capture_us;
    }
    return next_us;
}

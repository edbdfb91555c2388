#include "app/picture_slots.h"

#include <stdlib.h>

#include "base/queue.h"

enum { WAITING = 8 };

struct entry {
    struct kg_frame *frame; /* NULL: clear */
};

struct kg_picture_slots {
    void (*wake)(void);
    struct kg_queue *queues[KG_PICTURE_PLACES];
    /* Of the main thread: taken from the queue, not yet due. */
    struct entry next[KG_PICTURE_PLACES];
    bool has_next[KG_PICTURE_PLACES];
};

struct kg_picture_slots *kg_picture_slots_create(void (*wake)(void))
{
    struct kg_picture_slots *slots = calloc(1, sizeof *slots);
    if (!slots)
        return NULL;
    slots->wake = wake;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        slots->queues[i] = kg_queue_create(WAITING, sizeof(struct entry));
        if (!slots->queues[i]) {
            kg_picture_slots_destroy(slots);
            return NULL;
        }
    }
    return slots;
}

static void release(struct kg_frame *frame)
{
    if (frame)
        kg_frame_unref(frame);
}

void kg_picture_slots_destroy(struct kg_picture_slots *slots)
{
    if (!slots)
        return;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        struct entry entry;
        if (slots->has_next[i])
            release(slots->next[i].frame);
        while (slots->queues[i] && kg_queue_pop(slots->queues[i], &entry))
            release(entry.frame);
        kg_queue_destroy(slots->queues[i]);
    }
    free(slots);
}

void kg_picture_slots_put(struct kg_picture_slots *slots, unsigned place, struct kg_frame *frame)
{
    struct entry entry = {.frame = frame};
    if (!kg_queue_push(slots->queues[place], &entry))
        release(frame);
    slots->wake();
}

static bool peek(struct kg_picture_slots *slots, unsigned place)
{
    if (!slots->has_next[place])
        slots->has_next[place] = kg_queue_pop(slots->queues[place], &slots->next[place]);
    return slots->has_next[place];
}

bool kg_picture_slots_take(struct kg_picture_slots *slots, unsigned place, int64_t now_us,
                           struct kg_frame **frame)
{
    bool taken = false;
    *frame = NULL;
    while (peek(slots, place)) {
        struct kg_frame *next = slots->next[place].frame;
        if (next && next->capture_us > now_us && place != KG_PICTURE_SELF)
            break;
        release(*frame);
        *frame = next;
        slots->has_next[place] = false;
        taken = true;
    }
    return taken;
}

int64_t kg_picture_slots_next_us(const struct kg_picture_slots *slots)
{
    int64_t next_us = INT64_MAX;
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++) {
        if (slots->has_next[i] && slots->next[i].frame && slots->next[i].frame->capture_us < next_us)
            next_us = slots->next[i].frame->capture_us;
    }
    return next_us;
}

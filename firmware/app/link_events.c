#include "app/link_events.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "signal/message.h"

/* The newest words, in the order in which they are told. */
enum word { WORD_CAMERA, WORD_MICROPHONE, WORD_SPEAKER, WORD_PICTURE, WORD_STATUS, WORDS };

struct kg_link_events {
    void (*wake)(void);
    struct kg_queue *queue; /* one place more than KG_LINK_EVENTS: for kg_link_events_cut */
    bool behind;            /* of the writer: words were lost */
    struct kg_mutex mutex;
    struct kg_media_report words[WORDS]; /* under mutex */
    bool news[WORDS];                    /* under mutex */
};

static enum word word_of(const struct kg_media_report *report)
{
    static const enum word devices[] = {[KG_MEDIA_CAMERA] = WORD_CAMERA,
                                        [KG_MEDIA_MICROPHONE] = WORD_MICROPHONE,
                                        [KG_MEDIA_SPEAKER] = WORD_SPEAKER};
    assert(report->event != KG_MEDIA_CONNECTED && report->event != KG_MEDIA_LOST);
    return report->event == KG_MEDIA_DEVICE    ? devices[report->device]
           : report->event == KG_MEDIA_PICTURE ? WORD_PICTURE
                                               : WORD_STATUS;
}

static void drop(const struct kg_link_event *event)
{
    if (event->kind == KG_LINK_MESSAGE)
        kg_message_destroy(event->message);
}

/* How a line was that is not there any more. */
static void forget_status(struct kg_link_events *e)
{
    kg_mutex_lock(&e->mutex);
    e->news[WORD_STATUS] = false;
    kg_mutex_unlock(&e->mutex);
}

static bool ends_call(const struct kg_link_event *event)
{
    return event->kind == KG_LINK_CLOSED ||
           (event->kind == KG_LINK_MEDIA && event->media.event == KG_MEDIA_LOST);
}

bool kg_link_events_post(struct kg_link_events *e, const struct kg_link_event *event)
{
    if (ends_call(event))
        forget_status(e);
    /* One writer: what is free now is free when it pushes. */
    bool fits = !e->behind && kg_queue_count(e->queue) < KG_LINK_EVENTS && kg_queue_push(e->queue, event);
    if (!fits) {
        if (!e->behind)
            kg_log(KG_LOG_ERROR, "app", "app.events-full",
                   "the main thread does not keep up: the connection begins again");
        e->behind = true;
        drop(event);
    }
    e->wake();
    return fits;
}

void kg_link_events_cut(struct kg_link_events *e, const char *detail)
{
    struct kg_link_event event = {.kind = KG_LINK_CLOSED, .close = {.failure = KG_WS_CLOSED}};
    snprintf(event.close.detail, sizeof event.close.detail, "%s", detail);
    forget_status(e);
    e->behind = false;
    /* No place: the last that waits is this very word, of the time before. */
    (void)!kg_queue_push(e->queue, &event);
    e->wake();
}

void kg_link_events_report(struct kg_link_events *e, const struct kg_media_report *report)
{
    enum word word = word_of(report);
    kg_mutex_lock(&e->mutex);
    e->words[word] = *report;
    e->news[word] = true;
    kg_mutex_unlock(&e->mutex);
    e->wake();
}

static bool take_word(struct kg_link_events *e, struct kg_link_event *event)
{
    bool found = false;
    kg_mutex_lock(&e->mutex);
    for (unsigned i = 0; i < WORDS && !found; i++) {
        found = e->news[i];
        if (found)
            *event = (struct kg_link_event){.kind = KG_LINK_MEDIA, .media = e->words[i]};
        e->news[i] = e->news[i] && !found;
    }
    kg_mutex_unlock(&e->mutex);
    return found;
}

bool kg_link_events_take(struct kg_link_events *e, struct kg_link_event *event)
{
    return kg_queue_pop(e->queue, event) || take_word(e, event);
}

struct kg_link_events *kg_link_events_create(void (*wake)(void))
{
    struct kg_link_events *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->wake = wake;
    e->queue = kg_queue_create(KG_LINK_EVENTS + 1, sizeof(struct kg_link_event));
    if (!e->queue) {
        free(e);
        return NULL;
    }
    kg_mutex_init(&e->mutex);
    return e;
}

void kg_link_events_destroy(struct kg_link_events *e)
{
    struct kg_link_event event;
    if (!e)
        return;
    while (kg_queue_pop(e->queue, &event))
        drop(&event);
    kg_queue_destroy(e->queue);
    kg_mutex_finish(&e->mutex);
    free(e);
}

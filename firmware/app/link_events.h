/* What the link tells the main thread. Messages, connections and calls that come and go keep their order in a
 * bounded queue; of the rest (line quality, devices, the first picture) the newest word waits beside it. A
 * queue that is full loses its writer's words knowingly: the writer then ends what it tells of and says so in
 * a place kept free for it, so that no reader ever waits for a word that was lost.
 * Thread: post and cut by one writer (the net thread), report by any, take by the main thread.
 * Owns: the messages that wait. */
#pragma once

#include <stdbool.h>

#include "app/link.h"

enum { KG_LINK_EVENTS = 256 };

struct kg_link_events;

/* wake: after each event, from the thread it comes from. NULL: memory is short, or no eventfd (logged). */
KG_MUST_CHECK struct kg_link_events *kg_link_events_create(void (*wake)(void));
void kg_link_events_destroy(struct kg_link_events *events);

/* Takes the message in any case. false: KG_LINK_EVENTS wait unread, so this is lost, and so is all that
 * follows until kg_link_events_cut. */
KG_MUST_CHECK bool kg_link_events_post(struct kg_link_events *events, const struct kg_link_event *event);
/* The writer has ended connection and call: KG_LINK_CLOSED comes after all that was posted. Never lost. */
void kg_link_events_cut(struct kg_link_events *events, const char *detail);
/* KG_MEDIA_STATUS, KG_MEDIA_PICTURE and KG_MEDIA_DEVICE. Never lost, but for an older word on the same. */
void kg_link_events_report(struct kg_link_events *events, const struct kg_media_report *report);

/* false: nothing waits. */
KG_MUST_CHECK bool kg_link_events_take(struct kg_link_events *events, struct kg_link_event *event);

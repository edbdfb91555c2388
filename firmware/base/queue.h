/* A bounded first-in first-out queue of fixed-size elements, copied in and out: how threads pass messages.
 * Thread: any number of writers and readers. Owns its storage, not what elements point to: whoever destroys
 * a queue drains it first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_queue;

/* NULL when memory is short or the system refuses the eventfd (logged). */
struct kg_queue *kg_queue_create(size_t capacity, size_t element_size);
void kg_queue_destroy(struct kg_queue *queue);

/* false: full or closed; the caller keeps the element. Never blocks. */
KG_MUST_CHECK bool kg_queue_push(struct kg_queue *queue, const void *element);
/* false: empty. Never blocks. */
KG_MUST_CHECK bool kg_queue_pop(struct kg_queue *queue, void *element);
/* Waits for an element until deadline_us (INT64_MAX: no limit). false: the time passed, or closed and empty.
 */
KG_MUST_CHECK bool kg_queue_pop_wait(struct kg_queue *queue, void *element, int64_t deadline_us);
/* Refuses further elements and wakes every reader: a reader thread ends when pop_wait says false. */
void kg_queue_close(struct kg_queue *queue);
size_t kg_queue_count(struct kg_queue *queue);

/* A descriptor that polls readable while elements wait: for event loops. The queue owns it; do not read it.
 */
int kg_queue_fd(struct kg_queue *queue);

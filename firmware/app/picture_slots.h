/* Pictures on their way to the screen: each place holds the few newest until they are due.
 * Thread: put from any one thread per place, take from the main thread. Owns: the frames waiting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"

enum {
    KG_PICTURE_SELF,
    KG_PICTURE_PRESENTATION,
    KG_PICTURE_VIDEO, /* … KG_PICTURE_VIDEO + 8 */
    KG_PICTURE_PLACES = KG_PICTURE_VIDEO + 9
};

struct kg_picture_slots;

/* NULL: memory is short. wake: after a put, from the putting thread. */
KG_MUST_CHECK struct kg_picture_slots *kg_picture_slots_create(void (*wake)(void));
void kg_picture_slots_destroy(struct kg_picture_slots *slots);

/* Takes the reference; frame->capture_us is when it is due. When the place is full the new one is let go.
 * NULL: nothing is to be shown there any more, whatever waits. */
void kg_picture_slots_put(struct kg_picture_slots *slots, unsigned place, struct kg_frame *frame);
/* The newest that is due, older ones let go; *cleared: show nothing (*frame is then NULL). false: no change.
 */
KG_MUST_CHECK bool kg_picture_slots_take(struct kg_picture_slots *slots, unsigned place, int64_t now_us,
                                         struct kg_frame **frame);
/* When take has something next; INT64_MAX: nothing waits. */
int64_t kg_picture_slots_next_us(const struct kg_picture_slots *slots);

/* Which source each of a party's picture slots should carry, from what it asked and who is there. Pure:
 * numbers in, numbers out. Thread: any. */
#pragma once

#include <stdint.h>

#include "relay/slots.h"
#include "signal/message.h"

enum { KG_LAYOUT_MAX_SOURCES = KG_MAX_PARTICIPANTS };

struct kg_layout_wish {
    enum kg_wish wish;
    uint32_t source; /* with KG_WISH_SOURCE */
};

struct kg_layout {
    const uint32_t *sources; /* of others, sending now, oldest party first */
    size_t source_count;
    uint32_t first; /* who belongs in the first free-choice slot (speaks, presents last); 0: nobody yet */
};

/* Fills want[0..count) in place; it holds the present assignment, 0 for empty. Wished sources take their
 * slots; `first` (else who is there already) has the first KG_WISH_AUTO slot; the others keep the slot they
 * have, and those without one fill the rest in order. No source is in two KG_WISH_AUTO slots, nor in one
 * besides a wished. */
void kg_layout_assign(const struct kg_layout *layout, const struct kg_layout_wish *wishes, uint32_t *want,
                      size_t count);

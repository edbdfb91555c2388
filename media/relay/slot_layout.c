#include "relay/slot_layout.h"

#include <assert.h>
#include <stdbool.h>

static bool is_there(const struct kg_layout *layout, uint32_t source)
{
    for (size_t i = 0; source && i < layout->source_count; i++) {
        if (layout->sources[i] == source)
            return true;
    }
    return false;
}

static bool is_shown(const uint32_t *want, size_t count, uint32_t source)
{
    for (size_t i = 0; i < count; i++) {
        if (want[i] == source)
            return true;
    }
    return false;
}

/* Puts `first` into slot `lead`; what was there moves to the place `first` leaves, so only two slots change.
 */
static void place_first(uint32_t first, uint32_t *want, const struct kg_layout_wish *wishes, size_t count,
                        size_t lead)
{
    if (want[lead] == first)
        return;
    uint32_t displaced = want[lead];
    for (size_t i = 0; i < count; i++) {
        if (want[i] != first)
            continue;
        if (wishes[i].wish != KG_WISH_AUTO) /* shown by wish already: no second copy */
            return;
        want[i] = displaced;
        displaced = 0;
    }
    want[lead] = first;
    for (size_t i = 0; displaced && i < count; i++) {
        if (wishes[i].wish == KG_WISH_AUTO && want[i] == 0) {
            want[i] = displaced;
            displaced = 0;
        }
    }
}

void kg_layout_assign(const struct kg_layout *layout, const struct kg_layout_wish *wishes, uint32_t *want,
                      size_t count)
{
    assert(count <= KG_VIDEO_SLOTS);
    for (size_t i = 0; i < count; i++) {
        if (wishes[i].wish == KG_WISH_SOURCE)
            want[i] = is_there(layout, wishes[i].source) ? wishes[i].source : 0;
        else if (wishes[i].wish == KG_WISH_NONE || !is_there(layout, want[i]))
            want[i] = 0;
    }
    size_t lead = count;
    for (size_t i = 0; i < count;
         i++) { /* a source shown by wish, or earlier, gives up its other free slot */
        if (wishes[i].wish != KG_WISH_AUTO)
            continue;
        lead = KG_MIN(lead, i);
        for (size_t k = 0; k < count && want[i]; k++) {
            if (k != i && want[k] == want[i] && (k < i || wishes[k].wish == KG_WISH_SOURCE))
                want[i] = 0;
        }
    }
    if (lead == count)
        return;
    if (is_there(layout, layout->first))
        place_first(layout->first, want, wishes, count, lead);
    for (size_t s = 0; s < layout->source_count; s++) {
        if (is_shown(want, count, layout->sources[s]))
            continue;
        for (size_t i = lead; i < count; i++) {
            if (wishes[i].wish == KG_WISH_AUTO && want[i] == 0) {
                want[i] = layout->sources[s];
                break;
            }
        }
    }
    /* the large picture is the last to stay empty */
    for (size_t i = lead + 1; want[lead] == 0 && i < count; i++) {
        if (wishes[i].wish == KG_WISH_AUTO && want[i]) {
            want[lead] = want[i];
            want[i] = 0;
        }
    }
}

/* A screen: a function from state to drawing and a function from touch to intent, in one file, with one line
 * in screens.c. Thread: main. Screens keep nothing: what must outlive a drawing is in the room's state or, if
 * only the glass knows it (which page of a list), in kg_view. */
#pragma once

#include "core/canvas.h"
#include "core/room_state.h"

struct kg_view {
    int home_page;   /* pages past the one that home opens with; may be negative */
    bool self_large; /* own picture enlarged over the other room's */
};

struct kg_screen {
    const char *name; /* first part of its targets' ids */
    void (*draw)(struct kg_canvas *c, const struct kg_room_state *state, const struct kg_view *view);
    /* The intent of a touch on this target, KG_INTENT_NONE if it only changes the view. */
    struct kg_intent (*touch)(const struct kg_room_state *state, struct kg_view *view,
                              const struct kg_target *target);
};

extern const struct kg_screen kg_screen_home, kg_screen_joining, kg_screen_meeting, kg_screen_ended,
    kg_screen_error, kg_screen_enrolment;
extern const struct kg_screen *const kg_screens[KG_SCREEN_COUNT];

static inline struct kg_intent kg_intent_of(enum kg_intent_kind kind)
{
    return (struct kg_intent){.kind = kind};
}

/* Passing conditions as words: which of them hold, and the strip or pill that says them. Thread: main. */
#pragma once

#include "core/canvas.h"
#include "widgets/card.h"

struct kg_notice_text {
    const char *icon;
    const char *text; /* Japanese, for kg_tr */
    enum kg_tone tone;
};

const struct kg_notice_text *kg_notice_text(enum kg_notice notice);

/* One line in a soft rectangle. */
void kg_notice_strip(struct kg_canvas *c, struct kg_rect rect, enum kg_tone tone, const char *icon,
                     const char *text);
/* The state's two most pressing notices as pills under one another, centred on x, the first at y: over a
 * picture. All that is unplugged is one notice. Returns the y below the last. */
int kg_notice_pills(struct kg_canvas *c, int x, int y, const struct kg_room_state *state);

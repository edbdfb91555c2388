/* Whose picture this is: 団体名・所属・会議室名, with muted and speaking marks. Thread: main. */
#pragma once

#include "core/canvas.h"

/* Two lines on the dark bar: office above, room below, a mark to the left. */
void kg_plate(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_participant *who, bool speaking);
/* One line over the lower edge of a thumbnail. */
void kg_plate_small(struct kg_canvas *c, struct kg_rect picture, const struct kg_room_participant *who,
                    bool speaking);

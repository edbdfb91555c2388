/* The other rooms of a meeting, as many by name as there is place for, the rest counted. Thread: main. */
#pragma once

#include "core/canvas.h"

/* A list of lines from the top of rect; one room alone gets its whole name. */
void kg_sites(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_meeting *meeting);
/* One line. */
void kg_sites_line(struct kg_canvas *c, struct kg_rect rect, struct kg_text_style style,
                   const struct kg_room_meeting *meeting);

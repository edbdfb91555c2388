/* Home's right half: today's meetings page by page and, while there is place, what the next days bring.
 * Thread: main. */
#pragma once

#include "screens/screen.h"

/* offered: the one on the left, marked here too; NULL: none. */
void kg_home_list(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *state,
                  const struct kg_view *view, const struct kg_room_meeting *offered);

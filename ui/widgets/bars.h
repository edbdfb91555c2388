/* Line quality as four rising bars, with a word when it matters. Thread: main. */
#pragma once

#include "core/canvas.h"
#include "core/icons.h"

enum { KG_BARS_WIDTH = 36, KG_BARS_HEIGHT = 28 };

/* quality 0 (no line) … 4 (good); on the dark stage. */
void kg_bars(struct kg_canvas *c, int x, int y, unsigned quality);

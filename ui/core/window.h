/* SDL's window and renderer. Thread: main. Owns SDL's video and TTF subsystems while open. */
#pragma once

#include <SDL.h>

#include "base/attr.h"
#include "core/ui.h"

struct kg_window {
    SDL_Window *window;
    SDL_Renderer *renderer;
};

/* false (logged, nothing left open): no display or no renderer. */
KG_MUST_CHECK bool kg_window_open(struct kg_window *w, const struct kg_ui_options *options);
void kg_window_close(struct kg_window *w);

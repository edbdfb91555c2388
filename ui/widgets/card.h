/* Surfaces: the raised card, the small chip that says a state, the spinner. Thread: main. */
#pragma once

#include "core/canvas.h"

enum kg_tone { KG_TONE_PLAIN, KG_TONE_PRIMARY, KG_TONE_GOOD, KG_TONE_WARN, KG_TONE_BAD };

enum { KG_CHIP_HEIGHT = 34 };

/* Colours of a tone: soft surface and what stands on it. */
enum kg_color kg_tone_back(enum kg_tone tone);
enum kg_color kg_tone_front(enum kg_tone tone);

void kg_card(struct kg_canvas *c, struct kg_rect rect);
int kg_chip_width(struct kg_canvas *c, const char *icon, const char *label);
/* Draws it with its left top corner at x, y. icon may be NULL. */
void kg_chip(struct kg_canvas *c, int x, int y, enum kg_tone tone, const char *icon, const char *label);
/* Eight dots going round; asks to be drawn again. */
void kg_spinner(struct kg_canvas *c, struct kg_rect rect, int size, enum kg_color color);

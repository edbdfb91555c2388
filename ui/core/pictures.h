/* The newest frame of each slot, on a texture or straight on a screen in memory. Thread: main. Owns a
 * reference to each frame until it is on the texture, and the textures; borrows the renderer. */
#pragma once

#include <SDL.h>

#include "base/attr.h"
#include "core/geometry.h"
#include "core/ui.h"

enum kg_picture_fit { KG_FIT_CONTAIN, KG_FIT_COVER };

struct kg_pictures;

KG_MUST_CHECK struct kg_pictures *kg_pictures_create(SDL_Renderer *renderer);
void kg_pictures_destroy(struct kg_pictures *p);

/* Takes its own reference; NULL empties the slot. */
void kg_pictures_set(struct kg_pictures *p, enum kg_ui_slot slot, struct kg_frame *frame);
bool kg_pictures_has(const struct kg_pictures *p, enum kg_ui_slot slot);
/* kg_frame.source of what the slot shows. */
uint32_t kg_pictures_source(const struct kg_pictures *p, enum kg_ui_slot slot);
/* Before everything is drawn anew: no slot is anywhere. */
void kg_pictures_forget_places(struct kg_pictures *p);
/* Where the slot was last drawn; w = 0: nowhere. */
struct kg_rect kg_pictures_place(const struct kg_pictures *p, enum kg_ui_slot slot);
/* Draws the slot in area (window pixels). false: empty. *shown: what it covered, before any clipping. */
bool kg_pictures_draw(struct kg_pictures *p, enum kg_ui_slot slot, SDL_Rect area, enum kg_picture_fit fit,
                      SDL_Rect *shown);

/* A slot got a new frame, or lost its frame, since the last take_changed. */
bool kg_pictures_changed(const struct kg_pictures *p);
/* Where the slots that got a new frame were last drawn (window pixels); forgets them. Returns how many.
 * *layout_changed: one of them came, went, or changed its size or its sender: lay everything out anew. */
size_t kg_pictures_take_changed(struct kg_pictures *p, struct kg_rect changed[KG_UI_SLOTS],
                                bool *layout_changed);

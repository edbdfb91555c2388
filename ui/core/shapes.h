/* Anti-aliased rounded shapes for SDL_Renderer, made of small cached alpha masks cut in nine.
 * Thread: main. Owns the mask textures; borrows the renderer. Window pixels. */
#pragma once

#include <SDL.h>

#include "base/attr.h"

struct kg_shapes;

KG_MUST_CHECK struct kg_shapes *kg_shapes_create(SDL_Renderer *renderer);
void kg_shapes_destroy(struct kg_shapes *shapes);

/* A filled rectangle; radius is clamped to half the shorter side. */
void kg_shapes_round(struct kg_shapes *shapes, SDL_Rect rect, int radius, SDL_Color color);
/* Its outline, `width` pixels inwards. */
void kg_shapes_ring(struct kg_shapes *shapes, SDL_Rect rect, int radius, int width, SDL_Color color);
/* A soft shadow under it, `blur` pixels outwards and inwards. */
void kg_shapes_shadow(struct kg_shapes *shapes, SDL_Rect rect, int radius, int blur, SDL_Color color);
/* Paints what lies outside the rounded corners of rect: rounds off a picture drawn before. */
void kg_shapes_corners(struct kg_shapes *shapes, SDL_Rect rect, int radius, SDL_Color color);

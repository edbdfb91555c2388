/* Text and icons as textures: shaping by SDL_ttf (HarfBuzz), ellipsis, line breaking, a cache.
 * Thread: main. Owns fonts and textures; borrows the renderer. Window pixels, UTF-8.
 * A character that the font lacks is shown as the geta mark 〓, as Japanese printing does, never as a blank
 * box; a variation selector the font does not know falls back to its base character. */
#pragma once

#include <SDL.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

enum kg_text_face { KG_FACE_REGULAR, KG_FACE_BOLD, KG_FACE_ICONS, KG_FACES };

struct kg_text;

struct kg_text_run {
    SDL_Texture *texture; /* white, to be tinted; NULL for an empty text. The cache's: use at once */
    int width, height;
    bool clipped; /* the ellipsis replaced something */
};

/* paths: one font file per face. NULL (logged): one cannot be opened. */
KG_MUST_CHECK struct kg_text *kg_text_create(SDL_Renderer *renderer, const char *const paths[KG_FACES]);
void kg_text_destroy(struct kg_text *text);

/* One line, cut with "…" to fit max_width; max_width <= 0: not cut. */
struct kg_text_run kg_text_line(struct kg_text *text, enum kg_text_face face, int size, const char *utf8,
                                int max_width);
/* How many bytes of utf8 make the first line of a paragraph max_width wide: breaks at \n, before spaces, and
 * between Japanese characters except where a line may not begin (JIS X 4051: 、。」ー …). At least one
 * character. */
size_t kg_text_break(struct kg_text *text, enum kg_text_face face, int size, const char *utf8, int max_width);

/* What screens and widgets draw with: shapes, words, icons and pictures in logical pixels, in theme colours;
 * and the touch targets they lay out as they draw. Thread: main. Owns shapes, text and pictures. */
#pragma once

#include <SDL.h>

#include "base/attr.h"
#include "core/geometry.h"
#include "core/pictures.h"
#include "core/text.h"
#include "core/theme.h"
#include "core/ui.h"

struct kg_canvas;

enum kg_align { KG_ALIGN_LEFT, KG_ALIGN_CENTER, KG_ALIGN_RIGHT };

struct kg_text_style {
    enum kg_text_size size;
    enum kg_color color;
    enum kg_align align;
    int lines; /* at most; 0 and 1: one line, else a paragraph from the top of the rectangle */
    bool bold;
    bool data; /* somebody's name or title: may be cut with "…" (our own words may not, tests watch) */
};

/* --- drawing --- */
struct kg_rect kg_canvas_area(const struct kg_canvas *c); /* the whole window: 1280×800 or wider */
int64_t kg_canvas_now_us(const struct kg_canvas *c);
void kg_canvas_fill(struct kg_canvas *c, struct kg_rect rect, enum kg_color color);
void kg_canvas_round(struct kg_canvas *c, struct kg_rect rect, int radius, enum kg_color color);
void kg_canvas_ring(struct kg_canvas *c, struct kg_rect rect, int radius, int width, enum kg_color color);
void kg_canvas_shadow(struct kg_canvas *c, struct kg_rect rect, int radius, int blur);
void kg_canvas_corners(struct kg_canvas *c, struct kg_rect rect, int radius, enum kg_color color);
/* One line is centred in rect's height. Returns the height used: lines × line height. */
int kg_canvas_text(struct kg_canvas *c, struct kg_rect rect, struct kg_text_style style, const char *utf8);
int kg_canvas_text_width(struct kg_canvas *c, struct kg_text_style style, const char *utf8);
/* Height of the paragraph at this width, cut to style.lines. */
int kg_canvas_text_height(struct kg_canvas *c, struct kg_text_style style, int width, const char *utf8);
int kg_canvas_line_height(struct kg_text_style style);
/* Centred in rect, `size` pixels square. */
void kg_canvas_icon(struct kg_canvas *c, struct kg_rect rect, const char *icon, int size,
                    enum kg_color color);
/* The slot's newest frame inside rect, whole (contain) or filling it (cover), sides true. false: no frame.
 * *shown: window pixels it takes; may be NULL. */
bool kg_canvas_picture(struct kg_canvas *c, struct kg_rect rect, enum kg_ui_slot slot,
                       enum kg_picture_fit fit, struct kg_rect *shown);
const struct kg_pictures *kg_canvas_pictures(const struct kg_canvas *c);
/* True while only a picture is drawn anew, clipped to itself: what lies wholly under it need not be drawn. */
bool kg_canvas_partial(const struct kg_canvas *c);
/* Words drawn from here on lie over what was drawn before (a banner on a placeholder). */
void kg_canvas_raise(struct kg_canvas *c);
/* Draw again at this time: the one way a screen moves by itself. */
void kg_canvas_draw_at(struct kg_canvas *c, int64_t when_us);

/* --- touch --- */
/* What a finger can hit; value (a meeting's UID, or "") comes back with the touch, so that a touch means what
 * was drawn under it even if the state has moved on. Both copied. */
void kg_canvas_target(struct kg_canvas *c, const char *id, const char *label, struct kg_rect rect,
                      const char *value);
bool kg_canvas_pressed(const struct kg_canvas *c, const char *id);

/* --- for core/ui.c and tests --- */
enum { KG_CANVAS_MAX_TARGETS = 64, KG_CANVAS_MAX_WORDS = 256 };

struct kg_target {
    struct kg_ui_target shown; /* rect: logical */
    char value[KG_ROOM_UID_SIZE];
    int layer;
};
/* Every text drawn, for tests of overlap, clipping and translation. Logical pixels. */
struct kg_words {
    char text[96];
    struct kg_rect rect;
    bool clipped; /* cut, or taller than its place */
    bool data;
    int layer;
};

struct kg_canvas *kg_ui_canvas(struct kg_ui *ui); /* ui.c: the one it draws on */
KG_MUST_CHECK struct kg_canvas *kg_canvas_create(SDL_Renderer *renderer, const char *const fonts[KG_FACES]);
void kg_canvas_destroy(struct kg_canvas *c);
/* clip NULL: everything is drawn and targets start afresh. Else only this picture's place, targets kept. */
void kg_canvas_begin(struct kg_canvas *c, int64_t now_us, const struct kg_rect *clip);
void kg_canvas_end(struct kg_canvas *c);
struct kg_pictures *kg_canvas_own_pictures(struct kg_canvas *c);
void kg_canvas_press(struct kg_canvas *c, const char *id); /* NULL: nothing */
const struct kg_target *kg_canvas_targets(const struct kg_canvas *c, size_t *count);
const struct kg_words *kg_canvas_words(const struct kg_canvas *c, size_t *count);
const struct kg_target *kg_canvas_hit(const struct kg_canvas *c, int window_x, int window_y);
struct kg_rect kg_canvas_to_window(const struct kg_canvas *c, struct kg_rect logical);
int64_t kg_canvas_next_draw_us(const struct kg_canvas *c); /* INT64_MAX: none asked */

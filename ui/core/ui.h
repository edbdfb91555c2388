/* The touchscreen: one window, drawn from the room's state and the newest frames, only when they change.
 * Thread: the main thread (SDL's rule) for everything but kg_ui_wake. Owns: window, textures, fonts, a
 * reference to the newest frame of each slot.
 *
 *   ui = kg_ui_create(&options);
 *   for (;;) {
 *       kg_ui_update(ui, &state);
 *       kg_ui_set_frame(ui, KG_UI_MAIN, frame);
 *       n = kg_ui_step(ui, now_us, 100, intents, 8);   // waits for touch, kg_ui_wake or the timeout
 *   } */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"
#include "core/geometry.h"
#include "core/intent.h"
#include "core/room_state.h"

enum kg_ui_language { KG_UI_JAPANESE, KG_UI_ENGLISH };

enum kg_ui_slot {
    KG_UI_MAIN,
    KG_UI_SELF,      /* our own camera, drawn mirrored */
    KG_UI_THUMBNAIL, /* … KG_UI_THUMBNAIL + KG_UI_THUMBNAILS - 1 */
    KG_UI_THUMBNAILS = 8,
    KG_UI_SLOTS = KG_UI_THUMBNAIL + KG_UI_THUMBNAILS,
};

struct kg_ui;

struct kg_ui_options {
    const char *title;      /* window title */
    int width, height;      /* window, pixels; 0: 1280×800, or the display's when fullscreen */
    bool fullscreen;        /* borderless, no mouse pointer */
    bool headless;          /* no display needed: SDL's offscreen video, software renderer */
    const char *font_text;  /* NULL: BIZ UDPGothic Regular where Debian puts it */
    const char *font_bold;  /* NULL: BIZ UDPGothic Bold */
    const char *font_icons; /* NULL: Material Icons */
    enum kg_ui_language language;
    /* Called after each drawing, before it is presented: kg_ui_read_pixels then gives what is on screen. */
    void (*drawn)(void *user, struct kg_ui *ui, int64_t now_us);
    void *user;
};

/* NULL (logged): no display, a font is missing, memory is short. One at a time in a process. */
KG_MUST_CHECK struct kg_ui *kg_ui_create(const struct kg_ui_options *options);
void kg_ui_destroy(struct kg_ui *ui);

/* Copies state. Draws at the next step if anything visible changed (wall_us counts by the minute). */
void kg_ui_update(struct kg_ui *ui, const struct kg_room_state *state);
/* Takes its own reference; NULL clears the slot (the place then says why there is no picture). */
void kg_ui_set_frame(struct kg_ui *ui, enum kg_ui_slot slot, struct kg_frame *frame);
void kg_ui_set_language(struct kg_ui *ui, enum kg_ui_language language);

/* Waits up to timeout_ms (0: not at all) for a touch or kg_ui_wake, unless something is already to be drawn;
 * then handles input and draws if needed. Writes at most max intents, oldest first; returns how many. */
size_t kg_ui_step(struct kg_ui *ui, int64_t now_us, int timeout_ms, struct kg_intent *intents, size_t max);
/* Any thread: ends a wait in kg_ui_step. Threads that call it are joined before kg_ui_destroy. */
void kg_ui_wake(void);
/* Drawings so far: changes exactly when a step drew. */
uint64_t kg_ui_draws(const struct kg_ui *ui);

/* --- for taps, measuring tools and tests; window pixels --------------------------------------------------
 */

/* The window's size in pixels. */
void kg_ui_size(const struct kg_ui *ui, int *width, int *height);
/* Where the main picture's pixels are on screen now; empty (w = 0) when none is drawn. A 1280×720 frame on a
 * 1280×800 window is drawn 1:1 at 0,0 and nothing covers its bottom 32 rows. */
struct kg_rect kg_ui_main_picture_rect(const struct kg_ui *ui);
/* RGBA bytes of rect, rows of rect.w * 4 without padding, from the last drawing. false: outside the window.
 */
KG_MUST_CHECK bool kg_ui_read_pixels(struct kg_ui *ui, struct kg_rect rect, uint8_t *rgba);
/* Pushes a real SDL_FINGERDOWN and SDL_FINGERUP at this pixel; the next step takes them. */
void kg_ui_push_touch(struct kg_ui *ui, int x, int y);

struct kg_ui_target {
    char id[48];         /* stable: "home.join", "meeting.leave" */
    char label[96];      /* as read out to a person */
    struct kg_rect rect; /* window pixels */
};
/* The touch targets of the last drawing; writes at most max, returns how many there are. */
size_t kg_ui_targets(const struct kg_ui *ui, struct kg_ui_target *targets, size_t max);

/* Design tokens: every colour, size and distance on screen comes from here. Thread: any (constants).
 * Sizes are logical pixels on the 10" 1280×800 panel (149 dpi) seen from 60 cm: 18 px is 3.1 mm. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum kg_color {
    KG_COLOR_BACKGROUND,
    KG_COLOR_SURFACE,
    KG_COLOR_SUNKEN, /* a quieter surface: what is over, what cannot be touched */
    KG_COLOR_OUTLINE,
    KG_COLOR_SHADOW,
    KG_COLOR_TEXT,
    KG_COLOR_TEXT_MUTED,
    KG_COLOR_PRIMARY,
    KG_COLOR_PRIMARY_PRESSED,
    KG_COLOR_ON_PRIMARY,
    KG_COLOR_PRIMARY_SOFT,
    KG_COLOR_ON_PRIMARY_SOFT,
    KG_COLOR_DANGER,
    KG_COLOR_DANGER_PRESSED,
    KG_COLOR_ON_DANGER,
    KG_COLOR_DANGER_SOFT,
    KG_COLOR_ON_DANGER_SOFT,
    KG_COLOR_GOOD_SOFT,
    KG_COLOR_ON_GOOD_SOFT,
    KG_COLOR_WARN_SOFT,
    KG_COLOR_ON_WARN_SOFT,
    /* The stage: around moving pictures, dark in every theme so that the picture is what shines. */
    KG_COLOR_STAGE,
    KG_COLOR_STAGE_BAR,
    KG_COLOR_STAGE_SURFACE,
    KG_COLOR_STAGE_SURFACE_PRESSED,
    KG_COLOR_STAGE_OUTLINE,
    KG_COLOR_ON_STAGE,
    KG_COLOR_ON_STAGE_MUTED,
    KG_COLOR_STAGE_GOOD,
    KG_COLOR_STAGE_WARN,
    KG_COLOR_STAGE_BAD,
    KG_COLOR_STAGE_SCRIM, /* behind words on a picture */
    KG_COLOR_COUNT,
};

struct kg_rgba {
    uint8_t r, g, b, a;
};

struct kg_theme {
    struct kg_rgba color[KG_COLOR_COUNT];
};
extern const struct kg_theme kg_theme_light;

/* Words or a mark of colour `front` stand on `back`; tests hold every theme to these (WCAG 2.1 AA: 4.5 for
 * text, 3.0 for large text and marks). */
struct kg_theme_pair {
    enum kg_color front, back;
    double min_ratio;
};
extern const struct kg_theme_pair kg_theme_pairs[];
extern const size_t kg_theme_pair_count;
/* WCAG 2.1 contrast ratio, 1…21; alpha is ignored. */
double kg_theme_contrast(struct kg_rgba a, struct kg_rgba b);

enum kg_text_size { /* type scale: em height */
                    KG_TEXT_SMALL = 18,
                    KG_TEXT_BODY = 22,
                    KG_TEXT_LARGE = 26,
                    KG_TEXT_TITLE = 32,
                    KG_TEXT_HEADLINE = 42,
                    KG_TEXT_BANNER = 56, /* read from four metres */
                    KG_TEXT_CODE = 84,   /* read out from across the room */
                    KG_TEXT_CLOCK = 128,
};

enum kg_space {
    KG_SPACE_XS = 4,
    KG_SPACE_S = 8,
    KG_SPACE_M = 16,
    KG_SPACE_L = 24,
    KG_SPACE_XL = 40,
};

enum kg_radius {
    KG_RADIUS_S = 8,
    KG_RADIUS_M = 14,
    KG_RADIUS_L = 22,
    KG_RADIUS_PILL = 1000, /* clamped to half the height */
};

enum {
    KG_PANEL_WIDTH = 1280,
    KG_PANEL_HEIGHT = 800,
    KG_TOUCH_MIN = 56, /* 9.5 mm: smallest touch target, both ways */
};

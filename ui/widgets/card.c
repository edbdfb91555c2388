#include "widgets/card.h"

static const struct kg_text_style chip_style = {.size = KG_TEXT_SMALL, .bold = true};
enum { CHIP_PAD = 14, CHIP_ICON = 20, CHIP_GAP = 6 };

enum kg_color kg_tone_back(enum kg_tone tone)
{
    static const enum kg_color back[] = {
        [KG_TONE_PLAIN] = KG_COLOR_SURFACE,   [KG_TONE_PRIMARY] = KG_COLOR_PRIMARY_SOFT,
        [KG_TONE_GOOD] = KG_COLOR_GOOD_SOFT,  [KG_TONE_WARN] = KG_COLOR_WARN_SOFT,
        [KG_TONE_BAD] = KG_COLOR_DANGER_SOFT,
    };
    return back[tone];
}

enum kg_color kg_tone_front(enum kg_tone tone)
{
    static const enum kg_color front[] = {
        [KG_TONE_PLAIN] = KG_COLOR_TEXT_MUTED,   [KG_TONE_PRIMARY] = KG_COLOR_ON_PRIMARY_SOFT,
        [KG_TONE_GOOD] = KG_COLOR_ON_GOOD_SOFT,  [KG_TONE_WARN] = KG_COLOR_ON_WARN_SOFT,
        [KG_TONE_BAD] = KG_COLOR_ON_DANGER_SOFT,
    };
    return front[tone];
}

void kg_card(struct kg_canvas *c, struct kg_rect rect)
{
    kg_canvas_shadow(c, rect, KG_RADIUS_L, 20);
    kg_canvas_round(c, rect, KG_RADIUS_L, KG_COLOR_SURFACE);
}

int kg_chip_width(struct kg_canvas *c, const char *icon, const char *label)
{
    return 2 * CHIP_PAD + (icon ? CHIP_ICON + CHIP_GAP : 0) + kg_canvas_text_width(c, chip_style, label) + 1;
}

void kg_chip(struct kg_canvas *c, int x, int y, enum kg_tone tone, const char *icon, const char *label)
{
    struct kg_rect rect = kg_rect(x, y, kg_chip_width(c, icon, label), KG_CHIP_HEIGHT);
    kg_canvas_round(c, rect, KG_RADIUS_PILL, kg_tone_back(tone));
    struct kg_rect inner = kg_rect_inset(rect, CHIP_PAD, 0);
    if (icon) {
        kg_canvas_icon(c, kg_rect_cut_left(&inner, CHIP_ICON), icon, CHIP_ICON, kg_tone_front(tone));
        kg_rect_cut_left(&inner, CHIP_GAP);
    }
    struct kg_text_style style = chip_style;
    style.color = kg_tone_front(tone);
    kg_canvas_text(c, inner, style, label);
}

void kg_spinner(struct kg_canvas *c, struct kg_rect rect, int size, enum kg_color color)
{
    const int64_t beat_us = 110000;
    static const int8_t ring[8][2] = {{0, -10}, {7, -7}, {10, 0},  {7, 7},
                                      {0, 10},  {-7, 7}, {-10, 0}, {-7, -7}};
    int64_t beat = kg_canvas_now_us(c) / beat_us;
    int cx = rect.x + rect.w / 2, cy = rect.y + rect.h / 2, reach = size * 4 / 10;
    for (int i = 0; i < 8; i++) {
        int age = (int)((beat - i + 8) & 7); /* 0: the head */
        int dot = size * (26 - 2 * age) / 120;
        int x = cx + ring[i][0] * reach / 10, y = cy + ring[i][1] * reach / 10;
        kg_canvas_round(c, kg_rect(x - dot / 2, y - dot / 2, dot, dot), KG_RADIUS_PILL, color);
    }
    kg_canvas_draw_at(c, (beat + 1) * beat_us);
}

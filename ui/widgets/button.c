#include "widgets/button.h"

struct look {
    enum kg_color back, pressed, front;
    bool raised, outlined;
};

static const struct look looks[] = {
    [KG_BUTTON_PRIMARY] = {KG_COLOR_PRIMARY, KG_COLOR_PRIMARY_PRESSED, KG_COLOR_ON_PRIMARY, true, false},
    [KG_BUTTON_SECONDARY] = {KG_COLOR_SURFACE, KG_COLOR_PRIMARY_SOFT, KG_COLOR_ON_PRIMARY_SOFT, false, true},
    [KG_BUTTON_STAGE] = {KG_COLOR_STAGE_SURFACE, KG_COLOR_STAGE_SURFACE_PRESSED, KG_COLOR_ON_STAGE, false,
                         false},
    [KG_BUTTON_STAGE_OFF] = {KG_COLOR_DANGER_SOFT, KG_COLOR_SURFACE, KG_COLOR_ON_DANGER_SOFT, false, false},
    [KG_BUTTON_STAGE_NONE] = {KG_COLOR_STAGE_BAR, KG_COLOR_STAGE_BAR, KG_COLOR_ON_STAGE_MUTED, false, true},
    [KG_BUTTON_DANGER] = {KG_COLOR_DANGER, KG_COLOR_DANGER_PRESSED, KG_COLOR_ON_DANGER, false, false},
};

static void draw_stacked(struct kg_canvas *c, struct kg_rect rect, const struct kg_button *b,
                         enum kg_color front)
{
    const int icon = 30, words = KG_TEXT_SMALL + 6;
    struct kg_rect inner = kg_rect_inset(rect, KG_SPACE_XS, (rect.h - icon - words) / 2);
    kg_canvas_icon(c, kg_rect_cut_top(&inner, icon), b->icon, icon, front);
    kg_canvas_text(
        c, inner,
        (struct kg_text_style){.size = KG_TEXT_SMALL, .color = front, .align = KG_ALIGN_CENTER, .bold = true},
        b->label);
}

static void draw_inline(struct kg_canvas *c, struct kg_rect rect, const struct kg_button *b,
                        enum kg_color front)
{
    enum kg_text_size size = b->size ? b->size : KG_TEXT_BODY;
    struct kg_text_style style = {.size = size, .color = front, .align = KG_ALIGN_CENTER, .bold = true};
    int icon = b->icon ? (int)size * 5 / 4 : 0, gap = b->icon ? (int)size / 2 : 0;
    int words = KG_MIN(kg_canvas_text_width(c, style, b->label) + 1, rect.w - 2 * KG_SPACE_M - icon - gap);
    struct kg_rect row =
        kg_rect(rect.x + (rect.w - icon - gap - words) / 2, rect.y, icon + gap + words, rect.h);
    if (b->icon)
        kg_canvas_icon(c, kg_rect_cut_left(&row, icon), b->icon, icon, front);
    kg_rect_cut_left(&row, gap);
    kg_canvas_text(c, row, style, b->label);
}

void kg_button(struct kg_canvas *c, struct kg_rect rect, const struct kg_button *b)
{
    const struct look *look = &looks[b->kind];
    bool pressed = kg_canvas_pressed(c, b->id);
    int radius = rect.h >= 80 ? KG_RADIUS_L : KG_RADIUS_M;
    if (look->raised && !pressed)
        kg_canvas_shadow(c, rect, radius, 12);
    kg_canvas_round(c, rect, radius, pressed ? look->pressed : look->back);
    if (look->outlined)
        kg_canvas_ring(c, rect, radius, 2,
                       b->kind == KG_BUTTON_STAGE_NONE ? KG_COLOR_STAGE_OUTLINE : KG_COLOR_OUTLINE);
    if (b->stacked && b->icon)
        draw_stacked(c, rect, b, look->front);
    else
        draw_inline(c, rect, b, look->front);
    kg_canvas_target(c, b->id, b->label, rect, b->value ? b->value : "");
}

#include "widgets/sites.h"

#include "core/icons.h"
#include "core/words.h"

enum { LINE = 36, ICON = 26, INDENT = 38, COLUMN_GAP = 16, TEXT_BYTES = 1024 };

static const struct kg_text_style line_style = {.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT, .data = true};

void kg_sites_line(struct kg_canvas *c, struct kg_rect rect, struct kg_text_style style,
                   const struct kg_room_meeting *m)
{
    char text[TEXT_BYTES];
    uint32_t named = kg_room_sites_named(m);
    for (uint32_t most = named; most > 0; most--) {
        kg_words_sites(text, sizeof(text), m, most);
        if (kg_canvas_text_width(c, style, text) <= rect.w) {
            kg_canvas_text(c, rect, style, text);
            return;
        }
    }
    /* Not even one fits: it is cut, what counts the others is not. */
    if (m->site_count > KG_MIN(named, 1U)) {
        kg_words_more(text, sizeof(text), m->site_count - KG_MIN(named, 1U));
        int width = kg_canvas_text_width(c, style, text);
        struct kg_rect more = named ? kg_rect_cut_right(&rect, width) : rect;
        kg_canvas_text(c, more, style, text);
        kg_rect_cut_right(&rect, KG_SPACE_S);
    }
    if (named == 0)
        return;
    kg_words_site(text, sizeof(text), &m->sites[0]);
    kg_canvas_text(c, rect, style, text);
}

/* Office above, the room's own name below, as on a name plate. */
static void draw_one(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_name *name)
{
    char office[2 * KG_ROOM_NAME_SIZE];
    struct kg_text_style style = {.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .data = true};
    kg_words_office(office, sizeof(office), name);
    style.lines = rect.h >= 3 * LINE + 4 ? 2 : 1;
    int height = kg_canvas_text_height(c, style, rect.w, office);
    kg_canvas_text(c, kg_rect_cut_top(&rect, height), style, office);
    style = (struct kg_text_style){
        .size = KG_TEXT_LARGE, .color = KG_COLOR_TEXT, .bold = true, .lines = 1, .data = true};
    kg_canvas_text(c, kg_rect_cut_top(&rect, kg_canvas_line_height(style)), style, name->name);
}

static bool all_fit(struct kg_canvas *c, const struct kg_room_meeting *m, uint32_t count, int width)
{
    char text[TEXT_BYTES];
    for (uint32_t i = 0; i < count; i++) {
        kg_words_site(text, sizeof(text), &m->sites[i]);
        if (kg_canvas_text_width(c, line_style, text) > width)
            return false;
    }
    return true;
}

/* Down the first column, then the second. */
static void draw_cells(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_meeting *m,
                       uint32_t rows, uint32_t columns)
{
    char text[TEXT_BYTES];
    uint32_t cells = rows * columns, shown = KG_MIN(kg_room_sites_named(m), cells);
    if (m->site_count > shown && shown == cells)
        shown--;
    int width = columns == 2 ? (rect.w - COLUMN_GAP) / 2 : rect.w;
    uint32_t used = shown + (m->site_count > shown);
    rows = KG_MIN(rows, (used + columns - 1) / columns);
    for (uint32_t i = 0; i < used; i++) {
        int x = rect.x + (int)(i / rows) * (width + COLUMN_GAP), y = rect.y + (int)(i % rows) * LINE;
        struct kg_text_style style = line_style;
        if (i < shown) {
            kg_words_site(text, sizeof(text), &m->sites[i]);
        } else {
            kg_words_more(text, sizeof(text), m->site_count - shown);
            style.color = KG_COLOR_TEXT_MUTED;
        }
        kg_canvas_text(c, kg_rect(x, y, width, LINE), style, text);
    }
}

void kg_sites(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_meeting *m)
{
    uint32_t named = kg_room_sites_named(m), rows = rect.h > 0 ? (uint32_t)(rect.h / LINE) : 0;
    if (m->site_count == 0)
        return;
    kg_canvas_icon(c, kg_rect(rect.x, rect.y + (LINE - ICON) / 2, ICON, ICON), KG_ICON_BUILDING, ICON,
                   KG_COLOR_TEXT_MUTED);
    kg_rect_cut_left(&rect, INDENT);
    if (m->site_count == 1 && named == 1 && rows >= 2) {
        draw_one(c, rect, &m->sites[0]);
        return;
    }
    if (rows < 2) {
        rect.h = LINE;
        kg_sites_line(c, rect, line_style, m);
        return;
    }
    bool two = m->site_count > rows && all_fit(c, m, named, (rect.w - COLUMN_GAP) / 2);
    draw_cells(c, rect, m, rows, two ? 2 : 1);
}

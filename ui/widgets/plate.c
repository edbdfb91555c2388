#include "widgets/plate.h"

#include "core/icons.h"
#include "core/words.h"

static void mark(struct kg_canvas *c, struct kg_rect rect, int size, const struct kg_room_participant *who,
                 bool speaking)
{
    if (who->away)
        kg_canvas_icon(c, rect, KG_ICON_SYNC_PROBLEM, size, KG_COLOR_STAGE_WARN);
    else if (who->microphone_muted)
        kg_canvas_icon(c, rect, KG_ICON_MIC_OFF, size, KG_COLOR_STAGE_WARN);
    else if (speaking)
        kg_canvas_icon(c, rect, KG_ICON_SPEAKER, size, KG_COLOR_STAGE_GOOD);
    else
        kg_canvas_icon(c, rect, KG_ICON_MIC, size, KG_COLOR_ON_STAGE_MUTED);
}

void kg_plate(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_participant *who, bool speaking)
{
    char office[2 * KG_ROOM_NAME_SIZE];
    kg_words_office(office, sizeof(office), &who->name);
    mark(c, kg_rect_cut_left(&rect, 36), 32, who, speaking);
    kg_rect_cut_left(&rect, 12);
    struct kg_rect words = kg_rect(rect.x, rect.y + (rect.h - 60) / 2, rect.w, 60);
    kg_canvas_text(
        c, kg_rect_cut_top(&words, 26),
        (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_ON_STAGE_MUTED, .data = true},
        office);
    kg_canvas_text(
        c, words,
        (struct kg_text_style){.size = KG_TEXT_LARGE, .color = KG_COLOR_ON_STAGE, .bold = true, .data = true},
        who->name.name);
}

void kg_plate_small(struct kg_canvas *c, struct kg_rect picture, const struct kg_room_participant *who,
                    bool speaking)
{
    struct kg_rect strip = kg_rect(picture.x, picture.y + picture.h - 30, picture.w, 30);
    char place[2 * KG_ROOM_NAME_SIZE];
    struct kg_room_name brief = who->name;
    brief.department[0] = '\0';
    kg_words_place(place, sizeof(place), &brief);
    kg_canvas_fill(c, strip, KG_COLOR_STAGE_SCRIM);
    mark(c, kg_rect_cut_left(&strip, 30), 20, who, speaking);
    kg_rect_cut_right(&strip, 6);
    kg_canvas_text(c, strip,
                   (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_ON_STAGE, .data = true},
                   place);
}

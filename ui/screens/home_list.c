#include "screens/home_list.h"

#include <stdio.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/words.h"
#include "widgets/button.h"
#include "widgets/card.h"
#include "widgets/sites.h"

enum {
    ROW_HEIGHT = 96,
    ROW_GAP = 10,
    PAGER_HEIGHT = 56,
    HEAD_HEIGHT = 40,
    NEXT_HEIGHT = 68, /* a meeting of another day */
};

/* --- today --- */

static int row_tag(struct kg_canvas *c, struct kg_rect row, const struct kg_room_meeting *m)
{
    const char *label = m->state == KG_MEETING_NOW         ? kg_tr("開催中")
                        : m->state == KG_MEETING_ENDED     ? kg_tr("終了")
                        : m->state == KG_MEETING_CANCELLED ? kg_tr("中止")
                                                           : NULL;
    if (!label)
        return 0;
    int width = kg_chip_width(c, NULL, label);
    enum kg_tone tone = m->state == KG_MEETING_NOW ? KG_TONE_GOOD : KG_TONE_PLAIN;
    kg_chip(c, row.x + row.w - width, row.y + (row.h - KG_CHIP_HEIGHT) / 2, tone, NULL, label);
    return width + KG_SPACE_M;
}

static void draw_row(struct kg_canvas *c, struct kg_rect row, const struct kg_room_meeting *m, bool offered,
                     uint32_t index)
{
    char text[1024];
    bool over = m->state == KG_MEETING_ENDED || m->state == KG_MEETING_CANCELLED;
    kg_canvas_round(c, row, KG_RADIUS_M, over ? KG_COLOR_SUNKEN : KG_COLOR_BACKGROUND);
    if (offered)
        kg_canvas_ring(c, row, KG_RADIUS_M, 3, KG_COLOR_PRIMARY);
    struct kg_rect inner = kg_rect_inset(row, 20, 12);
    struct kg_rect times = kg_rect_cut_left(&inner, 100);
    enum kg_color front = over ? KG_COLOR_TEXT_MUTED : KG_COLOR_TEXT;
    kg_words_clock(text, sizeof(text), m->start_us);
    kg_canvas_text(c, kg_rect_cut_top(&times, 40),
                   (struct kg_text_style){.size = KG_TEXT_LARGE, .color = front, .bold = true}, text);
    kg_words_clock(text, sizeof(text), m->end_us);
    kg_canvas_text(c, times, (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED},
                   text);
    kg_canvas_round(c, kg_rect(inner.x, inner.y + 4, 4, inner.h - 8), 2,
                    over ? KG_COLOR_OUTLINE : KG_COLOR_PRIMARY);
    kg_rect_cut_left(&inner, 24);
    if (m->joinable && !offered) {
        char id[32];
        snprintf(id, sizeof(id), "home.join.%u", index);
        struct kg_rect button = kg_rect_cut_right(&inner, 112);
        button = kg_rect(button.x, row.y + (row.h - 60) / 2, button.w, 60);
        kg_button(c, button,
                  &(struct kg_button){
                      .id = id, .label = kg_tr("参加"), .value = m->uid, .kind = KG_BUTTON_SECONDARY});
        kg_rect_cut_right(&inner, KG_SPACE_M);
    }
    kg_canvas_text(c, kg_rect_cut_top(&inner, 40),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = front, .bold = true, .data = true},
                   m->title);
    if (!m->joinable || offered)
        kg_rect_cut_right(&inner, row_tag(c, inner, m));
    kg_sites_line(c, inner,
                  (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED, .data = true},
                  m);
}

static void draw_pager(struct kg_canvas *c, struct kg_rect row, int page, int pages)
{
    char text[32];
    struct kg_rect previous = kg_rect_cut_left(&row, 160), next = kg_rect_cut_right(&row, 160);
    if (page > 0)
        kg_button(c, previous,
                  &(struct kg_button){.id = "home.previous",
                                      .label = kg_tr("前の予定"),
                                      .icon = KG_ICON_UP,
                                      .kind = KG_BUTTON_SECONDARY,
                                      .size = KG_TEXT_SMALL});
    if (page < pages - 1)
        kg_button(c, next,
                  &(struct kg_button){.id = "home.next",
                                      .label = kg_tr("次の予定"),
                                      .icon = KG_ICON_DOWN,
                                      .kind = KG_BUTTON_SECONDARY,
                                      .size = KG_TEXT_SMALL});
    snprintf(text, sizeof(text), "%d / %d", page + 1, pages);
    kg_canvas_text(
        c, row,
        (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED, .align = KG_ALIGN_CENTER},
        text);
}

static void draw_head(struct kg_canvas *c, struct kg_rect row, const char *title, const char *count)
{
    struct kg_text_style style = {.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT, .bold = true};
    kg_canvas_text(c, row, style, title);
    style.color = KG_COLOR_TEXT_MUTED;
    style.bold = false;
    style.align = KG_ALIGN_RIGHT;
    if (count)
        kg_canvas_text(c, row, style, count);
}

/* Leaves in *box what it does not need. */
static void draw_today(struct kg_canvas *c, struct kg_rect *box, const struct kg_room_state *s,
                       const struct kg_view *view, const struct kg_room_meeting *offered)
{
    char text[64];
    int count = (int)KG_MIN(s->meeting_count, (uint32_t)KG_ROOM_MAX_MEETINGS);
    snprintf(text, sizeof(text), kg_tr("%d件"), count);
    draw_head(c, kg_rect_cut_top(box, HEAD_HEIGHT), kg_tr("本日の予定"), text);
    kg_rect_cut_top(box, KG_SPACE_S);
    int rows = (box->h + ROW_GAP) / (ROW_HEIGHT + ROW_GAP);
    if (count > rows)
        rows = KG_MAX((box->h - PAGER_HEIGHT) / (ROW_HEIGHT + ROW_GAP), 1);
    int pages = KG_MAX((count + rows - 1) / rows, 1);
    int page = (offered ? (int)(offered - s->meetings) / rows : 0) + view->home_page;
    page = KG_MAX(KG_MIN(page, pages - 1), 0);
    struct kg_rect pager = pages > 1 ? kg_rect_cut_bottom(box, PAGER_HEIGHT) : kg_rect(0, 0, 0, 0);
    for (int i = page * rows; i < count && i < (page + 1) * rows; i++) {
        draw_row(c, kg_rect_cut_top(box, ROW_HEIGHT), &s->meetings[i], &s->meetings[i] == offered,
                 (uint32_t)i);
        kg_rect_cut_top(box, ROW_GAP);
    }
    if (pages > 1) {
        draw_pager(c, pager, page, pages);
        box->h = 0; /* the last page is no place for other days */
    }
}

/* --- the days after --- */

static void draw_next(struct kg_canvas *c, struct kg_rect row, const struct kg_room_next *m)
{
    char day[64], range[64], text[160];
    kg_words_day(day, sizeof(day), m->start_us);
    kg_words_range(range, sizeof(range), m->start_us, m->end_us);
    snprintf(text, sizeof(text), "%s %s", day, range);
    kg_canvas_round(c, kg_rect(row.x, row.y + 6, 4, row.h - 12), 2, KG_COLOR_OUTLINE);
    kg_rect_cut_left(&row, 20);
    row = kg_rect_inset(row, 0, 3);
    struct kg_text_style style = {.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED};
    kg_canvas_text(c, kg_rect_cut_top(&row, 28), style, text);
    style = (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT, .data = true};
    kg_canvas_text(c, row, style, m->title);
}

static void draw_days(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *s)
{
    uint32_t count = KG_MIN(s->next_count, (uint32_t)KG_ROOM_MAX_NEXT);
    if (box.h < HEAD_HEIGHT + NEXT_HEIGHT)
        return;
    draw_head(c, kg_rect_cut_top(&box, HEAD_HEIGHT), kg_tr("明日以降の予定"), NULL);
    for (uint32_t i = 0; i < count && box.h >= NEXT_HEIGHT; i++) {
        draw_next(c, kg_rect_cut_top(&box, NEXT_HEIGHT), &s->next[i]);
        kg_rect_cut_top(&box, KG_SPACE_S);
    }
}

/* An empty place says that it is meant to be empty. */
static void draw_no_more(struct kg_canvas *c, struct kg_rect box)
{
    const int disc = 88, high = disc + KG_SPACE_M + HEAD_HEIGHT;
    if (box.h < HEAD_HEIGHT)
        return;
    if (box.h >= high + 2 * KG_SPACE_L) {
        box = kg_rect_inset(box, 0, (box.h - high) / 2);
        struct kg_rect icon = kg_rect_cut_top(&box, disc);
        icon = kg_rect(icon.x + (icon.w - disc) / 2, icon.y, disc, disc);
        kg_canvas_round(c, icon, KG_RADIUS_PILL, KG_COLOR_BACKGROUND);
        kg_canvas_icon(c, icon, KG_ICON_EVENT_AVAILABLE, 48, KG_COLOR_TEXT_MUTED);
        kg_rect_cut_top(&box, KG_SPACE_M);
    }
    kg_canvas_text(
        c, kg_rect_cut_top(&box, HEAD_HEIGHT),
        (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .align = KG_ALIGN_CENTER},
        kg_tr("本日の予定は以上です"));
}

void kg_home_list(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *s,
                  const struct kg_view *view, const struct kg_room_meeting *offered)
{
    kg_card(c, box);
    box = kg_rect_inset(box, 20, KG_SPACE_M);
    if (s->meeting_count > 0) {
        draw_today(c, &box, s, view, offered);
        kg_rect_cut_top(&box, KG_SPACE_S);
    }
    if (s->next_count > 0) {
        draw_days(c, box, s);
    } else {
        draw_no_more(c, box);
    }
}

/* Error: what happened, what to do, what to tell the IT staff; never only a number. */
#include "screens/screen.h"

#include <stdio.h>
#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/problems.h"
#include "core/words.h"
#include "widgets/button.h"
#include "widgets/card.h"

enum {
    CARD_WIDTH = 1040,
    REMEDY_HEIGHT = 44,
    FIELD_HEIGHT = 33,
    FIELD_NAME = 150,
    DETAIL_LINES = 2,
    CARD_PAD = 44,
    BOX_PAD = 24
};

static void draw_head(struct kg_canvas *c, struct kg_rect box, const struct kg_problem_text *text)
{
    struct kg_rect icon = kg_rect_cut_left(&box, 88);
    icon.h = 88;
    kg_canvas_round(c, icon, KG_RADIUS_L, KG_COLOR_WARN_SOFT);
    kg_canvas_icon(c, icon, KG_ICON_WARNING, 52, KG_COLOR_ON_WARN_SOFT);
    kg_rect_cut_left(&box, 28);
    kg_canvas_text(c, kg_rect_cut_top(&box, 50),
                   (struct kg_text_style){.size = KG_TEXT_TITLE, .color = KG_COLOR_TEXT, .bold = true},
                   kg_tr(text->headline));
    kg_canvas_text(c, kg_rect_cut_top(&box, 40),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED},
                   kg_tr(text->cause));
}

static void draw_section(struct kg_canvas *c, struct kg_rect *box, const char *icon, const char *title)
{
    struct kg_rect row = kg_rect_cut_top(box, 40);
    kg_canvas_icon(c, kg_rect_cut_left(&row, 28), icon, 26, KG_COLOR_PRIMARY);
    kg_rect_cut_left(&row, 12);
    kg_canvas_text(c, row, (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT, .bold = true},
                   title);
}

static void draw_remedies(struct kg_canvas *c, struct kg_rect box, const struct kg_problem_text *text)
{
    draw_section(c, &box, KG_ICON_BUILD, kg_tr("対応のしかた"));
    bool alone = !text->remedies[1];
    for (int i = 0; i < KG_PROBLEM_REMEDIES && text->remedies[i]; i++) {
        char number[12];
        struct kg_rect row = kg_rect_cut_top(&box, REMEDY_HEIGHT);
        kg_rect_cut_left(&row, 40);
        struct kg_rect dot = kg_rect_cut_left(&row, alone ? 0 : 32);
        if (!alone) {
            dot = kg_rect(dot.x, dot.y + 6, 32, 32);
            kg_canvas_round(c, dot, KG_RADIUS_PILL, KG_COLOR_PRIMARY_SOFT);
            snprintf(number, sizeof(number), "%d", i + 1);
            kg_canvas_text(c, dot,
                           (struct kg_text_style){.size = KG_TEXT_SMALL,
                                                  .color = KG_COLOR_ON_PRIMARY_SOFT,
                                                  .bold = true,
                                                  .align = KG_ALIGN_CENTER},
                           number);
            kg_rect_cut_left(&row, 14);
        }
        kg_canvas_text(c, row, (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT},
                       kg_tr(text->remedies[i]));
    }
}

static void draw_field(struct kg_canvas *c, struct kg_rect *box, const char *name, const char *value,
                       int lines)
{
    const int line = KG_TEXT_SMALL * 3 / 2; /* kg_canvas_line_height of small text */
    struct kg_rect row = kg_rect_cut_top(box, FIELD_HEIGHT + (lines - 1) * line);
    struct kg_rect left = kg_rect_cut_left(&row, FIELD_NAME);
    left.h = line;
    kg_canvas_text(c, left, (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED},
                   name);
    if (lines == 1)
        row.h = line;
    kg_canvas_text(
        c, row,
        (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT, .lines = lines, .data = true},
        value);
}

static int detail_lines(struct kg_canvas *c, const char *detail)
{
    struct kg_text_style style = {.size = KG_TEXT_SMALL, .lines = DETAIL_LINES, .data = true};
    int height =
        kg_canvas_text_height(c, style, CARD_WIDTH - 2 * (CARD_PAD + BOX_PAD) - 40 - FIELD_NAME, detail);
    return KG_MAX(height / kg_canvas_line_height(style), 1);
}

static void draw_for_it(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *s,
                        const struct kg_problem_text *text)
{
    char place[3 * KG_ROOM_NAME_SIZE], date[64], clock[16], when[96];
    kg_canvas_round(c, box, KG_RADIUS_M, KG_COLOR_BACKGROUND);
    struct kg_rect inner = kg_rect_inset(box, BOX_PAD, 18);
    draw_section(c, &inner, KG_ICON_SUPPORT, kg_tr("情報システム担当に伝えること"));
    kg_rect_cut_left(&inner, 40);
    kg_rect_cut_top(&inner, 2);
    draw_field(c, &inner, kg_tr("番号"), text->code, 1);
    kg_words_place(place, sizeof(place), &s->room);
    if (s->room.name[0])
        draw_field(c, &inner, kg_tr("会議室"), place, 1);
    kg_words_date(date, sizeof(date), s->wall_us);
    kg_words_clock(clock, sizeof(clock), s->wall_us);
    snprintf(when, sizeof(when), "%s %s", date, clock);
    draw_field(c, &inner, kg_tr("日時"), when, 1);
    if (s->error.detail[0])
        draw_field(c, &inner, kg_tr("詳しい内容"), s->error.detail, detail_lines(c, s->error.detail));
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    (void)view;
    const struct kg_problem_text *text = kg_problem_text(s->error.problem);
    struct kg_rect all = kg_canvas_area(c);
    kg_canvas_fill(c, all, KG_COLOR_BACKGROUND);
    int remedies = 40, fields = 40 + (s->room.name[0] ? 3 : 2) * FIELD_HEIGHT;
    for (int i = 0; i < KG_PROBLEM_REMEDIES && text->remedies[i]; i++)
        remedies += REMEDY_HEIGHT;
    if (s->error.detail[0])
        fields += FIELD_HEIGHT + (detail_lines(c, s->error.detail) - 1) * KG_TEXT_SMALL * 3 / 2;
    int height = 40 + 92 + 22 + remedies + 18 + fields + 40 + 24 + 76 + 40;
    struct kg_rect card = kg_rect((all.w - CARD_WIDTH) / 2, (all.h - height) / 2, CARD_WIDTH, height);
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, CARD_PAD, 40);
    draw_head(c, kg_rect_cut_top(&inner, 92), text);
    kg_rect_cut_top(&inner, 22);
    draw_remedies(c, kg_rect_cut_top(&inner, remedies), text);
    kg_rect_cut_top(&inner, 18);
    draw_for_it(c, kg_rect_cut_top(&inner, fields + 40), s, text);
    struct kg_rect buttons = kg_rect_cut_bottom(&inner, 76);
    bool home =
        s->error.problem != KG_PROBLEM_SETTINGS && !s->error.no_home; /* without settings there is none */
    if (home)
        kg_button(c,
                  kg_rect_cut_left(&buttons, s->error.retryable ? (buttons.w - KG_SPACE_M) / 2 : buttons.w),
                  &(struct kg_button){.id = "error.home",
                                      .label = kg_tr("ホームに戻る"),
                                      .icon = KG_ICON_HOME,
                                      .kind = s->error.retryable ? KG_BUTTON_SECONDARY : KG_BUTTON_PRIMARY});
    if (!s->error.retryable)
        return;
    kg_rect_cut_left(&buttons, home ? KG_SPACE_M : 0);
    kg_button(c, buttons,
              &(struct kg_button){.id = "error.retry",
                                  .label = kg_tr("もう一度試す"),
                                  .icon = KG_ICON_REFRESH,
                                  .kind = KG_BUTTON_PRIMARY});
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    (void)s;
    (void)view;
    if (strcmp(target->shown.id, "error.home") == 0)
        return kg_intent_of(KG_INTENT_BACK_HOME);
    return kg_intent_of(strcmp(target->shown.id, "error.retry") == 0 ? KG_INTENT_RETRY : KG_INTENT_NONE);
}

const struct kg_screen kg_screen_error = {.name = "error", .draw = draw, .touch = touch};

/* Ended: why, how long, back home or in again. */
#include "screens/screen.h"

#include <stdio.h>
#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/words.h"
#include "widgets/button.h"
#include "widgets/card.h"

enum { CARD_WIDTH = 720, CARD_HEIGHT = 560 };

static const char *headline_of(enum kg_ended_reason reason)
{
    switch (reason) {
    case KG_ENDED_TIME:
        return "会議が終了しました";
    case KG_ENDED_REMOVED:
        return "会議への接続が終了されました";
    case KG_ENDED_LEFT:
        break;
    }
    return "会議から退出しました";
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    (void)view;
    char duration[64], line[128];
    struct kg_rect all = kg_canvas_area(c);
    kg_canvas_fill(c, all, KG_COLOR_BACKGROUND);
    struct kg_rect card =
        kg_rect((all.w - CARD_WIDTH) / 2, (all.h - CARD_HEIGHT) / 2, CARD_WIDTH, CARD_HEIGHT);
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, 48, 48);
    struct kg_rect buttons = kg_rect_cut_bottom(&inner, 80);
    struct kg_rect icon = kg_rect_cut_top(&inner, 112);
    icon = kg_rect(icon.x + (icon.w - 104) / 2, icon.y, 104, 104);
    kg_canvas_round(c, icon, KG_RADIUS_PILL, KG_COLOR_GOOD_SOFT);
    kg_canvas_icon(c, icon, KG_ICON_CHECK, 60, KG_COLOR_ON_GOOD_SOFT);
    kg_rect_cut_top(&inner, KG_SPACE_M);
    struct kg_text_style style = {
        .size = KG_TEXT_TITLE, .color = KG_COLOR_TEXT, .bold = true, .align = KG_ALIGN_CENTER};
    kg_canvas_text(c, kg_rect_cut_top(&inner, 56), style, kg_tr(headline_of(s->ended.reason)));
    style = (struct kg_text_style){
        .size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .align = KG_ALIGN_CENTER, .data = true};
    kg_canvas_text(c, kg_rect_cut_top(&inner, 40), style, s->ended.title);
    kg_words_duration(duration, sizeof(duration), s->ended.duration_us);
    snprintf(line, sizeof(line), kg_tr("参加時間 %s"), duration);
    style.data = false;
    kg_canvas_text(c, kg_rect_cut_top(&inner, 40), style, line);
    kg_rect_cut_top(&inner, KG_SPACE_M);
    style.size = KG_TEXT_SMALL;
    kg_canvas_text(c, kg_rect_cut_top(&inner, 32), style, kg_tr("映像や音声は、この端末に残りません。"));
    if (s->ended.rejoinable) {
        kg_button(c, kg_rect_cut_left(&buttons, (buttons.w - KG_SPACE_M) / 2),
                  &(struct kg_button){.id = "ended.rejoin",
                                      .label = kg_tr("もう一度参加"),
                                      .icon = KG_ICON_ENTER,
                                      .kind = KG_BUTTON_SECONDARY});
        kg_rect_cut_left(&buttons, KG_SPACE_M);
    }
    kg_button(c, buttons,
              &(struct kg_button){.id = "ended.home",
                                  .label = kg_tr("ホームに戻る"),
                                  .icon = KG_ICON_HOME,
                                  .kind = KG_BUTTON_PRIMARY,
                                  .size = KG_TEXT_LARGE});
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    (void)s;
    (void)view;
    if (strcmp(target->shown.id, "ended.home") == 0)
        return kg_intent_of(KG_INTENT_BACK_HOME);
    return kg_intent_of(strcmp(target->shown.id, "ended.rejoin") == 0 ? KG_INTENT_REJOIN : KG_INTENT_NONE);
}

const struct kg_screen kg_screen_ended = {.name = "ended", .draw = draw, .touch = touch};

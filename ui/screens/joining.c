/* Joining: what it waits for, step by step, and a way out. */
#include "screens/screen.h"

#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "widgets/button.h"
#include "widgets/card.h"

enum { CARD_WIDTH = 720, CARD_HEIGHT = 580, STEP_HEIGHT = 64 };

static const char *const step_words[KG_JOINING_STEPS] = {
    [KG_JOINING_RELAY] = "中継サーバーへの接続",
    [KG_JOINING_ADMIT] = "会議への参加の確認",
    [KG_JOINING_MEDIA] = "映像と音声の接続",
    [KG_JOINING_PICTURE] = "相手の会議室の映像",
};

static void draw_step(struct kg_canvas *c, struct kg_rect row, enum kg_joining_step step,
                      enum kg_step_state state)
{
    struct kg_rect mark = kg_rect_cut_left(&row, 40);
    if (state == KG_STEP_DONE)
        kg_canvas_icon(c, mark, KG_ICON_CHECK_CIRCLE, 36, KG_COLOR_ON_GOOD_SOFT);
    else if (state == KG_STEP_DOING)
        kg_spinner(c, mark, 32, KG_COLOR_PRIMARY);
    else
        kg_canvas_icon(c, mark, KG_ICON_CIRCLE, 34, KG_COLOR_OUTLINE);
    kg_rect_cut_left(&row, 20);
    const char *label = state == KG_STEP_DONE ? "完了" : state == KG_STEP_DOING ? "待っています" : NULL;
    struct kg_text_style aside = {
        .size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED, .align = KG_ALIGN_RIGHT};
    if (state == KG_STEP_DONE)
        aside.color = KG_COLOR_ON_GOOD_SOFT;
    struct kg_rect right = kg_rect_cut_right(&row, 160);
    if (label)
        kg_canvas_text(c, right, aside, kg_tr(label));
    kg_canvas_text(
        c, row,
        (struct kg_text_style){.size = KG_TEXT_BODY,
                               .color = state == KG_STEP_WAITING ? KG_COLOR_TEXT_MUTED : KG_COLOR_TEXT,
                               .bold = state == KG_STEP_DOING},
        kg_tr(step_words[step]));
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    (void)view;
    struct kg_rect all = kg_canvas_area(c);
    kg_canvas_fill(c, all, KG_COLOR_BACKGROUND);
    struct kg_rect card =
        kg_rect((all.w - CARD_WIDTH) / 2, (all.h - CARD_HEIGHT) / 2, CARD_WIDTH, CARD_HEIGHT);
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, 48, 44);
    kg_canvas_text(c, kg_rect_cut_top(&inner, 52),
                   (struct kg_text_style){.size = KG_TEXT_TITLE, .color = KG_COLOR_TEXT, .bold = true},
                   kg_tr(s->joining.resuming ? "会議に戻っています" : "会議に接続しています"));
    kg_canvas_text(c, kg_rect_cut_top(&inner, 40),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .data = true},
                   s->joining.title);
    kg_rect_cut_top(&inner, 20);
    kg_canvas_fill(c, kg_rect_cut_top(&inner, 1), KG_COLOR_OUTLINE);
    kg_rect_cut_top(&inner, 12);
    for (int i = 0; i < KG_JOINING_STEPS; i++)
        draw_step(c, kg_rect_cut_top(&inner, STEP_HEIGHT), (enum kg_joining_step)i, s->joining.steps[i]);
    kg_button(c, kg_rect_cut_bottom(&inner, 76),
              &(struct kg_button){.id = "joining.cancel",
                                  .label = kg_tr("中止して戻る"),
                                  .icon = KG_ICON_CLOSE,
                                  .kind = KG_BUTTON_SECONDARY});
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    (void)s;
    (void)view;
    return kg_intent_of(strcmp(target->shown.id, "joining.cancel") == 0 ? KG_INTENT_CANCEL_JOIN
                                                                        : KG_INTENT_NONE);
}

const struct kg_screen kg_screen_joining = {.name = "joining", .draw = draw, .touch = touch};

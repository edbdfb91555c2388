/* Enrolment: the code by which the IT staff let this device in, and what they compare before they do. */
#include "screens/screen.h"

#include <stdio.h>
#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/words.h"
#include "widgets/button.h"
#include "widgets/card.h"

enum {
    CARD_WIDTH = 1080,
    CARD_PAD = 40,
    HEAD_HEIGHT = 80,
    CODE_HEIGHT = 196,
    STEP_HEIGHT = 42,
    STEPS = 3,
    LINE = KG_TEXT_SMALL * 3 / 2, /* kg_canvas_line_height of small text */
    FACT_NAME = 200,
    FACTS_HEIGHT = 5 * LINE + 2 * 8 + 32,
    GAP = 12,
};

static void draw_head(struct kg_canvas *c, struct kg_rect box, const struct kg_room_enrolment_page *page)
{
    struct kg_rect icon = kg_rect_cut_left(&box, HEAD_HEIGHT);
    kg_canvas_round(c, icon, KG_RADIUS_L, KG_COLOR_PRIMARY);
    kg_canvas_icon(c, icon, KG_ICON_ROOM, 46, KG_COLOR_ON_PRIMARY);
    kg_rect_cut_left(&box, 24);
    if (page->step == KG_ENROLMENT_WAITING) {
        enum kg_tone tone = page->away ? KG_TONE_WARN : KG_TONE_PRIMARY;
        const char *mark = page->away ? KG_ICON_NETWORK_OFF : KG_ICON_SCHEDULE;
        const char *label =
            page->away ? kg_tr("中継サーバーにつなぎ直しています") : kg_tr("承認を待っています");
        int width = kg_chip_width(c, mark, label);
        kg_chip(c, box.x + box.w - width, box.y + 6, tone, mark, label);
        kg_rect_cut_right(&box, width + KG_SPACE_M);
    }
    kg_canvas_text(c, kg_rect_cut_top(&box, 48),
                   (struct kg_text_style){.size = KG_TEXT_TITLE, .color = KG_COLOR_TEXT, .bold = true},
                   kg_tr("この端末の登録"));
    kg_canvas_text(c, kg_rect_cut_top(&box, 36),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED},
                   kg_tr("この端末は、まだ会議室として登録されていません。"));
}

static void draw_validity(struct kg_canvas *c, struct kg_rect row, int64_t left_us)
{
    char left[64], text[128];
    int minutes = (int)((left_us + 59999999) / 60000000);
    if (left_us > 60000000)
        snprintf(left, sizeof(left), kg_tr("あと%d分"), minutes);
    else
        snprintf(left, sizeof(left), "%s", kg_tr("まもなく新しいコードに変わります"));
    snprintf(text, sizeof(text), kg_tr("コードの有効時間：%s"), left);
    struct kg_text_style style = {
        .size = KG_TEXT_BODY, .color = KG_COLOR_ON_PRIMARY_SOFT, .align = KG_ALIGN_CENTER};
    kg_canvas_text(c, row, style, text);
}

/* In the code's place, when there is none to be typed in. */
static void draw_instead(struct kg_canvas *c, struct kg_rect inner, enum kg_tone tone, const char *headline,
                         const char *more)
{
    struct kg_text_style style = {
        .size = KG_TEXT_TITLE, .color = kg_tone_front(tone), .bold = true, .align = KG_ALIGN_CENTER};
    inner = kg_rect_inset(inner, 0, (inner.h - (more ? 96 : 52)) / 2);
    kg_canvas_text(c, kg_rect_cut_top(&inner, 52), style, headline);
    style =
        (struct kg_text_style){.size = KG_TEXT_BODY, .color = kg_tone_front(tone), .align = KG_ALIGN_CENTER};
    if (more)
        kg_canvas_text(c, kg_rect_cut_top(&inner, 44), style, more);
}

static void draw_code(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *s)
{
    const struct kg_room_enrolment_page *page = &s->enrolment;
    bool warn = page->step == KG_ENROLMENT_REJECTED || page->step == KG_ENROLMENT_BUSY;
    enum kg_tone tone = warn ? KG_TONE_WARN : KG_TONE_PRIMARY;
    kg_canvas_round(c, box, KG_RADIUS_M, kg_tone_back(tone));
    struct kg_rect inner = kg_rect_inset(box, KG_SPACE_L, 12);
    switch (page->step) {
    case KG_ENROLMENT_WAITING: {
        struct kg_text_style style = {
            .size = KG_TEXT_BODY, .color = KG_COLOR_ON_PRIMARY_SOFT, .bold = true, .align = KG_ALIGN_CENTER};
        kg_canvas_text(c, kg_rect_cut_top(&inner, 34), style, kg_tr("登録コード"));
        draw_validity(c, kg_rect_cut_bottom(&inner, 34), page->until_us - s->wall_us);
        style.size = KG_TEXT_CODE;
        kg_canvas_text(c, inner, style, page->code);
        break;
    }
    case KG_ENROLMENT_REJECTED:
        draw_instead(c, inner, tone, kg_tr("登録は承認されませんでした"),
                     kg_tr("5分後に、新しいコードで登録をやり直します。"));
        break;
    case KG_ENROLMENT_BUSY:
        draw_instead(c, inner, tone, kg_tr("登録待ちの端末が上限に達しています"),
                     kg_tr("待っている端末が減ると、ここに登録コードが表示されます。"));
        break;
    case KG_ENROLMENT_PREPARING:
        kg_spinner(c, kg_rect_cut_top(&inner, 96), 56, KG_COLOR_PRIMARY);
        draw_instead(c, inner, tone, kg_tr("中継サーバーに問い合わせています"), NULL);
        break;
    }
}

static void draw_step(struct kg_canvas *c, struct kg_rect row, int number, const char *words)
{
    char digit[12];
    kg_rect_cut_left(&row, 40);
    struct kg_rect dot = kg_rect_cut_left(&row, 32);
    dot = kg_rect(dot.x, dot.y + (STEP_HEIGHT - 32) / 2, 32, 32);
    kg_canvas_round(c, dot, KG_RADIUS_PILL, KG_COLOR_PRIMARY_SOFT);
    snprintf(digit, sizeof(digit), "%d", number);
    kg_canvas_text(
        c, dot,
        (struct kg_text_style){
            .size = KG_TEXT_SMALL, .color = KG_COLOR_ON_PRIMARY_SOFT, .bold = true, .align = KG_ALIGN_CENTER},
        digit);
    kg_rect_cut_left(&row, 14);
    kg_canvas_text(c, row, (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT}, words);
}

static void draw_steps(struct kg_canvas *c, struct kg_rect box, const struct kg_room_enrolment_page *page)
{
    struct kg_rect row = kg_rect_cut_top(&box, 40);
    kg_canvas_icon(c, kg_rect_cut_left(&row, 28), KG_ICON_SUPPORT, 26, KG_COLOR_PRIMARY);
    kg_rect_cut_left(&row, 12);
    kg_canvas_text(c, row, (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT, .bold = true},
                   kg_tr("情報システム担当の方へ"));
    if (page->step == KG_ENROLMENT_REJECTED) {
        kg_rect_cut_left(&box, 40);
        kg_canvas_text(c, kg_rect_cut_top(&box, STEP_HEIGHT),
                       (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT},
                       kg_tr("登録する予定の端末であれば、新しいコードで登録をやり直せます。"));
        kg_rect_cut_top(&box, 22);
        struct kg_rect button = kg_rect_cut_left(&box, 420);
        button.h = 72;
        kg_button(c, button,
                  &(struct kg_button){.id = "enrolment.again",
                                      .label = kg_tr("新しいコードにする"),
                                      .icon = KG_ICON_REFRESH,
                                      .kind = KG_BUTTON_PRIMARY});
        return;
    }
    if (page->step != KG_ENROLMENT_WAITING) {
        kg_rect_cut_left(&box, 40);
        const char *words = page->step == KG_ENROLMENT_BUSY
                                ? "待っている端末を、管理用のパソコンで承認または却下してください。"
                                : "承認が済むと、この画面は自動で切り替わります。";
        kg_canvas_text(c, kg_rect_cut_top(&box, STEP_HEIGHT),
                       (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT}, kg_tr(words));
        return;
    }
    char command[128];
    draw_step(c, kg_rect_cut_top(&box, STEP_HEIGHT), 1,
              kg_tr("管理用のパソコンで入力してください。登録済みの会議室では --name 以下は不要です。"));
    snprintf(command, sizeof(command), "kaigi-ctl room enrol %s --room %s --name %s", page->code,
             kg_tr("会議室のID"), kg_tr("会議室名"));
    struct kg_rect typed = kg_rect_cut_top(&box, STEP_HEIGHT);
    kg_rect_cut_left(&typed, 86);
    kg_canvas_round(c, typed, KG_RADIUS_S, KG_COLOR_SUNKEN);
    kg_canvas_text(c, kg_rect_inset(typed, KG_SPACE_M, 0),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT}, command);
    kg_rect_cut_top(&box, 4);
    draw_step(c, kg_rect_cut_top(&box, STEP_HEIGHT), 2,
              kg_tr("表示された「端末の鍵」が下と同じことを確かめて、承認してください。"));
    draw_step(c, kg_rect_cut_top(&box, STEP_HEIGHT), 3,
              kg_tr("承認が済むと、この画面は自動で切り替わります。"));
}

static void draw_name(struct kg_canvas *c, struct kg_rect *row, const char *name, int width)
{
    const struct kg_text_style style = {.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED};
    struct kg_rect left = kg_rect_cut_left(row, width);
    left.h = LINE;
    kg_canvas_text(c, left, style, name);
}

/* In two lines of 16 bytes, as kaigi-ctl writes it in one. */
static void draw_fingerprint(struct kg_canvas *c, struct kg_rect row, const char *name,
                             const char *fingerprint)
{
    char half[48];
    const struct kg_text_style style = {.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT};
    draw_name(c, &row, name, FACT_NAME);
    snprintf(half, sizeof(half), "%.47s", fingerprint);
    kg_canvas_text(c, kg_rect_cut_top(&row, LINE), style, half);
    snprintf(half, sizeof(half), "%.47s", strlen(fingerprint) > 48 ? fingerprint + 48 : "");
    kg_canvas_text(c, kg_rect_cut_top(&row, LINE), style, half);
}

static void draw_fact(struct kg_canvas *c, struct kg_rect row, const char *name, int name_width,
                      const char *value)
{
    const struct kg_text_style style = {.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT, .data = true};
    draw_name(c, &row, name, name_width);
    kg_canvas_text(c, row, style, value);
}

static void draw_facts(struct kg_canvas *c, struct kg_rect box, const struct kg_room_enrolment_page *page)
{
    kg_canvas_round(c, box, KG_RADIUS_M, KG_COLOR_BACKGROUND);
    struct kg_rect inner = kg_rect_inset(box, KG_SPACE_L, 16);
    draw_fingerprint(c, kg_rect_cut_top(&inner, 2 * LINE), kg_tr("端末の鍵"),
                     page->step == KG_ENROLMENT_WAITING ? page->key : "—");
    kg_rect_cut_top(&inner, 8);
    draw_fingerprint(c, kg_rect_cut_top(&inner, 2 * LINE), kg_tr("認証局の証明書"), page->authority);
    kg_rect_cut_top(&inner, 8);
    struct kg_rect left = kg_rect_cut_left(&inner, FACT_NAME + 260);
    draw_fact(c, left, kg_tr("製造番号"), FACT_NAME, page->serial[0] ? page->serial : "—");
    kg_rect_cut_left(&inner, KG_SPACE_L);
    draw_fact(c, inner, kg_tr("中継サーバー"), 130, page->relay);
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    (void)view;
    struct kg_rect all = kg_canvas_area(c);
    const int steps = 40 + (STEPS + 1) * STEP_HEIGHT + 4;
    const int height = 2 * 28 + HEAD_HEIGHT + CODE_HEIGHT + steps + 3 * GAP + FACTS_HEIGHT;
    kg_canvas_fill(c, all, KG_COLOR_BACKGROUND);
    struct kg_rect card = kg_rect((all.w - CARD_WIDTH) / 2, (all.h - height) / 2, CARD_WIDTH, height);
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, CARD_PAD, 28);
    draw_head(c, kg_rect_cut_top(&inner, HEAD_HEIGHT), &s->enrolment);
    kg_rect_cut_top(&inner, GAP);
    draw_code(c, kg_rect_cut_top(&inner, CODE_HEIGHT), s);
    kg_rect_cut_top(&inner, GAP);
    draw_steps(c, kg_rect_cut_top(&inner, steps), &s->enrolment);
    kg_rect_cut_top(&inner, GAP);
    draw_facts(c, inner, &s->enrolment);
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    (void)s;
    (void)view;
    return kg_intent_of(strcmp(target->shown.id, "enrolment.again") == 0 ? KG_INTENT_RETRY : KG_INTENT_NONE);
}

const struct kg_screen kg_screen_enrolment = {.name = "enrolment", .draw = draw, .touch = touch};

/* Home: the clock, this room, its health, today's meetings, and one large button on the meeting that matters.
 */
#include "screens/home_list.h"
#include "screens/screen.h"

#include <stdio.h>
#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/problems.h"
#include "core/words.h"
#include "widgets/button.h"
#include "widgets/card.h"
#include "widgets/notice.h"
#include "widgets/sites.h"

enum { LEFT_WIDTH = 560, CLOCK_MIN = 540 /* of a column whose clock is large */ };

/* --- header: who we are, how we are --- */

struct health {
    const char *icon, *icon_bad, *label;
    bool good;
};

static int draw_health(struct kg_canvas *c, struct kg_rect row, const struct kg_room_state *s)
{
    const struct health parts[] = {
        {KG_ICON_NETWORK, KG_ICON_NETWORK_OFF, kg_tr("回線"), s->relay == KG_RELAY_CONNECTED},
        {KG_ICON_VIDEOCAM, KG_ICON_VIDEOCAM_OFF, kg_tr("カメラ"), s->camera != KG_DEVICE_MISSING},
        {KG_ICON_MIC, KG_ICON_MIC_OFF, kg_tr("マイク"), s->microphone != KG_DEVICE_MISSING},
        {KG_ICON_SPEAKER, KG_ICON_SPEAKER, kg_tr("スピーカー"), s->speaker != KG_DEVICE_MISSING},
    };
    const int cell = 104;
    struct kg_rect box = kg_rect_cut_right(&row, cell * (int)KG_ARRAY_LEN(parts) + 16);
    kg_card(c, box);
    struct kg_rect inner = kg_rect_inset(box, 8, 8);
    for (size_t i = 0; i < KG_ARRAY_LEN(parts); i++) {
        const struct health *p = &parts[i];
        struct kg_rect at = kg_rect_inset(kg_rect_cut_left(&inner, cell), 3, 0);
        enum kg_tone tone = p->good ? KG_TONE_GOOD : i == 0 ? KG_TONE_WARN : KG_TONE_BAD;
        if (!p->good)
            kg_canvas_round(c, at, KG_RADIUS_M, kg_tone_back(tone));
        struct kg_rect top = kg_rect_cut_top(&at, 38);
        top.y += 3;
        kg_canvas_icon(c, top, p->good ? p->icon : p->icon_bad, 28, kg_tone_front(tone));
        struct kg_rect badge = kg_rect(top.x + top.w / 2 + 7, top.y + 18, 18, 18);
        kg_canvas_round(c, badge, KG_RADIUS_PILL, p->good ? KG_COLOR_SURFACE : kg_tone_back(tone));
        kg_canvas_icon(c, badge, p->good ? KG_ICON_CHECK_CIRCLE : KG_ICON_ERROR, 17, kg_tone_front(tone));
        struct kg_text_style style = {.size = KG_TEXT_SMALL, .align = KG_ALIGN_CENTER, .bold = !p->good};
        style.color = p->good ? KG_COLOR_TEXT_MUTED : kg_tone_front(tone);
        kg_canvas_text(c, at, style, p->label);
    }
    return box.w;
}

static void draw_header(struct kg_canvas *c, struct kg_rect row, const struct kg_room_state *s)
{
    char office[2 * KG_ROOM_NAME_SIZE];
    kg_words_office(office, sizeof(office), &s->room);
    int used = draw_health(c, row, s);
    kg_rect_cut_right(&row, used + KG_SPACE_XL);
    struct kg_rect badge = kg_rect_cut_left(&row, row.h);
    kg_canvas_round(c, badge, KG_RADIUS_L, KG_COLOR_PRIMARY);
    kg_canvas_icon(c, badge, KG_ICON_ROOM, 44, KG_COLOR_ON_PRIMARY);
    kg_rect_cut_left(&row, 20);
    row = kg_rect_inset(row, 0, 2);
    kg_canvas_text(c, kg_rect_cut_top(&row, 30),
                   (struct kg_text_style){.size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .data = true},
                   office);
    kg_canvas_text(
        c, row,
        (struct kg_text_style){.size = KG_TEXT_TITLE, .color = KG_COLOR_TEXT, .bold = true, .data = true},
        s->room.name);
}

/* --- one strip for what is wrong now --- */

static void describe_relay(const struct kg_room_state *s, char *text, size_t size)
{
    const struct kg_problem_text *p =
        kg_problem_text(s->error.problem ? s->error.problem : KG_PROBLEM_RELAY_UNREACHABLE);
    char what[256], as_of[96] = "", moment[64];
    if (s->relay_closing)
        snprintf(what, sizeof(what), "%s", kg_tr("中継サーバーが停止中です。自動で接続し直しています。"));
    else
        snprintf(what, sizeof(what),
                 p->needs_it ? kg_tr("%s（%s）。情報システム担当に連絡してください。")
                             : kg_tr("%s（%s）。自動で接続し直しています。"),
                 kg_tr(p->headline), p->code);
    if (s->agenda_us > 0) {
        kg_words_moment(moment, sizeof(moment), s->agenda_us, s->wall_us);
        snprintf(as_of, sizeof(as_of), kg_tr("予定は%s時点です。"), moment);
    }
    snprintf(text, size, "%s%s", what, as_of);
}

/* Said once more to whoever comes in later. */
static bool describe_lost(const struct kg_room_state *s, char *text, size_t size)
{
    char moment[64];
    if (s->lost_us == 0)
        return false;
    kg_words_moment(moment, sizeof(moment), s->lost_us, s->wall_us);
    snprintf(text, size, kg_tr("回線が切れたため、%sに会議から退出しました。"), moment);
    return true;
}

static bool find_trouble(const struct kg_room_state *s, char *text, size_t size, const char **icon)
{
    if (s->relay == KG_RELAY_AWAY) {
        *icon = KG_ICON_NETWORK_OFF;
        describe_relay(s, text, size);
        return true;
    }
    for (int i = 0; i < KG_NOTICE_COUNT; i++) {
        if (!s->notices[i])
            continue;
        const struct kg_notice_text *n = kg_notice_text((enum kg_notice)i);
        *icon = n->icon;
        snprintf(text, size, "%s", kg_tr(n->text));
        return true;
    }
    if (s->certificate_end_us != 0) {
        char day[64];
        kg_words_day(day, sizeof(day), s->certificate_end_us);
        *icon = KG_ICON_SUPPORT;
        snprintf(text, size,
                 kg_tr("この端末の証明書は%sに期限が切れます。情報システム担当に連絡してください。"), day);
        return true;
    }
    return false;
}

/* --- left: clock and the offered meeting --- */

/* Cut from the top of the column: large, or in one line where strips above have taken the place. */
static void draw_clock(struct kg_canvas *c, struct kg_rect *column, const struct kg_room_state *s)
{
    char text[64];
    kg_words_clock(text, sizeof(text), s->wall_us);
    if (column->h < CLOCK_MIN) {
        struct kg_text_style style = {.size = KG_TEXT_BANNER, .color = KG_COLOR_TEXT, .bold = true};
        struct kg_rect row = kg_rect_cut_top(column, 72);
        kg_canvas_text(c, kg_rect_cut_left(&row, kg_canvas_text_width(c, style, text) + KG_SPACE_L), style,
                       text);
        kg_words_date(text, sizeof(text), s->wall_us);
        style = (struct kg_text_style){.size = KG_TEXT_LARGE, .color = KG_COLOR_TEXT_MUTED};
        if (kg_canvas_text_width(c, style, text) > row.w)
            style.size = KG_TEXT_SMALL;
        kg_canvas_text(c, row, style, text);
        return;
    }
    struct kg_rect box = kg_rect_cut_top(column, 180);
    kg_canvas_text(c, kg_rect_cut_top(&box, 136),
                   (struct kg_text_style){.size = KG_TEXT_CLOCK, .color = KG_COLOR_TEXT, .bold = true}, text);
    kg_words_date(text, sizeof(text), s->wall_us);
    kg_canvas_text(c, kg_rect_cut_top(&box, 40),
                   (struct kg_text_style){.size = KG_TEXT_LARGE, .color = KG_COLOR_TEXT_MUTED}, text);
}

static void draw_no_meeting(struct kg_canvas *c, struct kg_rect card, const struct kg_room_state *s)
{
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, 40, (card.h - 236) / 2);
    struct kg_rect icon = kg_rect_cut_top(&inner, 112);
    kg_canvas_round(c, kg_rect(icon.x + icon.w / 2 - 52, icon.y, 104, 104), KG_RADIUS_PILL,
                    KG_COLOR_PRIMARY_SOFT);
    kg_canvas_icon(c, kg_rect(icon.x + icon.w / 2 - 52, icon.y, 104, 104), KG_ICON_EVENT_AVAILABLE, 56,
                   KG_COLOR_ON_PRIMARY_SOFT);
    kg_rect_cut_top(&inner, 20);
    bool unknown = s->agenda_us == 0 && s->meeting_count == 0;
    const char *headline = unknown            ? "予定をまだ受け取っていません"
                           : s->meeting_count ? "本日の会議はすべて終わりました"
                                              : "本日の会議はありません";
    kg_canvas_text(c, kg_rect_cut_top(&inner, 48),
                   (struct kg_text_style){
                       .size = KG_TEXT_LARGE, .color = KG_COLOR_TEXT, .bold = true, .align = KG_ALIGN_CENTER},
                   kg_tr(headline));
    kg_canvas_text(
        c, kg_rect_cut_top(&inner, 40),
        (struct kg_text_style){.size = KG_TEXT_SMALL, .color = KG_COLOR_TEXT_MUTED, .align = KG_ALIGN_CENTER},
        kg_tr(unknown ? "中継サーバーにつながると、ここに表示されます。"
                      : "予定が入ると、ここに表示されます。"));
}

static void draw_offered(struct kg_canvas *c, struct kg_rect card, const struct kg_room_state *s,
                         const struct kg_room_meeting *m)
{
    char text[1024];
    kg_card(c, card);
    struct kg_rect inner = kg_rect_inset(card, 32, 28);
    struct kg_rect button = kg_rect_cut_bottom(&inner, 92);
    struct kg_rect top = kg_rect_cut_top(&inner, 48);
    bool now = m->state == KG_MEETING_NOW;
    const char *tag = kg_tr(now ? "開催中" : "次の会議");
    int tag_width = kg_chip_width(c, now ? KG_ICON_GROUPS : KG_ICON_SCHEDULE, tag);
    kg_chip(c, top.x + top.w - tag_width, top.y + 7, now ? KG_TONE_GOOD : KG_TONE_PRIMARY,
            now ? KG_ICON_GROUPS : KG_ICON_SCHEDULE, tag);
    kg_rect_cut_right(&top, tag_width + KG_SPACE_M);
    kg_words_range(text, sizeof(text), m->start_us, m->end_us);
    kg_canvas_text(
        c, top, (struct kg_text_style){.size = KG_TEXT_HEADLINE, .color = KG_COLOR_TEXT, .bold = true}, text);
    kg_rect_cut_top(&inner, 12);
    int room = inner.h - KG_SPACE_M;
    struct kg_text_style title = {.size = KG_TEXT_TITLE,
                                  .color = KG_COLOR_TEXT,
                                  .bold = true,
                                  .lines = room >= 137 ? 2 : 1,
                                  .data = true};
    int title_height = kg_canvas_text_height(c, title, inner.w, m->title);
    kg_canvas_text(c, kg_rect_cut_top(&inner, title_height), title, m->title);
    kg_rect_cut_top(&inner, KG_SPACE_S);
    inner.h -= KG_SPACE_M;
    kg_sites(c, inner, m);
    if (m->joinable) {
        kg_button(c, button,
                  &(struct kg_button){.id = "home.join",
                                      .label = kg_tr("会議に参加"),
                                      .icon = KG_ICON_ENTER,
                                      .value = m->uid,
                                      .kind = KG_BUTTON_PRIMARY,
                                      .size = KG_TEXT_TITLE});
        return;
    }
    kg_canvas_round(c, button, KG_RADIUS_L, KG_COLOR_SUNKEN);
    kg_canvas_text(
        c, button,
        (struct kg_text_style){
            .size = KG_TEXT_BODY, .color = KG_COLOR_TEXT_MUTED, .bold = true, .align = KG_ALIGN_CENTER},
        kg_tr(s->relay == KG_RELAY_CONNECTED ? "開始時刻が近づくと参加できます"
                                             : "接続が戻ると参加できます"));
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    struct kg_rect all = kg_canvas_area(c);
    kg_canvas_fill(c, all, KG_COLOR_BACKGROUND);
    struct kg_rect page = kg_rect_inset(all, KG_SPACE_XL, 28);
    draw_header(c, kg_rect_cut_top(&page, 80), s);
    char trouble[512];
    const char *icon = NULL;
    if (find_trouble(s, trouble, sizeof(trouble), &icon)) {
        kg_rect_cut_top(&page, KG_SPACE_M);
        kg_notice_strip(c, kg_rect_cut_top(&page, 60), KG_TONE_WARN, icon, trouble);
    }
    if (describe_lost(s, trouble, sizeof(trouble))) {
        kg_rect_cut_top(&page, KG_SPACE_S);
        kg_notice_strip(c, kg_rect_cut_top(&page, 60), KG_TONE_WARN, KG_ICON_CALL_END, trouble);
    }
    kg_rect_cut_top(&page, 20);
    if (s->meeting_count == 0 && s->next_count == 0) {
        draw_clock(c, &page, s);
        kg_rect_cut_top(&page, KG_SPACE_M);
        draw_no_meeting(c, page, s);
        return;
    }
    struct kg_rect left = kg_rect_cut_left(&page, LEFT_WIDTH + (all.w - KG_PANEL_WIDTH) / 2);
    kg_rect_cut_left(&page, KG_SPACE_XL);
    draw_clock(c, &left, s);
    kg_rect_cut_top(&left, KG_SPACE_M);
    const struct kg_room_meeting *offered = kg_room_meeting_offered(s);
    if (offered)
        draw_offered(c, left, s, offered);
    else
        draw_no_meeting(c, left, s);
    kg_home_list(c, page, s, view, offered);
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    (void)s;
    const char *id = target->shown.id;
    struct kg_intent intent = {.kind = KG_INTENT_NONE};
    if (strncmp(id, "home.join", 9) == 0) {
        intent.kind = KG_INTENT_JOIN;
        kg_room_text_set(intent.uid, sizeof(intent.uid), target->value);
    } else if (strcmp(id, "home.next") == 0) {
        view->home_page++;
    } else if (strcmp(id, "home.previous") == 0) {
        view->home_page--;
    }
    return intent;
}

const struct kg_screen kg_screen_home = {.name = "home", .draw = draw, .touch = touch};

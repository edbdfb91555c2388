/* Meeting: the other room's picture untouched, everything to be touched in the bar below it.
 * The picture's area is the panel less the bar: 1280×720, so 720p video is drawn pixel for pixel. What lies
 * over it is exceptional: our microphone or camera off, notices, thumbnails of further rooms. */
#include "screens/screen.h"

#include <stdio.h>
#include <string.h>

#include "core/i18n.h"
#include "core/icons.h"
#include "core/problems.h"
#include "core/words.h"
#include "widgets/bars.h"
#include "widgets/button.h"
#include "widgets/card.h"
#include "widgets/notice.h"
#include "widgets/plate.h"

enum {
    BAR_HEIGHT = 80,
    BUTTON_WIDTH = 132,
    BUTTON_HEIGHT = 64,
    SELF_WIDTH = 128,
    SELF_HEIGHT = 72,
    SELF_LARGE_WIDTH = 384,
    SELF_LARGE_HEIGHT = 216,
    THUMBNAIL_WIDTH = 208,
    THUMBNAIL_HEIGHT = 117,
    THUMBNAILS_SHOWN = 5,
    BANNER_HEIGHT = 108,
};

/* Whose picture is, or would be, the main one: the frame on screen says it, not the message. */
static const struct kg_room_participant *main_participant(struct kg_canvas *c,
                                                          const struct kg_room_in_meeting *m)
{
    const struct kg_pictures *pictures = kg_canvas_pictures(c);
    if (kg_pictures_has(pictures, KG_UI_MAIN))
        return kg_room_participant_of(m, kg_pictures_source(pictures, KG_UI_MAIN));
    const struct kg_room_participant *who = kg_room_participant_of(m, m->main_source);
    return !who && m->participant_count == 1 ? &m->participants[0] : who;
}

static bool is_speaking(const struct kg_room_in_meeting *m, const struct kg_room_participant *who)
{
    return who->microphone != 0 && who->microphone == m->speaking && !who->microphone_muted;
}

/* --- the main picture, or why there is none --- */

static void draw_placeholder(struct kg_canvas *c, struct kg_rect area, const struct kg_room_in_meeting *m,
                             const struct kg_room_participant *who)
{
    const char *icon = KG_ICON_GROUPS, *words = kg_tr("ほかの会議室の参加を待っています");
    bool waiting = true;
    if (who && who->away) {
        icon = KG_ICON_SYNC_PROBLEM;
        words = kg_tr("接続が切れました。戻るのを待っています");
    } else if (who && who->camera_muted) {
        icon = KG_ICON_VIDEOCAM_OFF;
        words = kg_tr("相手はカメラ オフです");
        waiting = false;
    } else if (who || m->participant_count > 0) {
        icon = KG_ICON_VIDEOCAM;
        words = kg_tr("映像を待っています");
    }
    int height = who ? 328 : 232;
    struct kg_rect box = kg_rect(area.x + 80, area.y + (area.h - height) / 2, area.w - 160, height);
    struct kg_rect disc = kg_rect_cut_top(&box, 168);
    disc = kg_rect(disc.x + (disc.w - 160) / 2, disc.y, 160, 160);
    kg_canvas_round(c, disc, KG_RADIUS_PILL, KG_COLOR_STAGE_SURFACE);
    kg_canvas_icon(c, disc, icon, 84, KG_COLOR_ON_STAGE);
    kg_rect_cut_top(&box, KG_SPACE_M);
    if (who) {
        char office[2 * KG_ROOM_NAME_SIZE];
        kg_words_office(office, sizeof(office), &who->name);
        kg_canvas_text(c, kg_rect_cut_top(&box, 36),
                       (struct kg_text_style){.size = KG_TEXT_BODY,
                                              .color = KG_COLOR_ON_STAGE_MUTED,
                                              .align = KG_ALIGN_CENTER,
                                              .data = true},
                       office);
        kg_canvas_text(c, kg_rect_cut_top(&box, 60),
                       (struct kg_text_style){.size = KG_TEXT_HEADLINE,
                                              .color = KG_COLOR_ON_STAGE,
                                              .bold = true,
                                              .align = KG_ALIGN_CENTER,
                                              .data = true},
                       who->name.name);
    }
    struct kg_rect line = kg_rect_cut_top(&box, 44);
    struct kg_text_style style = {.size = KG_TEXT_LARGE,
                                  .color = who ? KG_COLOR_ON_STAGE_MUTED : KG_COLOR_ON_STAGE,
                                  .align = KG_ALIGN_CENTER};
    if (waiting) {
        int width = kg_canvas_text_width(c, style, words);
        kg_spinner(c, kg_rect(line.x + (line.w - width) / 2 - 44, line.y, 32, line.h), 26, style.color);
    }
    kg_canvas_text(c, line, style, words);
}

static void draw_main(struct kg_canvas *c, struct kg_rect area, const struct kg_room_in_meeting *m)
{
    const struct kg_room_participant *who = main_participant(c, m);
    /* A frame left from before the camera went off, or its room went away, is not shown as if it were now. */
    bool camera = who && kg_pictures_source(kg_canvas_pictures(c), KG_UI_MAIN) != who->presentation;
    bool stale = who && (who->away || (camera && who->camera_muted));
    if (!kg_canvas_partial(c))
        kg_canvas_fill(c, area, KG_COLOR_STAGE);
    bool empty = stale || !kg_canvas_picture(c, area, KG_UI_MAIN, KG_FIT_CONTAIN, NULL);
    if (empty && !m->reconnecting) /* else the words of the veil stand there */
        draw_placeholder(c, area, m, who);
}

/* Down the right side, below our own banners if there are any. */
static void draw_thumbnails(struct kg_canvas *c, struct kg_rect area, const struct kg_room_in_meeting *m)
{
    int y = area.y + KG_SPACE_M;
    if (m->microphone_muted || m->camera_muted)
        y = area.y + KG_SPACE_L + BANNER_HEIGHT + KG_SPACE_M;
    for (int i = 0; i < THUMBNAILS_SHOWN && y + THUMBNAIL_HEIGHT < area.y + area.h; i++) {
        enum kg_ui_slot slot = (enum kg_ui_slot)(KG_UI_THUMBNAIL + i);
        if (!kg_pictures_has(kg_canvas_pictures(c), slot))
            continue;
        struct kg_rect at =
            kg_rect(area.x + area.w - KG_SPACE_M - THUMBNAIL_WIDTH, y, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT);
        const struct kg_room_participant *who =
            kg_room_participant_of(m, kg_pictures_source(kg_canvas_pictures(c), slot));
        kg_canvas_round(c, kg_rect_inset(at, -3, -3), 5, KG_COLOR_STAGE_BAR);
        kg_canvas_picture(c, at, slot, KG_FIT_COVER, NULL);
        if (who)
            kg_plate_small(c, at, who, is_speaking(m, who));
        if (who && is_speaking(m, who))
            kg_canvas_ring(c, kg_rect_inset(at, -3, -3), 5, 4, KG_COLOR_STAGE_GOOD);
        y += THUMBNAIL_HEIGHT + KG_SPACE_S;
    }
}

/* --- over the picture --- */

/* Read from four metres: 108 px is 18 mm on the panel, its icon 13 mm, its words 9 mm. */
static int banner_width(struct kg_canvas *c, const char *words)
{
    struct kg_text_style style = {.size = KG_TEXT_BANNER, .bold = true};
    return 36 + 80 + 16 + kg_canvas_text_width(c, style, words) + 1 + 48;
}

static void draw_banner(struct kg_canvas *c, struct kg_rect rect, const char *icon, const char *words)
{
    kg_canvas_shadow(c, rect, KG_RADIUS_PILL, 16);
    kg_canvas_round(c, rect, KG_RADIUS_PILL, KG_COLOR_DANGER);
    kg_rect_cut_left(&rect, 36);
    kg_canvas_icon(c, kg_rect_cut_left(&rect, 80), icon, 76, KG_COLOR_ON_DANGER);
    kg_rect_cut_left(&rect, 16);
    kg_rect_cut_right(&rect, 48);
    kg_canvas_text(c, rect,
                   (struct kg_text_style){.size = KG_TEXT_BANNER, .color = KG_COLOR_ON_DANGER, .bold = true},
                   words);
}

static int draw_banners(struct kg_canvas *c, struct kg_rect area, const struct kg_room_in_meeting *m)
{
    const char *words[2], *icons[2];
    int count = 0, total = 0, widths[2];
    if (m->microphone_muted) {
        words[count] = kg_tr("マイク オフ");
        icons[count++] = KG_ICON_MIC_OFF;
    }
    if (m->camera_muted) {
        words[count] = kg_tr("カメラ オフ");
        icons[count++] = KG_ICON_VIDEOCAM_OFF;
    }
    for (int i = 0; i < count; i++) {
        widths[i] = banner_width(c, words[i]);
        total += widths[i] + (i ? KG_SPACE_M : 0);
    }
    int x = area.x + (area.w - total) / 2, y = area.y + KG_SPACE_L;
    for (int i = 0; i < count; i++) {
        draw_banner(c, kg_rect(x, y, widths[i], BANNER_HEIGHT), icons[i], words[i]);
        x += widths[i] + KG_SPACE_M;
    }
    return count ? y + BANNER_HEIGHT + KG_SPACE_M : y;
}

static void draw_reconnecting(struct kg_canvas *c, struct kg_rect area, const struct kg_room_state *s)
{
    const struct kg_problem_text *problem = kg_problem_text(s->error.problem);
    char title[256];
    bool person = s->error.problem && problem->needs_it;
    if (person)
        snprintf(title, sizeof(title), kg_tr("%s（%s）"), kg_tr(problem->headline), problem->code);
    else
        snprintf(title, sizeof(title), "%s",
                 s->relay_closing ? kg_tr("中継サーバーの再開を待っています") : kg_tr("再接続しています"));
    kg_canvas_raise(c);
    kg_canvas_fill(c, area, KG_COLOR_STAGE_SCRIM);
    struct kg_rect box = kg_rect(area.x + 80, area.y + (area.h - 280) / 2, area.w - 160, 280);
    kg_spinner(c, kg_rect_cut_top(&box, 120), 96, KG_COLOR_ON_STAGE);
    kg_rect_cut_top(&box, KG_SPACE_M);
    struct kg_text_style style = {
        .size = KG_TEXT_TITLE, .color = KG_COLOR_ON_STAGE, .bold = true, .align = KG_ALIGN_CENTER};
    kg_canvas_text(c, kg_rect_cut_top(&box, 52), style, title);
    style = (struct kg_text_style){
        .size = KG_TEXT_BODY, .color = KG_COLOR_ON_STAGE_MUTED, .align = KG_ALIGN_CENTER};
    kg_canvas_text(c, kg_rect_cut_top(&box, 40), style,
                   kg_tr(person ? "情報システム担当に連絡してください。直れば自動で会議に戻ります。"
                                : "そのままお待ちください。マイクとカメラの状態は変わりません。"));
    if (s->meeting.give_up_us == 0)
        return;
    char moment[32], line[160];
    kg_words_clock(moment, sizeof(moment), s->meeting.give_up_us);
    snprintf(line, sizeof(line), kg_tr("%sになってもつながらないときは、ホームに戻ります。"), moment);
    kg_canvas_text(c, kg_rect_cut_top(&box, 40), style, line);
}

/* --- the bar --- */

static void draw_own_picture(struct kg_canvas *c, struct kg_rect rect, const struct kg_room_state *s)
{
    bool shown = false;
    kg_canvas_fill(c, rect, KG_COLOR_STAGE_SURFACE);
    if (!s->meeting.camera_muted && s->camera != KG_DEVICE_MISSING)
        shown = kg_canvas_picture(c, rect, KG_UI_SELF, KG_FIT_COVER, NULL);
    if (!shown)
        kg_canvas_icon(c, rect, s->camera == KG_DEVICE_STARTING ? KG_ICON_VIDEOCAM : KG_ICON_VIDEOCAM_OFF,
                       KG_MIN(rect.h / 2, 84), KG_COLOR_ON_STAGE_MUTED);
}

/* The words of a device's button in each of its states. */
struct device_words {
    const char *id, *on, *off, *none;
    const char *icon, *icon_off;
};

static const struct device_words microphone_words = {"meeting.microphone", "マイク オン", "マイク オフ",
                                                     "マイクなし",         KG_ICON_MIC,   KG_ICON_MIC_OFF};
static const struct device_words camera_words = {"meeting.camera", "カメラ オン",    "カメラ オフ",
                                                 "カメラなし",     KG_ICON_VIDEOCAM, KG_ICON_VIDEOCAM_OFF};

/* Off stays off without a device too: the button then tells what happens once one is plugged in. */
static bool is_absent(enum kg_device_state device, bool muted)
{
    return device == KG_DEVICE_MISSING && !muted;
}

static void draw_device(struct kg_canvas *c, struct kg_rect rect, const struct device_words *words,
                        enum kg_device_state device, bool muted)
{
    bool absent = is_absent(device, muted);
    kg_button(c, rect,
              &(struct kg_button){.id = words->id,
                                  .label = kg_tr(absent  ? words->none
                                                 : muted ? words->off
                                                         : words->on),
                                  .icon = absent || muted ? words->icon_off : words->icon,
                                  .kind = absent  ? KG_BUTTON_STAGE_NONE
                                          : muted ? KG_BUTTON_STAGE_OFF
                                                  : KG_BUTTON_STAGE,
                                  .stacked = true});
}

static void draw_controls(struct kg_canvas *c, struct kg_rect bar, const struct kg_room_state *s)
{
    const struct kg_room_in_meeting *m = &s->meeting;
    int total = 3 * BUTTON_WIDTH + 2 * KG_SPACE_M;
    struct kg_rect row =
        kg_rect(bar.x + (bar.w - total) / 2, bar.y + (bar.h - BUTTON_HEIGHT) / 2, total, BUTTON_HEIGHT);
    draw_device(c, kg_rect_cut_left(&row, BUTTON_WIDTH), &microphone_words, s->microphone,
                m->microphone_muted);
    kg_rect_cut_left(&row, KG_SPACE_M);
    draw_device(c, kg_rect_cut_left(&row, BUTTON_WIDTH), &camera_words, s->camera, m->camera_muted);
    kg_rect_cut_left(&row, KG_SPACE_M);
    kg_button(c, row,
              &(struct kg_button){.id = "meeting.leave",
                                  .label = kg_tr("退出"),
                                  .icon = KG_ICON_CALL_END,
                                  .kind = KG_BUTTON_DANGER,
                                  .stacked = true});
}

static void draw_times(struct kg_canvas *c, struct kg_rect box, const struct kg_room_state *s)
{
    char text[64];
    box = kg_rect(box.x, box.y + (box.h - 60) / 2, box.w, 60);
    struct kg_text_style style = {
        .size = KG_TEXT_SMALL, .color = KG_COLOR_ON_STAGE_MUTED, .align = KG_ALIGN_RIGHT, .data = true};
    kg_canvas_text(c, kg_rect_cut_top(&box, 26), style, s->meeting.title);
    struct kg_rect bars = kg_rect_cut_right(&box, KG_BARS_WIDTH);
    kg_bars(c, bars.x, bars.y + (bars.h - KG_BARS_HEIGHT) / 2, s->meeting.line_quality);
    kg_rect_cut_right(&box, KG_SPACE_M);
    kg_words_remaining(text, sizeof(text), s->wall_us, s->meeting.end_us);
    bool soon = s->notices[KG_NOTICE_MEETING_ENDING];
    style = (struct kg_text_style){.size = KG_TEXT_BODY,
                                   .color = soon ? KG_COLOR_STAGE_WARN : KG_COLOR_ON_STAGE,
                                   .bold = true,
                                   .align = KG_ALIGN_RIGHT};
    kg_canvas_text(c, box, style, text);
}

static void draw_bar(struct kg_canvas *c, struct kg_rect bar, const struct kg_room_state *s, bool enlarged)
{
    const struct kg_room_in_meeting *m = &s->meeting;
    kg_canvas_fill(c, bar, KG_COLOR_STAGE_BAR);
    draw_controls(c, bar, s);
    int side = (bar.w - 3 * BUTTON_WIDTH - 2 * KG_SPACE_M) / 2 - KG_SPACE_L;
    struct kg_rect left = kg_rect(bar.x + KG_SPACE_M, bar.y, side - KG_SPACE_M, bar.h);
    struct kg_rect right = kg_rect(bar.x + bar.w - side, bar.y, side - KG_SPACE_S, bar.h);
    const struct kg_room_participant *who = main_participant(c, m);
    if (who)
        kg_plate(c, left, who, is_speaking(m, who));
    struct kg_rect own = kg_rect_cut_right(&right, SELF_WIDTH);
    own = kg_rect(own.x, own.y + (own.h - SELF_HEIGHT) / 2, SELF_WIDTH, SELF_HEIGHT);
    if (enlarged) {
        kg_canvas_fill(c, own, KG_COLOR_STAGE_SURFACE);
        kg_canvas_icon(c, own, KG_ICON_DOWN, 36, KG_COLOR_ON_STAGE_MUTED);
    } else {
        draw_own_picture(c, own, s);
    }
    kg_canvas_corners(c, own, KG_RADIUS_S, KG_COLOR_STAGE_BAR);
    kg_canvas_target(c, "meeting.self", kg_tr("自分の映像"), own, "");
    kg_rect_cut_right(&right, KG_SPACE_M);
    draw_times(c, right, s);
}

static void draw(struct kg_canvas *c, const struct kg_room_state *s, const struct kg_view *view)
{
    struct kg_rect area = kg_canvas_area(c);
    struct kg_rect bar = kg_rect_cut_bottom(&area, BAR_HEIGHT);
    draw_main(c, area, &s->meeting);
    draw_bar(c, bar, s, view->self_large);
    kg_canvas_raise(c);
    draw_thumbnails(c, area, &s->meeting);
    if (view->self_large) {
        struct kg_rect own =
            kg_rect(area.x + area.w - KG_SPACE_M - SELF_LARGE_WIDTH,
                    area.y + area.h - KG_SPACE_M - SELF_LARGE_HEIGHT, SELF_LARGE_WIDTH, SELF_LARGE_HEIGHT);
        draw_own_picture(c, own, s);
        kg_canvas_ring(c, kg_rect_inset(own, -3, -3), 4, 3, KG_COLOR_ON_STAGE);
    }
    int y = draw_banners(c, area, &s->meeting);
    kg_notice_pills(c, area.x + area.w / 2, y, s);
    if (s->meeting.reconnecting)
        draw_reconnecting(c, area, s);
}

static struct kg_intent touch(const struct kg_room_state *s, struct kg_view *view,
                              const struct kg_target *target)
{
    static const struct {
        const char *id;
        enum kg_intent_kind kind;
    } intents[] = {
        {"meeting.microphone", KG_INTENT_TOGGLE_MICROPHONE},
        {"meeting.camera", KG_INTENT_TOGGLE_CAMERA},
        {"meeting.leave", KG_INTENT_LEAVE},
    };
    const char *id = target->shown.id;
    if ((strcmp(id, microphone_words.id) == 0 && is_absent(s->microphone, s->meeting.microphone_muted)) ||
        (strcmp(id, camera_words.id) == 0 && is_absent(s->camera, s->meeting.camera_muted)))
        return kg_intent_of(KG_INTENT_NONE);
    for (size_t i = 0; i < KG_ARRAY_LEN(intents); i++)
        if (strcmp(id, intents[i].id) == 0)
            return kg_intent_of(intents[i].kind);
    if (strcmp(id, "meeting.self") == 0)
        view->self_large = !view->self_large;
    return kg_intent_of(KG_INTENT_NONE);
}

const struct kg_screen kg_screen_meeting = {.name = "meeting", .draw = draw, .touch = touch};

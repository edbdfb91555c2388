#include "widgets/notice.h"

#include "core/i18n.h"
#include "core/icons.h"

static const struct kg_notice_text texts[KG_NOTICE_COUNT] = {
    [KG_NOTICE_CAMERA_UNPLUGGED] = {KG_ICON_VIDEOCAM_OFF,
                                    "カメラが外れています。ケーブルを確かめてください。", KG_TONE_WARN},
    [KG_NOTICE_MICROPHONE_UNPLUGGED] = {KG_ICON_MIC_OFF, "マイクが外れています。ケーブルを確かめてください。",
                                        KG_TONE_WARN},
    [KG_NOTICE_SPEAKER_UNPLUGGED] = {KG_ICON_SPEAKER,
                                     "スピーカーが外れています。ケーブルを確かめてください。", KG_TONE_WARN},
    [KG_NOTICE_LINE_POOR] = {KG_ICON_WARNING, "回線が混み合っています。映像が乱れることがあります。",
                             KG_TONE_WARN},
    [KG_NOTICE_MEETING_ENDING] = {KG_ICON_SCHEDULE, "まもなく終了時刻です。", KG_TONE_PRIMARY},
};

const struct kg_notice_text *kg_notice_text(enum kg_notice notice)
{
    return &texts[notice];
}

static const struct kg_text_style strip_style = {.size = KG_TEXT_BODY};

void kg_notice_strip(struct kg_canvas *c, struct kg_rect rect, enum kg_tone tone, const char *icon,
                     const char *text)
{
    kg_canvas_round(c, rect, KG_RADIUS_M, kg_tone_back(tone));
    struct kg_rect inner = kg_rect_inset(rect, 20, 0);
    kg_canvas_icon(c, kg_rect_cut_left(&inner, 28), icon, 28, kg_tone_front(tone));
    kg_rect_cut_left(&inner, 14);
    struct kg_text_style style = strip_style;
    style.color = kg_tone_front(tone);
    kg_canvas_text(c, inner, style, text);
}

int kg_notice_pills(struct kg_canvas *c, int x, int y, const struct kg_room_state *state)
{
    int left = 2; /* more would hide the other room */
    for (int i = 0; i < KG_NOTICE_COUNT && left > 0; i++) {
        if (!state->notices[i])
            continue;
        left--;
        const char *text = kg_tr(texts[i].text);
        int width = kg_canvas_text_width(c, strip_style, text) + 28 + 14 + 40 + 4;
        struct kg_rect rect = kg_rect(x - width / 2, y, width, 52);
        kg_notice_strip(c, rect, texts[i].tone, texts[i].icon, text);
        y += rect.h + KG_SPACE_S;
    }
    return y;
}

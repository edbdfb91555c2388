#include "widgets/notice.h"

#include <stdio.h>

#include "core/i18n.h"
#include "core/icons.h"

static const struct kg_notice_text texts[KG_NOTICE_COUNT] = {
    [KG_NOTICE_CAMERA_UNPLUGGED] = {KG_ICON_VIDEOCAM_OFF, "カメラが使えません。ケーブルを確かめてください。",
                                    KG_TONE_WARN},
    [KG_NOTICE_MICROPHONE_UNPLUGGED] = {KG_ICON_MIC_OFF, "マイクが使えません。ケーブルを確かめてください。",
                                        KG_TONE_WARN},
    [KG_NOTICE_SPEAKER_UNPLUGGED] = {KG_ICON_SPEAKER, "スピーカーが使えません。ケーブルを確かめてください。",
                                     KG_TONE_WARN},
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

/* What is unplugged, in one sentence: a notice for each would leave no room for the last. */
static unsigned name_devices(char *names, size_t size, const struct kg_room_state *state)
{
    static const char *const words[] = {[KG_NOTICE_CAMERA_UNPLUGGED] = "カメラ",
                                        [KG_NOTICE_MICROPHONE_UNPLUGGED] = "マイク",
                                        [KG_NOTICE_SPEAKER_UNPLUGGED] = "スピーカー"};
    unsigned count = 0;
    size_t used = 0;
    for (size_t i = 0; i < KG_ARRAY_LEN(words); i++) {
        if (!state->notices[i] || used >= size)
            continue;
        int n = snprintf(names + used, size - used, "%s%s", count ? kg_tr("、") : "", kg_tr(words[i]));
        used += n > 0 ? (size_t)n : 0;
        count++;
    }
    return count;
}

static int draw_pill(struct kg_canvas *c, int x, int y, enum kg_tone tone, const char *icon,
                     const char *words)
{
    int width = kg_canvas_text_width(c, strip_style, words) + 28 + 14 + 40 + 4;
    struct kg_rect rect = kg_rect(x - width / 2, y, width, 52);
    kg_notice_strip(c, rect, tone, icon, words);
    return y + rect.h + KG_SPACE_S;
}

int kg_notice_pills(struct kg_canvas *c, int x, int y, const struct kg_room_state *state)
{
    char names[96], words[256];
    int left = 2, i = 0; /* more would hide the other room */
    if (name_devices(names, sizeof(names), state) > 1) {
        snprintf(words, sizeof(words), kg_tr("%sが使えません。ケーブルを確かめてください。"), names);
        y = draw_pill(c, x, y, KG_TONE_WARN, KG_ICON_WARNING, words);
        left--;
        i = KG_NOTICE_SPEAKER_UNPLUGGED + 1;
    }
    for (; i < KG_NOTICE_COUNT && left > 0; i++) {
        if (!state->notices[i])
            continue;
        left--;
        y = draw_pill(c, x, y, texts[i].tone, texts[i].icon, kg_tr(texts[i].text));
    }
    return y;
}

/* Shaping, ellipsis and line breaking with the fonts of the product; names that lesser systems show as boxes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <SDL.h>
#include <SDL_ttf.h>

#include "core/icons.h"
#include "core/text.h"

#define BIZ(face)  "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-" face ".ttf"
#define ICONS_FILE "/usr/share/fonts/truetype/material-design-icons-iconfont/MaterialIcons-Regular.ttf"

static SDL_Surface *surface;
static SDL_Renderer *renderer;
static struct kg_text *text;

static int setup(void **state)
{
    (void)state;
    const char *fonts[KG_FACES] = {BIZ("Regular"), BIZ("Bold"), ICONS_FILE};
    if (TTF_Init() != 0)
        return -1;
    surface = SDL_CreateRGBSurfaceWithFormat(0, 64, 64, 32, SDL_PIXELFORMAT_ARGB8888);
    renderer = surface ? SDL_CreateSoftwareRenderer(surface) : NULL;
    text = renderer ? kg_text_create(renderer, fonts) : NULL;
    return text ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    kg_text_destroy(text);
    SDL_DestroyRenderer(renderer);
    SDL_FreeSurface(surface);
    TTF_Quit();
    SDL_Quit();
    return 0;
}

static int width_of(const char *utf8)
{
    return kg_text_line(text, KG_FACE_REGULAR, 26, utf8, 0).width;
}

static void missing_font_is_refused(void **state)
{
    (void)state;
    const char *fonts[KG_FACES] = {"/nowhere/a.ttf", BIZ("Bold"), ICONS_FILE};
    assert_null(kg_text_create(renderer, fonts));
}

/* Characters outside the everyday set that stand in names of places and people. */
static void rare_characters_of_names_have_glyphs(void **state)
{
    (void)state;
    static const char rare[] = "塩竈匝瑳宍粟鰺龍嬬檜檮驒葛飾逗蕨羽咋珠洲鯖諫苓薩摩姶杵鞍糟礪邑楽鋸"
                               "鴻巣祗祇園德髙﨑邊邉齋濵栁彅瑞穂氷沢ヶケ";
    TTF_Font *font = TTF_OpenFont(BIZ("Regular"), 26);
    assert_non_null(font);
    int missing = 0;
    for (const unsigned char *p = (const unsigned char *)rare; *p; p += 3) {
        Uint32 c = (Uint32)(p[0] & 0xf) << 12 | (Uint32)(p[1] & 0x3f) << 6 | (p[2] & 0x3fu);
        if (!TTF_GlyphIsProvided32(font, c)) {
            print_error("U+%04X has no glyph\n", c);
            missing++;
        }
    }
    TTF_CloseFont(font);
    assert_int_equal(missing, 0);
}

static void variation_selectors_take_no_room(void **state)
{
    (void)state;
    assert_int_equal(width_of("架葛\U000E0100市"), width_of("架葛市"));
    assert_int_equal(width_of("祇\U000E0101園"), width_of("祇園"));
    assert_int_equal(width_of("逗\uFE00留"), width_of("逗留"));
}

/* A sum over what the line looks like. */
static unsigned ink_of(const char *utf8)
{
    struct kg_text_run run = kg_text_line(text, KG_FACE_REGULAR, 26, utf8, 0);
    SDL_SetRenderDrawColor(renderer, 0, 0, 0, 255);
    SDL_RenderClear(renderer);
    SDL_RenderCopy(renderer, run.texture, NULL, &(SDL_Rect){0, 0, run.width, run.height});
    SDL_RenderFlush(renderer);
    unsigned sum = 0;
    for (int i = 0; i < surface->h * surface->pitch / 4; i++)
        sum = sum * 31 + ((Uint32 *)surface->pixels)[i];
    return sum;
}

static void old_forms_are_reduced_to_common_ones(void **state)
{
    (void)state;
    assert_int_equal(ink_of("\U00020BB7野"), ink_of("吉野"));
    assert_int_equal(ink_of("槗"), ink_of("橋"));
    assert_int_not_equal(ink_of("吉"), ink_of("橋"));
    assert_int_not_equal(ink_of("髙"), ink_of("高")); /* the font has it: shown as written */
}

static void unknown_characters_become_geta(void **state)
{
    (void)state;
    assert_int_equal(width_of("\U00030EDD野"), width_of("〓野"));
    TTF_Font *font = TTF_OpenFont(BIZ("Regular"), 26);
    assert_non_null(font);
    assert_false(TTF_GlyphIsProvided32(font, 0x30EDD) || TTF_GlyphIsProvided32(font, 0x20BB7));
    TTF_CloseFont(font);
    assert_int_equal(width_of("\xff\xfe"), width_of("〓〓"));
}

/* Nor do they turn what stands beside them. */
static void hidden_characters_are_not_drawn(void **state)
{
    (void)state;
    assert_int_equal(width_of("\u202e架\u2066空\x1b\u2028市\u200b\xc2\x85"), width_of("架空市"));
    assert_int_equal(ink_of("\u202e架空12市\u2067"), ink_of("架空12市"));
}

static void every_icon_has_a_glyph(void **state)
{
    (void)state;
    static const char *const icons[] = {
        KG_ICON_MIC,
        KG_ICON_MIC_OFF,
        KG_ICON_VIDEOCAM,
        KG_ICON_VIDEOCAM_OFF,
        KG_ICON_CALL_END,
        KG_ICON_SPEAKER,
        KG_ICON_NETWORK,
        KG_ICON_NETWORK_OFF,
        KG_ICON_ROOM,
        KG_ICON_BUILDING,
        KG_ICON_GROUPS,
        KG_ICON_SCHEDULE,
        KG_ICON_EVENT_AVAILABLE,
        KG_ICON_CHECK,
        KG_ICON_CHECK_CIRCLE,
        KG_ICON_CIRCLE,
        KG_ICON_CLOSE,
        KG_ICON_WARNING,
        KG_ICON_ERROR,
        KG_ICON_REFRESH,
        KG_ICON_HOME,
        KG_ICON_ENTER,
        KG_ICON_SYNC_PROBLEM,
        KG_ICON_SUPPORT,
        KG_ICON_BUILD,
        KG_ICON_UP,
        KG_ICON_DOWN,
    };
    TTF_Font *font = TTF_OpenFont(ICONS_FILE, 26);
    assert_non_null(font);
    for (size_t i = 0; i < KG_ARRAY_LEN(icons); i++) {
        const unsigned char *p = (const unsigned char *)icons[i];
        Uint32 c = (Uint32)(p[0] & 0xf) << 12 | (Uint32)(p[1] & 0x3f) << 6 | (p[2] & 0x3fu);
        assert_true(TTF_GlyphIsProvided32(font, c));
    }
    TTF_CloseFont(font);
}

static void long_lines_end_in_an_ellipsis(void **state)
{
    (void)state;
    const char *name = "架空郡架空町外三箇町村衛生施設一部事務組合";
    struct kg_text_run whole = kg_text_line(text, KG_FACE_BOLD, 26, name, 2000);
    struct kg_text_run cut = kg_text_line(text, KG_FACE_BOLD, 26, name, 200);
    assert_false(whole.clipped);
    assert_true(cut.clipped);
    assert_in_range(cut.width, 150, 200);
    /* Cutting never parts a character from its selector, and never fails however narrow the place. */
    for (int w = 1; w < 100; w += 7)
        assert_true(
            kg_text_line(text, KG_FACE_BOLD, 26, "葛\U000E0100葛\U000E0100葛\U000E0100葛", w).clipped);
    assert_null(kg_text_line(text, KG_FACE_BOLD, 26, "", 200).texture);
}

static void check_breaks(const char *utf8, int width, const char *const *lines)
{
    for (; *utf8; lines++) {
        size_t n = kg_text_break(text, KG_FACE_REGULAR, 20, utf8, width);
        assert_non_null(*lines);
        assert_int_equal(n, strlen(*lines));
        assert_memory_equal(utf8, *lines, n);
        utf8 += n;
        while (*utf8 == ' ' || *utf8 == '\n')
            utf8++;
    }
    assert_null(*lines);
}

static void lines_break_where_japanese_breaks(void **state)
{
    (void)state;
    /* 20 px characters: ten fit 205. After a particle rather than inside a word. */
    check_breaks("防災情報の更新に関する連絡会議", 285,
                 (const char *[]){"防災情報の更新に関する", "連絡会議", NULL});
    /* A line never begins with 。 or ー. */
    check_breaks("漢字漢字漢字漢字漢字。漢字", 205, (const char *[]){"漢字漢字漢字漢字漢", "字。漢字", NULL});
    check_breaks("one two three", 90, (const char *[]){"one two", "three", NULL});
    check_breaks("一行目\n二行目", 500, (const char *[]){"一行目", "二行目", NULL});
    assert_int_equal(kg_text_break(text, KG_FACE_REGULAR, 20, "漢字", 1), strlen("漢"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_font_is_refused),
        cmocka_unit_test(rare_characters_of_names_have_glyphs),
        cmocka_unit_test(variation_selectors_take_no_room),
        cmocka_unit_test(old_forms_are_reduced_to_common_ones),
        cmocka_unit_test(unknown_characters_become_geta),
        cmocka_unit_test(hidden_characters_are_not_drawn),
        cmocka_unit_test(every_icon_has_a_glyph),
        cmocka_unit_test(long_lines_end_in_an_ellipsis),
        cmocka_unit_test(lines_break_where_japanese_breaks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

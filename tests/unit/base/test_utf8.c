/* UTF-8 from strangers: every character there is, every two bytes, and what is left of a text made clean. */
#include "base/utf8.h"

#include <glib.h>

#include "base/attr.h"
#include "unit/cmocka_all.h"

#define TEXT(s) (s), sizeof(s) - 1

/* Format characters that are signs to be seen: they stand before digits or around hieroglyphs. */
static bool is_seen(uint32_t c)
{
    return (c >= 0x600 && c <= 0x605) || c == 0x6dd || c == 0x70f || c == 0x890 || c == 0x891 || c == 0x8e2 ||
           c == 0x110bd || c == 0x110cd || (c >= 0x13430 && c <= 0x1345f);
}

/* By what GLib knows of Unicode. */
static void every_character_is_of_its_class(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        GUnicodeType type = g_unichar_type(c);
        bool noncharacter = (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
        bool bad = type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
                   type == G_UNICODE_PARAGRAPH_SEPARATOR || (type == G_UNICODE_FORMAT && !is_seen(c));
        if ((bad || noncharacter) && !kg_utf8_is_treacherous(c))
            fail_msg("U+%04X is let through", c);
        /* What is refused beyond: ignorables without a class of their own, and blanks. */
        bool blank = c == 0x34f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 || c == 0x2800 ||
                     c == 0x3164 || c == 0xffa0 || (c >= 0x180b && c <= 0x180f) || c == 0x2065 ||
                     (c >= 0xfff0 && c <= 0xfff8) || (c >= 0xe0000 && c <= 0xe00ff) ||
                     (c >= 0xe01f0 && c <= 0xe0fff);
        if (!bad && !noncharacter && !blank && kg_utf8_is_treacherous(c))
            fail_msg("U+%04X is refused", c);
    }
    assert_true(kg_utf8_is_treacherous(0x110000) && kg_utf8_is_treacherous(UINT32_MAX));
}

static void japanese_stays(void **state)
{
    (void)state;
    /* Selectors of both kinds, a wide space, halfwidth kana, loose voicing marks, old and rare forms, signs.
     */
    static const char names[] = "葛\U000E0100飾区 辻\uFE00　ｶﾞｲｷﾞ か\u3099\u309A 𠮷田・髙﨑〒①㈱㍿ー〜ヶゝ";
    assert_true(kg_utf8_is_clean(TEXT(names)));
    for (uint32_t c = 0x3000; c <= 0x9fff; c++) {
        GUnicodeScript script = g_unichar_get_script(c);
        if (script == G_UNICODE_SCRIPT_HIRAGANA || script == G_UNICODE_SCRIPT_KATAKANA ||
            script == G_UNICODE_SCRIPT_HAN || script == G_UNICODE_SCRIPT_COMMON)
            assert_false(kg_utf8_is_treacherous(c));
    }
    for (uint32_t c = 0xff01; c <= 0xff9f; c++)
        assert_false(kg_utf8_is_treacherous(c));
    for (uint32_t c = 0; c < 256; c++)
        assert_false(kg_utf8_is_treacherous(c < 16 ? 0xfe00 + c : 0xe0100 + c - 16));
}

/* As GLib reads it, wherever it is cut. */
static void same_as(const char *text, size_t size)
{
    uint32_t c = 0;
    size_t length = kg_utf8_take(text, size, &c);
    gunichar expected = g_utf8_get_char_validated(text, (gssize)size);
    if (expected >= 0x80000000) {
        if (length != 0)
            fail_msg("taken: %02x %02x", (uint8_t)text[0], size > 1 ? (uint8_t)text[1] : 0);
    } else {
        assert_int_equal(c, expected);
        assert_int_equal(length, g_unichar_to_utf8(expected, NULL));
    }
}

static void reads_as_others_do(void **state)
{
    (void)state;
    char text[6];
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t length = (size_t)g_unichar_to_utf8(c, text);
        for (size_t size = 1; size <= length; size++)
            same_as(text, size);
    }
    for (uint32_t lead = 0x80; lead < 0x100; lead++) {
        for (uint32_t second = 1; second < 0x100; second++) {
            static const char ends[] = "\x80\xbf\x7f\xc0";
            for (size_t i = 0; i < 4; i++) {
                const char bytes[] = {(char)lead, (char)second, ends[i], (char)0x80};
                for (size_t size = 1; size <= sizeof bytes; size++)
                    same_as(bytes, size);
            }
        }
    }
    assert_int_equal(kg_utf8_take("", 0, NULL), 0);
    assert_int_equal(kg_utf8_take("\0a", 2, NULL), 1);
}

static void clean_text_is_what_is_left(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(kg_utf8_clean(TEXT("a\u202e会\xff\nb\u200d"), "?", out, sizeof out), 9);
    assert_string_equal(out, "a?会??b?");
    assert_int_equal(kg_utf8_clean(TEXT("a\u202e会\xe4\xbc"), "", out, sizeof out), 4);
    assert_string_equal(out, "a会");
    assert_int_equal(kg_utf8_clean(TEXT("会議"), "", out, 6), 3); /* never half a character */
    assert_string_equal(out, "会");
    assert_int_equal(kg_utf8_clean(TEXT("a"), "", out, 1), 0);
    assert_string_equal(out, "");
    char own[] = "\x1b\u2067x\xc2\x85y";
    assert_int_equal(kg_utf8_clean(own, sizeof own - 1, " ", own, sizeof own), 5);
    assert_string_equal(own, "  x y");
    assert_true(kg_utf8_is_clean("", 0));
    assert_false(kg_utf8_is_clean(TEXT("a\0b")) || kg_utf8_is_clean(TEXT("\xe3\x81")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_of_its_class),
        cmocka_unit_test(japanese_stays),
        cmocka_unit_test(reads_as_others_do),
        cmocka_unit_test(clean_text_is_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

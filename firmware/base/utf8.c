#include "base/utf8.h"

#include <string.h>

size_t kg_utf8_take(const char *text, size_t size, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    if (size == 0)
        return 0;
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (length == 0 || length > size)
        return 0;
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    /* Longer than needed, a surrogate, or beyond Unicode (§4). */
    if (c < least[length] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return 0;
    if (character)
        *character = c;
    return length;
}

bool kg_utf8_is_treacherous(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},       {0x7f, 0x9f},       /* controls */
        {0xad, 0xad},       {0x34f, 0x34f},     /* soft hyphen, grapheme joiner */
        {0x61c, 0x61c},                         /* Arabic letter mark */
        {0x115f, 0x1160},   {0x17b4, 0x17b5},   /* Hangul fillers, vowels without a form */
        {0x180b, 0x180f},                       /* Mongolian selectors and vowel separator */
        {0x200b, 0x200f},                       /* zero widths, joiners, marks of direction */
        {0x2028, 0x202e},                       /* line, paragraph, embeddings and overrides */
        {0x2060, 0x206f},                       /* word joiner, isolates, deprecated formats */
        {0x2800, 0x2800},   {0x3164, 0x3164},   /* Braille blank, Hangul filler */
        {0xfdd0, 0xfdef},                       /* noncharacters */
        {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   /* zero-width no-break space, halfwidth filler */
        {0xfff0, 0xfffb},                       /* ignorables, interlinear notes */
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, /* formats of shorthand and music */
        {0xe0000, 0xe00ff}, {0xe01f0, 0xe0fff}, /* tags; between them, selectors */
    };
    /* Nearly everything: ASCII, kana, kanji. */
    if ((c >= 0x20 && c < 0x7f) || (c > 0x3164 && c < 0xfdd0))
        return false;
    for (size_t i = 0; i < KG_ARRAY_LEN(ranges); i++) {
        if (c <= ranges[i].last)
            return c >= ranges[i].first || (c & 0xfffe) == 0xfffe;
    }
    return c > 0x10ffff || (c & 0xfffe) == 0xfffe; /* the last two of each plane are no characters */
}

bool kg_utf8_is_clean(const char *text, size_t size)
{
    while (size > 0) {
        uint32_t c;
        size_t length = kg_utf8_take(text, size, &c);
        if (length == 0 || kg_utf8_is_treacherous(c))
            return false;
        text += length;
        size -= length;
    }
    return true;
}

size_t kg_utf8_clean(const char *text, size_t size, const char *instead, char *out, size_t out_size)
{
    size_t used = 0, instead_size = strlen(instead);
    while (size > 0) {
        uint32_t c = 0;
        size_t length = kg_utf8_take(text, size, &c);
        bool good = length > 0 && !kg_utf8_is_treacherous(c);
        const char *from = good ? text : instead;
        size_t bytes = good ? length : instead_size;
        length = length ? length : 1;
        if (used + bytes >= out_size)
            break;
        memmove(out + used, from, bytes);
        used += bytes;
        text += length;
        size -= length;
    }
    out[used] = '\0';
    return used;
}

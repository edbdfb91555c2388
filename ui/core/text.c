#include "core/text.h"

#include <SDL_ttf.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"

enum {
    MAX_FONTS = 32,  /* faces × sizes open at once */
    MAX_RUNS = 320,  /* cached lines: a full screen has about 80 */
    LINE_SIZE = 512, /* bytes of one line, ellipsis included */
    GETA = 0x3013,
    REPLACEMENT = 0xfffd,
};
#define ELLIPSIS "…"

struct font {
    TTF_Font *font;
    enum kg_text_face face;
    int size;
};

struct run {
    unsigned hash;
    enum kg_text_face face;
    int size;
    int max_width;
    char *utf8;
    unsigned used;
    struct kg_text_run run;
};

struct kg_text {
    SDL_Renderer *renderer;
    char *paths[KG_FACES];
    struct font fonts[MAX_FONTS];
    size_t font_count;
    struct run runs[MAX_RUNS];
    unsigned clock;
};

static TTF_Font *find_font(struct kg_text *t, enum kg_text_face face, int size)
{
    for (size_t i = 0; i < t->font_count; i++)
        if (t->fonts[i].face == face && t->fonts[i].size == size)
            return t->fonts[i].font;
    if (t->font_count == MAX_FONTS) {
        TTF_CloseFont(t->fonts[0].font);
        memmove(&t->fonts[0], &t->fonts[1], sizeof(t->fonts[0]) * (MAX_FONTS - 1));
        t->font_count--;
    }
    TTF_Font *font = TTF_OpenFont(t->paths[face], size);
    if (!font) {
        kg_log(KG_LOG_ERROR, "ui", "ui.font_missing",
               "cannot open font %s: %s (install fonts-morisawa-bizud-gothic and "
               "fonts-material-design-icons-iconfont)",
               t->paths[face], TTF_GetError());
        return NULL;
    }
    TTF_SetFontHinting(font, TTF_HINTING_LIGHT);
    t->fonts[t->font_count++] = (struct font){.font = font, .face = face, .size = size};
    return font;
}

struct kg_text *kg_text_create(SDL_Renderer *renderer, const char *const paths[KG_FACES])
{
    struct kg_text *t = calloc(1, sizeof(*t));
    if (!t) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for text");
        return NULL;
    }
    t->renderer = renderer;
    for (int i = 0; i < KG_FACES; i++) {
        t->paths[i] = strdup(paths[i]);
        if (!t->paths[i] || !find_font(t, (enum kg_text_face)i, 22)) {
            kg_text_destroy(t);
            return NULL;
        }
    }
    return t;
}

static void drop_run(struct run *r)
{
    SDL_DestroyTexture(r->run.texture);
    free(r->utf8);
    *r = (struct run){0};
}

void kg_text_destroy(struct kg_text *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < MAX_RUNS; i++)
        drop_run(&t->runs[i]);
    for (size_t i = 0; i < t->font_count; i++)
        TTF_CloseFont(t->fonts[i].font);
    for (int i = 0; i < KG_FACES; i++)
        free(t->paths[i]);
    free(t);
}

/* The code point at p and its size; malformed bytes, and the end, count one each. */
static Uint32 decode(const char *p, size_t *size)
{
    uint32_t c = *p ? REPLACEMENT : 0;
    size_t taken = kg_utf8_take(p, strnlen(p, 4), &c);
    *size = taken ? taken : 1;
    return c;
}

/* Variation selectors and combining marks stay with the character before them. */
static bool joins_previous(Uint32 c)
{
    return (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0100 && c <= 0xe01ef) || (c >= 0x300 && c <= 0x36f) ||
           c == 0x3099 || c == 0x309a;
}

/* What to show for a character that the font lacks: the common form of a name's old form, as municipal
 * systems reduce it (縮退), else the geta mark. */
static const char *substitute(TTF_Font *font, Uint32 c)
{
    static const struct {
        Uint32 rare, common;
        const char *utf8;
    } reductions[] = {
        {0x20bb7, 0x5409, "吉"}, {0x2123d, 0x571f, "土"}, {0x2363a, 0x6a4b, "橋"},
        {0x69d7, 0x6a4b, "橋"},  {0x2000b, 0x4e08, "丈"},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(reductions); i++)
        if (reductions[i].rare == c && TTF_GlyphIsProvided32(font, reductions[i].common))
            return reductions[i].utf8;
    return "〓";
}

/* Copies utf8 up to `limit` bytes with what the font lacks replaced and what is not to be drawn left out;
 * returns the bytes written. */
static size_t sanitize(TTF_Font *font, const char *utf8, size_t limit, char *out, size_t out_size)
{
    size_t used = 0;
    for (size_t at = 0, n; at < limit && utf8[at]; at += n) {
        Uint32 c = decode(utf8 + at, &n);
        const char *from = utf8 + at;
        size_t size = n;
        if (kg_utf8_is_treacherous(c))
            continue;
        if (!joins_previous(c) && !TTF_GlyphIsProvided32(font, c)) {
            from = substitute(font, c);
            size = strlen(from);
        }
        if (used + size >= out_size)
            break;
        memcpy(out + used, from, size);
        used += size;
    }
    out[used] = '\0';
    return used;
}

/* Bytes of utf8 that fit max_width, at a character boundary. */
static size_t fitting(TTF_Font *font, const char *utf8, int max_width)
{
    int width = 0, count = 0;
    if (max_width <= 0 || TTF_MeasureUTF8(font, utf8, max_width, &width, &count) != 0)
        return 0;
    size_t at = 0, n;
    for (int i = 0; i < count && utf8[at]; i++, at += n)
        decode(utf8 + at, &n);
    while (at > 0 && utf8[at] && joins_previous(decode(utf8 + at, &n))) {
        do {
            at--;
        } while (at > 0 && ((unsigned char)utf8[at] & 0xc0) == 0x80);
    }
    return at;
}

/* Writes the line to draw; true when it was cut. */
static bool elide(TTF_Font *font, const char *utf8, int max_width, char line[LINE_SIZE])
{
    size_t size = sanitize(font, utf8, SIZE_MAX, line, LINE_SIZE);
    int width = 0;
    if (max_width <= 0 || TTF_SizeUTF8(font, line, &width, NULL) != 0 || width <= max_width)
        return false;
    int dots = 0;
    TTF_SizeUTF8(font, ELLIPSIS, &dots, NULL);
    size_t keep = fitting(font, line, max_width - dots);
    if (keep > LINE_SIZE - sizeof(ELLIPSIS))
        keep = LINE_SIZE - sizeof(ELLIPSIS);
    while (keep > 0 && keep <= size && line[keep - 1] == ' ')
        keep--;
    memcpy(line + keep, ELLIPSIS, sizeof(ELLIPSIS));
    return true;
}

static struct kg_text_run render(struct kg_text *t, TTF_Font *font, const char *utf8, int max_width)
{
    char line[LINE_SIZE];
    struct kg_text_run run = {.clipped = elide(font, utf8, max_width, line)};
    SDL_Surface *surface = TTF_RenderUTF8_Blended(font, line, (SDL_Color){255, 255, 255, 255});
    if (!surface) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "cannot draw text: %s", TTF_GetError());
        return run;
    }
    run.texture = SDL_CreateTextureFromSurface(t->renderer, surface);
    run.width = surface->w;
    run.height = surface->h;
    SDL_FreeSurface(surface);
    if (!run.texture)
        kg_log(KG_LOG_ERROR, "ui", NULL, "no texture for text: %s", SDL_GetError());
    else
        SDL_SetTextureBlendMode(run.texture, SDL_BLENDMODE_BLEND);
    return run;
}

static unsigned hash_of(const char *utf8)
{
    unsigned h = 2166136261u; /* FNV-1a */
    for (; *utf8; utf8++)
        h = (h ^ (unsigned char)*utf8) * 16777619u;
    return h;
}

struct kg_text_run kg_text_line(struct kg_text *t, enum kg_text_face face, int size, const char *utf8,
                                int max_width)
{
    struct kg_text_run none = {0};
    if (!utf8[0])
        return none;
    unsigned hash = hash_of(utf8);
    struct run *oldest = &t->runs[0];
    t->clock++;
    for (size_t i = 0; i < MAX_RUNS; i++) {
        struct run *r = &t->runs[i];
        if (r->utf8 && r->hash == hash && r->face == face && r->size == size && r->max_width == max_width &&
            strcmp(r->utf8, utf8) == 0) {
            r->used = t->clock;
            return r->run;
        }
        if (!r->utf8 || (oldest->utf8 && r->used < oldest->used))
            oldest = r;
    }
    TTF_Font *font = find_font(t, face, size);
    char *copy = font ? strdup(utf8) : NULL;
    if (!copy)
        return none;
    drop_run(oldest);
    *oldest = (struct run){.hash = hash, .face = face, .size = size, .max_width = max_width, .utf8 = copy};
    oldest->used = t->clock;
    oldest->run = render(t, font, utf8, max_width);
    return oldest->run;
}

static bool forbidden_start(Uint32 c)
{
    static const Uint32 closing[] = {0x3001, 0x3002, 0xff0c, 0xff0e, 0x300d, 0x300f, 0xff09, 0x3011,
                                     0x3015, 0x30fb, 0x30fc, 0x3041, 0x3043, 0x3045, 0x3047, 0x3049,
                                     0x3063, 0x3083, 0x3085, 0x3087, 0x30a1, 0x30a3, 0x30a5, 0x30a7,
                                     0x30a9, 0x30c3, 0x30e3, 0x30e5, 0x30e7, 0xff01, 0xff1f, 0xff1a,
                                     0x3005, 0x2026, ')',    ',',    '.',    ':',    ';',    '!'};
    for (size_t i = 0; i < KG_ARRAY_LEN(closing); i++)
        if (closing[i] == c)
            return true;
    return false;
}

static bool is_word(Uint32 c)
{
    return c > ' ' && c < 0x2000;
}

static size_t step_back(const char *utf8, size_t at)
{
    do {
        at--;
    } while (at > 0 && ((unsigned char)utf8[at] & 0xc0) == 0x80);
    return at;
}

enum script { SCRIPT_SPACE, SCRIPT_WORD, SCRIPT_HIRAGANA, SCRIPT_KATAKANA, SCRIPT_OTHER };

static enum script script_of(Uint32 c)
{
    if (c == ' ' || c == 0x3000 || c == 0x3001 || c == 0x3002 || c == 0xff09 || c == 0x300d)
        return SCRIPT_SPACE;
    if (is_word(c))
        return SCRIPT_WORD;
    if (c >= 0x3041 && c <= 0x309f)
        return SCRIPT_HIRAGANA;
    return c >= 0x30a0 && c <= 0x30ff ? SCRIPT_KATAKANA : SCRIPT_OTHER;
}

static bool may_break(const char *text, size_t at)
{
    size_t n;
    Uint32 next = decode(text + at, &n), previous = decode(text + step_back(text, at), &n);
    return !forbidden_start(next) && !joins_previous(next) && previous != ' ' &&
           !(is_word(next) && is_word(previous));
}

/* How good a place to break is: a phrase ends after punctuation or after the hiragana that closes it; a word,
 * where the script changes. */
static int break_quality(const char *text, size_t at)
{
    size_t n;
    enum script next = script_of(decode(text + at, &n));
    enum script previous = script_of(decode(text + step_back(text, at), &n));
    if (previous == SCRIPT_SPACE || next == SCRIPT_SPACE ||
        (previous == SCRIPT_HIRAGANA && next != SCRIPT_HIRAGANA))
        return 3;
    return previous != next && next != SCRIPT_HIRAGANA ? 2 : 1;
}

size_t kg_text_break(struct kg_text *t, enum kg_text_face face, int size, const char *utf8, int max_width)
{
    TTF_Font *font = find_font(t, face, size);
    size_t line = strcspn(utf8, "\n");
    char head[LINE_SIZE];
    if (!font)
        return line;
    if (line >= sizeof(head))
        line = sizeof(head) - 1;
    memcpy(head, utf8, line);
    head[line] = '\0';
    size_t fits = fitting(font, head, max_width), best = 0;
    if (fits >= line)
        return line;
    /* The best place in the last part of the line; the later among equals. Phrases may cost a third of it. */
    int quality = 0;
    for (size_t at = fits; at > 0; at = step_back(head, at)) {
        int q = may_break(head, at) ? break_quality(head, at) : 0;
        if (q > quality && (best == 0 || at * (q == 3 ? 3 : 4) >= fits * (q == 3 ? 2 : 3))) {
            best = at;
            quality = q;
        }
    }
    if (best == 0)
        best = fits;
    if (best == 0)
        decode(head, &best);
    return best;
}

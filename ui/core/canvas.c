#include "core/canvas.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/shapes.h"

struct kg_canvas {
    SDL_Renderer *renderer;
    const struct kg_theme *theme;
    struct kg_shapes *shapes;
    struct kg_text *text;
    struct kg_pictures *pictures;
    double scale; /* window pixels per logical pixel */
    struct kg_rect area;
    int64_t now_us, next_draw_us;
    bool partial;
    struct kg_rect clip; /* logical, when partial */
    int layer;
    char pressed[48];
    struct kg_target targets[KG_CANVAS_MAX_TARGETS];
    size_t target_count;
    struct kg_words words[KG_CANVAS_MAX_WORDS];
    size_t word_count;
};

struct kg_canvas *kg_canvas_create(SDL_Renderer *renderer, const char *const fonts[KG_FACES])
{
    struct kg_canvas *c = calloc(1, sizeof(*c));
    if (!c) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for the canvas");
        return NULL;
    }
    c->renderer = renderer;
    c->theme = &kg_theme_light;
    c->scale = 1;
    c->shapes = kg_shapes_create(renderer);
    c->text = kg_text_create(renderer, fonts);
    c->pictures = kg_pictures_create(renderer);
    if (!c->shapes || !c->text || !c->pictures) {
        kg_canvas_destroy(c);
        return NULL;
    }
    return c;
}

void kg_canvas_destroy(struct kg_canvas *c)
{
    if (!c)
        return;
    kg_pictures_destroy(c->pictures);
    kg_text_destroy(c->text);
    kg_shapes_destroy(c->shapes);
    free(c);
}

static int px(const struct kg_canvas *c, int logical)
{
    return (int)lround(logical * c->scale);
}

/* Edges are rounded, not sizes: neighbours still touch. */
static SDL_Rect to_sdl(const struct kg_canvas *c, struct kg_rect r)
{
    int x = px(c, r.x), y = px(c, r.y);
    return (SDL_Rect){x, y, px(c, r.x + r.w) - x, px(c, r.y + r.h) - y};
}

struct kg_rect kg_canvas_to_window(const struct kg_canvas *c, struct kg_rect logical)
{
    SDL_Rect r = to_sdl(c, logical);
    return kg_rect(r.x, r.y, r.w, r.h);
}

static SDL_Color color_of(const struct kg_canvas *c, enum kg_color color)
{
    struct kg_rgba v = c->theme->color[color];
    return (SDL_Color){v.r, v.g, v.b, v.a};
}

void kg_canvas_begin(struct kg_canvas *c, int64_t now_us, const struct kg_rect *clip)
{
    int w = KG_PANEL_WIDTH, h = KG_PANEL_HEIGHT;
    SDL_GetRendererOutputSize(c->renderer, &w, &h);
    c->scale = fmin((double)w / KG_PANEL_WIDTH, (double)h / KG_PANEL_HEIGHT);
    if (c->scale <= 0)
        c->scale = 1;
    c->area = kg_rect(0, 0, (int)ceil(w / c->scale - 1e-9), (int)ceil(h / c->scale - 1e-9));
    c->now_us = now_us;
    c->layer = 0;
    c->partial = clip != NULL;
    if (clip) {
        SDL_Rect r = {clip->x, clip->y, clip->w, clip->h};
        SDL_RenderSetClipRect(c->renderer, &r);
        c->clip = kg_rect((int)floor(r.x / c->scale) - 1, (int)floor(r.y / c->scale) - 1,
                          (int)ceil(r.w / c->scale) + 2, (int)ceil(r.h / c->scale) + 2);
    } else {
        c->target_count = 0;
        c->word_count = 0;
        kg_pictures_forget_places(c->pictures);
        c->next_draw_us = INT64_MAX;
    }
}

void kg_canvas_end(struct kg_canvas *c)
{
    SDL_RenderSetClipRect(c->renderer, NULL);
    c->partial = false;
}

static bool hidden(const struct kg_canvas *c, struct kg_rect r)
{
    return r.w <= 0 || r.h <= 0 || (c->partial && !kg_rect_overlap(r, c->clip));
}

struct kg_rect kg_canvas_area(const struct kg_canvas *c)
{
    return c->area;
}

int64_t kg_canvas_now_us(const struct kg_canvas *c)
{
    return c->now_us;
}

void kg_canvas_fill(struct kg_canvas *c, struct kg_rect rect, enum kg_color color)
{
    kg_canvas_round(c, rect, 0, color);
}

void kg_canvas_round(struct kg_canvas *c, struct kg_rect rect, int radius, enum kg_color color)
{
    if (!hidden(c, rect))
        kg_shapes_round(c->shapes, to_sdl(c, rect), px(c, radius), color_of(c, color));
}

void kg_canvas_ring(struct kg_canvas *c, struct kg_rect rect, int radius, int width, enum kg_color color)
{
    if (!hidden(c, rect))
        kg_shapes_ring(c->shapes, to_sdl(c, rect), px(c, radius), KG_MAX(px(c, width), 1),
                       color_of(c, color));
}

void kg_canvas_shadow(struct kg_canvas *c, struct kg_rect rect, int radius, int blur)
{
    struct kg_rect below = kg_rect(rect.x, rect.y + blur / 3, rect.w, rect.h);
    if (!hidden(c, kg_rect_inset(below, -blur, -blur)))
        kg_shapes_shadow(c->shapes, to_sdl(c, below), px(c, radius), px(c, blur),
                         color_of(c, KG_COLOR_SHADOW));
}

void kg_canvas_corners(struct kg_canvas *c, struct kg_rect rect, int radius, enum kg_color color)
{
    if (!hidden(c, rect))
        kg_shapes_corners(c->shapes, to_sdl(c, rect), px(c, radius), color_of(c, color));
}

static enum kg_text_face face_of(struct kg_text_style style)
{
    return style.bold ? KG_FACE_BOLD : KG_FACE_REGULAR;
}

int kg_canvas_line_height(struct kg_text_style style)
{
    return style.size >= KG_TEXT_HEADLINE ? style.size * 13 / 10 : style.size * 3 / 2;
}

static void note_words(struct kg_canvas *c, struct kg_rect rect, const char *utf8, bool clipped, bool data)
{
    if (c->partial || c->word_count == KG_CANVAS_MAX_WORDS)
        return;
    struct kg_words *w = &c->words[c->word_count++];
    *w = (struct kg_words){.rect = rect, .clipped = clipped, .data = data, .layer = c->layer};
    kg_room_text_set(w->text, sizeof(w->text), utf8);
}

static void draw_run(struct kg_canvas *c, struct kg_text_run run, SDL_Rect to, enum kg_color color)
{
    SDL_Color tint = color_of(c, color);
    SDL_SetTextureColorMod(run.texture, tint.r, tint.g, tint.b);
    SDL_SetTextureAlphaMod(run.texture, tint.a);
    SDL_RenderCopy(c->renderer, run.texture, NULL, &to);
}

static void draw_line(struct kg_canvas *c, struct kg_rect rect, struct kg_text_style style, const char *utf8)
{
    if (hidden(c, rect))
        return;
    SDL_Rect box = to_sdl(c, rect);
    struct kg_text_run run = kg_text_line(c->text, face_of(style), px(c, style.size), utf8, box.w);
    if (!run.texture)
        return;
    int spare = box.w - run.width;
    int shift = style.align == KG_ALIGN_CENTER ? spare / 2 : style.align == KG_ALIGN_RIGHT ? spare : 0;
    SDL_Rect to = {box.x + shift, box.y + (box.h - run.height) / 2, run.width, run.height};
    draw_run(c, run, to, style.color);
    /* What the words cover: the em box, not the font's generous line. */
    struct kg_rect inked = kg_rect((int)(to.x / c->scale), rect.y + (rect.h - (int)style.size) / 2,
                                   (int)ceil(to.w / c->scale), style.size);
    note_words(c, inked, utf8, run.clipped || inked.h > rect.h, style.data);
}

/* Walks the lines of a paragraph, drawing them when rect is given; returns how many. */
static int walk_lines(struct kg_canvas *c, const struct kg_rect *rect, int width, struct kg_text_style style,
                      const char *utf8)
{
    int line_height = kg_canvas_line_height(style), lines = 0;
    const char *at = utf8;
    while (*at && lines < style.lines) {
        size_t size = kg_text_break(c->text, face_of(style), px(c, style.size), at, px(c, width));
        char line[512];
        bool last = lines == style.lines - 1;
        size_t take = last ? strcspn(at, "\n") : size; /* the last line gets all that is left, to be cut */
        if (take >= sizeof(line))
            take = sizeof(line) - 1;
        memcpy(line, at, take);
        line[take] = '\0';
        if (rect)
            draw_line(c, kg_rect(rect->x, rect->y + lines * line_height, width, line_height), style, line);
        at += take;
        if (*at == '\n' || *at == ' ')
            at++;
        lines++;
    }
    if (rect && *at)
        note_words(c, *rect, at, true, style.data);
    return lines;
}

int kg_canvas_text(struct kg_canvas *c, struct kg_rect rect, struct kg_text_style style, const char *utf8)
{
    if (style.lines <= 1) {
        draw_line(c, rect, style, utf8);
        return kg_canvas_line_height(style);
    }
    return walk_lines(c, &rect, rect.w, style, utf8) * kg_canvas_line_height(style);
}

int kg_canvas_text_width(struct kg_canvas *c, struct kg_text_style style, const char *utf8)
{
    struct kg_text_run run = kg_text_line(c->text, face_of(style), px(c, style.size), utf8, 0);
    return (int)ceil(run.width / c->scale);
}

int kg_canvas_text_height(struct kg_canvas *c, struct kg_text_style style, int width, const char *utf8)
{
    int lines = style.lines <= 1 ? 1 : walk_lines(c, NULL, width, style, utf8);
    return lines * kg_canvas_line_height(style);
}

void kg_canvas_icon(struct kg_canvas *c, struct kg_rect rect, const char *icon, int size, enum kg_color color)
{
    if (hidden(c, rect))
        return;
    SDL_Rect box = to_sdl(c, rect);
    struct kg_text_run run = kg_text_line(c->text, KG_FACE_ICONS, px(c, size), icon, 0);
    if (run.texture)
        draw_run(c, run,
                 (SDL_Rect){box.x + (box.w - run.width) / 2, box.y + (box.h - run.height) / 2, run.width,
                            run.height},
                 color);
}

bool kg_canvas_picture(struct kg_canvas *c, struct kg_rect rect, enum kg_ui_slot slot,
                       enum kg_picture_fit fit, struct kg_rect *shown)
{
    SDL_Rect where = {0};
    bool drawn = kg_pictures_draw(c->pictures, slot, to_sdl(c, rect), fit, &where);
    if (shown)
        *shown = kg_rect(where.x, where.y, where.w, where.h);
    return drawn;
}

const struct kg_pictures *kg_canvas_pictures(const struct kg_canvas *c)
{
    return c->pictures;
}

struct kg_pictures *kg_canvas_own_pictures(struct kg_canvas *c)
{
    return c->pictures;
}

bool kg_canvas_partial(const struct kg_canvas *c)
{
    return c->partial;
}

void kg_canvas_raise(struct kg_canvas *c)
{
    c->layer++;
}

void kg_canvas_draw_at(struct kg_canvas *c, int64_t when_us)
{
    c->next_draw_us = KG_MIN(c->next_draw_us, when_us);
}

int64_t kg_canvas_next_draw_us(const struct kg_canvas *c)
{
    return c->next_draw_us;
}

void kg_canvas_target(struct kg_canvas *c, const char *id, const char *label, struct kg_rect rect,
                      const char *value)
{
    if (c->partial)
        return;
    if (c->target_count == KG_CANVAS_MAX_TARGETS) {
        kg_log(KG_LOG_WARN, "ui", NULL, "too many touch targets: %s cannot be touched", id);
        return;
    }
    struct kg_target *t = &c->targets[c->target_count++];
    *t = (struct kg_target){.shown.rect = rect, .layer = c->layer};
    kg_room_text_set(t->shown.id, sizeof(t->shown.id), id);
    kg_room_text_set(t->shown.label, sizeof(t->shown.label), label);
    kg_room_text_set(t->value, sizeof(t->value), value);
}

bool kg_canvas_pressed(const struct kg_canvas *c, const char *id)
{
    return strcmp(c->pressed, id) == 0;
}

void kg_canvas_press(struct kg_canvas *c, const char *id)
{
    kg_room_text_set(c->pressed, sizeof(c->pressed), id ? id : "");
}

const struct kg_target *kg_canvas_targets(const struct kg_canvas *c, size_t *count)
{
    *count = c->target_count;
    return c->targets;
}

const struct kg_words *kg_canvas_words(const struct kg_canvas *c, size_t *count)
{
    *count = c->word_count;
    return c->words;
}

const struct kg_target *kg_canvas_hit(const struct kg_canvas *c, int window_x, int window_y)
{
    /* The last drawn lies on top. */
    for (size_t i = c->target_count; i-- > 0;) {
        SDL_Rect r = to_sdl(c, c->targets[i].shown.rect);
        if (kg_rect_contains(kg_rect(r.x, r.y, r.w, r.h), window_x, window_y))
            return &c->targets[i];
    }
    return NULL;
}

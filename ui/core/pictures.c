#include "core/pictures.h"

#include <stdlib.h>

#include "base/log.h"

struct slot {
    struct kg_frame *pending; /* not yet on the texture */
    SDL_Texture *texture;
    uint32_t width, height, source;
    bool filled;
    SDL_Rect drawn; /* where, last time; w = 0: nowhere */
    bool changed;
    bool layout_changed;
};

struct kg_pictures {
    SDL_Renderer *renderer;
    struct slot slots[KG_UI_SLOTS];
};

struct kg_pictures *kg_pictures_create(SDL_Renderer *renderer)
{
    struct kg_pictures *p = calloc(1, sizeof(*p));
    if (!p) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for pictures");
        return NULL;
    }
    p->renderer = renderer;
    /* kg_frame is BT.601; SDL's automatic choice would take 720p for BT.709. */
    SDL_SetYUVConversionMode(SDL_YUV_CONVERSION_BT601);
    return p;
}

void kg_pictures_destroy(struct kg_pictures *p)
{
    if (!p)
        return;
    for (int i = 0; i < KG_UI_SLOTS; i++) {
        if (p->slots[i].pending)
            kg_frame_unref(p->slots[i].pending);
        SDL_DestroyTexture(p->slots[i].texture);
    }
    free(p);
}

void kg_pictures_set(struct kg_pictures *p, enum kg_ui_slot slot, struct kg_frame *frame)
{
    struct slot *s = &p->slots[slot];
    if (s->pending)
        kg_frame_unref(s->pending);
    s->pending = frame ? kg_frame_ref(frame) : NULL;
    bool filled = frame != NULL;
    if (filled != s->filled || (frame && frame->source != s->source))
        s->layout_changed = true;
    if (frame && (frame->width != s->width || frame->height != s->height))
        s->layout_changed = true;
    s->filled = filled;
    s->source = frame ? frame->source : 0;
    s->changed = true;
}

bool kg_pictures_has(const struct kg_pictures *p, enum kg_ui_slot slot)
{
    return p->slots[slot].filled;
}

uint32_t kg_pictures_source(const struct kg_pictures *p, enum kg_ui_slot slot)
{
    return p->slots[slot].source;
}

void kg_pictures_forget_places(struct kg_pictures *p)
{
    for (int i = 0; i < KG_UI_SLOTS; i++)
        p->slots[i].drawn = (SDL_Rect){0};
}

struct kg_rect kg_pictures_place(const struct kg_pictures *p, enum kg_ui_slot slot)
{
    SDL_Rect r = p->slots[slot].drawn;
    return kg_rect(r.x, r.y, r.w, r.h);
}

static bool upload(struct kg_pictures *p, struct slot *s)
{
    struct kg_frame *f = s->pending;
    if (!s->texture || s->width != f->width || s->height != f->height) {
        SDL_DestroyTexture(s->texture);
        s->texture = SDL_CreateTexture(p->renderer, SDL_PIXELFORMAT_IYUV, SDL_TEXTUREACCESS_STREAMING,
                                       (int)f->width, (int)f->height);
        s->width = f->width;
        s->height = f->height;
        if (!s->texture) {
            kg_log(KG_LOG_ERROR, "ui", NULL, "no texture for a %ux%u picture: %s", f->width, f->height,
                   SDL_GetError());
            s->width = s->height = 0;
            return false;
        }
        SDL_SetTextureBlendMode(s->texture, SDL_BLENDMODE_NONE);
    }
    int failed = SDL_UpdateYUVTexture(s->texture, NULL, f->plane[0], f->stride[0], f->plane[1], f->stride[1],
                                      f->plane[2], f->stride[2]);
    if (failed) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "cannot show a picture: %s", SDL_GetError());
        return false;
    }
    kg_frame_unref(f);
    s->pending = NULL;
    return true;
}

/* The largest rectangle of the picture's shape inside area. */
static SDL_Rect contain(const struct slot *s, SDL_Rect area)
{
    int64_t w = area.w, h = w * s->height / s->width;
    if (h > area.h) {
        h = area.h;
        w = h * s->width / s->height;
    }
    return (SDL_Rect){area.x + (area.w - (int)w) / 2, area.y + (area.h - (int)h) / 2, (int)w, (int)h};
}

/* The part of the picture that has area's shape. */
static SDL_Rect crop(const struct slot *s, SDL_Rect area)
{
    int64_t w = s->width, h = w * area.h / area.w;
    if (h > s->height) {
        h = s->height;
        w = h * area.w / area.h;
    }
    return (SDL_Rect){(int)(s->width - w) / 2, (int)(s->height - h) / 2, (int)w, (int)h};
}

bool kg_pictures_draw(struct kg_pictures *p, enum kg_ui_slot slot, SDL_Rect area, enum kg_picture_fit fit,
                      SDL_Rect *shown)
{
    struct slot *s = &p->slots[slot];
    s->drawn = (SDL_Rect){0};
    if (!s->filled || area.w <= 0 || area.h <= 0)
        return false;
    if (s->pending && !upload(p, s))
        return false;
    SDL_Rect from = {0, 0, (int)s->width, (int)s->height}, to = area;
    if (fit == KG_FIT_CONTAIN)
        to = contain(s, area);
    else
        from = crop(s, area);
    /* People expect their own picture as a mirror shows it. */
    if (slot == KG_UI_SELF)
        SDL_RenderCopyEx(p->renderer, s->texture, &from, &to, 0, NULL, SDL_FLIP_HORIZONTAL);
    else
        SDL_RenderCopy(p->renderer, s->texture, &from, &to);
    s->drawn = to;
    if (shown)
        *shown = to;
    return true;
}

size_t kg_pictures_take_changed(struct kg_pictures *p, struct kg_rect changed[KG_UI_SLOTS],
                                bool *layout_changed)
{
    size_t count = 0;
    *layout_changed = false;
    for (int i = 0; i < KG_UI_SLOTS; i++) {
        struct slot *s = &p->slots[i];
        if (s->layout_changed)
            *layout_changed = true;
        if (s->changed && s->drawn.w > 0)
            changed[count++] = kg_pictures_place(p, (enum kg_ui_slot)i);
        s->changed = s->layout_changed = false;
    }
    return count;
}

bool kg_pictures_changed(const struct kg_pictures *p)
{
    for (int i = 0; i < KG_UI_SLOTS; i++)
        if (p->slots[i].changed)
            return true;
    return false;
}

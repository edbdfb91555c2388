#include "core/pictures.h"

#include <stdlib.h>

#include "base/log.h"

struct slot {
    struct kg_frame *pending; /* not on the texture */
    SDL_Texture *texture;
    uint32_t texture_width, texture_height; /* the frame's, or an even fraction for a small place */
    uint32_t width, height, source;         /* the frame's */
    bool filled;
    SDL_Rect drawn; /* where, last time; w = 0: nowhere */
    bool changed;
    bool layout_changed;
};

struct kg_pictures {
    SDL_Renderer *renderer;
    bool software;
    struct slot slots[KG_UI_SLOTS];
    uint8_t *scratch; /* for shrinking */
    size_t scratch_size;
};

struct kg_pictures *kg_pictures_create(SDL_Renderer *renderer)
{
    struct kg_pictures *p = calloc(1, sizeof(*p));
    if (!p) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for pictures");
        return NULL;
    }
    p->renderer = renderer;
    SDL_RendererInfo info;
    p->software = SDL_GetRendererInfo(renderer, &info) == 0 && (info.flags & SDL_RENDERER_SOFTWARE);
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
    free(p->scratch);
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
    s->width = frame ? frame->width : 0;
    s->height = frame ? frame->height : 0;
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

static bool fit_texture(struct kg_pictures *p, struct slot *s, uint32_t width, uint32_t height)
{
    if (s->texture && s->texture_width == width && s->texture_height == height)
        return true;
    SDL_DestroyTexture(s->texture);
    s->texture_width = width;
    s->texture_height = height;
    s->texture = SDL_CreateTexture(p->renderer, SDL_PIXELFORMAT_IYUV, SDL_TEXTUREACCESS_STREAMING, (int)width,
                                   (int)height);
    if (!s->texture) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "no texture for a %ux%u picture: %s", width, height, SDL_GetError());
        return false;
    }
    SDL_SetTextureBlendMode(s->texture, SDL_BLENDMODE_NONE);
    return true;
}

/* One plane, `factor` times smaller: the mean of four pixels spread over each square. */
static void shrink_plane(const uint8_t *from, int stride, uint8_t *to, uint32_t width, uint32_t height,
                         uint32_t factor)
{
    uint32_t near = factor / 4, far = near + factor / 2;
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *a = from + (size_t)(y * factor + near) * (size_t)stride;
        const uint8_t *b = from + (size_t)(y * factor + far) * (size_t)stride;
        for (uint32_t x = 0; x < width; x++) {
            uint32_t l = x * factor + near, r = x * factor + far;
            *to++ = (uint8_t)((a[l] + a[r] + b[l] + b[r] + 2) / 4);
        }
    }
}

/* Converting 720p for a place of 128×72 would cost as much as the main picture: it is shrunk before. */
static bool upload_shrunk(struct kg_pictures *p, struct slot *s, const struct kg_frame *f, uint32_t factor)
{
    uint32_t w = f->width / factor & ~1u, h = f->height / factor & ~1u;
    size_t luma = (size_t)w * h, needed = luma + luma / 2;
    if (p->scratch_size < needed) {
        uint8_t *larger = realloc(p->scratch, needed);
        if (!larger) {
            kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for a picture");
            return false;
        }
        p->scratch = larger;
        p->scratch_size = needed;
    }
    if (!fit_texture(p, s, w, h))
        return false;
    uint8_t *y = p->scratch, *u = y + luma, *v = u + luma / 4;
    shrink_plane(f->plane[0], f->stride[0], y, w, h, factor);
    shrink_plane(f->plane[1], f->stride[1], u, w / 2, h / 2, factor);
    shrink_plane(f->plane[2], f->stride[2], v, w / 2, h / 2, factor);
    return SDL_UpdateYUVTexture(s->texture, NULL, y, (int)w, u, (int)w / 2, v, (int)w / 2) == 0;
}

static bool upload(struct kg_pictures *p, struct slot *s, SDL_Rect area)
{
    struct kg_frame *f = s->pending;
    uint32_t factor = KG_MIN(f->width / (uint32_t)area.w, f->height / (uint32_t)area.h);
    bool ok;
    if (factor >= 2)
        ok = upload_shrunk(p, s, f, factor);
    else
        ok = fit_texture(p, s, f->width, f->height) &&
             SDL_UpdateYUVTexture(s->texture, NULL, f->plane[0], f->stride[0], f->plane[1], f->stride[1],
                                  f->plane[2], f->stride[2]) == 0;
    if (!ok) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "cannot show a %ux%u picture: %s", f->width, f->height,
               SDL_GetError());
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

/* The part of the texture that has area's shape. */
static SDL_Rect crop(const struct slot *s, SDL_Rect area)
{
    int64_t w = s->texture_width, h = w * area.h / area.w;
    if (h > s->texture_height) {
        h = s->texture_height;
        w = h * area.w / area.h;
    }
    return (SDL_Rect){(int)(s->texture_width - w) / 2, (int)(s->texture_height - h) / 2, (int)w, (int)h};
}

/* As SDL understands IYUV: the planes one after the other, colour at half the pitch. */
static bool is_one_piece(const struct kg_frame *f)
{
    int32_t half = (f->stride[0] + 1) / 2;
    return f->stride[1] == half && f->stride[2] == half &&
           f->plane[1] == f->plane[0] + (size_t)f->stride[0] * f->height &&
           f->plane[2] == f->plane[1] + (size_t)half * (f->height / 2);
}

/* The software renderer's screen is memory: a picture drawn pixel for pixel is converted straight into it,
 * half the work of going over a texture. false: it must go over one this time. */
static bool draw_direct(struct kg_pictures *p, const struct slot *s, SDL_Rect to)
{
    const struct kg_frame *f = s->pending;
    SDL_Rect visible;
    if (!p->software || !f || to.w != (int)f->width || to.h != (int)f->height || !is_one_piece(f))
        return false;
    if (SDL_RenderFlush(p->renderer) != 0) /* what lies below comes first */
        return false;
    SDL_Surface *screen = SDL_GetWindowSurface(SDL_RenderGetWindow(p->renderer));
    if (!screen || SDL_MUSTLOCK(screen))
        return false;
    visible = (SDL_Rect){0, 0, screen->w, screen->h};
    if (SDL_RenderIsClipEnabled(p->renderer)) {
        SDL_Rect clip;
        SDL_RenderGetClipRect(p->renderer, &clip);
        if (!SDL_IntersectRect(&visible, &clip, &visible) || !SDL_HasIntersection(&visible, &to))
            return true; /* nothing of it is to be drawn */
    }
    if (!SDL_IntersectRect(&visible, &to, &visible) || !SDL_RectEquals(&visible, &to))
        return false;
    uint8_t *pixels = (uint8_t *)screen->pixels + (size_t)to.y * (size_t)screen->pitch +
                      (size_t)to.x * screen->format->BytesPerPixel;
    return SDL_ConvertPixels(to.w, to.h, SDL_PIXELFORMAT_IYUV, f->plane[0], f->stride[0],
                             screen->format->format, pixels, screen->pitch) == 0;
}

bool kg_pictures_draw(struct kg_pictures *p, enum kg_ui_slot slot, SDL_Rect area, enum kg_picture_fit fit,
                      SDL_Rect *shown)
{
    struct slot *s = &p->slots[slot];
    s->drawn = (SDL_Rect){0};
    if (!s->filled || area.w <= 0 || area.h <= 0)
        return false;
    if (fit == KG_FIT_CONTAIN && slot != KG_UI_SELF && draw_direct(p, s, contain(s, area))) {
        s->drawn = contain(s, area);
        if (shown)
            *shown = s->drawn;
        return true;
    }
    if (s->pending && !upload(p, s, area))
        return false;
    SDL_Rect from = {0, 0, (int)s->texture_width, (int)s->texture_height}, to = area;
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

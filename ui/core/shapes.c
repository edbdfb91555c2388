#include "core/shapes.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"

enum mask_kind { MASK_ROUND, MASK_RING, MASK_SHADOW, MASK_CORNERS };

enum { MAX_MASKS = 64 };

/* A square of side 2 * corner + 1: four corners and a middle row and column that stretch. */
struct mask {
    enum mask_kind kind;
    int radius;
    int extra; /* ring width or blur */
    int corner;
    unsigned used;
    SDL_Texture *texture;
};

struct kg_shapes {
    SDL_Renderer *renderer;
    struct mask masks[MAX_MASKS];
    unsigned clock;
};

struct kg_shapes *kg_shapes_create(SDL_Renderer *renderer)
{
    struct kg_shapes *shapes = calloc(1, sizeof(*shapes));
    if (!shapes) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for shapes");
        return NULL;
    }
    shapes->renderer = renderer;
    return shapes;
}

void kg_shapes_destroy(struct kg_shapes *shapes)
{
    if (!shapes)
        return;
    for (int i = 0; i < MAX_MASKS; i++)
        SDL_DestroyTexture(shapes->masks[i].texture);
    free(shapes);
}

/* Signed distance from (x, y) to a square of half side `half` with rounded corners; negative inside. */
static double distance_to(double x, double y, double half, double radius)
{
    double dx = fabs(x) - (half - radius), dy = fabs(y) - (half - radius);
    double outside = hypot(dx > 0 ? dx : 0, dy > 0 ? dy : 0);
    double inside = fmin(fmax(dx, dy), 0);
    return outside + inside - radius;
}

static double clamp01(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double coverage(const struct mask *m, double x, double y)
{
    double half = m->corner + 0.5;
    if (m->kind == MASK_SHADOW) {
        double t = clamp01((m->extra - distance_to(x, y, half - m->extra, m->radius)) / (2.0 * m->extra));
        return t * t * (3 - 2 * t);
    }
    double d = distance_to(x, y, half, m->radius);
    if (m->kind == MASK_CORNERS)
        return clamp01(0.5 + d);
    double fill = clamp01(0.5 - d);
    if (m->kind == MASK_RING)
        return fill - clamp01(0.5 - (d + m->extra));
    return fill;
}

static SDL_Texture *draw_mask(SDL_Renderer *renderer, const struct mask *m)
{
    int side = 2 * m->corner + 1;
    SDL_Surface *surface = SDL_CreateRGBSurfaceWithFormat(0, side, side, 32, SDL_PIXELFORMAT_ARGB8888);
    if (!surface)
        return NULL;
    for (int y = 0; y < side; y++) {
        Uint32 *row = (Uint32 *)((Uint8 *)surface->pixels + (size_t)y * (size_t)surface->pitch);
        for (int x = 0; x < side; x++) {
            double c = coverage(m, x - m->corner, y - m->corner);
            row[x] = (Uint32)lround(c * 255) << 24 | 0xffffff;
        }
    }
    SDL_Texture *texture = SDL_CreateTextureFromSurface(renderer, surface);
    SDL_FreeSurface(surface);
    if (texture)
        SDL_SetTextureBlendMode(texture, SDL_BLENDMODE_BLEND);
    return texture;
}

static struct mask *find_mask(struct kg_shapes *shapes, enum mask_kind kind, int radius, int extra)
{
    struct mask *oldest = &shapes->masks[0];
    shapes->clock++;
    for (int i = 0; i < MAX_MASKS; i++) {
        struct mask *m = &shapes->masks[i];
        if (m->texture && m->kind == kind && m->radius == radius && m->extra == extra) {
            m->used = shapes->clock;
            return m;
        }
        if (!m->texture || (oldest->texture && m->used < oldest->used))
            oldest = m;
    }
    SDL_DestroyTexture(oldest->texture);
    int corner = kind == MASK_SHADOW                   ? radius + 2 * extra
                 : kind == MASK_RING && extra > radius ? extra
                                                       : radius;
    *oldest = (struct mask){
        .kind = kind, .radius = radius, .extra = extra, .corner = corner, .used = shapes->clock};
    oldest->texture = draw_mask(shapes->renderer, oldest);
    if (!oldest->texture) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "no texture for a shape: %s", SDL_GetError());
        return NULL;
    }
    return oldest;
}

static void copy_part(struct kg_shapes *shapes, SDL_Texture *texture, SDL_Rect from, SDL_Rect to)
{
    if (to.w > 0 && to.h > 0)
        SDL_RenderCopy(shapes->renderer, texture, &from, &to);
}

static void fill(struct kg_shapes *shapes, SDL_Rect rect, SDL_Color color)
{
    if (rect.w <= 0 || rect.h <= 0)
        return;
    SDL_SetRenderDrawBlendMode(shapes->renderer, color.a == 255 ? SDL_BLENDMODE_NONE : SDL_BLENDMODE_BLEND);
    SDL_SetRenderDrawColor(shapes->renderer, color.r, color.g, color.b, color.a);
    SDL_RenderFillRect(shapes->renderer, &rect);
}

static void tint(const struct mask *m, SDL_Color color)
{
    SDL_SetTextureColorMod(m->texture, color.r, color.g, color.b);
    SDL_SetTextureAlphaMod(m->texture, color.a);
}

static void draw_corners(struct kg_shapes *shapes, const struct mask *m, SDL_Rect r)
{
    int c = m->corner;
    copy_part(shapes, m->texture, (SDL_Rect){0, 0, c, c}, (SDL_Rect){r.x, r.y, c, c});
    copy_part(shapes, m->texture, (SDL_Rect){c + 1, 0, c, c}, (SDL_Rect){r.x + r.w - c, r.y, c, c});
    copy_part(shapes, m->texture, (SDL_Rect){0, c + 1, c, c}, (SDL_Rect){r.x, r.y + r.h - c, c, c});
    copy_part(shapes, m->texture, (SDL_Rect){c + 1, c + 1, c, c},
              (SDL_Rect){r.x + r.w - c, r.y + r.h - c, c, c});
}

static int clamp_radius(SDL_Rect rect, int radius)
{
    int most = (rect.w < rect.h ? rect.w : rect.h) / 2;
    return radius > most ? most : radius;
}

void kg_shapes_round(struct kg_shapes *shapes, SDL_Rect r, int radius, SDL_Color color)
{
    radius = clamp_radius(r, radius);
    struct mask *m = radius > 0 ? find_mask(shapes, MASK_ROUND, radius, 0) : NULL;
    if (!m) {
        fill(shapes, r, color);
        return;
    }
    tint(m, color);
    draw_corners(shapes, m, r);
    fill(shapes, (SDL_Rect){r.x + radius, r.y, r.w - 2 * radius, r.h}, color);
    fill(shapes, (SDL_Rect){r.x, r.y + radius, radius, r.h - 2 * radius}, color);
    fill(shapes, (SDL_Rect){r.x + r.w - radius, r.y + radius, radius, r.h - 2 * radius}, color);
}

void kg_shapes_ring(struct kg_shapes *shapes, SDL_Rect r, int radius, int width, SDL_Color color)
{
    radius = clamp_radius(r, radius);
    struct mask *m = find_mask(shapes, MASK_RING, radius, width);
    if (!m)
        return;
    int c = m->corner;
    tint(m, color);
    draw_corners(shapes, m, r);
    fill(shapes, (SDL_Rect){r.x + c, r.y, r.w - 2 * c, width}, color);
    fill(shapes, (SDL_Rect){r.x + c, r.y + r.h - width, r.w - 2 * c, width}, color);
    fill(shapes, (SDL_Rect){r.x, r.y + c, width, r.h - 2 * c}, color);
    fill(shapes, (SDL_Rect){r.x + r.w - width, r.y + c, width, r.h - 2 * c}, color);
}

void kg_shapes_shadow(struct kg_shapes *shapes, SDL_Rect r, int radius, int blur, SDL_Color color)
{
    struct mask *m = blur > 0 ? find_mask(shapes, MASK_SHADOW, clamp_radius(r, radius), blur) : NULL;
    if (!m)
        return;
    SDL_Rect o = {r.x - blur, r.y - blur, r.w + 2 * blur, r.h + 2 * blur};
    int c = m->corner;
    if (o.w < 2 * c || o.h < 2 * c)
        return;
    tint(m, color);
    draw_corners(shapes, m, o);
    copy_part(shapes, m->texture, (SDL_Rect){c, 0, 1, c}, (SDL_Rect){o.x + c, o.y, o.w - 2 * c, c});
    copy_part(shapes, m->texture, (SDL_Rect){c, c + 1, 1, c},
              (SDL_Rect){o.x + c, o.y + o.h - c, o.w - 2 * c, c});
    copy_part(shapes, m->texture, (SDL_Rect){0, c, c, 1}, (SDL_Rect){o.x, o.y + c, c, o.h - 2 * c});
    copy_part(shapes, m->texture, (SDL_Rect){c + 1, c, c, 1},
              (SDL_Rect){o.x + o.w - c, o.y + c, c, o.h - 2 * c});
    fill(shapes, (SDL_Rect){o.x + c, o.y + c, o.w - 2 * c, o.h - 2 * c}, color);
}

void kg_shapes_corners(struct kg_shapes *shapes, SDL_Rect r, int radius, SDL_Color color)
{
    radius = clamp_radius(r, radius);
    struct mask *m = radius > 0 ? find_mask(shapes, MASK_CORNERS, radius, 0) : NULL;
    if (!m)
        return;
    tint(m, color);
    draw_corners(shapes, m, r);
}

/* Rectangles in logical pixels: the 1280×800 panel's pixels, whatever the window's size. */
#pragma once

#include <stdbool.h>

struct kg_rect {
    int x, y, w, h;
};

static inline struct kg_rect kg_rect(int x, int y, int w, int h)
{
    return (struct kg_rect){x, y, w, h};
}
static inline struct kg_rect kg_rect_inset(struct kg_rect r, int dx, int dy)
{
    return (struct kg_rect){r.x + dx, r.y + dy, r.w - 2 * dx, r.h - 2 * dy};
}
static inline bool kg_rect_contains(struct kg_rect r, int x, int y)
{
    return x >= r.x && y >= r.y && x < r.x + r.w && y < r.y + r.h;
}
static inline bool kg_rect_overlap(struct kg_rect a, struct kg_rect b)
{
    return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
/* Cut a strip off one side of *r and return it; what is left stays in *r. */
static inline struct kg_rect kg_rect_cut_top(struct kg_rect *r, int h)
{
    struct kg_rect cut = {r->x, r->y, r->w, h};
    r->y += h;
    r->h -= h;
    return cut;
}
static inline struct kg_rect kg_rect_cut_bottom(struct kg_rect *r, int h)
{
    r->h -= h;
    return (struct kg_rect){r->x, r->y + r->h, r->w, h};
}
static inline struct kg_rect kg_rect_cut_left(struct kg_rect *r, int w)
{
    struct kg_rect cut = {r->x, r->y, w, r->h};
    r->x += w;
    r->w -= w;
    return cut;
}
static inline struct kg_rect kg_rect_cut_right(struct kg_rect *r, int w)
{
    r->w -= w;
    return (struct kg_rect){r->x + r->w, r->y, w, r->h};
}

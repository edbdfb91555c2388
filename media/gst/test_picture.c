#include "gst/test_picture.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "base/frame_pool.h"

struct kg_test_picture {
    struct kg_frame *field; /* what does not move, drawn once */
    struct kg_frame_pool *pool;
};

/* The planes of a frame that is not shared yet. */
static uint8_t *pixels(struct kg_frame *frame, int plane, uint32_t y)
{
    return (uint8_t *)frame->plane[plane] + (size_t)y * (size_t)frame->stride[plane];
}

static void draw_field(struct kg_frame *frame)
{
    for (uint32_t y = 0; y < frame->height; y++) {
        uint8_t *row = pixels(frame, 0, y);
        for (uint32_t x = 0; x < frame->width; x++) {
            double wave = sin(x * 0.021) * cos(y * 0.017) + 0.25 * sin((x + 2.0 * y) * 0.13);
            row[x] = (uint8_t)(112 + 60 * wave);
        }
    }
    for (uint32_t y = 0; y < frame->height / 2; y++) {
        for (uint32_t x = 0; x < frame->width / 2; x++) {
            pixels(frame, 1, y)[x] = (uint8_t)(96 + 64 * x / (frame->width / 2));
            pixels(frame, 2, y)[x] = (uint8_t)(160 - 64 * y / (frame->height / 2));
        }
    }
}

struct kg_test_picture *kg_test_picture_create(uint32_t width, uint32_t height)
{
    struct kg_test_picture *picture = calloc(1, sizeof *picture);
    if (!picture)
        return NULL;
    picture->field = kg_frame_create(width, height);
    picture->pool = kg_frame_pool_create();
    if (!picture->field || !picture->pool) {
        kg_test_picture_destroy(picture);
        return NULL;
    }
    draw_field(picture->field);
    return picture;
}

void kg_test_picture_destroy(struct kg_test_picture *picture)
{
    if (!picture)
        return;
    kg_frame_unref(picture->field);
    kg_frame_pool_destroy(picture->pool);
    free(picture);
}

static void fill(struct kg_frame *frame, uint32_t left, uint32_t top, uint32_t width, uint32_t height,
                 uint8_t luma)
{
    for (uint32_t y = top; y < KG_MIN(top + height, frame->height); y++) {
        if (left < frame->width)
            memset(pixels(frame, 0, y) + left, luma, KG_MIN(width, frame->width - left));
    }
}

static void draw_disc(struct kg_frame *frame, int64_t wall_us)
{
    double seconds = (double)(wall_us % 3600000000) / 1e6;
    double radius = frame->height / 8.0;
    double x0 = (0.5 + 0.38 * sin(seconds * 1.1)) * frame->width;
    double y0 = (0.55 + 0.3 * sin(seconds * 1.7)) * frame->height;
    for (int dy = -(int)radius; dy <= (int)radius; dy++) {
        int y = (int)y0 + dy, half = (int)sqrt(radius * radius - (double)dy * dy);
        int left = KG_MAX((int)x0 - half, 0), right = KG_MIN((int)x0 + half, (int)frame->width);
        if (y >= 0 && y < (int)frame->height && right > left)
            memset(pixels(frame, 0, (uint32_t)y) + left, 225, (size_t)(right - left));
    }
}

/* Segments of a digit, bit 0 the top one, then clockwise, bit 6 the middle one. */
static const uint8_t digit_segments[10] = {0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f};

static void draw_digit(struct kg_frame *frame, int digit, uint32_t x, uint32_t y, uint32_t unit)
{
    const struct {
        uint32_t x, y, width, height;
    } bars[7] = {{0, 0, 4, 1}, {3, 0, 1, 4}, {3, 3, 1, 4}, {0, 6, 4, 1},
                 {0, 3, 1, 4}, {0, 0, 1, 4}, {0, 3, 4, 1}};
    for (int i = 0; i < 7; i++) {
        if (digit_segments[digit] >> i & 1)
            fill(frame, x + bars[i].x * unit, y + bars[i].y * unit, bars[i].width * unit,
                 bars[i].height * unit, 235);
    }
}

static void draw_clock(struct kg_frame *frame, int64_t wall_us)
{
    time_t seconds = wall_us / 1000000;
    struct tm local;
    char text[24];
    if (!localtime_r(&seconds, &local))
        return;
    snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
             (int)(wall_us / 1000 % 1000));
    uint32_t unit = KG_MAX(frame->width / 128, 1U), x = 4 * unit, y = 4 * unit;
    fill(frame, x - 2 * unit, y - 2 * unit, 62 * unit, 11 * unit, 24);
    for (const char *c = text; *c; c++) {
        bool digit = *c >= '0' && *c <= '9';
        if (digit)
            draw_digit(frame, *c - '0', x, y, unit);
        else
            fill(frame, x + unit, y + 5 * unit, unit, unit, 235);
        x += digit ? 5 * unit : 3 * unit;
    }
}

struct kg_frame *kg_test_picture_draw(struct kg_test_picture *picture, int64_t wall_us)
{
    struct kg_frame *field = picture->field,
                    *frame = kg_frame_pool_take(picture->pool, field->width, field->height);
    if (!frame)
        return NULL;
    for (int i = 0; i < 3; i++) /* both have the layout kg_frame_create gives this size */
        memcpy(pixels(frame, i, 0), field->plane[i],
               (size_t)field->stride[i] * (i ? field->height / 2 : field->height));
    draw_disc(frame, wall_us);
    draw_clock(frame, wall_us);
    return frame;
}

#include "tools/sight.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mark.h"
#include "tools/ssim.h"
#include "tools/tap.h"
#include "tools/y4m.h"

enum { SETTLE_US = 5000000, FREEZE_OVER_US = 150000, STRIP_ROWS = 32 };

/* The numbers a tap's strips carry, and when. */
struct series {
    int64_t *time_us;
    int32_t *number;
    uint32_t count;
    uint32_t width;
};

static void series_free(struct series *s)
{
    free(s->time_us);
    free(s->number);
}

/* BT.601 limited-range luma, the inverse of how an SDL YUV texture is drawn. */
static void luma_of_rgba(const uint8_t *rgba, size_t pixels, uint8_t *luma)
{
    for (size_t i = 0; i < pixels; i++, rgba += 4)
        luma[i] = (uint8_t)((66 * rgba[0] + 129 * rgba[1] + 25 * rgba[2] + 128 + (16 << 8)) >> 8);
}

/* A whole picture's strip, as if it alone had been written. */
static void keep_strip(struct kg_tap_record *r)
{
    bool rgba = r->kind == KG_TAP_RGBA;
    if (r->height <= STRIP_ROWS)
        return;
    r->payload += (size_t)(r->height - STRIP_ROWS) * r->width * (rgba ? 4 : 1);
    r->height = STRIP_ROWS;
    r->kind = rgba ? KG_TAP_RGBA_STRIP : KG_TAP_I420_STRIP;
}

/* clip_width: the marks were made for; a picture drawn larger has larger marks. */
static bool read_series(const char *dir, const char *name, uint32_t clip_width, struct series *out)
{
    struct kg_tap tap;
    struct kg_tap_record r;
    struct kg_mark_reader *reader = NULL;
    uint8_t *luma = NULL;
    uint32_t capacity = 0, height = 0;
    *out = (struct series){0};
    if (!kg_tap_open(&tap, dir, name))
        return false;
    while (kg_tap_next(&tap, &r)) {
        if (r.kind == KG_TAP_I420 || r.kind == KG_TAP_RGBA)
            keep_strip(&r);
        if (r.kind != KG_TAP_I420_STRIP && r.kind != KG_TAP_RGBA_STRIP)
            continue;
        if (!reader) {
            uint32_t side = kg_mark_side(clip_width) * r.width / clip_width;
            out->width = r.width;
            height = r.height;
            reader = kg_mark_reader_create(r.width, r.height, side, side < r.height ? side : r.height);
            luma = g_malloc0((r.width + 8) * ((size_t)r.height + 2));
        }
        if (r.width != out->width || r.height != height)
            continue;
        if (r.kind == KG_TAP_RGBA_STRIP)
            luma_of_rgba(r.payload, (size_t)r.width * r.height, luma);
        else
            memcpy(luma, r.payload, (size_t)r.width * r.height);
        if (out->count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            out->time_us = g_renew(int64_t, out->time_us, capacity);
        }
        out->time_us[out->count++] = r.time_us;
        kg_mark_reader_push(reader, luma);
    }
    if (reader)
        out->number = kg_mark_reader_finish(reader);
    free(luma);
    kg_tap_close(&tap);
    return true;
}

/* When the camera last gave `number` before before_us; 0: never. */
static int64_t captured_at(const struct series *camera, int32_t number, int64_t before_us)
{
    int64_t found = 0;
    for (uint32_t i = 0; i < camera->count && camera->time_us[i] <= before_us; i++) {
        if (camera->number[i] == number)
            found = camera->time_us[i];
    }
    return found;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_motion(const struct series *camera, const struct series *screen, struct kg_sight *out)
{
    double *delays = g_new0(double, screen->count + 1);
    uint32_t delay_count = 0;
    int64_t last_us = 0;
    int32_t last = -1;
    for (uint32_t i = 0; i < screen->count; i++) {
        int32_t number = screen->number[i];
        if (number < 0 || number == last)
            continue;
        last = number;
        int64_t sent_us = captured_at(camera, number, screen->time_us[i]);
        if (sent_us > 0)
            delays[delay_count++] = (double)(screen->time_us[i] - sent_us) / 1000;
        if (out->first_us == 0)
            out->first_us = screen->time_us[i];
        else if (screen->time_us[i] - last_us > FREEZE_OVER_US + 33333)
            out->freeze_ms += (double)(screen->time_us[i] - last_us - 33333) / 1000;
        last_us = screen->time_us[i];
        out->frames++;
    }
    /* A picture that stopped for good is a freeze until the end of the screen's record. */
    if (out->frames > 0 && screen->time_us[screen->count - 1] - last_us > FREEZE_OVER_US + 33333)
        out->freeze_ms += (double)(screen->time_us[screen->count - 1] - last_us) / 1000;
    if (out->frames > 1)
        out->fps = (out->frames - 1) * 1e6 / (double)(last_us - out->first_us);
    qsort(delays, delay_count, sizeof *delays, compare);
    out->delay_ms_p50 = delay_count ? delays[delay_count / 2] : -1;
    out->delay_ms_p95 = delay_count ? delays[delay_count * 95 / 100] : -1;
    free(delays);
}

/* Shrinks by a whole factor (a small clip drawn large) by averaging. */
static void shrink(const uint8_t *from, uint32_t width, uint32_t height, uint32_t factor, uint8_t *to)
{
    for (uint32_t y = 0; y + factor <= height; y += factor) {
        for (uint32_t x = 0; x + factor <= width; x += factor) {
            uint32_t sum = 0;
            for (uint32_t j = 0; j < factor; j++)
                for (uint32_t i = 0; i < factor; i++)
                    sum += from[(size_t)(y + j) * width + x + i];
            *to++ = (uint8_t)(sum / (factor * factor));
        }
    }
}

/* The number in one whole picture. */
static int32_t number_in(const uint8_t *luma, uint32_t width, uint32_t height, uint32_t side)
{
    struct kg_mark_reader *reader = kg_mark_reader_create(width, height, side, side);
    kg_mark_reader_push(reader, luma);
    int32_t *numbers = kg_mark_reader_finish(reader), number = numbers[0];
    free(numbers);
    return number;
}

static double compare_picture(struct kg_y4m *clip, const struct kg_tap_record *r)
{
    size_t pixels = (size_t)r->width * r->height;
    uint32_t factor = r->width / clip->width;
    if (factor == 0 || r->width != clip->width * factor || r->height != clip->height * factor)
        return -1; /* drawn at an uneven scale: nothing to compare with */
    uint8_t *drawn = malloc(pixels), *small = malloc(pixels),
            *sent = malloc((size_t)clip->width * clip->height);
    luma_of_rgba(r->payload, pixels, drawn);
    shrink(drawn, r->width, r->height, factor, small);
    uint32_t side = kg_mark_side(clip->width);
    int32_t number = number_in(small, clip->width, clip->height, side);
    double result = -1;
    if (number >= 0 && kg_y4m_luma(clip, (uint32_t)number, sent)) {
        struct kg_ssim_rect marks = {0, clip->height - side, kg_mark_width(clip->width), side};
        result = kg_ssim(small, clip->width, sent, clip->width, clip->width, clip->height, marks);
    }
    free(drawn);
    free(small);
    free(sent);
    return result;
}

static void measure_likeness(const char *dir, struct kg_y4m *clip, struct kg_sight *out)
{
    struct kg_tap tap;
    struct kg_tap_record r;
    double sum = 0;
    uint32_t count = 0;
    out->ssim = out->worst_ssim = -1;
    if (out->first_us == 0 || !kg_tap_open(&tap, dir, "screen.tap"))
        return;
    while (kg_tap_next(&tap, &r)) {
        if (r.kind != KG_TAP_RGBA)
            continue;
        out->width = r.width;
        out->height = r.height;
        double ssim = r.time_us - out->first_us > SETTLE_US ? compare_picture(clip, &r) : -1;
        if (ssim < 0)
            continue;
        out->worst_ssim = count == 0 || ssim < out->worst_ssim ? ssim : out->worst_ssim;
        sum += ssim;
        count++;
    }
    if (count > 0)
        out->ssim = sum / count;
    kg_tap_close(&tap);
}

bool kg_sight_measure(const char *sender_dir, const char *receiver_dir, const char *clip_path,
                      struct kg_sight *out)
{
    struct kg_y4m clip;
    struct series camera = {0}, screen = {0};
    *out = (struct kg_sight){.ssim = -1, .worst_ssim = -1, .delay_ms_p50 = -1, .delay_ms_p95 = -1};
    if (!kg_y4m_open(&clip, clip_path))
        return false;
    bool ok = read_series(sender_dir, "camera.tap", clip.width, &camera) &&
              read_series(receiver_dir, "screen.tap", clip.width, &screen);
    if (ok && camera.number && screen.number) {
        measure_motion(&camera, &screen, out);
        measure_likeness(receiver_dir, &clip, out);
    }
    series_free(&camera);
    series_free(&screen);
    kg_y4m_close(&clip);
    return ok;
}

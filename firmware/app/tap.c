#include "app/tap.h"

#ifdef KAIGI_TAPS

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/ui.h"

enum { FULL_EVERY = 15, STRIP_ROWS = 32, HEADER_BYTES = 32 };

struct kg_tap {
    FILE *files[KG_TAP_FILES];
    unsigned pictures[KG_TAP_FILES]; /* seen, for FULL_EVERY */
    uint8_t *pixels;                 /* of the screen's thread */
    size_t pixels_size;
    uint64_t draws;
};

struct kg_tap *kg_tap_create(const char *folder)
{
    static const char *const names[KG_TAP_FILES] = {
        [KG_TAP_CAMERA] = "camera.tap",
        [KG_TAP_SCREEN] = "screen.tap",
        [KG_TAP_MICROPHONE] = "microphone.tap",
        [KG_TAP_SPEAKER] = "speaker.tap",
    };
    struct kg_tap *tap = folder ? calloc(1, sizeof *tap) : NULL;
    for (unsigned i = 0; tap && i < KG_TAP_FILES; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        tap->files[i] = fopen(path, "we");
        if (!tap->files[i]) {
            kg_log(KG_LOG_ERROR, "app", NULL, "%s: %m", path);
            kg_tap_destroy(tap);
            return NULL;
        }
        setvbuf(tap->files[i], NULL, _IOFBF, 1 << 18);
    }
    return tap;
}

void kg_tap_destroy(struct kg_tap *tap)
{
    if (!tap)
        return;
    for (unsigned i = 0; i < KG_TAP_FILES; i++) {
        if (tap->files[i])
            fclose(tap->files[i]);
    }
    free(tap->pixels);
    free(tap);
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

struct record {
    enum kg_tap_kind kind;
    int64_t time_us;
    uint32_t width, height, rate_hz, size;
};

static void write_header(FILE *file, const struct record *record)
{
    uint8_t header[HEADER_BYTES];
    memcpy(header, "KGT1", 4);
    put(header + 4, record->kind, 4);
    put(header + 8, (uint64_t)record->time_us, 8);
    put(header + 16, record->width, 4);
    put(header + 20, record->height, 4);
    put(header + 24, record->rate_hz, 4);
    put(header + 28, record->size, 4);
    fwrite(header, 1, sizeof header, file);
}

static void write_plane(FILE *file, const struct kg_frame *frame, unsigned plane, uint32_t from,
                        uint32_t rows)
{
    uint32_t width = plane == 0 ? frame->width : frame->width / 2;
    for (uint32_t y = from; y < from + rows; y++)
        fwrite(frame->plane[plane] + (size_t)y * (size_t)frame->stride[plane], 1, width, file);
}

void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame)
{
    if (!tap)
        return;
    bool full = tap->pictures[file]++ % FULL_EVERY == 0 || frame->height <= STRIP_ROWS;
    uint32_t rows = full ? frame->height : STRIP_ROWS;
    struct record record = {.kind = full ? KG_TAP_I420 : KG_TAP_I420_STRIP,
                            .time_us = frame->capture_us,
                            .width = frame->width,
                            .height = rows,
                            .size = frame->width * rows + 2 * (frame->width / 2) * (rows / 2)};
    write_header(tap->files[file], &record);
    write_plane(tap->files[file], frame, 0, frame->height - rows, rows);
    for (unsigned plane = 1; plane < 3; plane++)
        write_plane(tap->files[file], frame, plane, (frame->height - rows) / 2, rows / 2);
}

void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us)
{
    if (!tap)
        return;
    const struct record record = {.kind = KG_TAP_PCM,
                                  .time_us = time_us,
                                  .width = count,
                                  .height = 1,
                                  .rate_hz = 48000,
                                  .size = count * 2};
    write_header(tap->files[file], &record);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[2];
        put(bytes, (uint16_t)samples[i], 2);
        fwrite(bytes, 1, 2, tap->files[file]);
    }
}

static bool reserve(struct kg_tap *tap, size_t size)
{
    if (size <= tap->pixels_size)
        return true;
    uint8_t *grown = realloc(tap->pixels, size);
    if (!grown)
        return false;
    tap->pixels = grown;
    tap->pixels_size = size;
    return true;
}

void kg_tap_screen(struct kg_tap *tap, struct kg_ui *ui, int64_t now_us)
{
    struct kg_rect rect = tap ? kg_ui_main_picture_rect(ui) : (struct kg_rect){0};
    if (rect.w <= 0 || rect.h <= 0)
        return;
    bool full = tap->pictures[KG_TAP_SCREEN]++ % FULL_EVERY == 0 || rect.h <= STRIP_ROWS;
    if (!full) {
        rect.y += rect.h - STRIP_ROWS;
        rect.h = STRIP_ROWS;
    }
    size_t size = (size_t)rect.w * (size_t)rect.h * 4;
    if (!reserve(tap, size) || !kg_ui_read_pixels(ui, rect, tap->pixels))
        return;
    const struct record record = {.kind = full ? KG_TAP_RGBA : KG_TAP_RGBA_STRIP,
                                  .time_us = now_us,
                                  .width = (uint32_t)rect.w,
                                  .height = (uint32_t)rect.h,
                                  .size = (uint32_t)size};
    write_header(tap->files[KG_TAP_SCREEN], &record);
    fwrite(tap->pixels, 1, size, tap->files[KG_TAP_SCREEN]);
}

#else

struct kg_tap *kg_tap_create(const char *folder)
{
    (void)folder;
    return NULL;
}

void kg_tap_destroy(struct kg_tap *tap)
{
    (void)tap;
}

void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame)
{
    (void)tap;
    (void)file;
    (void)frame;
}

void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us)
{
    (void)tap;
    (void)file;
    (void)samples;
    (void)count;
    (void)time_us;
}

void kg_tap_screen(struct kg_tap *tap, struct kg_ui *ui, int64_t now_us)
{
    (void)tap;
    (void)ui;
    (void)now_us;
}

#endif

/* Draws every room state without a display and writes a PNG of each: for people to look at.
 *   draw_screens DIR [ja|en] [WIDTHxHEIGHT] [NAME] [PICTURE.i420 (1280x720)] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ui.h"
#include "png.h"
#include "states.h"

static struct kg_frame *load_picture(const char *path, uint32_t source)
{
    struct kg_frame *f = path ? kg_frame_create(1280, 720) : NULL;
    FILE *file = f ? fopen(path, "rb") : NULL;
    if (!file) {
        if (f)
            kg_frame_unref(f);
        return NULL;
    }
    f->source = source;
    bool ok = true;
    for (int p = 0; p < 3; p++) {
        size_t w = p ? 640 : 1280, h = p ? 360 : 720;
        for (size_t y = 0; y < h; y++)
            ok &= fread((uint8_t *)(uintptr_t)f->plane[p] + y * (size_t)f->stride[p], 1, w, file) == w;
    }
    fclose(file);
    if (!ok)
        fprintf(stderr, "%s: not a 1280x720 I420 picture\n", path);
    return f;
}

static void set_picture(struct kg_ui *ui, enum kg_ui_slot slot, const char *path, uint32_t source, bool shown)
{
    struct kg_frame *frame = NULL;
    if (shown) {
        frame = load_picture(path, source);
        if (!frame)
            frame = states_picture(1280, 720, source, (int)source % 7 * 60);
    }
    kg_ui_set_frame(ui, slot, frame);
    if (frame)
        kg_frame_unref(frame);
}

static bool draw_case(struct kg_ui *ui, const struct state_case *sc, const char *dir, const char *picture)
{
    static struct kg_room_state state;
    struct kg_intent intents[4];
    char path[512];
    sc->fill(&state);
    kg_ui_update(ui, &state);
    set_picture(ui, KG_UI_MAIN, picture, STATES_CAMERA_B, sc->main_picture);
    set_picture(ui, KG_UI_SELF, picture, 0, sc->own_picture);
    for (int i = 0; i < KG_UI_THUMBNAILS; i++)
        set_picture(ui, (enum kg_ui_slot)(KG_UI_THUMBNAIL + i), picture, STATES_CAMERA_C + 10 * (uint32_t)i,
                    i < sc->thumbnails);
    (void)kg_ui_step(ui, 330000, 0, intents, 4);
    int w, h;
    kg_ui_size(ui, &w, &h);
    uint8_t *rgba = malloc((size_t)w * (size_t)h * 4);
    snprintf(path, sizeof(path), "%s/%s.png", dir, sc->name);
    bool ok = rgba && kg_ui_read_pixels(ui, kg_rect(0, 0, w, h), rgba) &&
              png_write(path, rgba, (uint32_t)w, (uint32_t)h);
    free(rgba);
    if (!ok)
        fprintf(stderr, "cannot write %s\n", path);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIR [ja|en] [WIDTHxHEIGHT] [NAME|all] [PICTURE.i420]\n", argv[0]);
        return 2;
    }
    struct kg_ui_options options = {.headless = true};
    if (argc > 2 && strcmp(argv[2], "en") == 0)
        options.language = KG_UI_ENGLISH;
    if (argc > 3 && sscanf(argv[3], "%dx%d", &options.width, &options.height) != 2) {
        fprintf(stderr, "%s: not a size like 1280x800\n", argv[3]);
        return 2;
    }
    setenv("TZ", "Asia/Tokyo", 1);
    struct kg_ui *ui = kg_ui_create(&options);
    if (!ui)
        return 1;
    int failed = 0;
    for (size_t i = 0; i < state_case_count; i++)
        if (argc < 5 || strcmp(argv[4], "all") == 0 || strcmp(argv[4], state_cases[i].name) == 0)
            failed += !draw_case(ui, &state_cases[i], argv[1], argc > 5 ? argv[5] : NULL);
    kg_ui_destroy(ui);
    return failed ? 1 : 0;
}

/* Every screen in both languages and both panel sizes with extreme data: nothing overlaps, nothing of ours is
 * cut or untranslated, every target is large enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/canvas.h"
#include "core/i18n.h"
#include "core/ui.h"
#include "states.h"

static struct kg_ui *open_ui(int width, int height, enum kg_ui_language language)
{
    struct kg_ui *ui = kg_ui_create(
        &(struct kg_ui_options){.width = width, .height = height, .headless = true, .language = language});
    assert_non_null(ui);
    return ui;
}

static void give_picture(struct kg_ui *ui, enum kg_ui_slot slot, uint32_t source, bool shown)
{
    struct kg_frame *frame = shown ? states_picture(320, 180, source, 0) : NULL;
    kg_ui_set_frame(ui, slot, frame);
    if (frame)
        kg_frame_unref(frame);
}

static void show(struct kg_ui *ui, const struct state_case *sc)
{
    static struct kg_room_state state;
    struct kg_intent intents[4];
    sc->fill(&state);
    kg_ui_update(ui, &state);
    give_picture(ui, KG_UI_MAIN, STATES_CAMERA_B, sc->main_picture);
    give_picture(ui, KG_UI_SELF, 0, sc->own_picture);
    for (int i = 0; i < KG_UI_THUMBNAILS; i++)
        give_picture(ui, (enum kg_ui_slot)(KG_UI_THUMBNAIL + i), STATES_CAMERA_C + 10 * (uint32_t)i,
                     i < sc->thumbnails);
    assert_int_equal(kg_ui_step(ui, 1000000, 0, intents, 4), 0);
}

static bool within(struct kg_rect inner, struct kg_rect outer)
{
    return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.w <= outer.x + outer.w &&
           inner.y + inner.h <= outer.y + outer.h;
}

static int check_words(const struct kg_canvas *c, const char *name)
{
    size_t count, target_count;
    const struct kg_words *words = kg_canvas_words(c, &count);
    const struct kg_target *targets = kg_canvas_targets(c, &target_count);
    struct kg_rect area = kg_canvas_area(c);
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct kg_words *w = &words[i];
        if (w->clipped && !w->data) {
            print_error("%s: \"%s\" is cut\n", name, w->text);
            failed++;
        }
        if (!within(w->rect, area)) {
            print_error("%s: \"%s\" leaves the window\n", name, w->text);
            failed++;
        }
        for (size_t j = 0; j < i; j++)
            if (words[j].layer == w->layer && kg_rect_overlap(words[j].rect, w->rect)) {
                print_error("%s: \"%s\" overlaps \"%s\"\n", name, w->text, words[j].text);
                failed++;
            }
        for (size_t j = 0; j < target_count; j++)
            if (targets[j].layer == w->layer && kg_rect_overlap(targets[j].shown.rect, w->rect) &&
                !within(w->rect, targets[j].shown.rect)) {
                print_error("%s: \"%s\" runs out of %s\n", name, w->text, targets[j].shown.id);
                failed++;
            }
    }
    return failed;
}

static int check_targets(const struct kg_canvas *c, const char *name)
{
    size_t count;
    const struct kg_target *targets = kg_canvas_targets(c, &count);
    struct kg_rect area = kg_canvas_area(c);
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct kg_target *t = &targets[i];
        if (t->shown.rect.w < KG_TOUCH_MIN || t->shown.rect.h < KG_TOUCH_MIN ||
            !within(t->shown.rect, area) || !t->shown.label[0]) {
            print_error("%s: target %s is %dx%d\n", name, t->shown.id, t->shown.rect.w, t->shown.rect.h);
            failed++;
        }
        for (size_t j = 0; j < i; j++)
            if (kg_rect_overlap(targets[j].shown.rect, t->shown.rect) ||
                strcmp(targets[j].shown.id, t->shown.id) == 0) {
                print_error("%s: %s and %s collide\n", name, t->shown.id, targets[j].shown.id);
                failed++;
            }
    }
    return failed;
}

static int check_not_blank(struct kg_ui *ui, const char *name)
{
    int w, h;
    kg_ui_size(ui, &w, &h);
    uint32_t *pixels = malloc((size_t)w * (size_t)h * 4);
    assert_non_null(pixels);
    assert_true(kg_ui_read_pixels(ui, kg_rect(0, 0, w, h), (uint8_t *)pixels));
    size_t changes = 0;
    for (size_t i = 1; i < (size_t)w * (size_t)h; i++)
        changes += pixels[i] != pixels[i - 1];
    free(pixels);
    if (changes < 2000)
        print_error("%s: only %zu changes of colour\n", name, changes);
    return changes < 2000;
}

static void check_all(int width, int height, enum kg_ui_language language)
{
    struct kg_ui *ui = open_ui(width, height, language);
    size_t missing = kg_i18n_missing(NULL);
    int failed = 0;
    for (size_t i = 0; i < state_case_count; i++) {
        show(ui, &state_cases[i]);
        failed += check_words(kg_ui_canvas(ui), state_cases[i].name);
        failed += check_targets(kg_ui_canvas(ui), state_cases[i].name);
        failed += check_not_blank(ui, state_cases[i].name);
        const char *last = NULL;
        if (kg_i18n_missing(&last) != missing) {
            print_error("%s: no English for \"%s\"\n", state_cases[i].name, last);
            missing = kg_i18n_missing(NULL);
            failed++;
        }
    }
    kg_ui_destroy(ui);
    assert_int_equal(failed, 0);
}

static void japanese_panel(void **state)
{
    (void)state;
    check_all(1280, 800, KG_UI_JAPANESE);
}

static void english_panel(void **state)
{
    (void)state;
    check_all(1280, 800, KG_UI_ENGLISH);
}

static void japanese_full_hd(void **state)
{
    (void)state;
    check_all(1920, 1080, KG_UI_JAPANESE);
}

static void english_small(void **state)
{
    (void)state;
    check_all(1024, 640, KG_UI_ENGLISH);
}

int main(void)
{
    setenv("TZ", "Asia/Tokyo", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(japanese_panel),
        cmocka_unit_test(english_panel),
        cmocka_unit_test(japanese_full_hd),
        cmocka_unit_test(english_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

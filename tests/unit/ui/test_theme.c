/* Colour contrast of every pair that stands on screen (WCAG 2.1 AA), and sizes of the type scale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/theme.h"

static void contrast_formula(void **state)
{
    (void)state;
    struct kg_rgba black = {0, 0, 0, 255}, white = {255, 255, 255, 255}, grey = {0x76, 0x76, 0x76, 255};
    assert_true(kg_theme_contrast(black, white) > 20.99 && kg_theme_contrast(black, white) < 21.01);
    assert_true(kg_theme_contrast(white, white) == 1.0);
    /* #767676 on white is the well-known lightest grey that passes: 4.54. */
    assert_true(kg_theme_contrast(white, grey) > 4.53 && kg_theme_contrast(white, grey) < 4.55);
}

static void every_pair_is_readable(void **state)
{
    (void)state;
    const struct kg_theme *theme = &kg_theme_light;
    int failed = 0;
    for (size_t i = 0; i < kg_theme_pair_count; i++) {
        const struct kg_theme_pair *p = &kg_theme_pairs[i];
        double ratio = kg_theme_contrast(theme->color[p->front], theme->color[p->back]);
        if (ratio < p->min_ratio) {
            print_error("colour %d on %d: %.2f < %.1f\n", p->front, p->back, ratio, p->min_ratio);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

static void every_colour_is_set(void **state)
{
    (void)state;
    for (int i = 0; i < KG_COLOR_COUNT; i++)
        assert_int_not_equal(kg_theme_light.color[i].a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contrast_formula),
        cmocka_unit_test(every_pair_is_readable),
        cmocka_unit_test(every_colour_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

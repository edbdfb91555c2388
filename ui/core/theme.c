#include "core/theme.h"

#include <math.h>

#include "base/attr.h"

#define RGB(hex)                                                                                             \
    {                                                                                                        \
        (hex) >> 16 & 0xff, (hex) >> 8 & 0xff, (hex)&0xff, 255                                               \
    }

const struct kg_theme kg_theme_light = {
    .color =
        {
            [KG_COLOR_BACKGROUND] = RGB(0xeef2f8),
            [KG_COLOR_SURFACE] = RGB(0xffffff),
            [KG_COLOR_SUNKEN] = RGB(0xe4eaf2),
            [KG_COLOR_OUTLINE] = RGB(0xd3dbe7),
            [KG_COLOR_SHADOW] = {0x1b, 0x2c, 0x4d, 34},
            [KG_COLOR_TEXT] = RGB(0x131c2b),
            [KG_COLOR_TEXT_MUTED] = RGB(0x4d5a6e),
            [KG_COLOR_PRIMARY] = RGB(0x1450c8),
            [KG_COLOR_PRIMARY_PRESSED] = RGB(0x0c378f),
            [KG_COLOR_ON_PRIMARY] = RGB(0xffffff),
            [KG_COLOR_PRIMARY_SOFT] = RGB(0xe1eafc),
            [KG_COLOR_ON_PRIMARY_SOFT] = RGB(0x123f9c),
            [KG_COLOR_DANGER] = RGB(0xc4222d),
            [KG_COLOR_DANGER_PRESSED] = RGB(0x8f141d),
            [KG_COLOR_ON_DANGER] = RGB(0xffffff),
            [KG_COLOR_DANGER_SOFT] = RGB(0xfde8e9),
            [KG_COLOR_ON_DANGER_SOFT] = RGB(0x941a22),
            [KG_COLOR_GOOD_SOFT] = RGB(0xdff3e8),
            [KG_COLOR_ON_GOOD_SOFT] = RGB(0x0f6039),
            [KG_COLOR_WARN_SOFT] = RGB(0xfff0d1),
            [KG_COLOR_ON_WARN_SOFT] = RGB(0x6e4200),
            [KG_COLOR_STAGE] = RGB(0x0b111c),
            [KG_COLOR_STAGE_BAR] = RGB(0x131b29),
            [KG_COLOR_STAGE_SURFACE] = RGB(0x26334a),
            [KG_COLOR_STAGE_SURFACE_PRESSED] = RGB(0x3a4c6c),
            [KG_COLOR_STAGE_OUTLINE] = RGB(0x35445f),
            [KG_COLOR_ON_STAGE] = RGB(0xffffff),
            [KG_COLOR_ON_STAGE_MUTED] = RGB(0xb4c1d6),
            [KG_COLOR_STAGE_GOOD] = RGB(0x53d28c),
            [KG_COLOR_STAGE_WARN] = RGB(0xffc24d),
            [KG_COLOR_STAGE_BAD] = RGB(0xff6b6b),
            [KG_COLOR_STAGE_SCRIM] = {0x0b, 0x11, 0x1c, 214},
        },
};

const struct kg_theme_pair kg_theme_pairs[] = {
    {KG_COLOR_TEXT, KG_COLOR_BACKGROUND, 4.5},
    {KG_COLOR_TEXT, KG_COLOR_SURFACE, 4.5},
    {KG_COLOR_TEXT, KG_COLOR_SUNKEN, 4.5},
    {KG_COLOR_TEXT_MUTED, KG_COLOR_BACKGROUND, 4.5},
    {KG_COLOR_TEXT_MUTED, KG_COLOR_SURFACE, 4.5},
    {KG_COLOR_TEXT_MUTED, KG_COLOR_SUNKEN, 4.5},
    {KG_COLOR_PRIMARY, KG_COLOR_SURFACE, 4.5},
    {KG_COLOR_PRIMARY, KG_COLOR_BACKGROUND, 4.5},
    {KG_COLOR_ON_PRIMARY, KG_COLOR_PRIMARY, 4.5},
    {KG_COLOR_ON_PRIMARY, KG_COLOR_PRIMARY_PRESSED, 4.5},
    {KG_COLOR_ON_PRIMARY_SOFT, KG_COLOR_PRIMARY_SOFT, 4.5},
    {KG_COLOR_DANGER, KG_COLOR_SURFACE, 4.5},
    {KG_COLOR_ON_DANGER, KG_COLOR_DANGER, 4.5},
    {KG_COLOR_ON_DANGER, KG_COLOR_DANGER_PRESSED, 4.5},
    {KG_COLOR_ON_DANGER_SOFT, KG_COLOR_DANGER_SOFT, 4.5},
    {KG_COLOR_ON_GOOD_SOFT, KG_COLOR_GOOD_SOFT, 4.5},
    {KG_COLOR_ON_GOOD_SOFT, KG_COLOR_SURFACE, 4.5},
    {KG_COLOR_ON_WARN_SOFT, KG_COLOR_WARN_SOFT, 4.5},
    {KG_COLOR_ON_STAGE, KG_COLOR_STAGE, 4.5},
    {KG_COLOR_ON_STAGE, KG_COLOR_STAGE_BAR, 4.5},
    {KG_COLOR_ON_STAGE, KG_COLOR_STAGE_SURFACE, 4.5},
    {KG_COLOR_ON_STAGE, KG_COLOR_STAGE_SURFACE_PRESSED, 4.5},
    {KG_COLOR_ON_STAGE_MUTED, KG_COLOR_STAGE, 4.5},
    {KG_COLOR_ON_STAGE_MUTED, KG_COLOR_STAGE_BAR, 4.5},
    {KG_COLOR_ON_STAGE_MUTED, KG_COLOR_STAGE_SURFACE, 4.5},
    {KG_COLOR_STAGE_GOOD, KG_COLOR_STAGE_BAR, 3.0},
    {KG_COLOR_STAGE_WARN, KG_COLOR_STAGE_BAR, 4.5},
    {KG_COLOR_STAGE_BAD, KG_COLOR_STAGE_BAR, 3.0},
    {KG_COLOR_ON_STAGE, KG_COLOR_STAGE_SCRIM, 4.5},
    {KG_COLOR_ON_STAGE_MUTED, KG_COLOR_STAGE_SCRIM, 4.5},
};
const size_t kg_theme_pair_count = KG_ARRAY_LEN(kg_theme_pairs);

static double channel(uint8_t value)
{
    double v = value / 255.0;
    return v <= 0.03928 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double luminance(struct kg_rgba c)
{
    return 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b);
}

double kg_theme_contrast(struct kg_rgba a, struct kg_rgba b)
{
    double la = luminance(a), lb = luminance(b);
    return la > lb ? (la + 0.05) / (lb + 0.05) : (lb + 0.05) / (la + 0.05);
}

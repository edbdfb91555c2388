#include "widgets/bars.h"

void kg_bars(struct kg_canvas *c, int x, int y, unsigned quality)
{
    enum kg_color lit = quality >= 3   ? KG_COLOR_STAGE_GOOD
                        : quality == 2 ? KG_COLOR_STAGE_WARN
                                       : KG_COLOR_STAGE_BAD;
    for (unsigned i = 0; i < 4; i++) {
        int h = 10 + 6 * (int)i;
        struct kg_rect bar = kg_rect(x + 9 * (int)i, y + KG_BARS_HEIGHT - h, 6, h);
        kg_canvas_round(c, bar, 2, i < quality ? lit : KG_COLOR_STAGE_OUTLINE);
    }
    if (quality == 0)
        kg_canvas_icon(c, kg_rect(x, y - 4, 20, 20), KG_ICON_CLOSE, 20, KG_COLOR_STAGE_WARN);
}

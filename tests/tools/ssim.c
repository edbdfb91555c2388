#include "tools/ssim.h"

#include <stdbool.h>
#include <stddef.h>

enum { WINDOW = 8, STEP = 4 };

static double window_ssim(const uint8_t *a, uint32_t stride_a, const uint8_t *b, uint32_t stride_b)
{
    const double n = WINDOW * WINDOW, c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    uint32_t sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
    for (int y = 0; y < WINDOW; y++) {
        for (int x = 0; x < WINDOW; x++) {
            uint32_t va = a[x], vb = b[x];
            sum_a += va;
            sum_b += vb;
            sum_aa += va * va;
            sum_bb += vb * vb;
            sum_ab += va * vb;
        }
        a += stride_a;
        b += stride_b;
    }
    double ma = sum_a / n, mb = sum_b / n;
    double var_a = sum_aa / n - ma * ma, var_b = sum_bb / n - mb * mb, cov = sum_ab / n - ma * mb;
    return (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (var_a + var_b + c2));
}

static bool touches(uint32_t x, uint32_t y, struct kg_ssim_rect r)
{
    return x + WINDOW > r.x && x < r.x + r.width && y + WINDOW > r.y && y < r.y + r.height;
}

double kg_ssim(const uint8_t *a, uint32_t stride_a, const uint8_t *b, uint32_t stride_b, uint32_t width,
               uint32_t height, struct kg_ssim_rect without)
{
    double sum = 0;
    uint32_t windows = 0;
    for (uint32_t y = 0; y + WINDOW <= height; y += STEP) {
        for (uint32_t x = 0; x + WINDOW <= width; x += STEP) {
            if (touches(x, y, without))
                continue;
            sum +=
                window_ssim(a + (size_t)y * stride_a + x, stride_a, b + (size_t)y * stride_b + x, stride_b);
            windows++;
        }
    }
    return windows ? sum / windows : 0;
}

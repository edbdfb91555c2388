#include "unit/codec/pictures.h"

#include <math.h>
#include <stdlib.h>

struct kg_frame *picture_scene(uint32_t width, uint32_t height, uint32_t index)
{
    struct kg_frame *frame = kg_frame_create(width, height);
    if (!frame)
        abort();
    double cx = width * (0.5 + 0.2 * sin(index * 0.07)), cy = height * (0.5 + 0.1 * cos(index * 0.05));
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            double dx = (x - cx) / (height * 0.3), dy = (y - cy) / (height * 0.3);
            double wall = 90 + 30 * sin((x + index) * 0.05) * sin(y * 0.04) + 6 * sin(x * 0.9 + y * 0.7);
            double face = 170 + 25 * cos(dx * 7) * cos(dy * 9);
            ((uint8_t *)frame->plane[0])[y * (uint32_t)frame->stride[0] + x] =
                (uint8_t)(dx * dx + dy * dy < 1 ? face : wall);
        }
    }
    for (int plane = 1; plane < 3; plane++) {
        for (uint32_t y = 0; y < height / 2; y++) {
            for (uint32_t x = 0; x < width / 2; x++)
                ((uint8_t *)frame->plane[plane])[y * (uint32_t)frame->stride[plane] + x] =
                    (uint8_t)(128 + 20 * sin((x + y * (uint32_t)plane) * 0.03));
        }
    }
    frame->capture_us = (int64_t)index * 1000000 / 30 + 1;
    return frame;
}

double picture_psnr(const struct kg_frame *a, const struct kg_frame *b)
{
    double sum = 0;
    for (uint32_t y = 0; y < a->height; y++) {
        const uint8_t *p = a->plane[0] + (size_t)y * (size_t)a->stride[0];
        const uint8_t *q = b->plane[0] + (size_t)y * (size_t)b->stride[0];
        for (uint32_t x = 0; x < a->width; x++)
            sum += (p[x] - q[x]) * (p[x] - q[x]);
    }
    return 10 * log10(255.0 * 255.0 * a->width * a->height / (sum + 1e-9));
}

static double window_ssim(const struct kg_frame *a, const struct kg_frame *b, uint32_t left, uint32_t top)
{
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (uint32_t y = top; y < top + 8; y++) {
        for (uint32_t x = left; x < left + 8; x++) {
            double p = a->plane[0][y * (uint32_t)a->stride[0] + x],
                   q = b->plane[0][y * (uint32_t)b->stride[0] + x];
            sa += p;
            sb += q;
            saa += p * p;
            sbb += q * q;
            sab += p * q;
        }
    }
    double ma = sa / 64, mb = sb / 64, va = saa / 64 - ma * ma, vb = sbb / 64 - mb * mb,
           cov = sab / 64 - ma * mb;
    return (2 * ma * mb + 6.5025) * (2 * cov + 58.5225) /
           ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225));
}

double picture_ssim(const struct kg_frame *a, const struct kg_frame *b)
{
    double sum = 0;
    uint32_t windows = 0;
    for (uint32_t y = 0; y + 8 <= a->height; y += 4) {
        for (uint32_t x = 0; x + 8 <= a->width; x += 4, windows++)
            sum += window_ssim(a, b, x, y);
    }
    return sum / windows;
}

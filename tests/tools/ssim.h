/* Structural similarity of two luma pictures (Wang, Bovik, Sheikh, Simoncelli 2004), 8×8 windows, step 4. */
#pragma once

#include <stdint.h>

struct kg_ssim_rect {
    uint32_t x, y, width, height;
};
/* Both width × height, rows `stride_*` apart. Windows that touch `without` are left out. 1: the same. */
double kg_ssim(const uint8_t *a, uint32_t stride_a, const uint8_t *b, uint32_t stride_b, uint32_t width,
               uint32_t height, struct kg_ssim_rect without);

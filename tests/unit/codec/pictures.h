/* Generated pictures and figures of merit for codec tests: a moving, textured scene, PSNR and SSIM of the Y
 * plane. Pure. */
#pragma once

#include <stdint.h>

#include "base/frame.h"

/* Scene number `index` of a film that pans, with a face-like disc that moves against it. */
struct kg_frame *picture_scene(uint32_t width, uint32_t height, uint32_t index);
double picture_psnr(const struct kg_frame *a, const struct kg_frame *b);
/* Mean SSIM over 8×8 windows (Wang et al. 2004, uniform window). */
double picture_ssim(const struct kg_frame *a, const struct kg_frame *b);

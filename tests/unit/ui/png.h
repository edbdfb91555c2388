/* Writes RGBA pixels as a PNG file (W3C PNG, stored deflate blocks: needs no library). Thread: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height);

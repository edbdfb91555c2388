/* Writes a picture as PNG (RFC 2083), for screenshots. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* rgba: width * height * 4 bytes; alpha is left out. false (logged): not written. */
KG_MUST_CHECK bool kg_png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height);

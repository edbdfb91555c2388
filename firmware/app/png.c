#include "app/png.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/log.h"

/* Length, type, data, CRC over type and data (§3.2). */
static bool write_chunk(FILE *file, const char type[4], const uint8_t *data, uint32_t size)
{
    uint8_t number[4];
    kg_put_u32(number, size);
    bool ok = fwrite(number, 1, 4, file) == 4 && fwrite(type, 1, 4, file) == 4;
    ok = ok && (size == 0 || fwrite(data, 1, size, file) == size);
    uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);
    if (size > 0)
        crc = crc32(crc, data, size);
    kg_put_u32(number, (uint32_t)crc);
    return ok && fwrite(number, 1, 4, file) == 4;
}

/* Rows of RGB, each behind a filter byte 0 (none). */
static uint8_t *make_rows(const uint8_t *rgba, uint32_t width, uint32_t height, size_t *size)
{
    size_t row = 1 + (size_t)width * 3;
    *size = row * height;
    uint8_t *rows = malloc(*size);
    for (uint32_t y = 0; rows && y < height; y++) {
        uint8_t *to = rows + y * row;
        const uint8_t *from = rgba + (size_t)y * width * 4;
        *to++ = 0;
        for (uint32_t x = 0; x < width; x++, from += 4, to += 3)
            memcpy(to, from, 3);
    }
    return rows;
}

static bool write_file(FILE *file, const uint8_t *packed, uLongf packed_size, uint32_t width, uint32_t height)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[13] = {[8] = 8 /* bits */, [9] = 2 /* RGB */};
    kg_put_u32(header, width);
    kg_put_u32(header + 4, height);
    return fwrite(signature, 1, 8, file) == 8 && write_chunk(file, "IHDR", header, sizeof header) &&
           write_chunk(file, "IDAT", packed, (uint32_t)packed_size) && write_chunk(file, "IEND", NULL, 0);
}

bool kg_png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height)
{
    size_t size;
    uint8_t *rows = make_rows(rgba, width, height, &size);
    uLongf packed_size = compressBound(size);
    uint8_t *packed = malloc(packed_size);
    bool ok = rows && packed && compress2(packed, &packed_size, rows, size, 6) == Z_OK;
    FILE *file = ok ? fopen(path, "we") : NULL;
    ok = file && write_file(file, packed, packed_size, width, height);
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        kg_log(KG_LOG_ERROR, "app", NULL, "%s: no picture could be written: %m", path);
    free(rows);
    free(packed);
    return ok;
}

#include "png.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static uint32_t crc(uint32_t c, const uint8_t *data, size_t size)
{
    c = ~c;
    for (size_t i = 0; i < size; i++) {
        c ^= data[i];
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ (0xedb88320u & (0u - (c & 1)));
    }
    return ~c;
}

static bool put_chunk(FILE *file, const char type[4], const uint8_t *data, size_t size)
{
    uint8_t head[8], tail[4];
    kg_put_u32(head, (uint32_t)size);
    memcpy(head + 4, type, 4);
    kg_put_u32(tail, crc(crc(0, head + 4, 4), data, size));
    return fwrite(head, 1, 8, file) == 8 && fwrite(data, 1, size, file) == size &&
           fwrite(tail, 1, 4, file) == 4;
}

/* zlib stream (RFC 1950) of stored blocks (RFC 1951 §3.2.4), one a row of filter type 0. */
static size_t pack(uint8_t *out, const uint8_t *rgba, uint32_t width, uint32_t height)
{
    size_t row = (size_t)width * 3 + 1, at = 0;
    uint32_t a = 1, b = 0;
    out[at++] = 0x78;
    out[at++] = 0x01;
    for (uint32_t y = 0; y < height; y++) {
        out[at++] = y == height - 1;
        out[at++] = (uint8_t)row;
        out[at++] = (uint8_t)(row >> 8);
        out[at++] = (uint8_t)~row;
        out[at++] = (uint8_t)(~row >> 8);
        uint8_t *line = out + at;
        *line++ = 0;
        for (uint32_t x = 0; x < width; x++, line += 3)
            memcpy(line, rgba + ((size_t)y * width + x) * 4, 3);
        for (size_t i = 0; i < row; i++) {
            a = (a + out[at + i]) % 65521;
            b = (b + a) % 65521;
        }
        at += row;
    }
    kg_put_u32(out + at, b << 16 | a);
    return at + 4;
}

bool png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t ihdr[13] = {[8] = 8, [9] = 2};
    uint8_t *packed = malloc((size_t)height * ((size_t)width * 3 + 6) + 16);
    FILE *file = fopen(path, "wb");
    bool ok = packed && file;
    if (ok) {
        kg_put_u32(ihdr, width);
        kg_put_u32(ihdr + 4, height);
        size_t size = pack(packed, rgba, width, height);
        ok = fwrite(signature, 1, 8, file) == 8 && put_chunk(file, "IHDR", ihdr, sizeof(ihdr)) &&
             put_chunk(file, "IDAT", packed, size) && put_chunk(file, "IEND", signature, 0);
    }
    if (file && fclose(file) != 0)
        ok = false;
    free(packed);
    return ok;
}

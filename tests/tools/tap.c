#include "tools/tap.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 32, MAX_PAYLOAD = 64 << 20 };

bool kg_tap_open(struct kg_tap *tap, const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    *tap = (struct kg_tap){.file = fopen(path, "rb")};
    if (!tap->file)
        fprintf(stderr, "cannot open %s: %m\n", path);
    return tap->file != NULL;
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

bool kg_tap_next(struct kg_tap *tap, struct kg_tap_record *record)
{
    uint8_t h[HEADER];
    uint64_t time;
    if (fread(h, 1, sizeof h, tap->file) != sizeof h || memcmp(h, "KGT1", 4) != 0)
        return false;
    memcpy(&time, h + 8, sizeof time);
    *record = (struct kg_tap_record){
        .kind = (enum kg_tap_kind)u32_at(h + 4),
        .time_us = (int64_t)le64toh(time),
        .width = u32_at(h + 16),
        .height = u32_at(h + 20),
        .sample_rate = u32_at(h + 24),
        .bytes = u32_at(h + 28),
    };
    if (record->bytes > MAX_PAYLOAD)
        return false;
    if (record->bytes > tap->capacity) {
        uint8_t *larger = realloc(tap->buffer, record->bytes);
        if (!larger)
            return false;
        tap->buffer = larger;
        tap->capacity = record->bytes;
    }
    record->payload = tap->buffer;
    return fread(tap->buffer, 1, record->bytes, tap->file) == record->bytes;
}

void kg_tap_close(struct kg_tap *tap)
{
    if (tap->file)
        fclose(tap->file);
    free(tap->buffer);
    *tap = (struct kg_tap){0};
}

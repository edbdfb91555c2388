/* Reads what `kaigi-terminal --tap DIR` writes: records of raw pictures and sound with the time they passed.
 * Record: "KGT1", then little-endian u32 kind, i64 time_us, u32 width, u32 height, u32 sample_rate, u32
 * bytes; then the payload. Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum kg_tap_kind {
    KG_TAP_I420 = 1,
    KG_TAP_I420_STRIP = 2, /* the bottom rows, where the marks are */
    KG_TAP_PCM = 3,        /* s16le mono */
    KG_TAP_RGBA = 4,
    KG_TAP_RGBA_STRIP = 5,
};

struct kg_tap_record {
    enum kg_tap_kind kind;
    int64_t time_us;
    uint32_t width, height, sample_rate, bytes;
    uint8_t *payload; /* valid until the next read */
};

struct kg_tap {
    FILE *file;
    uint8_t *buffer;
    size_t capacity;
};

/* false (said on stderr): no such file. */
bool kg_tap_open(struct kg_tap *tap, const char *dir, const char *name);
/* false at the end; a record cut short by the end of the program counts as the end. */
bool kg_tap_next(struct kg_tap *tap, struct kg_tap_record *record);
void kg_tap_close(struct kg_tap *tap);

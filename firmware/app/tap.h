/* Measuring taps, for the tools in tests/ only: what was captured and what was shown and heard, written as
 * records to files, never judged here. Without KAIGI_TAPS every function is empty.
 * Record: u32le magic "KGT1", kind, i64le time_us (kg_clock_now_us), u32le width, height, sample rate or 0,
 * payload bytes; payload. A thread of its own writes them: a slow disk delays nothing that is measured.
 * Thread: one thread for each file. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"

struct kg_tap;
struct kg_ui;

enum kg_tap_file { KG_TAP_CAMERA, KG_TAP_SCREEN, KG_TAP_MICROPHONE, KG_TAP_SPEAKER, KG_TAP_FILES };
enum kg_tap_kind {
    KG_TAP_I420 = 1,       /* full picture, planes without padding */
    KG_TAP_I420_STRIP = 2, /* its bottom 32 rows */
    KG_TAP_PCM = 3,        /* s16le, mono, 48 kHz */
    KG_TAP_RGBA = 4,       /* full rows */
    KG_TAP_RGBA_STRIP = 5
};

/* NULL: not asked for (folder NULL), not compiled in, or the files cannot be made (logged). Every call below
 * takes a NULL tap. */
KG_MUST_CHECK struct kg_tap *kg_tap_create(const char *folder);
void kg_tap_destroy(struct kg_tap *tap);

/* One a second in full, of the others the strip that carries the marks. */
void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame);
void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us);
/* The main picture as drawn, read back from the window. */
void kg_tap_screen(struct kg_tap *tap, struct kg_ui *ui, int64_t now_us);

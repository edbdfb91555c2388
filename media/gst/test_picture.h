/* A moving picture for a terminal without a camera: a soft colour field, a disc that crosses it, and the time
 * of day in large digits. Every frame differs, so a frozen picture shows. Thread: one owner. */
#pragma once

#include <stdint.h>

#include "base/frame.h"

struct kg_test_picture;

/* NULL when memory is short. width and height are even. */
struct kg_test_picture *kg_test_picture_create(uint32_t width, uint32_t height);
void kg_test_picture_destroy(struct kg_test_picture *picture);
/* The picture at a time of day (kg_clock_wall_us); the caller's, NULL when memory is short. */
struct kg_frame *kg_test_picture_draw(struct kg_test_picture *picture, int64_t wall_us);

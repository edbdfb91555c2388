/* Room states for drawing and testing: ordinary and extreme ones, all invented. Thread: any. */
#pragma once

#include "base/frame.h"
#include "core/room_state.h"

/* 2026-11-21 14:28:00 in Japan. */
#define STATES_WALL_US (INT64_C(1795238880) * 1000000)

enum { STATES_CAMERA_B = 1001, STATES_MICROPHONE_B = 1002, STATES_CAMERA_C = 2001 };

struct state_case {
    const char *name;
    void (*fill)(struct kg_room_state *state);
    bool main_picture;
    bool own_picture;
    int thumbnails;
};
extern const struct state_case state_cases[];
extern const size_t state_case_count;

/* A generated I420 picture: shaded bands and a disc that stands at `phase`. */
struct kg_frame *states_picture(uint32_t width, uint32_t height, uint32_t source, int phase);

/* Camera → VP8: one thread that owns the camera and the encoder, and codes the newest picture it was given.
 * Thread: created and destroyed by one owner; the other functions from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/picture_slots.h"
#include "base/attr.h"
#include "base/queue.h"
#include "gst/device.h"

struct kg_tap;

/* An element of the queue given: data is the taker's, to be freed with free(). */
struct kg_coded_picture {
    uint8_t *data;
    size_t size;
    bool keyframe;
    int64_t capture_us;
};

struct kg_send_video_params {
    const char *camera; /* kg_camera_params.spec */
    uint32_t width, height, fps;
    uint32_t rate_bps;
    struct kg_queue *coded;          /* of struct kg_coded_picture */
    struct kg_picture_slots *screen; /* our own picture, at KG_PICTURE_SELF */
    struct kg_tap *tap;              /* NULL: none */
    void (*event)(void *user, enum kg_device_event event, const char *text);
    void *user;
};

struct kg_send_video;

/* Off at first: the camera is not opened. NULL (logged): memory or thread. */
KG_MUST_CHECK struct kg_send_video *kg_send_video_create(const struct kg_send_video_params *params);
/* Stops and joins. Pictures left in the queue are the caller's. */
void kg_send_video_destroy(struct kg_send_video *video);

/* Off: the camera is closed, so that its light goes out, and nothing more is coded. */
void kg_send_video_set_on(struct kg_send_video *video, bool on);
/* Whether anybody watches: not at first. Unwatched we are shown to ourselves, and nothing is coded; who
 * begins to watch gets a keyframe of the picture that is there, not of the next one. */
void kg_send_video_set_watched(struct kg_send_video *video, bool watched);
/* What pictures may use; 0: show ourselves, but code nothing. */
void kg_send_video_set_rate(struct kg_send_video *video, uint32_t rate_bps);
void kg_send_video_keyframe(struct kg_send_video *video);

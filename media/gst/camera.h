/* A camera, or something in place of one, as a stream of I420 frames of one size and at most one rate.
 * A device that is missing, fails or is unplugged is reported and reopened by itself when it comes back.
 * Thread: open and close by one owner; callbacks come from the camera's own thread. Owns: its thread and
 * pipeline; frames given away outlive it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"
#include "gst/device.h"

struct kg_camera;

struct kg_camera_params {
    /* "test": a moving pattern with a clock; "auto": the first capture device; a /dev/videoN or
     * /dev/v4l/by-id/NAME path (the latter follows the very camera to another socket); or any media file
     * GStreamer decodes, looped without a seam and paced in real time as a camera would be. */
    const char *spec;
    uint32_t width; /* even; other sizes are scaled, with bars where the shape differs */
    uint32_t height;
    uint32_t fps; /* 1 … 60: files and the pattern give exactly this, a device at most this */
    /* Takes the reference. capture_us is when the frame came from the device (or was due from the file). Must
     * return at once: hand the frame to a queue or a kg_latest. */
    void (*frame)(void *user, struct kg_frame *frame);
    /* text: one English line naming the device, the cause and the remedy. NULL: not wanted. */
    void (*event)(void *user, enum kg_device_event event, const char *text);
    void *user;
};

/* Never waits for the device. NULL: params out of range, or no memory or thread (logged). */
struct kg_camera *kg_camera_open(const struct kg_camera_params *params);
/* No callback runs after it returns; it must not be called from one. */
void kg_camera_close(struct kg_camera *camera);

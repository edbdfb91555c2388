/* One run of a camera or media file through GStreamer: opened, pulled frame by frame, closed; never repaired.
 * Thread: the camera's own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"
#include "gst/pipeline.h"

struct kg_camera_pipeline;

enum kg_camera_pull {
    KG_CAMERA_FRAME,   /* *frame is the caller's */
    KG_CAMERA_NOTHING, /* none within the time given */
    KG_CAMERA_END,     /* of the file */
    KG_CAMERA_FAILED,  /* the reason is in error */
};

/* path: a file or a V4L2 device node. NULL: the reason is in error. Does not wait for a picture. */
struct kg_camera_pipeline *kg_camera_pipeline_open(const char *path, bool device, uint32_t width,
                                                   uint32_t height, uint32_t fps,
                                                   char error[KG_PIPELINE_ERROR_MAX]);
void kg_camera_pipeline_close(struct kg_camera_pipeline *pipeline);

/* capture_us of a device's frame is when the driver had it. */
enum kg_camera_pull kg_camera_pipeline_pull(struct kg_camera_pipeline *pipeline, int64_t timeout_us,
                                            struct kg_frame **frame, char error[KG_PIPELINE_ERROR_MAX]);
/* Back to the file's start. false: it cannot be played again (reopen it). */
KG_MUST_CHECK bool kg_camera_pipeline_rewind(struct kg_camera_pipeline *pipeline);

/* Writes the path of the first V4L2 device that captures pictures; false: there is none. */
KG_MUST_CHECK bool kg_camera_find_device(char *path, size_t size);

#include "gst/camera_pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>

#include "base/clock.h"

struct kg_camera_pipeline {
    GstElement *pipeline;
    GstAppSink *sink;
    GstVideoInfo info;
    GstCaps *caps; /* info was read from these */
    bool device;
};

/* A device gives what it can do nearest to the wish: raw pictures cost no decoding, but many USB cameras
 * reach full rate at 720p as JPEG only. A file is decoded by whatever fits; raw video passes through
 * uncopied. */
static void describe(char *text, size_t size, bool device, uint32_t width, uint32_t height, uint32_t fps)
{
    char output[160];
    snprintf(output, sizeof output, "video/x-raw,format=I420,width=%u,height=%u,pixel-aspect-ratio=1/1",
             width, height);
    if (device)
        snprintf(text, size,
                 "v4l2src name=source ! capsfilter caps=\""
                 "video/x-raw,width=%u,height=%u,framerate=[%u/1,120/1];"
                 "image/jpeg,width=%u,height=%u,framerate=[%u/1,120/1];"
                 "video/x-raw,width=%u,height=%u;image/jpeg,width=%u,height=%u;video/x-raw;image/jpeg\" "
                 "! decodebin ! videorate drop-only=true max-rate=%u ! videoconvertscale ! %s "
                 "! appsink name=frames sync=false max-buffers=2 drop=true",
                 width, height, fps, width, height, fps, width, height, width, height, fps, output);
    else
        snprintf(text, size,
                 "filesrc name=source ! decodebin ! videorate ! video/x-raw,framerate=%u/1 "
                 "! videoconvertscale ! %s ! appsink name=frames sync=false max-buffers=1",
                 fps, output);
}

struct kg_camera_pipeline *kg_camera_pipeline_open(const char *path, bool device, uint32_t width,
                                                   uint32_t height, uint32_t fps,
                                                   char error[KG_PIPELINE_ERROR_MAX])
{
    char text[1024];
    struct kg_camera_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "out of memory");
        return NULL;
    }
    pipeline->device = device;
    describe(text, sizeof text, device, width, height, fps);
    pipeline->pipeline = kg_pipeline_parse(text, error);
    if (!pipeline->pipeline) {
        free(pipeline);
        return NULL;
    }
    GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline->pipeline), "source");
    g_object_set(source, device ? "device" : "location", path,
                 NULL); /* not in the text: it needs no quoting */
    gst_object_unref(source);
    pipeline->sink = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(pipeline->pipeline), "frames"));
    if (!kg_pipeline_play(pipeline->pipeline, error)) {
        kg_camera_pipeline_close(pipeline);
        return NULL;
    }
    return pipeline;
}

void kg_camera_pipeline_close(struct kg_camera_pipeline *pipeline)
{
    if (!pipeline)
        return;
    gst_object_unref(pipeline->sink);
    kg_pipeline_destroy(pipeline->pipeline);
    gst_caps_replace(&pipeline->caps, NULL);
    free(pipeline);
}

struct gst_frame {
    struct kg_frame frame;
    GstVideoFrame mapped; /* keeps the buffer */
};

static void release(struct kg_frame *frame, void *user)
{
    struct gst_frame *held = user;
    (void)frame; /* is held->frame */
    gst_video_frame_unmap(&held->mapped);
    free(held);
}

/* When the driver had the picture, on our clock. GStreamer's system clock is CLOCK_MONOTONIC, as ours is; a
 * device clock, or none yet, leaves only "now". */
static int64_t captured_at(const struct kg_camera_pipeline *pipeline, GstSample *sample)
{
    int64_t now_us = kg_clock_now_us();
    GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    GstClockTime running = gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME, pts);
    GstClockTime base = gst_element_get_base_time(pipeline->pipeline);
    if (!pipeline->device || !GST_CLOCK_TIME_IS_VALID(running))
        return now_us;
    int64_t at_us = (int64_t)((base + running) / 1000);
    return at_us <= now_us && at_us > now_us - 1000000 ? at_us : now_us;
}

static struct kg_frame *wrap(struct kg_camera_pipeline *pipeline, GstSample *sample)
{
    GstCaps *caps = gst_sample_get_caps(sample);
    if (caps != pipeline->caps) {
        if (!gst_video_info_from_caps(&pipeline->info, caps))
            return NULL;
        gst_caps_replace(&pipeline->caps, caps);
    }
    struct gst_frame *held = malloc(sizeof *held);
    if (!held)
        return NULL;
    if (!gst_video_frame_map(&held->mapped, &pipeline->info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
        free(held);
        return NULL;
    }
    held->frame = (struct kg_frame){
        .width = (uint32_t)GST_VIDEO_FRAME_WIDTH(&held->mapped),
        .height = (uint32_t)GST_VIDEO_FRAME_HEIGHT(&held->mapped),
        .capture_us = captured_at(pipeline, sample),
        .release = release,
        .user = held,
    };
    for (int i = 0; i < 3; i++) {
        held->frame.plane[i] = GST_VIDEO_FRAME_PLANE_DATA(&held->mapped, i);
        held->frame.stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(&held->mapped, i);
    }
    atomic_init(&held->frame.refs, 1);
    return &held->frame;
}

enum kg_camera_pull kg_camera_pipeline_pull(struct kg_camera_pipeline *pipeline, int64_t timeout_us,
                                            struct kg_frame **frame, char error[KG_PIPELINE_ERROR_MAX])
{
    GstSample *sample = gst_app_sink_try_pull_sample(pipeline->sink, (GstClockTime)timeout_us * 1000);
    if (!sample) {
        if (kg_pipeline_failed(pipeline->pipeline, error, NULL))
            return KG_CAMERA_FAILED;
        return gst_app_sink_is_eos(pipeline->sink) ? KG_CAMERA_END : KG_CAMERA_NOTHING;
    }
    *frame = wrap(pipeline, sample);
    gst_sample_unref(sample);
    if (!*frame) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "a picture cannot be mapped into memory");
        return KG_CAMERA_FAILED;
    }
    return KG_CAMERA_FRAME;
}

bool kg_camera_pipeline_rewind(struct kg_camera_pipeline *pipeline)
{
    return gst_element_seek_simple(pipeline->pipeline, GST_FORMAT_TIME,
                                   GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, 0);
}

/* Metadata nodes of the same camera answer as well, but capture nothing. */
static bool captures(const char *path)
{
    struct v4l2_capability capability = {0};
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool answered = ioctl(fd, VIDIOC_QUERYCAP, &capability) == 0;
    close(fd);
    return answered && capability.device_caps & V4L2_CAP_VIDEO_CAPTURE;
}

bool kg_camera_find_device(char *path, size_t size)
{
    for (int i = 0; i < 64; i++) {
        snprintf(path, size, "/dev/video%d", i);
        if (captures(path))
            return true;
    }
    return false;
}

#include "app/send_video.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/tap.h"
#include "base/clock.h"
#include "base/latest.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/vpx_encoder.h"
#include "gst/camera.h"

enum wake { WAKE_PICTURE, WAKE_SETTING, WAKES = 8 };

enum { RETRY_FIRST_US = 200000, RETRY_LONGEST_US = 30000000 };

struct kg_send_video {
    struct kg_send_video_params params;
    char *spec;
    struct kg_thread thread;
    struct kg_queue *wakes;   /* of enum wake: what the thread waits on */
    struct kg_latest *latest; /* camera → encoder */
    atomic_bool on, keyframe, watched;
    atomic_uint rate_bps;
    /* Of the thread. */
    struct kg_camera *camera;
    int64_t retry_us,
        wait_us; /* when it is opened again after a refusal, INT64_MAX: none; and the wait before that */
    struct kg_vpx_encoder *encoder;
    uint32_t coded_rate_bps;
    bool coding;           /* watched, as followed so far */
    struct kg_frame *seen; /* while not: the newest picture */
};

static void release_frame(void *frame)
{
    kg_frame_unref(frame);
}

static void wake(struct kg_send_video *video, enum wake what)
{
    /* A full queue will wake the thread all the same. */
    if (!kg_queue_push(video->wakes, &what))
        return;
}

static void on_picture(void *user, struct kg_frame *frame)
{
    struct kg_send_video *video = user;
    kg_latest_put(video->latest, frame);
    wake(video, WAKE_PICTURE);
}

static void on_device(void *user, enum kg_device_event event, const char *text)
{
    struct kg_send_video *video = user;
    video->params.event(video->params.user, event, text);
}

static void forget_seen(struct kg_send_video *video)
{
    if (video->seen)
        kg_frame_unref(video->seen);
    video->seen = NULL;
}

/* No thread or memory for it, most likely: devices that are away are the camera's own business. */
static void open_later(struct kg_send_video *video)
{
    char text[200];
    video->wait_us = video->wait_us ? KG_MIN(2 * video->wait_us, (int64_t)RETRY_LONGEST_US) : RETRY_FIRST_US;
    video->retry_us = kg_clock_now_us() + video->wait_us;
    snprintf(text, sizeof text,
             "the camera %.60s cannot be used: the line before says why; free memory, or correct [video] in "
             "the settings",
             video->spec);
    kg_log(KG_LOG_WARN, "app", "app.camera", "%s; tried again in %.1f s", text, (double)video->wait_us / 1e6);
    on_device(video, KG_DEVICE_MISSING, text);
}

static void apply_on(struct kg_send_video *video)
{
    bool on = atomic_load(&video->on);
    bool waiting = on && video->retry_us != INT64_MAX;
    if (waiting && kg_clock_now_us() < video->retry_us)
        return;
    video->retry_us = INT64_MAX;
    if (on && !video->camera) {
        const struct kg_camera_params params = {.spec = video->spec,
                                                .width = video->params.width,
                                                .height = video->params.height,
                                                .fps = video->params.fps,
                                                .frame = on_picture,
                                                .event = on_device,
                                                .user = video};
        video->camera = kg_camera_open(&params);
        if (!video->camera)
            open_later(video);
        else
            video->wait_us = 0;
    } else if (!on && video->camera) {
        kg_camera_close(video->camera);
        video->camera = NULL;
        struct kg_frame *left = kg_latest_take(video->latest);
        if (left)
            kg_frame_unref(left);
        forget_seen(video);
        kg_picture_slots_put(video->params.screen, KG_PICTURE_SELF, NULL);
        atomic_store(&video->keyframe, true);
    }
}

static bool prepare_encoder(struct kg_send_video *video, const struct kg_frame *frame)
{
    uint32_t rate_bps = atomic_load(&video->rate_bps);
    if (rate_bps == 0)
        return false;
    if (!video->encoder) {
        const struct kg_vpx_encoder_params params = {
            .width = frame->width, .height = frame->height, .fps = video->params.fps, .rate_bps = rate_bps};
        video->encoder = kg_vpx_encoder_create(&params);
        video->coded_rate_bps = rate_bps;
        if (!video->encoder)
            return false;
    }
    if (rate_bps != video->coded_rate_bps) {
        kg_vpx_encoder_set_rate(video->encoder, rate_bps, video->params.fps);
        video->coded_rate_bps = rate_bps;
    }
    if (atomic_exchange(&video->keyframe, false))
        kg_vpx_encoder_force_keyframe(video->encoder);
    return true;
}

static void code(struct kg_send_video *video, struct kg_frame *frame)
{
    struct kg_encoded_frame coded;
    if (!prepare_encoder(video, frame) || !kg_vpx_encoder_encode(video->encoder, frame, &coded) ||
        !coded.data)
        return;
    struct kg_coded_picture picture = {.data = malloc(coded.size),
                                       .size = coded.size,
                                       .keyframe = coded.keyframe,
                                       .capture_us = coded.capture_us};
    if (!picture.data)
        return;
    memcpy(picture.data, coded.data, coded.size);
    if (!kg_queue_push(video->params.coded, &picture)) {
        /* Later pictures depend on this one. */
        free(picture.data);
        atomic_store(&video->keyframe, true);
    }
}

static void apply_watched(struct kg_send_video *video)
{
    bool watched = atomic_load(&video->watched);
    if (watched == video->coding)
        return;
    video->coding = watched;
    if (!watched)
        return;
    atomic_store(&video->keyframe, true);
    /* An older one means that the camera stands still: that is not to look like life. */
    int64_t fresh_us = 2 * INT64_C(1000000) / video->params.fps;
    if (video->seen && kg_clock_now_us() - video->seen->capture_us < fresh_us)
        code(video, video->seen);
    forget_seen(video);
}

static void handle_picture(struct kg_send_video *video)
{
    struct kg_frame *frame = kg_latest_take(video->latest);
    if (!frame)
        return;
    if (video->camera) {
        kg_tap_picture(video->params.tap, KG_TAP_CAMERA, frame);
        kg_picture_slots_put(video->params.screen, KG_PICTURE_SELF, kg_frame_ref(frame));
        if (video->coding) {
            code(video, frame);
        } else {
            forget_seen(video);
            video->seen = kg_frame_ref(frame);
        }
    }
    kg_frame_unref(frame);
}

static void run(void *arg)
{
    struct kg_send_video *video = arg;
    enum wake what;
    /* Nothing to be had, and not for want of time: closed. */
    while (kg_queue_pop_wait(video->wakes, &what, video->retry_us) || kg_clock_now_us() >= video->retry_us) {
        apply_on(video);
        apply_watched(video);
        handle_picture(video);
    }
    forget_seen(video);
    kg_camera_close(video->camera);
    kg_vpx_encoder_destroy(video->encoder);
}

static void destroy_parts(struct kg_send_video *video)
{
    kg_latest_destroy(video->latest);
    kg_queue_destroy(video->wakes);
    free(video->spec);
    free(video);
}

struct kg_send_video *kg_send_video_create(const struct kg_send_video_params *params)
{
    struct kg_send_video *video = calloc(1, sizeof *video);
    if (!video)
        return NULL;
    video->params = *params;
    video->retry_us = INT64_MAX;
    video->spec = strdup(params->camera);
    video->wakes = kg_queue_create(WAKES, sizeof(enum wake));
    video->latest = kg_latest_create(release_frame);
    atomic_init(&video->rate_bps, params->rate_bps);
    if (!video->spec || !video->wakes || !video->latest ||
        !kg_thread_start(&video->thread, "send-video", run, video)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot start the camera's thread");
        destroy_parts(video);
        return NULL;
    }
    return video;
}

void kg_send_video_destroy(struct kg_send_video *video)
{
    if (!video)
        return;
    kg_queue_close(video->wakes);
    kg_thread_join(&video->thread);
    destroy_parts(video);
}

void kg_send_video_set_on(struct kg_send_video *video, bool on)
{
    atomic_store(&video->on, on);
    wake(video, WAKE_SETTING);
}

void kg_send_video_set_watched(struct kg_send_video *video, bool watched)
{
    atomic_store(&video->watched, watched);
    wake(video, WAKE_SETTING);
}

void kg_send_video_set_rate(struct kg_send_video *video, uint32_t rate_bps)
{
    atomic_store(&video->rate_bps, rate_bps);
}

void kg_send_video_keyframe(struct kg_send_video *video)
{
    atomic_store(&video->keyframe, true);
}

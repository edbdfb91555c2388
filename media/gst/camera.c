#include "gst/camera.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "gst/camera_pipeline.h"
#include "gst/path_watch.h"
#include "gst/raw_clip.h"
#include "gst/test_picture.h"

#define MODULE "gst"

#define MAX_WIDTH      4096
#define MAX_HEIGHT     4096
#define FIRST_RETRY_US 250000
#define LAST_RETRY_US  4000000
#define FIRST_FRAME_US 10000000 /* some USB cameras take seconds to light up */
#define STALLED_US     3000000
#define PULL_US        100000 /* how long close may have to wait */
#define LOOK_US        500000 /* between looks at whether the path still is what was opened */
#define SLIPPED_US     200000 /* behind by more than this, a file's pace starts anew instead of racing */

enum camera_kind { CAMERA_TEST, CAMERA_AUTO, CAMERA_DEVICE, CAMERA_FILE };

struct kg_camera {
    struct kg_camera_params params;
    char *spec;
    enum camera_kind kind;
    struct kg_thread thread;
    struct kg_path_watch watch; /* its stop also ends the thread */
    /* The camera's thread only: */
    bool running;  /* RUNNING was told since the last failure */
    bool reported; /* the failure now lasting was told */
    int64_t retry_us;
};

static void tell(struct kg_camera *camera, enum kg_device_event event, const char *text)
{
    if (event == KG_DEVICE_RUNNING)
        kg_log(KG_LOG_INFO, MODULE, "camera.running", "%s", text);
    else
        kg_log(KG_LOG_WARN, MODULE, event == KG_DEVICE_LOST ? "camera.lost" : "camera.missing", "%s", text);
    if (camera->params.event)
        camera->params.event(camera->params.user, event, text);
}

static void failed(struct kg_camera *camera, const char *cause)
{
    static const char *const remedies[] = {
        [CAMERA_TEST] = "free some memory",
        [CAMERA_AUTO] = "plug in a camera (ls /dev/video*)",
        [CAMERA_DEVICE] =
            "check its cable, and that no other program holds it (fuser -v); it is tried again by itself",
        [CAMERA_FILE] =
            "check that the file is there and decodes (gst-play-1.0); it is tried again by itself",
    };
    char text[KG_PIPELINE_ERROR_MAX + 300];
    if (camera->reported)
        return;
    snprintf(text, sizeof text, "camera %s: %s; %s", camera->spec, cause, remedies[camera->kind]);
    tell(camera, camera->running ? KG_DEVICE_LOST : KG_DEVICE_MISSING, text);
    camera->running = false;
    camera->reported = true;
}

static void give(struct kg_camera *camera, struct kg_frame *frame)
{
    if (!camera->running) {
        char text[200];
        camera->running = true;
        camera->reported = false;
        camera->retry_us = FIRST_RETRY_US;
        snprintf(text, sizeof text, "camera %s gives %ux%u", camera->spec, frame->width, frame->height);
        tell(camera, KG_DEVICE_RUNNING, text);
    }
    camera->params.frame(camera->params.user, frame);
}

/* A steady pace: frame n is due n/fps after the first, so rounding never adds up. */
struct pace {
    int64_t start_us;
    int64_t count;
    uint32_t fps;
};

/* Waits until the next frame is due. false: stopped. */
static bool pace_wait(struct pace *pace, struct kg_path_watch *watch)
{
    int64_t now_us = kg_clock_now_us();
    int64_t due_us = pace->start_us + pace->count * 1000000 / pace->fps;
    if (pace->start_us == 0 || now_us > due_us + SLIPPED_US) {
        pace->start_us = due_us = now_us;
        pace->count = 0;
    }
    pace->count++;
    return kg_path_watch_sleep(watch, due_us);
}

static void run_test(struct kg_camera *camera)
{
    struct pace pace = {.fps = camera->params.fps};
    struct kg_test_picture *picture = kg_test_picture_create(camera->params.width, camera->params.height);
    struct kg_frame *frame;
    if (!picture) {
        failed(camera, "no memory for the test picture");
        return;
    }
    while (pace_wait(&pace, &camera->watch)) {
        int64_t now_us = kg_clock_now_us();
        frame = kg_test_picture_draw(picture, kg_clock_wall_us());
        if (!frame) {
            failed(camera, "no memory for a frame");
            break;
        }
        frame->capture_us = now_us;
        give(camera, frame);
    }
    kg_test_picture_destroy(picture);
}

/* How a run of the pipeline stands. */
struct run {
    struct pace pace;
    int64_t last_frame_us;
    int64_t looked_us;
    uint32_t frames;
    uint32_t frames_at_rewind;
};

static bool still_there(struct kg_camera *camera, struct run *run)
{
    int64_t now_us = kg_clock_now_us();
    if (now_us - run->looked_us < LOOK_US)
        return true;
    run->looked_us = now_us;
    if (kg_path_watch_same(&camera->watch))
        return true;
    failed(camera, "it vanished or was replaced");
    return false;
}

/* Passes one frame on, a file's when it is due. false: stopped. */
static bool pass_on(struct kg_camera *camera, struct run *run, struct kg_frame *frame)
{
    bool device = camera->kind != CAMERA_FILE;
    if (!device && !pace_wait(&run->pace, &camera->watch)) {
        kg_frame_unref(frame);
        return false;
    }
    run->frames++;
    run->last_frame_us = kg_clock_now_us();
    if (!device)
        frame->capture_us = run->last_frame_us;
    give(camera, frame);
    return true;
}

/* Read only when due, so the picture is as fresh as a camera's. */
static void run_clip(struct kg_camera *camera, struct kg_raw_clip *clip)
{
    struct run run = {.pace.fps = camera->params.fps};
    while (pace_wait(&run.pace, &camera->watch) && still_there(camera, &run)) {
        struct kg_frame *frame = kg_raw_clip_read(clip);
        if (!frame) {
            failed(camera, "no whole picture can be read from it");
            return;
        }
        frame->capture_us = kg_clock_now_us();
        give(camera, frame);
    }
}

static bool rewind_file(struct kg_camera *camera, struct run *run, struct kg_camera_pipeline *pipeline)
{
    if (run->frames == run->frames_at_rewind) {
        failed(camera, "there is no picture in it");
        return false;
    }
    run->frames_at_rewind = run->frames;
    return kg_camera_pipeline_rewind(pipeline);
}

static bool stalled(struct kg_camera *camera, struct run *run)
{
    int64_t limit_us = run->frames ? STALLED_US : FIRST_FRAME_US;
    if (kg_clock_now_us() - run->last_frame_us < limit_us)
        return false;
    failed(camera, "it gives no pictures any more");
    return true;
}

/* Pulls until stopped, failed, or (quietly) a file that cannot be rewound has to be opened again. */
static void pull_all(struct kg_camera *camera, struct kg_camera_pipeline *pipeline, char *error)
{
    struct run run = {.pace.fps = camera->params.fps, .last_frame_us = kg_clock_now_us()};
    bool go_on = true;
    while (go_on && !kg_path_watch_stopped(&camera->watch)) {
        struct kg_frame *frame = NULL;
        switch (kg_camera_pipeline_pull(pipeline, PULL_US, &frame, error)) {
        case KG_CAMERA_FRAME:
            go_on = pass_on(camera, &run, frame);
            break;
        case KG_CAMERA_NOTHING:
            go_on = !stalled(camera, &run);
            break;
        case KG_CAMERA_END:
            go_on = camera->kind == CAMERA_FILE && rewind_file(camera, &run, pipeline);
            break;
        case KG_CAMERA_FAILED:
            failed(camera, error);
            go_on = false;
            break;
        }
        go_on = go_on && still_there(camera, &run);
    }
}

static void run_pipeline(struct kg_camera *camera, const char *path)
{
    char error[KG_PIPELINE_ERROR_MAX];
    if (!kg_path_watch_mark(&camera->watch)) {
        failed(camera, "it is not there");
        return;
    }
    struct kg_raw_clip *clip =
        camera->kind == CAMERA_FILE
            ? kg_raw_clip_open(path, camera->params.width, camera->params.height, camera->params.fps)
            : NULL;
    if (clip) {
        run_clip(camera, clip);
        kg_raw_clip_close(clip);
        return;
    }
    struct kg_camera_pipeline *pipeline =
        kg_camera_pipeline_open(path, camera->kind != CAMERA_FILE, camera->params.width,
                                camera->params.height, camera->params.fps, error);
    if (!pipeline) {
        failed(camera, error);
        return;
    }
    pull_all(camera, pipeline, error);
    kg_camera_pipeline_close(pipeline);
}

static void run_once(struct kg_camera *camera)
{
    char path[32];
    switch (camera->kind) {
    case CAMERA_TEST:
        run_test(camera);
        break;
    case CAMERA_AUTO:
        if (!kg_camera_find_device(path, sizeof path))
            failed(camera, "there is no camera");
        else if (kg_path_watch_set(&camera->watch, path))
            run_pipeline(camera, path);
        break;
    case CAMERA_DEVICE:
    case CAMERA_FILE:
        run_pipeline(camera, camera->spec);
        break;
    }
}

/* Ends early when a missing path appears, so a returning camera is back within moments. */
static void wait_to_retry(struct kg_camera *camera)
{
    int64_t deadline_us = kg_clock_now_us() + camera->retry_us;
    bool was_there = kg_path_watch_mark(&camera->watch);
    camera->retry_us = KG_MIN(camera->retry_us * 2, (int64_t)LAST_RETRY_US);
    while (!kg_path_watch_stopped(&camera->watch) && kg_clock_now_us() < deadline_us) {
        kg_path_watch_wait(&camera->watch, deadline_us);
        if (!was_there && kg_path_watch_mark(&camera->watch)) {
            camera->retry_us = FIRST_RETRY_US;
            return;
        }
    }
}

static void camera_thread(void *arg)
{
    struct kg_camera *camera = arg;
    while (!kg_path_watch_stopped(&camera->watch)) {
        run_once(camera);
        if (!camera->reported)
            continue; /* stopped, or a file to open again at once */
        wait_to_retry(camera);
    }
}

static enum camera_kind kind_of(const char *spec)
{
    if (strcmp(spec, "test") == 0)
        return CAMERA_TEST;
    if (strcmp(spec, "auto") == 0)
        return CAMERA_AUTO;
    return strncmp(spec, "/dev/", 5) == 0 ? CAMERA_DEVICE : CAMERA_FILE;
}

struct kg_camera *kg_camera_open(const struct kg_camera_params *params)
{
    if (!params->spec || !params->frame || params->width < 16 || params->height < 16 || params->width % 2 ||
        params->height % 2 || params->width > MAX_WIDTH || params->height > MAX_HEIGHT || params->fps < 1 ||
        params->fps > 60) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no camera of %ux%u at %u fps: out of range", params->width,
               params->height, params->fps);
        return NULL;
    }
    kg_gst_init();
    struct kg_camera *camera = calloc(1, sizeof *camera);
    if (!camera || !(camera->spec = strdup(params->spec))) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for a camera");
        goto free_camera;
    }
    camera->params = *params;
    camera->params.spec = camera->spec;
    camera->kind = kind_of(camera->spec);
    camera->retry_us = FIRST_RETRY_US;
    const char *watched = camera->kind == CAMERA_TEST   ? NULL
                          : camera->kind == CAMERA_AUTO ? "/dev/video0"
                                                        : camera->spec;
    if (!kg_path_watch_init(&camera->watch, watched))
        goto free_spec;
    if (!kg_thread_start(&camera->thread, "kg-camera", camera_thread, camera))
        goto finish_watch;
    return camera;

finish_watch:
    kg_path_watch_finish(&camera->watch);
free_spec:
    free(camera->spec);
free_camera:
    free(camera);
    return NULL;
}

void kg_camera_close(struct kg_camera *camera)
{
    if (!camera)
        return;
    kg_path_watch_stop(&camera->watch);
    kg_thread_join(&camera->thread);
    kg_path_watch_finish(&camera->watch);
    free(camera->spec);
    free(camera);
}

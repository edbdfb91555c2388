/* What is coded of the camera, and when: only while somebody watches, and then at once. The camera is a fake.
 */
#include "app/send_video.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/tap.h"
#include "base/clock.h"
#include "gst/camera.h"
#include "unit/cmocka_all.h"

enum { WIDTH = 320, HEIGHT = 180, FPS = 30, PATIENCE_US = 10000000 };

struct kg_camera {
    struct kg_camera_params params;
};

static struct kg_camera camera;
static sem_t opened, shown, told;
static int refusals; /* of kg_camera_open to come; set while nothing runs */
static enum kg_device_event last_event;
static char last_text[200];

struct kg_camera *kg_camera_open(const struct kg_camera_params *params)
{
    camera.params = *params;
    if (refusals > 0) {
        refusals--;
        return NULL;
    }
    sem_post(&opened);
    return &camera;
}

void kg_camera_close(struct kg_camera *closed)
{
    assert_true(!closed || closed == &camera);
}

void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame)
{
    (void)tap, (void)file, (void)frame;
}

static void on_shown(void)
{
    sem_post(&shown);
}

static void on_event(void *user, enum kg_device_event event, const char *text)
{
    (void)user;
    last_event = event;
    snprintf(last_text, sizeof last_text, "%s", text);
    sem_post(&told);
}

struct world {
    struct kg_queue *coded;
    struct kg_picture_slots *screen;
    struct kg_send_video *video;
    int64_t capture_us;
};

static void start(struct world *w)
{
    assert_int_equal(sem_init(&opened, 0, 0), 0);
    assert_int_equal(sem_init(&shown, 0, 0), 0);
    assert_int_equal(sem_init(&told, 0, 0), 0);
    w->coded = kg_queue_create(8, sizeof(struct kg_coded_picture));
    w->screen = kg_picture_slots_create(on_shown);
    const struct kg_send_video_params params = {.camera = "fake",
                                                .width = WIDTH,
                                                .height = HEIGHT,
                                                .fps = FPS,
                                                .rate_bps = 500000,
                                                .coded = w->coded,
                                                .screen = w->screen,
                                                .event = on_event};
    w->video = kg_send_video_create(&params);
    assert_non_null(w->video);
    kg_send_video_set_on(w->video, true);
    sem_wait(&opened);
}

static void finish(struct world *w)
{
    struct kg_coded_picture picture;
    kg_send_video_destroy(w->video);
    while (kg_queue_pop(w->coded, &picture))
        free(picture.data);
    kg_queue_destroy(w->coded);
    kg_picture_slots_destroy(w->screen);
}

/* A picture of this age from the camera, up to where we see it ourselves. */
static void picture(struct world *w, int64_t age_us)
{
    struct kg_frame *frame = kg_frame_create(WIDTH, HEIGHT);
    assert_non_null(frame);
    for (int i = 0; i < 3; i++)
        memset((uint8_t *)frame->plane[i], 100, (size_t)frame->stride[i] * (i ? HEIGHT / 2 : HEIGHT));
    w->capture_us = frame->capture_us = kg_clock_now_us() - age_us;
    camera.params.frame(camera.params.user, frame);
    sem_wait(&shown);
    struct kg_frame *self;
    assert_true(kg_picture_slots_take(w->screen, KG_PICTURE_SELF, kg_clock_now_us(), &self));
    assert_int_equal(self->capture_us, w->capture_us);
    kg_frame_unref(self);
}

/* The next coded picture is this one. */
static void expect(struct world *w, int64_t capture_us, bool keyframe)
{
    struct kg_coded_picture coded;
    assert_true(kg_queue_pop_wait(w->coded, &coded, kg_clock_now_us() + PATIENCE_US));
    assert_int_equal(coded.capture_us, capture_us);
    assert_int_equal(coded.keyframe, keyframe);
    free(coded.data);
}

static void what_nobody_watches_is_not_coded(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    picture(&w, 0);
    picture(&w, 0);
    /* who comes gets what is there, without waiting for the camera */
    kg_send_video_set_watched(w.video, true);
    expect(&w, w.capture_us, true);
    picture(&w, 0);
    expect(&w, w.capture_us, false);
    kg_send_video_set_watched(w.video, false);
    picture(&w, 0);
    picture(&w, 0);
    kg_send_video_set_watched(w.video, true);
    expect(&w, w.capture_us, true);
    finish(&w);
}

static void a_camera_that_stands_still_is_not_shown_as_alive(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    picture(&w, 1000000);
    kg_send_video_set_watched(w.video, true);
    picture(&w, 0);
    expect(&w, w.capture_us, true);
    finish(&w);
}

static void a_camera_switched_off_leaves_no_picture(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    picture(&w, 0);
    kg_send_video_set_on(w.video, false);
    sem_wait(&shown); /* our own picture is taken away */
    kg_send_video_set_watched(w.video, true);
    kg_send_video_set_on(w.video, true);
    sem_wait(&opened);
    struct kg_frame *self;
    assert_true(kg_picture_slots_take(w.screen, KG_PICTURE_SELF, kg_clock_now_us(), &self));
    assert_null(self);
    picture(&w, 0);
    expect(&w, w.capture_us, true);
    finish(&w);
}

/* A camera that cannot be had is said, and had as soon as it can be. */
static void a_refused_camera_is_told_and_opened_later(void **state)
{
    (void)state;
    struct world w;
    refusals = 2;
    start(&w); /* returns once it is open */
    for (int i = 0; i < 2; i++)
        assert_int_equal(sem_trywait(&told), 0);
    assert_int_equal(sem_trywait(&told), -1);
    assert_int_equal(last_event, KG_DEVICE_MISSING);
    assert_non_null(strstr(last_text, "the camera fake cannot be used"));
    kg_send_video_set_watched(w.video, true);
    picture(&w, 0);
    expect(&w, w.capture_us, true);
    finish(&w);
}

/* Nor is it waited for when nobody wants it any more, or the call ends. */
static void a_refused_camera_holds_nothing_up(void **state)
{
    (void)state;
    struct world w;
    refusals = 1;
    start(&w);
    kg_send_video_set_on(w.video, false);
    sem_wait(&shown);
    refusals = 1000;
    kg_send_video_set_on(w.video, true);
    for (int i = 0; i < 2; i++)
        sem_wait(&told);
    finish(&w);
    refusals = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_watches_is_not_coded),
        cmocka_unit_test(a_camera_that_stands_still_is_not_shown_as_alive),
        cmocka_unit_test(a_camera_switched_off_leaves_no_picture),
        cmocka_unit_test(a_refused_camera_is_told_and_opened_later),
        cmocka_unit_test(a_refused_camera_holds_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

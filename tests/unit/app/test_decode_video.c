/* The picture decoder behind: what a full queue must not lose. */
#include "app/decode_video.h"

#include <semaphore.h>

#include "codec/vpx_encoder.h"
#include "unit/cmocka_all.h"

enum { SIZE = 64, ENOUGH = 100 };

static sem_t decoding, go_on, woken;

static void wake(void)
{
    sem_post(&woken);
}

static void hold_the_decoder(void *user)
{
    (void)user;
    sem_post(&decoding);
    sem_wait(&go_on);
}

static struct kg_vp8_frame *keyframe(void)
{
    const struct kg_vpx_encoder_params params = {
        .width = SIZE, .height = SIZE, .fps = 30, .rate_bps = 100000, .threads = 1};
    struct kg_vpx_encoder *encoder = kg_vpx_encoder_create(&params);
    struct kg_frame *picture = kg_frame_create(SIZE, SIZE);
    struct kg_encoded_frame coded;
    assert_true(encoder && picture);
    for (int i = 0; i < 3; i++)
        memset((uint8_t *)picture->plane[i], 128, (size_t)picture->stride[i] * SIZE / (i ? 2 : 1));
    assert_true(kg_vpx_encoder_encode(encoder, picture, &coded));
    assert_true(coded.data && coded.keyframe);
    struct kg_vp8_frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    frame->data = calloc(1, coded.size + 64);
    assert_non_null(frame->data);
    memcpy(frame->data, coded.data, coded.size);
    frame->size = coded.size;
    frame->keyframe = true;
    kg_frame_unref(picture);
    kg_vpx_encoder_destroy(encoder);
    return frame;
}

static void a_full_queue_does_not_lose_a_clear(void **state)
{
    (void)state;
    struct kg_picture_slots *screen = kg_picture_slots_create(wake);
    struct kg_queue *broken = kg_queue_create(4, sizeof(unsigned));
    assert_true(screen && broken);
    assert_int_equal(sem_init(&decoding, 0, 0) | sem_init(&go_on, 0, 0) | sem_init(&woken, 0, 0), 0);
    struct kg_decode_video *decode = kg_decode_video_create(screen, broken, hold_the_decoder, NULL);
    assert_non_null(decode);
    assert_true(kg_decode_video_frame(decode, KG_PICTURE_VIDEO, keyframe(), 1));
    sem_wait(&decoding);
    int waiting = 0;
    while (waiting < ENOUGH && kg_decode_video_frame(decode, KG_PICTURE_VIDEO, keyframe(), 2))
        waiting++;
    assert_in_range(waiting, 1, ENOUGH - 1);
    kg_decode_video_clear(decode, KG_PICTURE_VIDEO);
    sem_post(&go_on);
    kg_decode_video_destroy(decode); /* after all jobs */
    struct kg_frame *frame;
    assert_true(kg_picture_slots_take(screen, KG_PICTURE_VIDEO, INT64_MAX, &frame));
    assert_null(frame);
    kg_queue_destroy(broken);
    kg_picture_slots_destroy(screen);
}

static void expect_shown(struct kg_picture_slots *screen, bool picture)
{
    struct kg_frame *frame;
    while (!kg_picture_slots_take(screen, KG_PICTURE_VIDEO, INT64_MAX, &frame))
        sem_wait(&woken);
    assert_int_equal(frame != NULL, picture);
    if (frame)
        kg_frame_unref(frame);
}

static void a_cleared_place_shows_what_comes_after(void **state)
{
    (void)state;
    struct kg_picture_slots *screen = kg_picture_slots_create(wake);
    struct kg_queue *broken = kg_queue_create(4, sizeof(unsigned));
    assert_true(screen && broken);
    assert_int_equal(sem_init(&decoding, 0, 0) | sem_init(&go_on, 0, 1) | sem_init(&woken, 0, 0), 0);
    struct kg_decode_video *decode = kg_decode_video_create(screen, broken, hold_the_decoder, NULL);
    assert_non_null(decode);
    assert_true(kg_decode_video_frame(decode, KG_PICTURE_VIDEO, keyframe(), 1));
    expect_shown(screen, true);
    kg_decode_video_clear(decode, KG_PICTURE_VIDEO);
    expect_shown(screen, false);
    assert_true(kg_decode_video_frame(decode, KG_PICTURE_VIDEO, keyframe(), 2));
    expect_shown(screen, true);
    kg_decode_video_destroy(decode);
    kg_queue_destroy(broken);
    kg_picture_slots_destroy(screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_does_not_lose_a_clear),
        cmocka_unit_test(a_cleared_place_shows_what_comes_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "app/decode_video.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "codec/vpx_decoder.h"

enum { WAITING = 32 };

struct job {
    unsigned place;
    struct kg_vp8_frame *frame; /* NULL: clear */
    int64_t due_us;
};

struct kg_decode_video {
    struct kg_picture_slots *screen;
    struct kg_queue *broken;
    void (*first)(void *user);
    void *user;
    struct kg_thread thread;
    struct kg_queue *jobs;
    atomic_ullong count;
    struct kg_vpx_decoder *decoders[KG_PICTURE_PLACES]; /* of the thread; made at first need */
};

static void decode_frame(struct kg_decode_video *decode, const struct job *job)
{
    struct kg_vpx_decoder **decoder = &decode->decoders[job->place];
    if (!*decoder && !(*decoder = kg_vpx_decoder_create()))
        return;
    struct kg_frame *picture = NULL;
    switch (kg_vpx_decoder_decode(*decoder, job->frame->data, job->frame->size, &picture)) {
    case KG_VPX_PICTURE:
        picture->capture_us = job->due_us;
        picture->source = job->frame->source;
        if (atomic_fetch_add(&decode->count, 1) == 0)
            decode->first(decode->user);
        kg_picture_slots_put(decode->screen, job->place, picture);
        break;
    case KG_VPX_NO_PICTURE:
        break;
    case KG_VPX_NEED_KEYFRAME:
        if (!kg_queue_push(decode->broken, &job->place))
            kg_log(KG_LOG_DEBUG, "app", NULL, "a keyframe request is left out: many wait");
        break;
    }
}

static void run(void *arg)
{
    struct kg_decode_video *decode = arg;
    struct job job;
    while (kg_queue_pop_wait(decode->jobs, &job, INT64_MAX)) {
        if (job.frame) {
            decode_frame(decode, &job);
            kg_vp8_frame_destroy(job.frame);
        } else {
            kg_vpx_decoder_destroy(decode->decoders[job.place]);
            decode->decoders[job.place] = NULL;
            kg_picture_slots_put(decode->screen, job.place, NULL);
        }
    }
    for (unsigned i = 0; i < KG_PICTURE_PLACES; i++)
        kg_vpx_decoder_destroy(decode->decoders[i]);
}

struct kg_decode_video *kg_decode_video_create(struct kg_picture_slots *screen, struct kg_queue *broken,
                                               void (*first)(void *user), void *user)
{
    struct kg_decode_video *decode = calloc(1, sizeof *decode);
    if (!decode)
        return NULL;
    decode->screen = screen;
    decode->broken = broken;
    decode->first = first;
    decode->user = user;
    decode->jobs = kg_queue_create(WAITING, sizeof(struct job));
    if (!decode->jobs || !kg_thread_start(&decode->thread, "decode-video", run, decode)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot start the decoder's thread");
        kg_queue_destroy(decode->jobs);
        free(decode);
        return NULL;
    }
    return decode;
}

void kg_decode_video_destroy(struct kg_decode_video *decode)
{
    if (!decode)
        return;
    kg_queue_close(decode->jobs);
    kg_thread_join(&decode->thread);
    kg_queue_destroy(decode->jobs);
    free(decode);
}

bool kg_decode_video_frame(struct kg_decode_video *decode, unsigned place, struct kg_vp8_frame *frame,
                           int64_t due_us)
{
    struct job job = {.place = place, .frame = frame, .due_us = due_us};
    if (kg_queue_push(decode->jobs, &job))
        return true;
    kg_vp8_frame_destroy(frame);
    return false;
}

void kg_decode_video_clear(struct kg_decode_video *decode, unsigned place)
{
    struct job job = {.place = place};
    if (!kg_queue_push(decode->jobs, &job))
        kg_log(KG_LOG_DEBUG, "app", NULL, "place %u is cleared late", place);
}

uint64_t kg_decode_video_count(const struct kg_decode_video *decode)
{
    return atomic_load(&decode->count);
}

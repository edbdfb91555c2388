#include "app/decode_video.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "codec/vpx_decoder.h"

enum { WAITING = 32 };

struct job {
    unsigned place;
    unsigned generation;
    struct kg_vp8_frame *frame; /* NULL: only wakes */
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
    /* Of each place: how often it was cleared. Not said by a job alone, for which there may be no room. */
    atomic_uint generation[KG_PICTURE_PLACES];
    unsigned followed[KG_PICTURE_PLACES];               /* of the thread */
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

/* Empties the places cleared since the last job. */
static void follow(struct kg_decode_video *decode)
{
    for (unsigned place = 0; place < KG_PICTURE_PLACES; place++) {
        unsigned generation = atomic_load(&decode->generation[place]);
        if (decode->followed[place] == generation)
            continue;
        decode->followed[place] = generation;
        kg_vpx_decoder_destroy(decode->decoders[place]);
        decode->decoders[place] = NULL;
        kg_picture_slots_put(decode->screen, place, NULL);
    }
}

static void run(void *arg)
{
    struct kg_decode_video *decode = arg;
    struct job job;
    while (kg_queue_pop_wait(decode->jobs, &job, INT64_MAX)) {
        follow(decode);
        if (job.frame && job.generation == decode->followed[job.place])
            decode_frame(decode, &job);
        kg_vp8_frame_destroy(job.frame);
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
    struct job job = {.place = place,
                      .generation = atomic_load(&decode->generation[place]),
                      .frame = frame,
                      .due_us = due_us};
    if (kg_queue_push(decode->jobs, &job))
        return true;
    kg_vp8_frame_destroy(frame);
    return false;
}

void kg_decode_video_clear(struct kg_decode_video *decode, unsigned place)
{
    const struct job wake = {.place = place};
    atomic_fetch_add(&decode->generation[place], 1);
    if (!kg_queue_push(decode->jobs, &wake))
        return; /* full: the thread is awake, and looks before its next job */
}

uint64_t kg_decode_video_count(const struct kg_decode_video *decode)
{
    return atomic_load(&decode->count);
}

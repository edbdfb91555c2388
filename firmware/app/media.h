/* Everything of a call that outlives its connection: camera, microphone, loudspeaker, codecs and their
 * threads. A call that is lost and resumed keeps them. Thread: the net thread. Owns: its parts and the queues
 * between them and the net thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/decode_video.h"
#include "app/media_report.h"
#include "app/picture_slots.h"
#include "app/receive_audio.h"
#include "app/send_audio.h"
#include "app/send_video.h"
#include "base/attr.h"
#include "base/queue.h"

struct kg_tap;

enum { KG_MEDIA_AUDIO_BPS = 32000, KG_MEDIA_START_VIDEO_BPS = 1000000 };

struct kg_media_params {
    const char *camera, *microphone, *speaker;
    uint32_t width, height, fps;
    float volume;
    struct kg_picture_slots *screen;
    struct kg_tap *tap;
    /* From any of the threads below. */
    void (*report)(void *user, const struct kg_media_report *report);
    void *user;
};

struct kg_media {
    struct kg_media_params params;
    struct kg_queue *pictures; /* struct kg_coded_picture: to be sent */
    struct kg_queue *sounds;   /* struct kg_coded_sound: to be sent */
    struct kg_queue *broken;   /* unsigned: a place that needs a keyframe */
    struct kg_queue *heard;    /* struct kg_heard */
    struct kg_send_video *send_video;
    struct kg_receive_audio *receive_audio;
    struct kg_send_audio *send_audio;
    struct kg_decode_video *decode_video;
};

/* Starts all threads and opens the devices that are not muted. NULL (logged): memory or threads. */
KG_MUST_CHECK struct kg_media *kg_media_create(const struct kg_media_params *params, bool microphone_muted,
                                               bool camera_muted);
void kg_media_destroy(struct kg_media *media);
void kg_media_mute(struct kg_media *media, bool microphone_muted, bool camera_muted);
/* Lets go of what waits to be sent: it belongs to a call that is over. */
void kg_media_drain(struct kg_media *media);

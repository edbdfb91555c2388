#include "app/media.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { PICTURES = 8, SOUNDS = 16, BROKEN = 16, HEARD = 16 };

static void report_device(struct kg_media *media, enum kg_media_device device, enum kg_device_event event,
                          const char *text)
{
    struct kg_media_report report = {.event = KG_MEDIA_DEVICE, .device = device};
    report.device_present = event == KG_DEVICE_RUNNING;
    snprintf(report.text, sizeof report.text, "%s", text ? text : "");
    kg_log(KG_LOG_DEBUG, "app", "app.device", "%s", report.text); /* gst has said it */
    media->params.report(media->params.user, &report);
}

static void on_camera(void *user, enum kg_device_event event, const char *text)
{
    report_device(user, KG_MEDIA_CAMERA, event, text);
}

static void on_sound(void *user, enum kg_audio_side side, enum kg_device_event event, const char *text)
{
    report_device(user, side == KG_AUDIO_MICROPHONE ? KG_MEDIA_MICROPHONE : KG_MEDIA_SPEAKER, event, text);
}

static void on_first_picture(void *user)
{
    struct kg_media *media = user;
    const struct kg_media_report report = {.event = KG_MEDIA_PICTURE};
    kg_log(KG_LOG_INFO, "app", "app.first-picture", "the first picture of another room has come");
    media->params.report(media->params.user, &report);
}

static bool create_queues(struct kg_media *media)
{
    media->pictures = kg_queue_create(PICTURES, sizeof(struct kg_coded_picture));
    media->sounds = kg_queue_create(SOUNDS, sizeof(struct kg_coded_sound));
    media->broken = kg_queue_create(BROKEN, sizeof(unsigned));
    media->heard = kg_queue_create(HEARD, sizeof(struct kg_heard));
    return media->pictures && media->sounds && media->broken && media->heard;
}

static bool create_parts(struct kg_media *media, bool microphone_muted)
{
    const struct kg_media_params *p = &media->params;
    media->receive_audio = kg_receive_audio_create(media->heard);
    media->decode_video = kg_decode_video_create(p->screen, media->broken, on_first_picture, media);
    if (!media->receive_audio || !media->decode_video)
        return false;
    const struct kg_send_video_params video = {.camera = p->camera,
                                               .width = p->width,
                                               .height = p->height,
                                               .fps = p->fps,
                                               .rate_bps = KG_MEDIA_START_VIDEO_BPS,
                                               .coded = media->pictures,
                                               .screen = p->screen,
                                               .tap = p->tap,
                                               .event = on_camera,
                                               .user = media};
    media->send_video = kg_send_video_create(&video);
    const struct kg_send_audio_params audio = {.microphone = p->microphone,
                                               .speaker = p->speaker,
                                               .volume = p->volume,
                                               .rate_bps = KG_MEDIA_AUDIO_BPS,
                                               .muted = microphone_muted,
                                               .coded = media->sounds,
                                               .remote = media->receive_audio,
                                               .tap = p->tap,
                                               .event = on_sound,
                                               .user = media};
    media->send_audio = kg_send_audio_create(&audio);
    return media->send_video && media->send_audio;
}

struct kg_media *kg_media_create(const struct kg_media_params *params, bool microphone_muted,
                                 bool camera_muted)
{
    struct kg_media *media = calloc(1, sizeof *media);
    if (!media)
        return NULL;
    media->params = *params;
    if (!create_queues(media) || !create_parts(media, microphone_muted)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "the call's devices cannot be started");
        kg_media_destroy(media);
        return NULL;
    }
    kg_media_mute(media, microphone_muted, camera_muted);
    return media;
}

static void log_heard(const struct kg_media *media)
{
    struct kg_receive_audio_stats heard = kg_receive_audio_get_stats(media->receive_audio);
    kg_log(KG_LOG_INFO, "app", "app.call-summary",
           "pictures=%llu sound_packets=%llu late=%llu concealed_ms=%llu by_fec_ms=%llu",
           (unsigned long long)kg_decode_video_count(media->decode_video), (unsigned long long)heard.packets,
           (unsigned long long)heard.late, (unsigned long long)heard.concealed_samples / 48,
           (unsigned long long)heard.fec_samples / 48);
}

void kg_media_destroy(struct kg_media *media)
{
    if (!media)
        return;
    if (media->receive_audio && media->decode_video)
        log_heard(media);
    kg_send_audio_destroy(media->send_audio); /* closes the device, which plays from receive_audio */
    kg_send_video_destroy(media->send_video);
    kg_decode_video_destroy(media->decode_video);
    kg_receive_audio_destroy(media->receive_audio);
    kg_media_drain(media);
    kg_queue_destroy(media->pictures);
    kg_queue_destroy(media->sounds);
    kg_queue_destroy(media->broken);
    kg_queue_destroy(media->heard);
    for (unsigned place = 0; place < KG_PICTURE_PLACES; place++)
        kg_picture_slots_put(media->params.screen, place, NULL);
    free(media);
}

void kg_media_mute(struct kg_media *media, bool microphone_muted, bool camera_muted)
{
    kg_send_audio_set_mute(media->send_audio, microphone_muted);
    kg_send_video_set_on(media->send_video, !camera_muted);
}

void kg_media_drain(struct kg_media *media)
{
    struct kg_coded_picture picture;
    struct kg_coded_sound sound;
    unsigned place;
    struct kg_heard heard;
    while (media->pictures && kg_queue_pop(media->pictures, &picture))
        free(picture.data);
    while (media->sounds && kg_queue_pop(media->sounds, &sound)) {
    }
    while (media->broken && kg_queue_pop(media->broken, &place)) {
    }
    while (media->heard && kg_queue_pop(media->heard, &heard)) {
    }
}

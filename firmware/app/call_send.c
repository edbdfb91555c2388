#include <stdlib.h>
#include <string.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "base/random.h"
#include "rtp/rtp.h"

enum { AUDIO_CLOCK = 48000, VIDEO_CLOCK = 90000, WAITED_TOO_LONG_US = 400000 };

static int64_t rtt_us(const struct kg_call *call)
{
    int64_t path_us = kg_transport_get_stats(call->transport).rtt_us;
    return path_us > 0 ? path_us : call->video_sent.rtt_us;
}

/* --- from the coders ------------------------------------------------------------------------------------ */

static uint8_t add_extension(struct kg_rtp_extension *extensions, uint8_t count, uint8_t id,
                             const uint8_t *data, uint8_t size)
{
    if (id == 0)
        return count;
    extensions[count] = (struct kg_rtp_extension){.id = id, .size = size, .data = data};
    return (uint8_t)(count + 1);
}

static void push(struct kg_call *call, enum kg_pacer_class class_, struct kg_packet *packet, int64_t now_us)
{
    if (kg_pacer_push(call->pacer, class_, packet, now_us))
        return;
    kg_packet_unref(packet);
    if (class_ == KG_PACER_VIDEO)
        kg_call_make_keyframe(call, now_us);
}

static void send_sound(struct kg_call *call, const struct kg_coded_sound *sound, int64_t now_us)
{
    static const uint8_t no_number[2];
    const struct kg_wire_line *line = call->microphone;
    uint8_t level =
        kg_audio_level_byte((struct kg_audio_level){.voice = sound->voice, .level = sound->level});
    struct kg_rtp_header header = {.payload_type = line->payload_type,
                                   .sequence = call->audio_sequence,
                                   .timestamp = call->audio_timestamp + sound->position,
                                   .ssrc = line->ssrc,
                                   .marker = !call->audio_started};
    uint8_t count = add_extension(header.extensions, 0, line->extension[KG_EXT_AUDIO_LEVEL], &level, 1);
    header.extension_count =
        add_extension(header.extensions, count, line->extension[KG_EXT_TRANSPORT_CC], no_number, 2);
    struct kg_packet *packet = kg_packet_pool_get(call->pool);
    if (!packet)
        return;
    size_t at = kg_rtp_write_header(&header, packet->data, sizeof packet->data);
    if (at == 0 || at + sound->size > KG_RTP_MAX_PLAIN) {
        kg_packet_unref(packet);
        return;
    }
    memcpy(packet->data + at, sound->data, sound->size);
    packet->size = (uint32_t)(at + sound->size);
    packet->arrival_us = now_us;
    call->audio_sequence++;
    call->audio_started = true;
    kg_sender_stats_packet(&call->audio_sent, header.timestamp, sound->size, sound->capture_us);
    push(call, KG_PACER_AUDIO, packet, now_us);
}

static void on_sounds(void *user)
{
    struct kg_call *call = user;
    struct kg_coded_sound sound;
    int64_t now_us = kg_clock_now_us();
    while (kg_queue_pop(call->params.media->sounds, &sound)) {
        if (call->connected && call->microphone && !call->muted_microphone)
            send_sound(call, &sound, now_us);
    }
    if (call->connected)
        kg_call_pump(call, now_us);
    kg_call_schedule(call, now_us);
}

static void send_picture(struct kg_call *call, const struct kg_coded_picture *picture, int64_t now_us)
{
    static const uint8_t no_number[2];
    struct kg_packet *packets[KG_VP8_MAX_FRAME_PACKETS];
    struct kg_rtp_extension extensions[1];
    const struct kg_wire_line *line = call->camera;
    if (call->video_epoch_us == 0)
        call->video_epoch_us = picture->capture_us;
    int64_t ticks = (picture->capture_us - call->video_epoch_us) * VIDEO_CLOCK / 1000000;
    const struct kg_vp8_input input = {
        .data = picture->data,
        .size = picture->size,
        .timestamp = call->video_timestamp + (uint32_t)ticks,
        .keyframe = picture->keyframe,
        .extension_count = add_extension(extensions, 0, line->extension[KG_EXT_TRANSPORT_CC], no_number, 2),
        .extensions = extensions};
    size_t count = kg_vp8_packetiser_frame(&call->packetiser, &input, call->pool, now_us, packets,
                                           KG_VP8_MAX_FRAME_PACKETS);
    if (count == 0) {
        kg_call_make_keyframe(call, now_us);
        return;
    }
    kg_sender_stats_packet(&call->video_sent, input.timestamp, (uint32_t)picture->size, picture->capture_us);
    call->video_sent.packets += (uint32_t)count - 1; /* it counts one packet a call */
    for (size_t i = 0; i < count; i++)
        push(call, KG_PACER_VIDEO, packets[i], now_us);
}

static void on_pictures(void *user)
{
    struct kg_call *call = user;
    struct kg_coded_picture picture;
    int64_t now_us = kg_clock_now_us();
    while (kg_queue_pop(call->params.media->pictures, &picture)) {
        if (call->connected && call->camera && !call->muted_camera) {
            if (kg_pacer_queue_us(call->pacer) > WAITED_TOO_LONG_US)
                kg_call_make_keyframe(call, now_us);
            else
                send_picture(call, &picture, now_us);
        }
        free(picture.data);
    }
    if (call->connected)
        kg_call_pump(call, now_us);
    kg_call_schedule(call, now_us);
}

/* --- to the line ---------------------------------------------------------------------------------------- */

static uint8_t number_id(const struct kg_call *call, enum kg_pacer_class class_)
{
    const struct kg_wire_line *line = class_ == KG_PACER_AUDIO ? call->microphone : call->camera;
    return line ? line->extension[KG_EXT_TRANSPORT_CC] : 0;
}

static void send_packet(struct kg_call *call, enum kg_pacer_class class_, struct kg_packet *packet,
                        int64_t now_us)
{
    uint8_t wire[KG_PACKET_CAPACITY];
    uint8_t id = number_id(call, class_);
    if (id != 0) {
        uint8_t number[2];
        uint16_t value =
            kg_twcc_sender_packet(&call->twcc_sender, packet->size + KG_SRTP_RTP_TRAILER, now_us);
        kg_estimator_sent(&call->estimator, now_us);
        number[0] = (uint8_t)(value >> 8);
        number[1] = (uint8_t)value;
        if (!kg_rtp_patch_extension(packet->data, packet->size, id, number, sizeof number))
            kg_log(KG_LOG_DEBUG, "app", NULL, "a packet leaves without a number");
    }
    struct kg_rtp_packet rtp;
    if (class_ == KG_PACER_VIDEO && kg_rtp_parse(packet->data, packet->size, &rtp))
        kg_sent_cache_put(call->cache, rtp.header.sequence, packet, now_us);
    /* Encrypted in a copy: the plain one stays for retransmission. */
    memcpy(wire, packet->data, packet->size);
    kg_transport_send_rtp(call->transport, wire, packet->size, sizeof wire, now_us);
}

void kg_call_pump(struct kg_call *call, int64_t now_us)
{
    enum kg_pacer_class class_;
    struct kg_packet *packet;
    while ((packet = kg_pacer_take(call->pacer, now_us, &class_)) != NULL) {
        /* What was queued before a mute stays here, retransmissions too. */
        if (class_ == KG_PACER_AUDIO ? !call->muted_microphone : !call->muted_camera)
            send_packet(call, class_, packet, now_us);
        kg_packet_unref(packet);
    }
}

void kg_call_resend(struct kg_call *call, const struct kg_rtcp *nack, int64_t now_us)
{
    const struct kg_wire_line *line = call->camera;
    if (!line || nack->media_ssrc != line->ssrc || line->rtx_ssrc == 0)
        return;
    for (uint16_t i = 0; i < nack->nack.count; i++) {
        struct kg_packet *original =
            kg_sent_cache_resend(call->cache, nack->nack.sequence[i], now_us, rtt_us(call));
        struct kg_packet *packet = original ? kg_packet_pool_get(call->pool) : NULL;
        if (!packet)
            continue;
        packet->size =
            (uint32_t)kg_rtx_wrap(original->data, original->size, line->rtx_ssrc, line->rtx_payload_type,
                                  call->rtx_sequence, packet->data, KG_RTP_MAX_PLAIN);
        if (packet->size == 0) {
            kg_packet_unref(packet);
            continue;
        }
        call->rtx_sequence++;
        push(call, KG_PACER_RESENT, packet, now_us);
    }
}

void kg_call_make_keyframe(struct kg_call *call, int64_t now_us)
{
    if (now_us - call->keyframe_us < KG_CALL_KEYFRAME_US)
        return;
    call->keyframe_us = now_us;
    kg_send_video_keyframe(call->params.media->send_video);
}

/* --- the rate ------------------------------------------------------------------------------------------- */

void kg_call_adapt(struct kg_call *call, int64_t now_us)
{
    kg_estimator_tick(&call->estimator, rtt_us(call), now_us);
    /* Headers and tags of 50 packets a second come on top of the speech itself. */
    uint32_t audio_bps = call->muted_microphone ? 0 : KG_MEDIA_AUDIO_BPS + 50 * 8 * 45;
    uint32_t video_bps = kg_estimator_video_bps(&call->estimator, audio_bps, KG_CALL_MIN_VIDEO_BPS);
    video_bps = KG_MIN(video_bps, call->params.max_video_bps);
    kg_pacer_set_target(call->pacer, kg_estimator_target_bps(&call->estimator));
    video_bps = video_bps / 100 * 96; /* headers, tags */
    uint32_t change = video_bps > call->video_bps ? video_bps - call->video_bps : call->video_bps - video_bps;
    if (change > call->video_bps / 33 || (video_bps == 0) != (call->video_bps == 0)) {
        call->video_bps = video_bps;
        kg_send_video_set_rate(call->params.media->send_video, video_bps);
    }
    kg_sent_cache_trim(call->cache, now_us);
}

/* --- start and stop ------------------------------------------------------------------------------------- */

static void start_streams(struct kg_call *call)
{
    const struct kg_wire *wire = call->wire;
    call->microphone = kg_wire_find(wire, KG_ROLE_MICROPHONE, 0);
    call->camera = kg_wire_find(wire, KG_ROLE_CAMERA, 0);
    call->audio_timestamp = kg_random_u32();
    call->video_timestamp = kg_random_u32();
    call->audio_sequence = (uint16_t)(kg_random_u32() & 0x7fff);
    call->rtx_sequence = (uint16_t)(kg_random_u32() & 0x7fff);
    if (call->microphone)
        kg_sender_stats_init(&call->audio_sent, call->microphone->ssrc, AUDIO_CLOCK);
    if (call->camera) {
        kg_sender_stats_init(&call->video_sent, call->camera->ssrc, VIDEO_CLOCK);
        kg_vp8_packetiser_init(&call->packetiser, call->camera->ssrc, call->camera->payload_type,
                               (uint16_t)(kg_random_u32() & 0x7fff), (uint16_t)(kg_random_u32() & 0x7fff),
                               (uint8_t)kg_random_u32());
    }
}

bool kg_call_start_sending(struct kg_call *call)
{
    struct kg_pacer_params pacer = kg_pacer_params_default();
    struct kg_estimator_params estimator = kg_estimator_params_default();
    estimator.max_bps = call->params.max_bps;
    estimator.start_bps = KG_MIN(estimator.start_bps, call->params.max_bps);
    estimator.min_bps = KG_MIN(estimator.min_bps, call->params.max_bps);
    start_streams(call);
    kg_twcc_sender_init(&call->twcc_sender);
    kg_fec_policy_init(&call->fec);
    kg_estimator_init(&call->estimator, &estimator);
    call->pacer = kg_pacer_create(&pacer);
    call->cache = kg_sent_cache_create();
    if (!call->pacer || !call->cache)
        return false;
    kg_pacer_set_target(call->pacer, estimator.start_bps);
    kg_media_drain(call->params.media);
    call->pictures_watch =
        kg_loop_watch(call->params.loop, kg_queue_fd(call->params.media->pictures), on_pictures, call);
    call->sounds_watch =
        kg_loop_watch(call->params.loop, kg_queue_fd(call->params.media->sounds), on_sounds, call);
    return call->pictures_watch && call->sounds_watch;
}

void kg_call_stop_sending(struct kg_call *call)
{
    kg_loop_unwatch(call->pictures_watch);
    kg_loop_unwatch(call->sounds_watch);
    kg_send_video_set_watched(call->params.media->send_video, false);
    kg_pacer_destroy(call->pacer);
    kg_sent_cache_destroy(call->cache);
    call->pacer = NULL;
    call->cache = NULL;
}

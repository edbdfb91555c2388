#include <stdlib.h>
#include <string.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "rtp/rtp.h"

enum { AUDIO_CLOCK = 48000, VIDEO_CLOCK = 90000, SILENT_US = 1000000 };

static bool is_audio(const struct kg_call_slot *slot)
{
    return slot->line->role == KG_ROLE_AUDIO_SLOT;
}

static int64_t rtt_us(const struct kg_call *call)
{
    return kg_transport_get_stats(call->transport).rtt_us;
}

struct kg_call_slot *kg_call_slot_of(struct kg_call *call, uint32_t ssrc, bool *rtx)
{
    for (unsigned i = 0; i < KG_CALL_SLOTS; i++) {
        const struct kg_wire_line *line = call->slots[i].line;
        if (line && (line->ssrc == ssrc || (line->rtx_ssrc != 0 && line->rtx_ssrc == ssrc))) {
            *rtx = line->ssrc != ssrc;
            return &call->slots[i];
        }
    }
    return NULL;
}

/* --- sound ---------------------------------------------------------------------------------------------- */

static void note_speaker(struct kg_call *call, const struct kg_call_slot *slot,
                         const struct kg_rtp_packet *rtp, int64_t now_us)
{
    struct kg_audio_level level;
    const struct kg_rtp_extension *extension =
        kg_rtp_find(&rtp->header, slot->line->extension[KG_EXT_AUDIO_LEVEL]);
    if (!extension || !kg_audio_level_read(extension, &level) || level.level > KG_CALL_VOICE_LEVEL ||
        rtp->header.csrc_count == 0)
        return;
    /* Who speaks keeps the mark until 300 ms of quiet: it must not flicker between two voices. */
    if (call->speaking == rtp->header.csrc[0] || now_us - call->speaking_us > 300000) {
        call->speaking = rtp->header.csrc[0];
        call->speaking_us = now_us;
    }
}

static void receive_sound(struct kg_call *call, struct kg_call_slot *slot, struct kg_packet *packet,
                          const struct kg_rtp_packet *rtp, int64_t now_us)
{
    note_speaker(call, slot, rtp, now_us);
    kg_receive_audio_packet(call->params.media->receive_audio, slot->line->index, kg_packet_ref(packet));
}

static void on_heard(void *user)
{
    struct kg_call *call = user;
    struct kg_heard heard;
    int64_t now_us = kg_clock_now_us();
    while (kg_queue_pop(call->params.media->heard, &heard)) {
        int64_t capture_us;
        struct kg_call_slot *slot = &call->slots[heard.slot];
        if (!slot->line || !kg_time_map_local(&slot->time, &call->wall, heard.timestamp, &capture_us))
            continue;
        uint32_t camera = 0;
        for (uint32_t i = 0; i < call->party_count; i++)
            camera = call->parties[i].microphone == heard.source ? call->parties[i].camera : camera;
        for (unsigned i = KG_AUDIO_SLOTS; camera != 0 && i < KG_CALL_SLOTS; i++) {
            struct kg_playout *playout = &call->slots[i].playout;
            if (!call->slots[i].line || playout->source != camera)
                continue;
            kg_playout_audio(playout, heard.playout_us - capture_us, now_us);
            kg_receive_audio_set_least(call->params.media->receive_audio, heard.slot,
                                       kg_playout_audio_least_us(playout, heard.delay_us, now_us));
        }
    }
}

/* --- pictures ------------------------------------------------------------------------------------------- */

static void ask_keyframe(struct kg_call *call, struct kg_call_slot *slot, int64_t now_us)
{
    if (!slot->line->pli || now_us - slot->asked_us < KG_CALL_PLI_US ||
        now_us - slot->last_packet_us > SILENT_US)
        return;
    slot->asked_us = now_us;
    struct kg_rtcp pli = {.kind = KG_RTCP_PLI, .media_ssrc = slot->line->ssrc};
    kg_call_send_feedback(call, &pli, now_us);
}

static void take_frames(struct kg_call *call, struct kg_call_slot *slot, int64_t now_us)
{
    struct kg_vp8_frame *frame;
    while ((frame = kg_vp8_assembler_take(slot->assembler, now_us)) != NULL) {
        int64_t capture_us;
        if (!kg_time_map_local(&slot->time, &call->wall, frame->timestamp, &capture_us))
            capture_us = KG_PLAYOUT_UNKNOWN;
        int64_t due_us =
            kg_playout_frame(&slot->playout, frame->timestamp, frame->source, frame->complete_us, capture_us);
        if (frame->keyframe) {
            kg_nack_keyframe(&slot->nack, frame->first_sequence);
            slot->broken = false;
        }
        slot->frames++;
        if (!kg_decode_video_frame(call->params.media->decode_video, slot->place, frame, due_us)) {
            kg_vp8_assembler_require_keyframe(slot->assembler);
            slot->broken = true;
        }
    }
    bool given_up = kg_nack_take_keyframe_request(&slot->nack);
    if (given_up || slot->broken || kg_vp8_assembler_needs_keyframe(slot->assembler))
        ask_keyframe(call, slot, now_us);
}

static void receive_picture(struct kg_call *call, struct kg_call_slot *slot, struct kg_packet *packet,
                            const struct kg_rtp_packet *rtp, int64_t now_us)
{
    kg_nack_receive(&slot->nack, rtp->header.sequence, now_us);
    if (kg_vp8_assembler_push(slot->assembler, packet, rtp))
        take_frames(call, slot, now_us);
}

/* The original packet in packet->data; false: padding, or not a retransmission of this slot. */
static bool unwrap(const struct kg_call_slot *slot, struct kg_packet *packet, struct kg_rtp_packet *rtp)
{
    packet->size =
        (uint32_t)kg_rtx_unwrap(packet->data, packet->size, slot->line->ssrc, slot->line->payload_type);
    return packet->size > 0 && kg_rtp_parse(packet->data, packet->size, rtp);
}

static void note_arrival(struct kg_call *call, const struct kg_call_slot *slot,
                         const struct kg_rtp_packet *rtp, int64_t arrival_us)
{
    const struct kg_rtp_extension *number =
        kg_rtp_find(&rtp->header, slot->line->extension[KG_EXT_TRANSPORT_CC]);
    if (number && number->size == 2)
        kg_twcc_receiver_packet(&call->twcc_receiver, (uint16_t)(number->data[0] << 8 | number->data[1]),
                                rtp->header.ssrc, arrival_us);
}

void kg_call_on_rtp(void *user, uint8_t *data, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct kg_call *call = user;
    struct kg_rtp_packet rtp;
    bool rtx = false;
    if (size > KG_PACKET_CAPACITY || !kg_rtp_parse(data, size, &rtp))
        return;
    struct kg_call_slot *slot = kg_call_slot_of(call, rtp.header.ssrc, &rtx);
    if (!slot)
        return;
    note_arrival(call, slot, &rtp, arrival_us);
    if (!rtx && !kg_receive_stats_packet(&slot->stats, rtp.header.sequence, rtp.header.timestamp,
                                         (uint32_t)size, arrival_us))
        return;
    struct kg_packet *packet = kg_packet_pool_get(call->pool);
    if (!packet)
        return;
    memcpy(packet->data, data, size);
    packet->size = (uint32_t)size;
    /* Not arrival_us: the buffers behind must bridge what we are late ourselves as well as the line's jitter,
     * or on a busy board they would miss packets for ever. */
    packet->arrival_us = now_us;
    slot->last_packet_us = now_us;
    bool usable = rtx ? unwrap(slot, packet, &rtp) : kg_rtp_parse(packet->data, packet->size, &rtp);
    if (usable && is_audio(slot))
        receive_sound(call, slot, packet, &rtp, now_us);
    else if (usable)
        receive_picture(call, slot, packet, &rtp, now_us);
    kg_packet_unref(packet);
}

static void on_broken(void *user)
{
    struct kg_call *call = user;
    unsigned place;
    int64_t now_us = kg_clock_now_us();
    while (kg_queue_pop(call->params.media->broken, &place)) {
        for (unsigned i = KG_AUDIO_SLOTS; i < KG_CALL_SLOTS; i++) {
            struct kg_call_slot *slot = &call->slots[i];
            if (!slot->line || slot->place != place)
                continue;
            slot->broken = true;
            ask_keyframe(call, slot, now_us);
        }
    }
    kg_call_schedule(call, now_us);
}

static void ask_again(struct kg_call *call, struct kg_call_slot *slot, int64_t now_us)
{
    struct kg_rtcp nack = {.kind = KG_RTCP_NACK, .media_ssrc = slot->line->ssrc};
    nack.nack.count =
        (uint16_t)kg_nack_due(&slot->nack, now_us, rtt_us(call), nack.nack.sequence, KG_RTCP_MAX_NACKS);
    if (nack.nack.count > 0 && slot->line->nack)
        kg_call_send_feedback(call, &nack, now_us);
}

void kg_call_receive_tick(struct kg_call *call, int64_t now_us)
{
    for (unsigned i = KG_AUDIO_SLOTS; i < KG_CALL_SLOTS; i++) {
        struct kg_call_slot *slot = &call->slots[i];
        if (!slot->line || slot->last_packet_us == 0)
            continue;
        if (kg_nack_next_us(&slot->nack, rtt_us(call)) <= now_us)
            ask_again(call, slot, now_us);
        take_frames(call, slot, now_us);
    }
    struct kg_rtcp feedback;
    while (kg_twcc_receiver_build(&call->twcc_receiver, now_us, &feedback))
        kg_call_send_feedback(call, &feedback, now_us);
}

int64_t kg_call_receive_next_us(const struct kg_call *call)
{
    int64_t next_us = kg_twcc_receiver_next_us(&call->twcc_receiver);
    for (unsigned i = KG_AUDIO_SLOTS; i < KG_CALL_SLOTS; i++) {
        if (call->slots[i].line && call->slots[i].last_packet_us != 0)
            next_us = KG_MIN(next_us, kg_nack_next_us(&call->slots[i].nack, rtt_us(call)));
    }
    return next_us;
}

void kg_call_slots(struct kg_call *call, const struct kg_message_slot *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < KG_CALL_SLOTS; j++) {
            struct kg_call_slot *slot = &call->slots[j];
            if (!slot->line || slot->line->role != slots[i].role || slot->line->index != slots[i].index)
                continue;
            char role[KG_ROLE_TEXT_BYTES];
            kg_role_format(slots[i].role, slots[i].index, role);
            kg_log(KG_LOG_DEBUG, "app", "app.slot", "%s now carries source %u", role, slots[i].source);
            if (slot->source != 0 && slots[i].source == 0 && !is_audio(slot))
                kg_decode_video_clear(call->params.media->decode_video, slot->place);
            slot->source = slots[i].source;
        }
    }
}

/* --- start and stop ------------------------------------------------------------------------------------- */

static bool start_slot(struct kg_call_slot *slot, const struct kg_wire_line *line)
{
    struct kg_nack_params nack = kg_nack_params_default();
    struct kg_playout_params playout = kg_playout_params_default();
    bool audio = line->role == KG_ROLE_AUDIO_SLOT;
    slot->line = line;
    kg_receive_stats_init(&slot->stats, line->ssrc, audio ? AUDIO_CLOCK : VIDEO_CLOCK);
    kg_time_map_init(&slot->time, audio ? AUDIO_CLOCK : VIDEO_CLOCK);
    kg_nack_init(&slot->nack, &nack);
    kg_playout_init(&slot->playout, &playout);
    if (audio)
        return true;
    slot->place = line->role == KG_ROLE_PRESENTATION_SLOT ? KG_PICTURE_PRESENTATION
                                                          : KG_PICTURE_VIDEO + (unsigned)line->index;
    slot->assembler = kg_vp8_assembler_create(KG_CALL_ASSEMBLER_WAIT_US);
    return slot->assembler != NULL;
}

static bool start_slots(struct kg_call *call, enum kg_role role, uint8_t count, unsigned first)
{
    for (uint8_t i = 0; i < count; i++) {
        const struct kg_wire_line *line = kg_wire_find(call->wire, role, i);
        if (line && !start_slot(&call->slots[first + i], line))
            return false;
    }
    return true;
}

bool kg_call_start_receiving(struct kg_call *call)
{
    struct kg_media *media = call->params.media;
    kg_wall_offset_init(&call->wall);
    kg_twcc_receiver_init(&call->twcc_receiver, call->microphone_ssrc.ssrc);
    kg_receive_audio_reset(media->receive_audio);
    call->pool = kg_packet_pool_create(KG_CALL_POOL);
    if (!call->pool || !start_slots(call, KG_ROLE_AUDIO_SLOT, KG_AUDIO_SLOTS, 0) ||
        !start_slots(call, KG_ROLE_VIDEO_SLOT, KG_VIDEO_SLOTS, KG_AUDIO_SLOTS) ||
        !start_slots(call, KG_ROLE_PRESENTATION_SLOT, KG_PRESENTATION_SLOTS, KG_AUDIO_SLOTS + KG_VIDEO_SLOTS))
        return false;
    call->broken_watch = kg_loop_watch(call->params.loop, kg_queue_fd(media->broken), on_broken, call);
    call->heard_watch = kg_loop_watch(call->params.loop, kg_queue_fd(media->heard), on_heard, call);
    return call->broken_watch && call->heard_watch;
}

void kg_call_stop_receiving(struct kg_call *call)
{
    kg_loop_unwatch(call->broken_watch);
    kg_loop_unwatch(call->heard_watch);
    for (unsigned i = 0; i < KG_CALL_SLOTS; i++)
        kg_vp8_assembler_destroy(call->slots[i].assembler);
    kg_packet_pool_destroy(call->pool);
    call->pool = NULL;
}

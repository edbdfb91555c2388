/* Packets as a stranger might order them: the assembler, the audio jitter buffer, NACK, statistics and slot
 * rewriting eat whatever parses, and what they give out keeps their promises. Input: records of a control
 * byte, a length byte and so many bytes of an RTP packet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rtp/audio_jitter.h"
#include "rtp/nack.h"
#include "rtp/receive_stats.h"
#include "rtp/slot_rewrite.h"
#include "rtp/vp8.h"
#include "rtp/vp8_assembler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

struct bench {
    struct kg_vp8_assembler *assembler;
    struct kg_audio_jitter *jitter;
    struct kg_nack nack;
    struct kg_receive_stats stats;
    struct kg_slot_rewrite slot;
    int64_t now_us;
    int64_t pcm_us;
    bool started;
    uint32_t kept;
};

static void take_frames(struct bench *b)
{
    struct kg_vp8_frame *frame;
    while ((frame = kg_vp8_assembler_take(b->assembler, b->now_us)) != NULL) {
        must(frame->size > 0);
        must(b->started || frame->keyframe);
        must(!frame->keyframe || (frame->size >= 10 && kg_vp8_is_keyframe(frame->data, frame->size)));
        must(frame->first_arrival_us <= frame->complete_us && frame->complete_us <= b->now_us);
        b->started = true;
        kg_vp8_frame_destroy(frame);
    }
}

static void pull_audio(struct bench *b)
{
    struct kg_audio_action action;
    int rounds = 0;
    do {
        kg_audio_jitter_pull(b->jitter, b->pcm_us, b->now_us, &action);
        must(action.speed > 0.8F && action.speed < 1.3F);
        must(action.samples <= 5760);
        must(action.what == KG_AUDIO_ENOUGH || action.samples > 0);
        b->pcm_us += (int64_t)(action.samples / 0.048 / (double)action.speed);
        kg_packet_unref(action.packet);
        must(++rounds <= 20);
    } while (action.what != KG_AUDIO_ENOUGH);
    b->pcm_us -= 10000;
}

static void rewrite(struct bench *b, const struct kg_rtp_packet *rtp, bool drop)
{
    struct kg_vp8_descriptor d = {0};
    bool video = rtp->payload_size > 0 && kg_vp8_parse(rtp->payload, rtp->payload_size, &d);
    struct kg_slot_fields f = {.ssrc = rtp->header.ssrc,
                               .sequence = rtp->header.sequence,
                               .timestamp = rtp->header.timestamp,
                               .has_picture_id = video && d.has_picture_id,
                               .picture_id_long = d.picture_id_long,
                               .picture_id = d.picture_id,
                               .has_tl0_picture_index = video && d.has_tl0_picture_index,
                               .tl0_picture_index = d.tl0_picture_index};
    uint32_t ssrc;
    uint16_t sequence;
    kg_slot_rewrite_switch(&b->slot, rtp->header.ssrc);
    if (drop && kg_slot_rewrite_drop(&b->slot, &f)) {
        return;
    }
    if (kg_slot_rewrite_packet(&b->slot, &f, b->now_us)) {
        must(f.ssrc == 99);
        must(kg_slot_rewrite_lookup(&b->slot, f.sequence, &ssrc, &sequence));
        must(ssrc == rtp->header.ssrc && sequence == rtp->header.sequence);
    }
}

static void feed(struct bench *b, const uint8_t *bytes, size_t size, uint8_t control)
{
    struct kg_packet *packet = kg_packet_create();
    struct kg_rtp_packet rtp;
    uint16_t wanted[16];

    if (packet == NULL) {
        return;
    }
    memcpy(packet->data, bytes, size);
    packet->size = (uint32_t)size;
    packet->arrival_us = b->now_us;
    if (kg_rtp_parse(packet->data, packet->size, &rtp)) {
        if (!kg_vp8_assembler_push(b->assembler, packet, &rtp)) {
            must(packet->refs == 1);
        }
        b->kept += kg_audio_jitter_push(b->jitter, packet, &rtp);
        kg_nack_receive(&b->nack, rtp.header.sequence, b->now_us);
        (void)kg_receive_stats_packet(&b->stats, rtp.header.sequence, rtp.header.timestamp, packet->size,
                                      b->now_us);
        rewrite(b, &rtp, (control & 8) != 0);
    }
    kg_packet_unref(packet);
    take_frames(b);
    must(kg_nack_due(&b->nack, b->now_us, 20000, wanted, 16) <= 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_audio_jitter_params jitter = kg_audio_jitter_params_default();
    struct kg_nack_params nack = kg_nack_params_default();
    struct kg_rtcp_report_block block;
    struct bench b = {.assembler = kg_vp8_assembler_create(100000),
                      .jitter = kg_audio_jitter_create(&jitter)};

    if (b.assembler != NULL && b.jitter != NULL) {
        kg_nack_init(&b.nack, &nack);
        kg_receive_stats_init(&b.stats, 1, 90000);
        kg_slot_rewrite_init(&b.slot, 99, 90000, false, 65500, 0);
        for (size_t at = 0; at + 2 <= size;) {
            uint8_t control = data[at];
            size_t length = data[at + 1];
            at += 2;
            length = length < size - at ? length : size - at;
            b.now_us += (control & 7) * 3000;
            feed(&b, data + at, length, control);
            if (control & 16) {
                pull_audio(&b);
            }
            at += length;
        }
        must(kg_receive_stats_report(&b.stats, b.now_us, &block) == b.stats.started);
    }
    kg_vp8_assembler_destroy(b.assembler);
    kg_audio_jitter_destroy(b.jitter);
    return 0;
}

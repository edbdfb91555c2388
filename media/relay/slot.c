#include "relay/slot.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"
#include "relay/party.h"

enum { MID_PACKETS = 100 };

void kg_slot_init(struct kg_slot *slot, struct kg_party *party, unsigned number,
                  const struct kg_wire_line *line)
{
    memset(slot, 0, sizeof(*slot));
    slot->party = party;
    slot->number = number;
    slot->line = line && line->active && line->ssrc ? line : NULL;
    if (!slot->line)
        return;
    bool audio = kg_slot_kind(number) == KG_SOURCE_MICROPHONE;
    uint32_t clock_rate = audio ? KG_RTP_AUDIO_HZ : KG_RTP_VIDEO_HZ;
    /* below 2^15, so that a receiver cannot mistake the roll-over count at the start (RFC 3711 §3.3.1) */
    uint16_t first_sequence = (uint16_t)(kg_random_u32() & 0x7fff);
    kg_slot_rewrite_init(&slot->rewrite, line->ssrc, clock_rate, audio, first_sequence, kg_random_u32());
    kg_sender_stats_init(&slot->stats, line->ssrc, clock_rate);
    kg_resend_limit_init(&slot->resend_limit);
    slot->rtx_sequence = (uint16_t)(kg_random_u32() & 0x7fff);
    slot->mid_left = MID_PACKETS;
}

static void leave_current(struct kg_slot *slot)
{
    if (!slot->current)
        return;
    LIST_REMOVE(slot, feeds_link);
    slot->current = NULL;
    slot->party->slots_changed = true;
    kg_slot_rewrite_clear(&slot->rewrite);
}

static void leave_next(struct kg_slot *slot)
{
    if (!slot->next)
        return;
    LIST_REMOVE(slot, awaited_link);
    slot->next = NULL;
}

static void enter(struct kg_slot *slot, struct kg_source *source)
{
    slot->current = source;
    slot->party->slots_changed = true;
    LIST_INSERT_HEAD(&source->feeds, slot, feeds_link);
    kg_slot_rewrite_switch(&slot->rewrite, source->id);
}

void kg_slot_assign(struct kg_slot *slot, struct kg_source *source)
{
    if (!slot->line || (source && source == slot->next))
        return;
    leave_next(slot);
    if (source == slot->current) /* stay, or stay after all */
        return;
    if (!source || !kg_source_is_video(source))
        leave_current(slot);
    if (!source)
        return;
    if (!kg_source_is_video(source)) {
        enter(slot, source);
        return;
    }
    slot->next = source;
    LIST_INSERT_HEAD(&source->awaited, slot, awaited_link);
    kg_source_want_keyframe(source, true);
}

void kg_slot_detach(struct kg_slot *slot, const struct kg_source *source)
{
    if (slot->next == source)
        leave_next(slot);
    if (slot->current == source)
        leave_current(slot);
}

void kg_slot_restart(struct kg_slot *slot)
{
    struct kg_source *source = slot->current;
    if (kg_source_is_video(source)) {
        leave_current(slot);
        if (!slot->next)
            kg_slot_assign(slot, source);
        return;
    }
    kg_slot_rewrite_clear(&slot->rewrite);
    kg_slot_rewrite_switch(&slot->rewrite, source->id);
}

void kg_slot_take_over(struct kg_slot *slot)
{
    struct kg_source *source = slot->next;
    assert(source);
    leave_next(slot);
    leave_current(slot);
    enter(slot, source);
}

static struct kg_slot_fields fields_of(const struct kg_source *source, const struct kg_rtp_packet *packet,
                                       const struct kg_vp8_descriptor *vp8)
{
    struct kg_slot_fields fields = {
        .ssrc = source->id, /* unlike an SSRC, unique in the meeting */
        .sequence = packet->header.sequence,
        .timestamp = packet->header.timestamp,
        .marker = packet->header.marker,
    };
    if (vp8) {
        fields.has_picture_id = vp8->has_picture_id;
        fields.picture_id = vp8->picture_id;
        fields.picture_id_long = vp8->picture_id_long;
        fields.has_tl0_picture_index = vp8->has_tl0_picture_index;
        fields.tl0_picture_index = vp8->tl0_picture_index;
    }
    return fields;
}

/* Header for the slot's receiver: the relay's CSRC, and the extensions that receiver negotiated, no others.
 */
static size_t write_header(struct kg_slot *slot, const struct kg_source *source,
                           const struct kg_rtp_packet *packet, struct kg_rtp_header *header, void *out,
                           size_t capacity)
{
    static const uint8_t no_number[2];
    const struct kg_wire_line *to = slot->line;
    header->csrc_count = 1;
    header->csrc[0] = source->id;
    header->extension_count = 0;
    const struct kg_rtp_extension *level =
        kg_rtp_find(&packet->header, source->line ? source->line->extension[KG_EXT_AUDIO_LEVEL] : 0);
    if (level && level->size == 1 && to->extension[KG_EXT_AUDIO_LEVEL])
        header->extensions[header->extension_count++] = (struct kg_rtp_extension){
            .id = to->extension[KG_EXT_AUDIO_LEVEL], .size = 1, .data = level->data};
    if (to->extension[KG_EXT_TRANSPORT_CC])
        header->extensions[header->extension_count++] = (struct kg_rtp_extension){
            .id = to->extension[KG_EXT_TRANSPORT_CC], .size = sizeof(no_number), .data = no_number};
    if (slot->mid_left && to->extension[KG_EXT_MID]) {
        slot->mid_left--;
        header->extensions[header->extension_count++] = (struct kg_rtp_extension){
            .id = to->extension[KG_EXT_MID],
            .size = (uint8_t)strnlen(to->mid, KG_MAX_MID),
            .data = (const uint8_t *)to->mid,
        };
    }
    return kg_rtp_write_header(header, out, capacity);
}

size_t kg_slot_forward(struct kg_slot *slot, const struct kg_rtp_packet *packet,
                       const struct kg_vp8_descriptor *vp8, int64_t now_us, void *out, size_t capacity)
{
    const struct kg_source *source = slot->current;
    int64_t capture_us = kg_source_time(source, packet->header.timestamp);
    struct kg_slot_fields fields = fields_of(source, packet, vp8);
    if (!kg_slot_rewrite_packet(&slot->rewrite, &fields, capture_us))
        return 0;
    struct kg_rtp_header header = {
        .marker = fields.marker,
        .payload_type = slot->line->payload_type,
        .sequence = fields.sequence,
        .timestamp = fields.timestamp,
        .ssrc = fields.ssrc,
    };
    size_t at = write_header(slot, source, packet, &header, out, capacity);
    if (at == 0 || packet->payload_size > capacity - at)
        return 0;
    uint8_t *payload = (uint8_t *)out + at;
    memcpy(payload, packet->payload, packet->payload_size);
    if (vp8)
        kg_vp8_patch(payload, vp8, fields.picture_id, fields.tl0_picture_index);
    kg_sender_stats_packet(&slot->stats, fields.timestamp, (uint32_t)packet->payload_size,
                           KG_MIN(capture_us, now_us));
    return at + packet->payload_size;
}

void kg_slot_skip(struct kg_slot *slot, const struct kg_rtp_packet *packet)
{
    struct kg_slot_fields fields = fields_of(slot->current, packet, NULL);
    if (!kg_slot_rewrite_drop(&slot->rewrite, &fields))
        return; /* its number was promised: the receiver asks for it in vain a few times, and goes on */
}

size_t kg_slot_resend(struct kg_slot *slot, const struct kg_source *source, uint16_t sequence,
                      const struct kg_rtp_packet *packet, void *out, size_t capacity)
{
    struct kg_vp8_descriptor vp8;
    if (!slot->line->rtx_ssrc || !slot->line->rtx_payload_type ||
        !kg_vp8_parse(packet->payload, packet->payload_size, &vp8))
        return 0;
    struct kg_slot_fields fields = fields_of(source, packet, &vp8);
    if (!kg_slot_rewrite_again(&slot->rewrite, sequence, &fields))
        return 0;
    struct kg_rtp_header header = {
        .marker = fields.marker,
        .payload_type = slot->line->rtx_payload_type,
        .sequence = slot->rtx_sequence,
        .timestamp = fields.timestamp,
        .ssrc = slot->line->rtx_ssrc,
    };
    size_t at = write_header(slot, source, packet, &header, out, capacity);
    if (at == 0 || packet->payload_size + 2 > capacity - at)
        return 0;
    slot->rtx_sequence++;
    uint8_t *payload = (uint8_t *)out + at;
    kg_put_u16(payload, sequence); /* RFC 4588 §4: the original sequence number comes first */
    memcpy(payload + 2, packet->payload, packet->payload_size);
    kg_vp8_patch(payload + 2, &vp8, fields.picture_id, fields.tl0_picture_index);
    return at + 2 + packet->payload_size;
}

bool kg_slot_report(struct kg_slot *slot, int64_t now_us, int64_t wall_us, struct kg_rtcp *out)
{
    uint32_t timestamp;
    if (!slot->current ||
        !kg_slot_rewrite_timestamp(&slot->rewrite, kg_source_timestamp(slot->current, now_us), &timestamp))
        return false;
    if (!kg_sender_stats_report(&slot->stats, now_us, wall_us, out))
        return false;
    out->report.rtp_timestamp = timestamp;
    return true;
}

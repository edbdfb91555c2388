#include "rtp/vp8_packetiser.h"

#include <string.h>

#include "rtp/vp8.h"

enum { MAX_DESCRIPTOR = 16, PICTURE_MASK = 0x7fff };

void kg_vp8_packetiser_init(struct kg_vp8_packetiser *p, uint32_t ssrc, uint8_t payload_type,
                            uint16_t first_sequence, uint16_t first_picture_id, uint8_t first_tl0)
{
    *p = (struct kg_vp8_packetiser){.ssrc = ssrc,
                                    .payload_type = payload_type,
                                    .sequence = first_sequence,
                                    .picture_id = first_picture_id & PICTURE_MASK,
                                    .tl0_picture_index = first_tl0};
}

/* Everything of the packets but what differs between them. */
struct shape {
    size_t count;
    size_t chunk; /* frame bytes in every packet but the last */
};

static struct kg_rtp_header header_of(const struct kg_vp8_packetiser *p, const struct kg_vp8_input *frame)
{
    struct kg_rtp_header header = {.payload_type = p->payload_type,
                                   .sequence = p->sequence,
                                   .timestamp = frame->timestamp,
                                   .ssrc = p->ssrc,
                                   .extension_count = frame->extension_count};

    for (uint8_t i = 0; i < frame->extension_count; i++) {
        header.extensions[i] = frame->extensions[i];
    }
    return header;
}

/* RFC 7741 §4.2. TL0PICIDX counts base-layer frames; the others carry that of the one they build on. */
static struct kg_vp8_descriptor descriptor_of(const struct kg_vp8_packetiser *p,
                                              const struct kg_vp8_input *frame)
{
    bool steps = p->started && frame->temporal_id == 0;

    return (struct kg_vp8_descriptor){.non_reference = frame->non_reference,
                                      .start = true,
                                      .has_picture_id = true,
                                      .picture_id_long = true,
                                      .picture_id = p->picture_id,
                                      .has_tl0_picture_index = true,
                                      .tl0_picture_index = (uint8_t)(p->tl0_picture_index + (steps ? 1 : 0)),
                                      .has_temporal = true,
                                      .temporal_id = frame->temporal_id,
                                      .layer_sync = frame->layer_sync};
}

static bool shape_of(const struct kg_vp8_packetiser *p, const struct kg_vp8_input *frame, struct shape *shape)
{
    uint8_t scratch[KG_VP8_MAX_PACKET];
    uint8_t descriptor_bytes[MAX_DESCRIPTOR];

    if (frame->size == 0 || frame->extension_count > KG_RTP_MAX_EXTENSIONS) {
        return false;
    }
    struct kg_rtp_header header = header_of(p, frame);
    struct kg_vp8_descriptor descriptor = descriptor_of(p, frame);
    size_t overhead = kg_rtp_write_header(&header, scratch, sizeof(scratch));
    if (overhead == 0) {
        return false;
    }
    overhead += kg_vp8_write(&descriptor, descriptor_bytes, sizeof(descriptor_bytes));
    if (overhead >= KG_VP8_MAX_PACKET) {
        return false;
    }
    size_t room = KG_VP8_MAX_PACKET - overhead;
    size_t least = (frame->size + room - 1) / room;
    if (least > KG_VP8_MAX_FRAME_PACKETS) {
        return false;
    }
    shape->chunk = (frame->size + least - 1) / least;
    shape->count = (frame->size + shape->chunk - 1) / shape->chunk;
    return true;
}

static void write_packet(struct kg_packet *packet, const struct kg_rtp_header *header,
                         const struct kg_vp8_descriptor *descriptor, const uint8_t *data, size_t size)
{
    size_t at = kg_rtp_write_header(header, packet->data, sizeof(packet->data));

    at += kg_vp8_write(descriptor, packet->data + at, sizeof(packet->data) - at);
    memcpy(packet->data + at, data, size);
    packet->size = (uint32_t)(at + size);
}

/* All or none, so that a full pool never leaves half a frame numbered. */
static bool get_packets(struct kg_packet_pool *pool, struct kg_packet **packets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        packets[i] = pool ? kg_packet_pool_get(pool) : kg_packet_create();
        if (!packets[i]) {
            while (i > 0) {
                kg_packet_unref(packets[--i]);
            }
            return false;
        }
    }
    return true;
}

size_t kg_vp8_packetiser_frame(struct kg_vp8_packetiser *p, const struct kg_vp8_input *frame,
                               struct kg_packet_pool *pool, int64_t now_us, struct kg_packet **packets,
                               size_t max)
{
    struct shape shape;

    if (!shape_of(p, frame, &shape) || shape.count > max || !get_packets(pool, packets, shape.count)) {
        return 0;
    }
    struct kg_rtp_header header = header_of(p, frame);
    struct kg_vp8_descriptor descriptor = descriptor_of(p, frame);
    const uint8_t *data = frame->data;
    size_t left = frame->size;
    for (size_t i = 0; i < shape.count; i++) {
        size_t bytes = KG_MIN(left, shape.chunk);
        header.sequence = p->sequence++;
        header.marker = i + 1 == shape.count;
        descriptor.start = i == 0;
        write_packet(packets[i], &header, &descriptor, data, bytes);
        packets[i]->arrival_us = now_us;
        data += bytes;
        left -= bytes;
    }
    p->picture_id = (p->picture_id + 1) & PICTURE_MASK;
    p->tl0_picture_index = descriptor.tl0_picture_index;
    p->started = true;
    return shape.count;
}

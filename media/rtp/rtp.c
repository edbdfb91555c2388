#include "rtp/rtp.h"

#include <string.h>

#include "base/bytes.h"

enum { VERSION = 2, FIXED_HEADER = 12, PROFILE_ONE_BYTE = 0xBEDE, PROFILE_TWO_BYTE = 0x1000, RTX_OSN = 2 };

static void add_extension(struct kg_rtp_header *h, uint8_t id, uint8_t size, const uint8_t *data)
{
    if (data && h->extension_count < KG_RTP_MAX_EXTENSIONS)
        h->extensions[h->extension_count++] = (struct kg_rtp_extension){.id = id, .size = size, .data = data};
}

/* RFC 8285 §4.2. Id 15 ends the list; a length past the end is malformed. */
static bool parse_one_byte(struct kg_reader *r, struct kg_rtp_header *h)
{
    while (kg_reader_left(r) > 0) {
        uint8_t b = kg_read_u8(r);
        if (b == 0)
            continue;
        if (b >> 4 == 15)
            return true;
        uint8_t size = (uint8_t)((b & 15) + 1);
        const uint8_t *data = kg_read_view(r, size);
        if (b >> 4 != 0)
            add_extension(h, b >> 4, size, data);
    }
    return !r->failed;
}

/* RFC 8285 §4.3. */
static bool parse_two_byte(struct kg_reader *r, struct kg_rtp_header *h)
{
    while (kg_reader_left(r) > 0) {
        uint8_t id = kg_read_u8(r);
        if (id == 0)
            continue;
        uint8_t size = kg_read_u8(r);
        add_extension(h, id, size, kg_read_view(r, size));
    }
    return !r->failed;
}

static bool parse_extensions(struct kg_reader *r, struct kg_rtp_header *h)
{
    uint16_t profile = kg_read_u16(r);
    size_t size = (size_t)kg_read_u16(r) * 4;
    const uint8_t *block = kg_read_view(r, size);
    if (!block)
        return false;
    struct kg_reader inner = kg_reader_of(block, size);
    if (profile == PROFILE_ONE_BYTE)
        return parse_one_byte(&inner, h);
    if ((profile & 0xfff0) == PROFILE_TWO_BYTE)
        return parse_two_byte(&inner, h);
    return true; /* another profile's block: skipped */
}

bool kg_rtp_parse(const void *data, size_t size, struct kg_rtp_packet *out)
{
    struct kg_reader r = kg_reader_of(data, size);
    struct kg_rtp_packet p = {0};
    uint8_t first = kg_read_u8(&r), second = kg_read_u8(&r);
    if (r.failed || first >> 6 != VERSION)
        return false;
    p.header.marker = second >> 7;
    p.header.payload_type = second & 0x7f;
    p.header.sequence = kg_read_u16(&r);
    p.header.timestamp = kg_read_u32(&r);
    p.header.ssrc = kg_read_u32(&r);
    p.header.csrc_count = first & 15;
    for (uint8_t i = 0; i < p.header.csrc_count; i++)
        p.header.csrc[i] = kg_read_u32(&r);
    if (first & 0x10 && !parse_extensions(&r, &p.header))
        return false;
    if (r.failed)
        return false;
    p.header_size = r.pos;
    p.payload_size = kg_reader_left(&r);
    if (first & 0x20) {
        if (p.payload_size == 0)
            return false;
        p.padding_size = r.data[size - 1];
        if (p.padding_size == 0 || p.padding_size > p.payload_size)
            return false;
        p.payload_size -= p.padding_size;
    }
    p.payload = r.data + r.pos;
    *out = p;
    return true;
}

const struct kg_rtp_extension *kg_rtp_find(const struct kg_rtp_header *header, uint8_t id)
{
    for (uint8_t i = 0; id != 0 && i < header->extension_count; i++) {
        if (header->extensions[i].id == id)
            return &header->extensions[i];
    }
    return NULL;
}

static void write_extensions(struct kg_writer *w, const struct kg_rtp_header *h)
{
    bool one_byte = true;
    for (uint8_t i = 0; i < h->extension_count; i++) {
        const struct kg_rtp_extension *e = &h->extensions[i];
        if (e->id == 0 || e->id > 14 || e->size == 0 || e->size > 16)
            one_byte = false;
    }
    kg_write_u16(w, one_byte ? PROFILE_ONE_BYTE : PROFILE_TWO_BYTE);
    size_t length_at = w->pos;
    kg_write_u16(w, 0);
    for (uint8_t i = 0; i < h->extension_count; i++) {
        const struct kg_rtp_extension *e = &h->extensions[i];
        if (one_byte) {
            kg_write_u8(w, (uint8_t)(e->id << 4 | (e->size - 1)));
        } else {
            kg_write_u8(w, e->id);
            kg_write_u8(w, e->size);
        }
        kg_write_bytes(w, e->data, e->size);
    }
    size_t block = w->pos - length_at - 2;
    kg_write_zeros(w, (4 - block % 4) % 4);
    kg_write_u16_at(w, length_at, (uint16_t)((block + 3) / 4));
}

size_t kg_rtp_write_header(const struct kg_rtp_header *h, void *data, size_t size)
{
    struct kg_writer w = kg_writer_of(data, size);
    uint8_t extended = h->extension_count > 0 ? 0x10 : 0;
    kg_write_u8(&w, (uint8_t)(VERSION << 6 | extended | (h->csrc_count & 15)));
    kg_write_u8(&w, (uint8_t)((h->marker ? 0x80 : 0) | (h->payload_type & 0x7f)));
    kg_write_u16(&w, h->sequence);
    kg_write_u32(&w, h->timestamp);
    kg_write_u32(&w, h->ssrc);
    for (uint8_t i = 0; i < h->csrc_count; i++)
        kg_write_u32(&w, h->csrc[i]);
    if (h->extension_count > 0)
        write_extensions(&w, h);
    return w.failed ? 0 : w.pos;
}

bool kg_rtp_patch_extension(void *packet, size_t size, uint8_t id, const void *value, uint8_t value_size)
{
    struct kg_rtp_packet p;
    if (!kg_rtp_parse(packet, size, &p))
        return false;
    const struct kg_rtp_extension *e = kg_rtp_find(&p.header, id);
    if (!e || e->size != value_size)
        return false;
    memcpy((uint8_t *)packet + (e->data - (const uint8_t *)packet), value, value_size);
    return true;
}

bool kg_audio_level_read(const struct kg_rtp_extension *e, struct kg_audio_level *out)
{
    if (!e || e->size < 1)
        return false;
    *out = (struct kg_audio_level){.voice = e->data[0] >> 7, .level = e->data[0] & 0x7f};
    return true;
}

uint8_t kg_audio_level_byte(struct kg_audio_level level)
{
    return (uint8_t)((level.voice ? 0x80 : 0) | (level.level & 0x7f));
}

size_t kg_rtx_wrap(const void *original, size_t size, uint32_t rtx_ssrc, uint8_t rtx_payload_type,
                   uint16_t rtx_sequence, void *out, size_t out_size)
{
    struct kg_rtp_packet p;
    if (!kg_rtp_parse(original, size, &p))
        return 0;
    struct kg_writer w = kg_writer_of(out, out_size);
    const uint8_t *src = original;
    kg_write_u8(&w, src[0] & (uint8_t)~0x20); /* padding is not repeated */
    kg_write_u8(&w, (uint8_t)((src[1] & 0x80) | (rtx_payload_type & 0x7f)));
    kg_write_u16(&w, rtx_sequence);
    kg_write_u32(&w, p.header.timestamp);
    kg_write_u32(&w, rtx_ssrc);
    kg_write_bytes(&w, src + FIXED_HEADER, p.header_size - FIXED_HEADER);
    kg_write_u16(&w, p.header.sequence);
    kg_write_bytes(&w, p.payload, p.payload_size);
    return w.failed ? 0 : w.pos;
}

size_t kg_rtx_unwrap(void *packet, size_t size, uint32_t ssrc, uint8_t payload_type)
{
    struct kg_rtp_packet p;
    if (!kg_rtp_parse(packet, size, &p) || p.payload_size < RTX_OSN)
        return 0;
    uint8_t *bytes = packet;
    uint16_t original_sequence = kg_get_u16(p.payload);
    memmove(bytes + p.header_size, bytes + p.header_size + RTX_OSN, p.payload_size - RTX_OSN);
    bytes[0] &= (uint8_t)~0x20;
    bytes[1] = (uint8_t)((bytes[1] & 0x80) | (payload_type & 0x7f));
    kg_put_u16(bytes + 2, original_sequence);
    kg_put_u32(bytes + 8, ssrc);
    return p.header_size + p.payload_size - RTX_OSN;
}

static int64_t unwrap(struct kg_unwrapper *u, uint64_t value, unsigned bits)
{
    if (!u->started) {
        u->started = true;
        u->last = (int64_t)value;
        return u->last;
    }
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    int64_t forward = (int64_t)((value - (uint64_t)u->last) & mask);
    int64_t step = forward < (int64_t)(UINT64_C(1) << (bits - 1)) ? forward : forward - (int64_t)(mask + 1);
    u->last += step;
    return u->last;
}

int64_t kg_unwrap16(struct kg_unwrapper *u, uint16_t value)
{
    return unwrap(u, value, 16);
}

int64_t kg_unwrap32(struct kg_unwrapper *u, uint32_t value)
{
    return unwrap(u, value, 32);
}

#include "rtp/vp8.h"

#include "base/bytes.h"

bool kg_vp8_parse(const void *payload, size_t size, struct kg_vp8_descriptor *out)
{
    struct kg_reader r = kg_reader_of(payload, size);
    struct kg_vp8_descriptor d = {0};
    uint8_t b = kg_read_u8(&r);
    d.non_reference = b >> 5 & 1;
    d.start = b >> 4 & 1;
    d.partition = b & 7;
    if (b & 0x80) {
        uint8_t x = kg_read_u8(&r);
        if (x & 0x80) {
            d.has_picture_id = true;
            d.picture_id = kg_read_u8(&r);
            if (d.picture_id & 0x80) {
                d.picture_id_long = true;
                d.picture_id = (uint16_t)((d.picture_id & 0x7f) << 8 | kg_read_u8(&r));
            }
        }
        d.has_tl0_picture_index = x >> 6 & 1;
        if (d.has_tl0_picture_index)
            d.tl0_picture_index = kg_read_u8(&r);
        d.has_temporal = x >> 5 & 1;
        d.has_key_index = x >> 4 & 1;
        if (d.has_temporal || d.has_key_index) {
            uint8_t t = kg_read_u8(&r);
            d.temporal_id = t >> 6;
            d.layer_sync = t >> 5 & 1;
            d.key_index = t & 31;
        }
    }
    if (r.failed || kg_reader_left(&r) == 0)
        return false;
    d.size = (uint8_t)r.pos;
    *out = d;
    return true;
}

size_t kg_vp8_write(const struct kg_vp8_descriptor *d, void *payload, size_t size)
{
    struct kg_writer w = kg_writer_of(payload, size);
    bool extended = d->has_picture_id || d->has_tl0_picture_index || d->has_temporal || d->has_key_index;
    kg_write_u8(&w, (uint8_t)(extended << 7 | d->non_reference << 5 | d->start << 4 | (d->partition & 7)));
    if (extended)
        kg_write_u8(&w, (uint8_t)(d->has_picture_id << 7 | d->has_tl0_picture_index << 6 |
                                  d->has_temporal << 5 | d->has_key_index << 4));
    if (d->has_picture_id)
        kg_write_u16(&w, d->picture_id | 0x8000);
    if (d->has_tl0_picture_index)
        kg_write_u8(&w, d->tl0_picture_index);
    if (d->has_temporal || d->has_key_index)
        kg_write_u8(&w, (uint8_t)((d->temporal_id & 3) << 6 | d->layer_sync << 5 | (d->key_index & 31)));
    return w.failed ? 0 : w.pos;
}

void kg_vp8_patch(void *payload, const struct kg_vp8_descriptor *parsed, uint16_t picture_id,
                  uint8_t tl0_picture_index)
{
    uint8_t *p = (uint8_t *)payload + 2; /* both fields need the extension octet */
    if (parsed->has_picture_id && parsed->picture_id_long) {
        kg_put_u16(p, picture_id | 0x8000);
        p += 2;
    } else if (parsed->has_picture_id) {
        *p++ = picture_id & 0x7f;
    }
    if (parsed->has_tl0_picture_index)
        *p = tl0_picture_index;
}

bool kg_vp8_is_keyframe(const void *payload, size_t size)
{
    return size > 0 && (*(const uint8_t *)payload & 1) == 0;
}

bool kg_vp8_keyframe_size(const void *payload, size_t size, uint16_t *width, uint16_t *height)
{
    const uint8_t *p = payload;
    if (size < 10 || !kg_vp8_is_keyframe(payload, size) || p[3] != 0x9d || p[4] != 0x01 || p[5] != 0x2a)
        return false;
    *width = (uint16_t)((p[7] << 8 | p[6]) & 0x3fff);
    *height = (uint16_t)((p[9] << 8 | p[8]) & 0x3fff);
    return true;
}

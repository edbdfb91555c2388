#include "unit/relay/meeting.h"

#include <stdio.h>

#include "base/bytes.h"
#include "unit/cmocka_all.h"

/* Party p numbers its extensions from 1 + p, so that no two agree. */
static uint8_t ext_id(unsigned party, enum kg_extension extension)
{
    return (uint8_t)(1 + (party + (unsigned)extension) % 14);
}

uint32_t source_id(unsigned party, enum kg_source_kind kind)
{
    return 0xabc00000u + party * 16 + (uint32_t)kind;
}

uint32_t source_ssrc(unsigned party, enum kg_source_kind kind)
{
    (void)party;
    return 0x1000u + (uint32_t)kind * 2; /* the same for everybody: SSRCs are unique in one transport only */
}

uint32_t slot_ssrc(unsigned party, unsigned slot)
{
    return 0x70000000u + party * 256 + slot * 2;
}

static void add_line(struct kg_wire *wire, unsigned party, enum kg_role role, uint8_t index, uint32_t ssrc)
{
    bool audio = kg_role_is_audio(role);
    struct kg_wire_line *line = &wire->lines[wire->line_count++];
    *line = (struct kg_wire_line){
        .role = role,
        .index = index,
        .active = true,
        .ssrc = ssrc,
        .payload_type = (uint8_t)(audio ? PT_OPUS : PT_VP8),
        .transport_cc = true,
    };
    if (!audio) {
        line->rtx_ssrc = ssrc + 1;
        line->rtx_payload_type = PT_RTX;
        line->nack = line->pli = line->fir = true;
    } else {
        line->extension[KG_EXT_AUDIO_LEVEL] = ext_id(party, KG_EXT_AUDIO_LEVEL);
    }
    line->extension[KG_EXT_MID] = ext_id(party, KG_EXT_MID);
    line->extension[KG_EXT_TRANSPORT_CC] = ext_id(party, KG_EXT_TRANSPORT_CC);
    snprintf(line->mid, sizeof(line->mid), "m%u", wire->line_count);
}

static void make_wire(struct kg_wire *wire, unsigned party)
{
    memset(wire, 0, sizeof(*wire));
    add_line(wire, party, KG_ROLE_MICROPHONE, 0, source_ssrc(party, KG_SOURCE_MICROPHONE));
    add_line(wire, party, KG_ROLE_CAMERA, 0, source_ssrc(party, KG_SOURCE_CAMERA));
    add_line(wire, party, KG_ROLE_PRESENTATION, 0, source_ssrc(party, KG_SOURCE_PRESENTATION));
    for (unsigned i = 0; i < KG_SLOTS; i++) {
        uint8_t index;
        enum kg_role role = kg_slot_role(i, &index);
        add_line(wire, party, role, index, slot_ssrc(party, i));
    }
}

/* The property that GCM's nonce needs: a number is never used for other bytes. */
static void check_unused(const struct fake_party *p, const struct sent *sent)
{
    for (size_t i = 0; i < p->rtp_count; i++) {
        const struct kg_rtp_header *old = &p->rtp[i].packet.header;
        if (old->ssrc == sent->packet.header.ssrc && old->sequence == sent->packet.header.sequence)
            fail_msg("party %u: SSRC %08x sequence %u used twice", p->index, old->ssrc, old->sequence);
    }
}

static bool on_rtp_out(void *user, uint8_t *packet, size_t size, size_t capacity, enum kg_source_kind kind,
                       int64_t now_us)
{
    struct fake_party *p = user;
    assert_true(p->rtp_count < MEETING_KEPT);
    assert_true(size <= sizeof(p->rtp->bytes) && capacity >= size + 16);
    struct sent *sent = &p->rtp[p->rtp_count];
    memcpy(sent->bytes, packet, size);
    sent->size = size;
    sent->at_us = now_us;
    sent->kind = kind;
    assert_true(kg_rtp_parse(sent->bytes, size, &sent->packet));
    assert_int_equal(sent->packet.header.csrc_count, 1);
    for (int k = 0; k < KG_SOURCE_KINDS; k++) /* nobody gets his own voice or picture */
        assert_int_not_equal(sent->packet.header.csrc[0], source_id(p->index, (enum kg_source_kind)k));
    check_unused(p, sent);
    p->rtp_count++;
    return true;
}

static void on_rtcp_out(void *user, uint8_t *packet, size_t size, size_t capacity, int64_t now_us)
{
    (void)now_us;
    struct fake_party *p = user;
    size_t at = 0;
    bool malformed;
    assert_true(capacity >= size + 20);
    assert_true(p->rtcp_count < MEETING_KEPT);
    while (kg_rtcp_next(packet, size, &at, &p->rtcp[p->rtcp_count], &malformed))
        p->rtcp_count++;
    assert_false(malformed);
}

static void on_slots(void *user, const uint32_t source[KG_SLOTS])
{
    struct fake_party *p = user;
    memcpy(p->slots, source, sizeof(p->slots));
    p->slots_told++;
}

static void on_source(void *user, enum kg_source_kind kind, bool active)
{
    struct fake_party *p = user;
    assert_int_not_equal(p->active[kind], active);
    p->active[kind] = active;
}

static void on_speaking(void *user, uint32_t source)
{
    struct meeting *m = user;
    m->speaking = source;
}

static void on_watched(void *user, const bool watched[KG_SOURCE_KINDS])
{
    struct fake_party *p = user;
    assert_memory_not_equal(p->watched, watched, sizeof(p->watched));
    memcpy(p->watched, watched, sizeof(p->watched));
}

static const struct kg_forward_ops ops = {on_rtp_out, on_rtcp_out, on_slots,
                                          on_source,  on_speaking, on_watched};

void meeting_start(struct meeting *m)
{
    memset(m, 0, sizeof(*m));
    m->now_us = 1000000000;
    m->pool = kg_packet_pool_create(4096);
    assert_non_null(m->pool);
    kg_forward_init(&m->forward, &ops, m, m->pool, m->now_us, m->now_us + 1700000000000000);
}

struct fake_party *meeting_join(struct meeting *m, unsigned index)
{
    struct fake_party *p = &m->parties[index];
    struct kg_wire wire;
    make_wire(&wire, index);
    p->index = index;
    p->rtp = calloc(MEETING_KEPT, sizeof(*p->rtp));
    p->rtcp = calloc(MEETING_KEPT + 16, sizeof(*p->rtcp));
    assert_true(p->rtp && p->rtcp);
    struct kg_party_params params = {.id = index + 1, .user = p, .wire = &wire};
    for (int k = 0; k < KG_SOURCE_KINDS; k++) {
        params.source[k] = source_id(index, (enum kg_source_kind)k);
        p->sequence[k] = (uint16_t)(65000 + index * 7); /* wraps soon */
        p->timestamp[k] = 0xffff0000u + index;
        p->watched[k] = true;
    }
    assert_true(kg_party_init(&p->party, &params));
    kg_forward_join(&m->forward, &p->party);
    kg_forward_connected(&p->party, m->now_us);
    p->joined = true;
    return p;
}

void meeting_leave(struct meeting *m, struct fake_party *p)
{
    kg_forward_leave(&p->party, m->now_us);
    kg_party_finish(&p->party);
    p->joined = false;
}

void meeting_end(struct meeting *m)
{
    for (unsigned i = 0; i < MEETING_PARTIES; i++) {
        if (m->parties[i].joined)
            meeting_leave(m, &m->parties[i]);
        free(m->parties[i].rtp);
        free(m->parties[i].rtcp);
    }
    kg_packet_pool_destroy(m->pool);
}

void meeting_wait(struct meeting *m, int64_t us)
{
    for (int64_t end_us = m->now_us + us; m->now_us < end_us;) {
        m->now_us += KG_FORWARD_TICK_US;
        kg_forward_tick(&m->forward, m->now_us, m->now_us + 1700000000000000);
    }
}

static size_t make_packet(struct fake_party *p, enum kg_source_kind kind, uint32_t ssrc, uint8_t payload_type,
                          uint16_t sequence, bool marker, uint8_t level, uint8_t *out, size_t size)
{
    uint8_t number[2],
        level_byte = kg_audio_level_byte((struct kg_audio_level){.voice = true, .level = level});
    kg_put_u16(number, p->twcc++);
    struct kg_rtp_header h = {.marker = marker,
                              .payload_type = payload_type,
                              .sequence = sequence,
                              .timestamp = p->timestamp[kind],
                              .ssrc = ssrc,
                              .extension_count = 1};
    h.extensions[0] = (struct kg_rtp_extension){ext_id(p->index, KG_EXT_TRANSPORT_CC), 2, number};
    if (kind == KG_SOURCE_MICROPHONE)
        h.extensions[h.extension_count++] =
            (struct kg_rtp_extension){ext_id(p->index, KG_EXT_AUDIO_LEVEL), 1, &level_byte};
    return kg_rtp_write_header(&h, out, size);
}

void say(struct meeting *m, struct fake_party *p, uint8_t level)
{
    uint8_t data[1500];
    size_t at = make_packet(p, KG_SOURCE_MICROPHONE, source_ssrc(p->index, KG_SOURCE_MICROPHONE), PT_OPUS,
                            p->sequence[KG_SOURCE_MICROPHONE]++, false, level, data, sizeof(data));
    memset(data + at, 0x5a, 80);
    p->timestamp[KG_SOURCE_MICROPHONE] += 960;
    kg_forward_rtp(&p->party, data, at + 80, m->now_us - m->read_late_us, m->now_us);
}

static size_t put_vp8(uint8_t *data, size_t at, uint16_t picture_id, bool key, bool first, uint16_t size)
{
    struct kg_vp8_descriptor d = {.start = first, .has_picture_id = true, .picture_id = picture_id & 0x7fff};
    at += kg_vp8_write(&d, data + at, 16);
    memset(data + at, 0x33, size);
    if (first) {
        static const uint8_t head[10] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
        memcpy(data + at, head, sizeof(head));
        data[at] = key ? 0x10 : 0x11; /* RFC 6386 §9.1: the lowest bit says inter frame */
    }
    return at + size;
}

uint16_t show(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, struct video video)
{
    uint8_t data[1500];
    uint16_t sequence = p->sequence[kind]++;
    size_t at = make_packet(p, kind, source_ssrc(p->index, kind), PT_VP8, sequence, video.last, 0, data,
                            sizeof(data));
    at = put_vp8(data, at, p->picture, video.key, video.first, video.size ? video.size : 100);
    if (video.last) {
        p->picture++;
        p->timestamp[kind] += 3000;
    }
    if (!video.lose)
        kg_forward_rtp(&p->party, data, at, m->now_us - m->read_late_us, m->now_us);
    return sequence;
}

uint16_t picture(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, bool key)
{
    return show(m, p, kind, (struct video){.key = key, .first = true, .last = true});
}

void recover(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, uint16_t sequence, bool key,
             bool first)
{
    uint8_t data[1500];
    size_t at = make_packet(p, kind, source_ssrc(p->index, kind) + 1, PT_RTX, p->rtx_sequence++, false, 0,
                            data, sizeof(data));
    kg_put_u16(data + at, sequence);
    at = put_vp8(data, at + 2, p->picture, key, first, 100);
    kg_forward_rtp(&p->party, data, at, m->now_us - m->read_late_us, m->now_us);
}

void report_to_relay(struct meeting *m, struct fake_party *p, const struct kg_rtcp *report)
{
    uint8_t data[KG_RTCP_MAX_BYTES];
    size_t size = kg_rtcp_append(report, data, sizeof(data), 0);
    assert_true(size > 0);
    kg_forward_rtcp(&p->party, data, size, m->now_us - m->read_late_us, m->now_us);
}

size_t count_rtp(const struct fake_party *p, uint32_t ssrc)
{
    size_t count = 0;
    for (size_t i = 0; i < p->rtp_count; i++)
        count += p->rtp[i].packet.header.ssrc == ssrc;
    return count;
}

const struct sent *last_rtp(const struct fake_party *p, uint32_t ssrc)
{
    for (size_t i = p->rtp_count; i-- > 0;) {
        if (p->rtp[i].packet.header.ssrc == ssrc)
            return &p->rtp[i];
    }
    return NULL;
}

size_t count_rtcp(const struct fake_party *p, enum kg_rtcp_kind kind, uint32_t media_ssrc)
{
    size_t count = 0;
    for (size_t i = 0; i < p->rtcp_count; i++)
        count += p->rtcp[i].kind == kind && p->rtcp[i].media_ssrc == media_ssrc;
    return count;
}

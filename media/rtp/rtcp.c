#include "rtp/rtcp.h"

#include <string.h>

#include "base/bytes.h"
#include "rtp/rtcp_twcc.h"

enum {
    VERSION = 2,
    TYPE_SR = 200,
    TYPE_RR = 201,
    TYPE_SDES = 202,
    TYPE_BYE = 203,
    TYPE_RTPFB = 205,
    TYPE_PSFB = 206,
    FMT_NACK = 1,
    FMT_TWCC = 15,
    FMT_PLI = 1,
    FMT_FIR = 4,
    FMT_ALFB = 15, /* application layer feedback: REMB */
    SDES_CNAME = 1,
    REMB_MAGIC = 0x52454d42,
};

static int32_t sign_extend24(uint32_t v)
{
    return (int32_t)(v << 8) >> 8;
}

static void read_report_block(struct kg_reader *r, struct kg_rtcp_report_block *b)
{
    b->ssrc = kg_read_u32(r);
    b->fraction_lost = kg_read_u8(r);
    b->cumulative_lost = sign_extend24(kg_read_u24(r));
    b->highest_sequence = kg_read_u32(r);
    b->jitter = kg_read_u32(r);
    b->last_sr = kg_read_u32(r);
    b->delay_since = kg_read_u32(r);
}

static void read_report(struct kg_reader *r, uint8_t count, struct kg_rtcp *out)
{
    out->sender_ssrc = kg_read_u32(r);
    if (out->kind == KG_RTCP_SR) {
        out->report.ntp = kg_read_u64(r);
        out->report.rtp_timestamp = kg_read_u32(r);
        out->report.packets = kg_read_u32(r);
        out->report.bytes = kg_read_u32(r);
    }
    out->report.report_count = count;
    for (uint8_t i = 0; i < count; i++)
        read_report_block(r, &out->report.reports[i]);
}

static void read_sdes(struct kg_reader *r, uint8_t count, struct kg_rtcp *out)
{
    if (count == 0)
        return;
    out->sender_ssrc = kg_read_u32(r);
    for (uint8_t type = kg_read_u8(r); type != 0 && !r->failed; type = kg_read_u8(r)) {
        uint8_t size = kg_read_u8(r);
        const uint8_t *text = kg_read_view(r, size);
        if (type == SDES_CNAME && text) {
            memcpy(out->sdes.cname, text, size);
            out->sdes.cname[size] = '\0';
        }
    }
}

static void read_bye(struct kg_reader *r, uint8_t count, struct kg_rtcp *out)
{
    out->bye.count = count;
    for (uint8_t i = 0; i < count; i++)
        out->bye.ssrc[i] = kg_read_u32(r);
    out->sender_ssrc = out->bye.ssrc[0];
}

/* RFC 4585 §6.2.1: each entry is a packet id and a bit mask of the 16 that follow it. */
static void read_nack(struct kg_reader *r, struct kg_rtcp *out)
{
    uint16_t n = 0;
    while (kg_reader_left(r) >= 4) {
        uint16_t id = kg_read_u16(r), mask = kg_read_u16(r);
        for (int bit = -1; bit < 16; bit++) {
            if ((bit < 0 || mask >> bit & 1) && n < KG_RTCP_MAX_NACKS)
                out->nack.sequence[n++] = (uint16_t)(id + bit + 1);
        }
    }
    out->nack.count = n;
}

static void read_fir(struct kg_reader *r, struct kg_rtcp *out)
{
    while (kg_reader_left(r) >= 8 && out->fir.count < KG_ARRAY_LEN(out->fir.entry)) {
        out->fir.entry[out->fir.count].ssrc = kg_read_u32(r);
        out->fir.entry[out->fir.count++].sequence = kg_read_u8(r);
        kg_read_skip(r, 3);
    }
}

static void read_remb(struct kg_reader *r, struct kg_rtcp *out)
{
    if (kg_reader_left(r) < 8 || kg_read_u32(r) != REMB_MAGIC) {
        out->kind = KG_RTCP_OTHER;
        return;
    }
    uint8_t count = kg_read_u8(r);
    uint32_t rate = kg_read_u24(r);
    out->remb.rate_bps = (uint64_t)(rate & 0x3ffff) << (rate >> 18);
    if ((out->remb.rate_bps >> (rate >> 18)) != (rate & 0x3ffff))
        out->remb.rate_bps = UINT64_MAX;
    while (count-- > 0 && out->remb.count < KG_ARRAY_LEN(out->remb.ssrc))
        out->remb.ssrc[out->remb.count++] = kg_read_u32(r);
}

static void read_feedback(struct kg_reader *r, uint8_t type, uint8_t format, struct kg_rtcp *out)
{
    out->sender_ssrc = kg_read_u32(r);
    out->media_ssrc = kg_read_u32(r);
    if (type == TYPE_RTPFB && format == FMT_NACK) {
        out->kind = KG_RTCP_NACK;
        read_nack(r, out);
    } else if (type == TYPE_RTPFB && format == FMT_TWCC) {
        out->kind = KG_RTCP_TWCC;
        kg_rtcp_read_twcc(r, out);
    } else if (type == TYPE_PSFB && format == FMT_PLI) {
        out->kind = KG_RTCP_PLI;
    } else if (type == TYPE_PSFB && format == FMT_FIR) {
        out->kind = KG_RTCP_FIR;
        read_fir(r, out);
    } else if (type == TYPE_PSFB && format == FMT_ALFB) {
        out->kind = KG_RTCP_REMB;
        read_remb(r, out);
    }
}

bool kg_rtcp_next(const void *data, size_t size, size_t *at, struct kg_rtcp *out, bool *malformed)
{
    *malformed = false;
    if (*at >= size)
        return false;
    *malformed = true;
    struct kg_reader r = kg_reader_of((const uint8_t *)data + *at, size - *at);
    uint8_t first = kg_read_u8(&r), type = kg_read_u8(&r);
    size_t body_size = (size_t)kg_read_u16(&r) * 4;
    const uint8_t *body = kg_read_view(&r, body_size);
    if (!body || first >> 6 != VERSION)
        return false;
    size_t whole = r.pos;
    if (first & 0x20) { /* padding (§6.4.1): its count is the last byte */
        uint8_t padding = body_size > 0 ? body[body_size - 1] : 0;
        if (padding == 0 || padding > body_size)
            return false;
        body_size -= padding;
    }
    struct kg_reader inner = kg_reader_of(body, body_size);
    uint8_t count = first & 31;
    memset(out, 0, offsetof(struct kg_rtcp, report)); /* the union is large: each reader fills its own part */
    out->kind = KG_RTCP_OTHER;
    switch (type) {
    case TYPE_SR:
    case TYPE_RR:
        memset(&out->report, 0, offsetof(struct kg_rtcp, report.reports) - offsetof(struct kg_rtcp, report));
        out->kind = type == TYPE_SR ? KG_RTCP_SR : KG_RTCP_RR;
        read_report(&inner, count, out);
        break;
    case TYPE_SDES:
        out->kind = KG_RTCP_SDES;
        out->sdes.cname[0] = '\0';
        read_sdes(&inner, count, out);
        break;
    case TYPE_BYE:
        memset(&out->bye, 0, sizeof out->bye);
        out->kind = KG_RTCP_BYE;
        read_bye(&inner, count, out);
        break;
    case TYPE_RTPFB:
    case TYPE_PSFB:
        memset(&out->fir, 0, sizeof out->fir);
        memset(&out->remb, 0, sizeof out->remb);
        read_feedback(&inner, type, count, out);
        break;
    default:
        break;
    }
    if (inner.failed)
        return false;
    *at += whole;
    *malformed = false;
    return true;
}

static void write_report(struct kg_writer *w, const struct kg_rtcp *m)
{
    kg_write_u32(w, m->sender_ssrc);
    if (m->kind == KG_RTCP_SR) {
        kg_write_u64(w, m->report.ntp);
        kg_write_u32(w, m->report.rtp_timestamp);
        kg_write_u32(w, m->report.packets);
        kg_write_u32(w, m->report.bytes);
    }
    for (uint8_t i = 0; i < m->report.report_count; i++) {
        const struct kg_rtcp_report_block *b = &m->report.reports[i];
        kg_write_u32(w, b->ssrc);
        kg_write_u8(w, b->fraction_lost);
        kg_write_u24(w, (uint32_t)b->cumulative_lost & 0xffffff);
        kg_write_u32(w, b->highest_sequence);
        kg_write_u32(w, b->jitter);
        kg_write_u32(w, b->last_sr);
        kg_write_u32(w, b->delay_since);
    }
}

static void write_sdes(struct kg_writer *w, const struct kg_rtcp *m)
{
    size_t start = w->pos, length = strlen(m->sdes.cname);
    kg_write_u32(w, m->sender_ssrc);
    kg_write_u8(w, SDES_CNAME);
    kg_write_u8(w, (uint8_t)length);
    kg_write_bytes(w, m->sdes.cname, length);
    kg_write_u8(w, 0);
    kg_write_zeros(w, (4 - (w->pos - start) % 4) % 4);
}

static void write_nack(struct kg_writer *w, const struct kg_rtcp *m)
{
    for (uint16_t i = 0; i < m->nack.count;) {
        uint16_t id = m->nack.sequence[i++], mask = 0;
        while (i < m->nack.count) {
            uint16_t distance = (uint16_t)(m->nack.sequence[i] - id);
            if (distance == 0 || distance > 16)
                break;
            mask |= (uint16_t)(1u << (distance - 1));
            i++;
        }
        kg_write_u16(w, id);
        kg_write_u16(w, mask);
    }
}

static void write_remb(struct kg_writer *w, const struct kg_rtcp *m)
{
    uint64_t mantissa = m->remb.rate_bps;
    uint32_t exponent = 0;
    while (mantissa > 0x3ffff) {
        mantissa >>= 1;
        exponent++;
    }
    kg_write_u32(w, REMB_MAGIC);
    kg_write_u8(w, m->remb.count);
    kg_write_u24(w, exponent << 18 | (uint32_t)mantissa);
    for (uint8_t i = 0; i < m->remb.count; i++)
        kg_write_u32(w, m->remb.ssrc[i]);
}

static void write_feedback(struct kg_writer *w, const struct kg_rtcp *m)
{
    kg_write_u32(w, m->sender_ssrc);
    kg_write_u32(w, m->kind == KG_RTCP_FIR || m->kind == KG_RTCP_REMB ? 0 : m->media_ssrc);
    if (m->kind == KG_RTCP_NACK)
        write_nack(w, m);
    else if (m->kind == KG_RTCP_TWCC)
        kg_rtcp_write_twcc(w, m);
    else if (m->kind == KG_RTCP_REMB)
        write_remb(w, m);
    for (uint8_t i = 0; m->kind == KG_RTCP_FIR && i < m->fir.count; i++) {
        kg_write_u32(w, m->fir.entry[i].ssrc);
        kg_write_u32(w, (uint32_t)m->fir.entry[i].sequence << 24);
    }
}

size_t kg_rtcp_append(const struct kg_rtcp *m, void *data, size_t size, size_t used)
{
    static const struct {
        uint8_t type, count;
    } heads[] = {
        [KG_RTCP_SR] = {TYPE_SR, 0},
        [KG_RTCP_RR] = {TYPE_RR, 0},
        [KG_RTCP_SDES] = {TYPE_SDES, 1},
        [KG_RTCP_BYE] = {TYPE_BYE, 0},
        [KG_RTCP_NACK] = {TYPE_RTPFB, 1},
        [KG_RTCP_PLI] = {TYPE_PSFB, FMT_PLI},
        [KG_RTCP_FIR] = {TYPE_PSFB, FMT_FIR},
        [KG_RTCP_REMB] = {TYPE_PSFB, FMT_ALFB},
        [KG_RTCP_TWCC] = {TYPE_RTPFB, FMT_TWCC},
    };
    if (m->kind >= KG_RTCP_OTHER || used > size)
        return 0;
    uint8_t count = heads[m->kind].count;
    if (m->kind == KG_RTCP_SR || m->kind == KG_RTCP_RR)
        count = m->report.report_count;
    else if (m->kind == KG_RTCP_BYE)
        count = m->bye.count;
    struct kg_writer w = kg_writer_of((uint8_t *)data + used, size - used);
    kg_write_u8(&w, (uint8_t)(VERSION << 6 | count));
    kg_write_u8(&w, heads[m->kind].type);
    kg_write_u16(&w, 0);
    if (m->kind == KG_RTCP_SR || m->kind == KG_RTCP_RR)
        write_report(&w, m);
    else if (m->kind == KG_RTCP_SDES)
        write_sdes(&w, m);
    else if (m->kind == KG_RTCP_BYE)
        for (uint8_t i = 0; i < m->bye.count; i++)
            kg_write_u32(&w, m->bye.ssrc[i]);
    else
        write_feedback(&w, m);
    kg_write_zeros(&w, (4 - w.pos % 4) % 4);
    kg_write_u16_at(&w, 2, (uint16_t)(w.pos / 4 - 1));
    return w.failed ? 0 : used + w.pos;
}

enum { NTP_UNIX_SECONDS = 2208988800u };

uint64_t kg_ntp_from_wall_us(int64_t wall_us)
{
    uint64_t seconds = (uint64_t)(wall_us / 1000000) + NTP_UNIX_SECONDS;
    uint64_t fraction = ((uint64_t)(wall_us % 1000000) << 32) / 1000000;
    return seconds << 32 | fraction;
}

int64_t kg_ntp_to_wall_us(uint64_t ntp)
{
    int64_t seconds = (int64_t)(ntp >> 32) - (int64_t)NTP_UNIX_SECONDS;
    uint64_t micro = ((ntp & 0xffffffffu) * 1000000 + 0x80000000u) >> 32;
    return seconds * 1000000 + (int64_t)micro;
}

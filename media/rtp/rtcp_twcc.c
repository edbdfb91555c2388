#include "rtp/rtcp_twcc.h"

enum { TICK_US = 250, REFERENCE_US = 64000, LOST = 0, SMALL = 1, LARGE = 2, RUN_MAX = 0x1fff };

static void read_symbols(struct kg_reader *r, uint16_t count, uint8_t *symbols)
{
    uint16_t n = 0;
    while (n < count && !r->failed) {
        uint16_t chunk = kg_read_u16(r);
        if (chunk >> 15 == 0) { /* run length */
            uint16_t run = chunk & RUN_MAX;
            if (run == 0)
                r->failed = true; /* would never end */
            for (; run > 0 && n < count; run--)
                symbols[n++] = chunk >> 13 & 3;
        } else if (chunk >> 14 & 1) { /* seven two-bit symbols */
            for (int i = 6; i >= 0 && n < count; i--)
                symbols[n++] = chunk >> (2 * i) & 3;
        } else { /* fourteen one-bit symbols */
            for (int i = 13; i >= 0 && n < count; i--)
                symbols[n++] = chunk >> i & 1;
        }
    }
}

void kg_rtcp_read_twcc(struct kg_reader *r, struct kg_rtcp *out)
{
    uint8_t symbols[KG_RTCP_MAX_TWCC] = {0};
    out->twcc.base_sequence = kg_read_u16(r);
    out->twcc.count = kg_read_u16(r);
    out->twcc.reference_us = (int64_t)kg_read_u24(r) * REFERENCE_US;
    out->twcc.feedback_count = kg_read_u8(r);
    if (out->twcc.count > KG_RTCP_MAX_TWCC) {
        r->failed = true;
        return;
    }
    read_symbols(r, out->twcc.count, symbols);
    for (uint16_t i = 0; i < out->twcc.count && !r->failed; i++) {
        struct kg_rtcp_twcc_packet *p = &out->twcc.packets[i];
        *p = (struct kg_rtcp_twcc_packet){.received = symbols[i] != LOST};
        if (symbols[i] == SMALL)
            p->delta_us = (int64_t)kg_read_u8(r) * TICK_US;
        else if (symbols[i] == LARGE)
            p->delta_us = (int64_t)(int16_t)kg_read_u16(r) * TICK_US;
        else if (symbols[i] != LOST)
            r->failed = true; /* 3 is reserved */
    }
}

static uint8_t symbol_of(const struct kg_rtcp_twcc_packet *p)
{
    if (!p->received)
        return LOST;
    int64_t ticks = p->delta_us / TICK_US;
    return ticks >= 0 && ticks <= 255 && p->delta_us >= 0 ? SMALL : LARGE;
}

/* Runs of seven or more as run-length chunks, the rest as two-bit vectors. */
static void write_symbols(struct kg_writer *w, const struct kg_rtcp *m)
{
    uint16_t count = m->twcc.count;
    for (uint16_t i = 0; i < count;) {
        uint8_t symbol = symbol_of(&m->twcc.packets[i]);
        uint16_t run = 1;
        while (i + run < count && run < RUN_MAX && symbol_of(&m->twcc.packets[i + run]) == symbol)
            run++;
        if (run >= 7 || i + run == count) {
            kg_write_u16(w, (uint16_t)(symbol << 13 | run));
            i = (uint16_t)(i + run);
            continue;
        }
        uint16_t chunk = 0xc000;
        for (int s = 6; s >= 0 && i < count; s--)
            chunk |= (uint16_t)(symbol_of(&m->twcc.packets[i++]) << (2 * s));
        kg_write_u16(w, chunk);
    }
}

void kg_rtcp_write_twcc(struct kg_writer *w, const struct kg_rtcp *m)
{
    if (m->twcc.count == 0 || m->twcc.count > KG_RTCP_MAX_TWCC) {
        w->failed = true;
        return;
    }
    kg_write_u16(w, m->twcc.base_sequence);
    kg_write_u16(w, m->twcc.count);
    kg_write_u24(w, (uint32_t)(m->twcc.reference_us / REFERENCE_US) & 0xffffff);
    kg_write_u8(w, m->twcc.feedback_count);
    write_symbols(w, m);
    for (uint16_t i = 0; i < m->twcc.count; i++) {
        const struct kg_rtcp_twcc_packet *p = &m->twcc.packets[i];
        int64_t ticks = p->delta_us / TICK_US;
        if (!p->received)
            continue;
        if (symbol_of(p) == SMALL)
            kg_write_u8(w, (uint8_t)ticks);
        else if (ticks >= INT16_MIN && ticks <= INT16_MAX)
            kg_write_u16(w, (uint16_t)(int16_t)ticks);
        else
            w->failed = true;
    }
}

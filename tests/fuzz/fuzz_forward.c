/* The forwarding core against its own parties: authenticated, so their packets arrive decrypted, but free to
 * send anything. The input is a programme of packets, reports, wishes, mutes, comings and goings. Whatever it
 * says, nobody gets his own source or a muted one, and no SSRC and sequence number is used twice. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "relay/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTIES = 3, MAX_STEPS = 400, PT_OPUS = 111, PT_VP8 = 96, PT_RTX = 97, MAX_OUT = 1240 };
enum { EXT_LEVEL = 1, EXT_MID = 2, EXT_NUMBER = 3 };

struct member {
    struct kg_party party;
    unsigned index;
    bool joined;
};

/* What left: by party, slot or its RTX, and sequence number, the run of the fuzzer and the stream's roll-over
 * count, which SRTP's index holds too. A table that need not be cleared. */
static uint32_t left[PARTIES][2 * KG_SLOTS][65536];
static struct kg_unwrapper unwrap[PARTIES][2 * KG_SLOTS];
/* What came, likewise: SRTP lets no packet of a stream through twice. */
static uint32_t came[PARTIES][8][65536];
static uint32_t run;

static struct member members[PARTIES];
static struct kg_forward forward;
static int64_t now_us;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static uint32_t slot_ssrc(unsigned slot)
{
    return 0x70000000u + slot * 2;
}

static bool send_rtp(void *user, uint8_t *packet, size_t size, size_t capacity, enum kg_source_kind kind,
                     int64_t at_us)
{
    (void)at_us;
    struct member *m = user;
    struct kg_rtp_packet p;
    must(size <= MAX_OUT && capacity >= size + 16 && kg_rtp_parse(packet, size, &p));
    uint32_t stream = p.header.ssrc - slot_ssrc(0);
    must(stream < 2 * KG_SLOTS && kg_slot_kind(stream / 2) == kind && p.header.csrc_count == 1);
    int64_t index = kg_unwrap16(&unwrap[m->index][stream], p.header.sequence);
    uint32_t mark = run << 8 | (uint32_t)(index >> 16 & 0xff);
    must(left[m->index][stream][p.header.sequence] != mark);
    left[m->index][stream][p.header.sequence] = mark;
    unsigned from = p.header.csrc[0] / 16;
    must(from < PARTIES && from != m->index && members[from].joined);
    must(!members[from].party.source[p.header.csrc[0] % 16 - 1].muted);
    return true;
}

static void send_rtcp(void *user, uint8_t *packet, size_t size, size_t capacity, int64_t at_us)
{
    (void)user, (void)at_us;
    size_t at = 0;
    bool malformed;
    static struct kg_rtcp out;
    must(capacity >= size + 20);
    while (kg_rtcp_next(packet, size, &at, &out, &malformed))
        ;
    must(!malformed);
}

static void on_slots(void *user, const uint32_t source[KG_SLOTS])
{
    (void)user, (void)source;
}

static void on_source(void *user, enum kg_source_kind kind, bool active)
{
    (void)user, (void)kind, (void)active;
}

static void on_speaking(void *user, uint32_t source)
{
    (void)user, (void)source;
}

static void on_watched(void *user, const bool watched[KG_SOURCE_KINDS])
{
    (void)user;
    must(watched[KG_SOURCE_MICROPHONE]);
}

static const struct kg_forward_ops ops = {send_rtp, send_rtcp, on_slots, on_source, on_speaking, on_watched};

static void add_line(struct kg_wire *wire, enum kg_role role, uint8_t index, uint32_t ssrc)
{
    bool audio = kg_role_is_audio(role);
    struct kg_wire_line *line = &wire->lines[wire->line_count++];
    *line = (struct kg_wire_line){.role = role, .index = index, .active = true, .ssrc = ssrc};
    line->payload_type = audio ? PT_OPUS : PT_VP8;
    line->rtx_payload_type = audio ? 0 : PT_RTX;
    line->rtx_ssrc = audio || !ssrc ? 0 : ssrc + 1;
    line->nack = line->pli = !audio;
    line->extension[KG_EXT_AUDIO_LEVEL] = audio ? EXT_LEVEL : 0;
    line->extension[KG_EXT_MID] = EXT_MID;
    line->extension[KG_EXT_TRANSPORT_CC] = EXT_NUMBER;
    snprintf(line->mid, sizeof(line->mid), "%u", wire->line_count);
}

static void join(unsigned index)
{
    struct member *m = &members[index];
    static struct kg_wire wire;
    memset(&wire, 0, sizeof(wire));
    memset(m, 0, sizeof(*m));
    memset(unwrap[index], 0, sizeof(unwrap[index]));
    m->index = index;
    run++; /* a new association has new keys */
    add_line(&wire, KG_ROLE_MICROPHONE, 0, 10);
    add_line(&wire, KG_ROLE_CAMERA, 0, 20);
    add_line(&wire, KG_ROLE_PRESENTATION, 0, 0); /* its SSRC is learnt */
    for (unsigned i = 0; i < KG_SLOTS; i++) {
        uint8_t at;
        enum kg_role role = kg_slot_role(i, &at);
        add_line(&wire, role, at, slot_ssrc(i));
    }
    struct kg_party_params params = {.id = index + 1, .user = m, .wire = &wire};
    for (unsigned k = 0; k < KG_SOURCE_KINDS; k++)
        params.source[k] = index * 16 + k + 1;
    must(kg_party_init(&m->party, &params));
    kg_forward_join(&forward, &m->party);
    m->joined = true;
    kg_forward_connected(&m->party, now_us);
}

static void leave(struct member *m)
{
    kg_forward_leave(&m->party, now_us);
    kg_party_finish(&m->party);
    m->joined = false;
}

/* As the transport does: nothing twice. */
static void deliver(struct member *m, uint8_t *packet, size_t size)
{
    struct kg_rtp_packet p;
    if (kg_rtp_parse(packet, size, &p)) {
        uint32_t *mark = &came[m->index][p.header.ssrc % 8][p.header.sequence];
        if (*mark == run)
            return;
        *mark = run;
    }
    kg_forward_rtp(&m->party, packet, size, now_us, now_us);
}

/* A packet as the party's own program would make it, but for what the input chooses. */
static void send_made(struct member *m, struct kg_reader *r)
{
    static const uint32_t ssrcs[] = {10, 20, 21, 30, 31, 40};
    static const uint8_t types[] = {PT_OPUS, PT_VP8, PT_RTX, PT_VP8, PT_RTX, PT_VP8};
    uint8_t packet[1400], level = kg_read_u8(r), number[2] = {0, level}, choice = kg_read_u8(r) % 6;
    struct kg_rtp_header header = {.payload_type = types[choice],
                                   .ssrc = ssrcs[choice],
                                   .sequence = kg_read_u16(r),
                                   .timestamp = kg_read_u32(r),
                                   .marker = level & 1,
                                   .extension_count = 3};
    header.extensions[0] = (struct kg_rtp_extension){EXT_LEVEL, 1, &level};
    header.extensions[1] = (struct kg_rtp_extension){EXT_NUMBER, 2, number};
    header.extensions[2] = (struct kg_rtp_extension){EXT_MID, 1, (const uint8_t *)(choice > 2 ? "3" : "2")};
    size_t size = kg_rtp_write_header(&header, packet, sizeof(packet));
    if (types[choice] == PT_RTX) {
        kg_put_u16(packet + size, kg_read_u16(r));
        size += 2;
    }
    size_t payload = KG_MIN((size_t)kg_read_u8(r), kg_reader_left(r));
    const uint8_t *bytes = kg_read_view(r, payload);
    if (bytes)
        memcpy(packet + size, bytes, payload);
    deliver(m, packet, size + payload);
}

static void send_raw(struct member *m, struct kg_reader *r, bool report)
{
    uint8_t packet[1400];
    size_t size = KG_MIN((size_t)kg_read_u8(r) * 5, KG_MIN(kg_reader_left(r), sizeof(packet)));
    const uint8_t *bytes = kg_read_view(r, size);
    if (!bytes)
        return;
    memcpy(packet, bytes, size);
    if (report)
        kg_forward_rtcp(&m->party, packet, size, now_us, now_us);
    else
        deliver(m, packet, size);
}

static void ask_again(struct member *m, struct kg_reader *r)
{
    static struct kg_rtcp nack;
    nack.kind = KG_RTCP_NACK;
    nack.media_ssrc = slot_ssrc(kg_read_u8(r) % KG_SLOTS);
    const struct kg_slot *slot = &m->party.slot[(nack.media_ssrc - slot_ssrc(0)) / 2];
    nack.nack.count = 1;
    nack.nack.sequence[0] = (uint16_t)(slot->rewrite.next_slot - kg_read_u8(r));
    uint8_t packet[64];
    size_t size = kg_rtcp_append(&nack, packet, sizeof(packet), 0);
    kg_forward_rtcp(&m->party, packet, size, now_us, now_us);
}

static void step(struct kg_reader *r)
{
    uint8_t what = kg_read_u8(r);
    struct member *m = &members[what % PARTIES];
    uint8_t value = kg_read_u8(r);
    if (!m->joined) {
        join(m->index);
        return;
    }
    switch (what / PARTIES % 8) {
    case 0:
    case 1:
        send_made(m, r);
        break;
    case 2:
        send_raw(m, r, false);
        break;
    case 3:
        send_raw(m, r, true);
        break;
    case 4:
        ask_again(m, r);
        break;
    case 5:
        kg_forward_want(&m->party, value % (KG_SLOTS + 1), (enum kg_wish)(value / 16 % 3),
                        value % 3 * 16 + 2);
        break;
    case 6:
        kg_forward_mute(&m->party, (enum kg_source_kind)(value % KG_SOURCE_KINDS), value & 0x80, now_us);
        break;
    default:
        if (value < 8)
            leave(m);
        now_us += (int64_t)value * value * 100;
        kg_forward_tick(&forward, now_us, now_us);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_packet_pool *pool = kg_packet_pool_create(64); /* small: it runs out */
    must(pool != NULL);
    now_us = 1000000;
    kg_forward_init(&forward, &ops, NULL, pool, now_us, now_us);
    for (unsigned i = 0; i < PARTIES; i++)
        join(i);
    struct kg_reader r = kg_reader_of(data, size);
    for (int i = 0; i < MAX_STEPS && kg_reader_left(&r) > 2; i++)
        step(&r);
    for (unsigned i = 0; i < PARTIES; i++) {
        if (members[i].joined)
            leave(&members[i]);
    }
    kg_packet_pool_destroy(pool);
    return 0;
}

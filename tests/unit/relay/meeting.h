/* A meeting without sockets or keys: parties whose packets are made here, and all that the forwarding core
 * sends them, kept for inspection. Checks of every packet: never the same SSRC and sequence number with other
 * bytes. */
#pragma once

#include "relay/forward.h"

enum {
    MEETING_PARTIES = 8,
    MEETING_KEPT = 4096,
    /* the wire of every party: odd ids for some receivers, so that a wrong mapping shows */
    PT_OPUS = 111,
    PT_VP8 = 96,
    PT_RTX = 97,
};

struct sent {
    struct kg_rtp_packet packet; /* views into bytes */
    size_t size;
    int64_t at_us;
    enum kg_source_kind kind;
    uint8_t bytes[1500];
};

struct fake_party {
    struct kg_party party;
    unsigned index;
    bool joined;
    struct sent *rtp; /* all RTP sent to it, oldest first */
    size_t rtp_count;
    struct kg_rtcp *rtcp; /* all reports sent to it, one by one */
    size_t rtcp_count;
    uint32_t slots[KG_SLOTS]; /* as last told */
    unsigned slots_told;
    bool active[KG_SOURCE_KINDS], watched[KG_SOURCE_KINDS];
    /* what it sends */
    uint16_t sequence[KG_SOURCE_KINDS], rtx_sequence;
    uint32_t timestamp[KG_SOURCE_KINDS];
    uint16_t picture;
    uint16_t twcc;
};

struct meeting {
    struct kg_forward forward;
    struct kg_packet_pool *pool;
    struct fake_party parties[MEETING_PARTIES];
    int64_t now_us;
    int64_t read_late_us; /* what comes to the relay came off the line so long before */
    uint32_t speaking;
};

void meeting_start(struct meeting *m);
void meeting_end(struct meeting *m);
struct fake_party *meeting_join(struct meeting *m, unsigned index);
void meeting_leave(struct meeting *m, struct fake_party *p);
/* Time passes, with ticks. */
void meeting_wait(struct meeting *m, int64_t us);

uint32_t source_id(unsigned party, enum kg_source_kind kind);
uint32_t source_ssrc(unsigned party, enum kg_source_kind kind);
uint32_t slot_ssrc(unsigned party, unsigned slot);

/* One audio packet of 20 ms at this level. */
void say(struct meeting *m, struct fake_party *p, uint8_t level);
/* One video packet. last: marker, and the next packet starts a new frame 33 ms later in RTP time. */
struct video {
    bool key, first, last;
    uint16_t size; /* of its payload beyond the descriptor; 0: 100 */
    bool lose;     /* made, but it never arrives */
};
/* The sequence number it has. */
uint16_t show(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, struct video video);
/* A whole frame of one packet. */
uint16_t picture(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, bool key);
/* A lost packet comes by RTX; made from its number alone, as show() made it. */
void recover(struct meeting *m, struct fake_party *p, enum kg_source_kind kind, uint16_t sequence, bool key,
             bool first);
void report_to_relay(struct meeting *m, struct fake_party *p, const struct kg_rtcp *report);

size_t count_rtp(const struct fake_party *p, uint32_t ssrc);
const struct sent *last_rtp(const struct fake_party *p, uint32_t ssrc);
size_t count_rtcp(const struct fake_party *p, enum kg_rtcp_kind kind, uint32_t media_ssrc);

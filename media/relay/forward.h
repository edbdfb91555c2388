/* The forwarding core of one meeting: which packet goes to whom, as what. RTP and RTCP come in decrypted and
 * leave plain through ops, so that all of it runs under test without a socket or a key.
 *
 * A packet is read once, noted with its source, and written anew for every slot the source feeds: the slot's
 * SSRC and numbers, the receiver's payload type and extension ids, the source's id as CSRC.
 *
 * Thread: the meeting's worker. Does no I/O, reads no clock, allocates nothing per packet (the pool keeps
 * what it has made). Parties belong to the caller and are linked between join and leave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "relay/party.h"
#include "rtp/packet.h"

/* Called inside every function below but init; they must not call back into the core. */
struct kg_forward_ops {
    /* A plain packet with room for its tag up to capacity. false: it did not leave. */
    bool (*send_rtp)(void *party_user, uint8_t *packet, size_t size, size_t capacity,
                     enum kg_source_kind kind, int64_t now_us);
    void (*send_rtcp)(void *party_user, uint8_t *packet, size_t size, size_t capacity, int64_t now_us);
    void (*on_slots)(void *party_user, const uint32_t source[KG_SLOTS]);
    void (*on_source)(void *party_user, enum kg_source_kind kind, bool active);
    void (*on_speaking)(void *user, uint32_t source); /* 0: silence */
    /* Which of the party's pictures anybody watches or awaits. Not yet said: all of them. */
    void (*on_watched)(void *party_user, const bool watched[KG_SOURCE_KINDS]);
};

struct kg_forward {
    const struct kg_forward_ops *ops;
    void *user;
    struct kg_packet_pool *pool;
    TAILQ_HEAD(kg_party_list, kg_party) parties;
    uint32_t party_count;
    struct kg_speakers speakers;
    uint32_t presenter; /* the source id that began to present last */
    int64_t wall_minus_now_us;
    uint64_t dropped; /* malformed, of no known stream, or over the pool's bound */
};

/* ops and pool outlive the meeting. wall_us: wall clock at now_us, for sender reports. */
void kg_forward_init(struct kg_forward *forward, const struct kg_forward_ops *ops, void *user,
                     struct kg_packet_pool *pool, int64_t now_us, int64_t wall_us);
/* party: from kg_party_init. It hears and sees nothing before kg_forward_connected. */
void kg_forward_join(struct kg_forward *forward, struct kg_party *party);
void kg_forward_connected(struct kg_party *party, int64_t now_us);
/* reliable: the party is reached by the tunnel. */
void kg_forward_set_path(struct kg_party *party, bool reliable);
/* Unlinks it; the caller finishes and frees it. Not yet joined: nothing. */
void kg_forward_leave(struct kg_party *party, int64_t now_us);

/* arrival_us ≤ now_us: when it came off the line, for whatever is measured; what is timed goes by now_us. */
void kg_forward_rtp(struct kg_party *party, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us);
void kg_forward_rtcp(struct kg_party *party, const uint8_t *packet, size_t size, int64_t arrival_us,
                     int64_t now_us);
void kg_forward_mute(struct kg_party *party, enum kg_source_kind kind, bool muted, int64_t now_us);
/* slot: of video or presentation. */
void kg_forward_want(struct kg_party *party, unsigned slot, enum kg_wish wish, uint32_t source);
/* Feedback, reports, repeated requests, silence. Call every KG_FORWARD_TICK_US. */
#define KG_FORWARD_TICK_US 10000
void kg_forward_tick(struct kg_forward *forward, int64_t now_us, int64_t wall_us);

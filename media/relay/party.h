/* One party inside the forwarding core: its three sources, its slots, and the numbers of its two directions
 * of travel. Thread: the meeting's worker. Owns its sources' caches. Made and linked by forward.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "relay/slot.h"
#include "relay/slot_layout.h"
#include "relay/source.h"
#include "rtp/twcc_receiver.h"
#include "rtp/twcc_sender.h"
#include "signal/wire.h"

struct kg_forward;

struct kg_party {
    uint64_t id;
    void *user; /* given back by the ops */
    struct kg_forward *forward;
    TAILQ_ENTRY(kg_party) link; /* in joining order */
    struct kg_wire wire;
    bool connected;
    bool reliable_path; /* the tunnel: neither NACK nor RTX */

    struct kg_source source[KG_SOURCE_KINDS];
    struct kg_wall_offset wall_offset; /* one clock for all it sends */
    struct kg_twcc_receiver twcc_in;
    int64_t next_report_us;

    struct kg_slot slot[KG_SLOTS];
    struct kg_layout_wish wish[KG_SLOTS]; /* audio slots' are not used */
    struct kg_speaker *heard[KG_AUDIO_SLOTS];
    bool slots_changed;
    struct kg_twcc_sender twcc_out;
    int64_t rtt_us; /* 0: unknown */

    struct {
        uint64_t packets_in, bytes_in, packets_out, bytes_out; /* RTP, plain */
        uint64_t nacks_in, rtx_out, pli_out;
        uint64_t twcc_received, twcc_lost; /* of what we sent, as the party reports: the estimator's food */
    } stats;
};

struct kg_party_params {
    uint64_t id;
    void *user;
    const struct kg_wire *wire; /* copied */
    uint32_t source[KG_SOURCE_KINDS];
    bool muted[KG_SOURCE_KINDS];
};

/* false: memory is short; nothing is held then. */
KG_MUST_CHECK bool kg_party_init(struct kg_party *party, const struct kg_party_params *params);
void kg_party_finish(struct kg_party *party);

/* Which source a received packet belongs to, by SSRC or, new, by its MID (RFC 8843 §9.2). *rtx: it is a
 * retransmission. *learnt: the stream's SSRC is new. NULL: nobody's. */
struct kg_source *kg_party_route(struct kg_party *party, const struct kg_rtp_header *header, bool *rtx,
                                 bool *learnt);
/* The source with this SSRC or RTX SSRC; the slot likewise. NULL: none. */
struct kg_source *kg_party_source(struct kg_party *party, uint32_t ssrc);
struct kg_slot *kg_party_slot(struct kg_party *party, uint32_t ssrc);

/* One slot of one receiving party: a continuous stream with its own SSRC, fed by one source after another.
 * Thread: the meeting's worker. Owns nothing; sources are borrowed and linked both ways. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "relay/source.h"
#include "rtp/sender_stats.h"
#include "rtp/slot_rewrite.h"
#include "rtp/vp8.h"

struct kg_slot {
    struct kg_party *party;
    unsigned number;
    const struct kg_wire_line *line;              /* in the party's wire; NULL: not negotiated, never fed */
    struct kg_source *current;                    /* carried now */
    struct kg_source *next;                       /* video: takes over at its next keyframe */
    LIST_ENTRY(kg_slot) feeds_link, awaited_link; /* in current->feeds, next->awaited */
    struct kg_slot_rewrite rewrite;
    struct kg_sender_stats stats;
    struct kg_resend_limit resend_limit;
    uint16_t rtx_sequence;
    uint16_t
        mid_left; /* packets that still carry the MID (RFC 8843 §9.2: until the receiver knows the SSRC) */
};

void kg_slot_init(struct kg_slot *slot, struct kg_party *party, unsigned number,
                  const struct kg_wire_line *line);
/* What the slot should carry. Audio and NULL at once; video when the source's keyframe comes (requested), the
 * old one staying until then if it still sends. These set the party's slots_changed when `current`
 * changes. */
void kg_slot_assign(struct kg_slot *slot, struct kg_source *source);
/* The source is gone or silenced: nothing more of it, at once. */
void kg_slot_detach(struct kg_slot *slot, const struct kg_source *source);
/* `current`'s numbers start anew: sound goes on with new ones, a picture waits for its keyframe. */
void kg_slot_restart(struct kg_slot *slot);
/* A keyframe of `next` begins: it becomes `current`. */
void kg_slot_take_over(struct kg_slot *slot);

/* A source packet as this slot's. packet: of `current`; vp8: NULL for audio. Returns its size in out, the
 * TWCC number still zero; 0: not to be forwarded. */
KG_MUST_CHECK size_t kg_slot_forward(struct kg_slot *slot, const struct kg_rtp_packet *packet,
                                     const struct kg_vp8_descriptor *vp8, int64_t now_us, void *out,
                                     size_t capacity);
/* The relay itself leaves out this packet of `current` (padding). */
void kg_slot_skip(struct kg_slot *slot, const struct kg_rtp_packet *packet);
/* The RTX packet for a slot sequence number the receiver misses, from a source's cached packet. 0: not
 * possible. */
KG_MUST_CHECK size_t kg_slot_resend(struct kg_slot *slot, const struct kg_source *source, uint16_t sequence,
                                    const struct kg_rtp_packet *packet, void *out, size_t capacity);
/* The slot's sender report, on the relay's clock: sound and picture of one source agree whatever slots they
 * are in. false: nothing sent, or nothing feeds the slot. */
KG_MUST_CHECK bool kg_slot_report(struct kg_slot *slot, int64_t now_us, int64_t wall_us, struct kg_rtcp *out);

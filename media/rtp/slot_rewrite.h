/* One slot of one receiver as one continuous RTP stream over changing sources: SSRC, sequence number,
 * timestamp, VP8 picture id and TL0PICIDX (RFC 3550 §5.1, RFC 7741 §4.2). Pure state over header fields;
 * touches no bytes. Thread: the receiver's worker. Owns nothing outside the struct (≈ 3 KB).
 *
 * Numbers: a packet the relay drops on purpose leaves no gap; a packet lost before the relay leaves one, so
 * that the receiver asks for it and the relay, having got it again, resends it under the number it was
 * promised. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtp.h"

enum {
    KG_SLOT_SPANS = 64
}; /* runs of unbroken numbering remembered; ≥ 1 s even when every other frame is dropped */

/* What rewriting reads and replaces. Fill it from kg_rtp_parse and kg_vp8_parse; write it back with
 * kg_rtp_write_header and kg_vp8_patch. */
struct kg_slot_fields {
    uint32_t ssrc; /* in: the source stream's SSRC; out: the slot's */
    uint16_t sequence;
    uint32_t timestamp;
    bool marker; /* set on the first audio packet after a switch (RFC 3551 §4.1) */
    bool has_picture_id;
    uint16_t picture_id; /* 15 bits; from a 7-bit source: its 7 bits */
    bool picture_id_long;
    bool has_tl0_picture_index;
    uint8_t tl0_picture_index;
};

struct kg_slot_span {
    uint32_t ssrc;        /* source */
    int64_t first_source; /* unwrapped source sequence of the span's first number */
    int64_t first_slot;   /* unwrapped slot sequence of it */
    int64_t end_slot;     /* one past the newest number given out in it */
    uint32_t timestamp_offset;
    uint16_t picture_offset; /* modulo 2^15 */
    uint8_t tl0_offset;
};

struct kg_slot_rewrite {
    uint32_t ssrc;
    uint32_t clock_rate;
    bool audio;
    /* the current source */
    uint32_t source_ssrc;
    bool has_source;
    bool anchored; /* its first packet has been seen */
    struct kg_unwrapper source_sequence;
    int64_t highest_source;
    uint16_t highest_picture; /* of the source, dropped ones included */
    bool has_picture;
    uint16_t stray; /* sequence after a far-off packet: two in a row mean that the source restarted (A.1) */
    bool has_stray;
    /* the slot's stream so far */
    int64_t next_slot;
    uint32_t last_timestamp;
    int64_t last_time_us;
    bool has_sent;
    uint16_t last_picture;
    uint8_t last_tl0;
    uint32_t anchor_span;                     /* number of the first span of the current source */
    struct kg_slot_span spans[KG_SLOT_SPANS]; /* ring, oldest overwritten */
    uint32_t span_count;                      /* ever made */
};

/* ssrc: the slot's. first_*: random start values (RFC 3550 §5.1). audio: no VP8 fields; marks talk spurts. */
void kg_slot_rewrite_init(struct kg_slot_rewrite *slot, uint32_t ssrc, uint32_t clock_rate, bool audio,
                          uint16_t first_sequence, uint32_t first_timestamp);

/* From now on packets of source_ssrc feed the slot; the slot's stream continues at its next number. Video:
 * call it when the first packet of the new source's keyframe is at hand, then pass that packet. */
void kg_slot_rewrite_switch(struct kg_slot_rewrite *slot, uint32_t source_ssrc);
/* Nothing feeds the slot; its stream continues, in time too, at the next switch. */
void kg_slot_rewrite_clear(struct kg_slot_rewrite *slot);

/* Rewrites fields of a packet to be forwarded. time_us: its timestamp in relay time (kg_time_map), or its
 * arrival while that is unknown; used at a switch only: inside a source timestamps keep their exact
 * distances. false, fields untouched: not of the current source, from before the switch, or too old to have a
 * number. */
KG_MUST_CHECK bool kg_slot_rewrite_packet(struct kg_slot_rewrite *slot, struct kg_slot_fields *fields,
                                          int64_t time_us);
/* The relay does not want to forward this packet (padding, a temporal layer): closes the gap it would leave,
 * and that of its picture id. false: its number was promised already because a newer packet went out; forward
 * it. */
KG_MUST_CHECK bool kg_slot_rewrite_drop(struct kg_slot_rewrite *slot, const struct kg_slot_fields *fields);

/* Which source packet bears this slot sequence number: for NACK → sent cache → RTX. Works for packets of
 * former sources too, while remembered. false: never given out, or forgotten. */
KG_MUST_CHECK bool kg_slot_rewrite_lookup(const struct kg_slot_rewrite *slot, uint16_t slot_sequence,
                                          uint32_t *source_ssrc, uint16_t *source_sequence);
/* Rewrites the fields of a cached source packet exactly as when it was first due under slot_sequence (the
 * marker is left as it is). false: as lookup, or fields are of another packet. */
KG_MUST_CHECK bool kg_slot_rewrite_again(const struct kg_slot_rewrite *slot, uint16_t slot_sequence,
                                         struct kg_slot_fields *fields);

/* The slot timestamp of a source timestamp, for the slot's sender reports: NTP from the source's mapping in
 * relay time, RTP from here. false: no source, or none of its packets went out yet. */
KG_MUST_CHECK bool kg_slot_rewrite_timestamp(const struct kg_slot_rewrite *slot, uint32_t source_timestamp,
                                             uint32_t *slot_timestamp);

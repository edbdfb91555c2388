/* RTCP (RFC 3550 §6, 4585, 5104, transport-wide congestion control draft-holmer-rmcat-twcc-01), one report at
 * a time out of a compound packet. Pure; thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_RTCP_MAX_REPORTS = 31,
    KG_RTCP_MAX_NACKS = 256,
    KG_RTCP_MAX_TWCC = 512,  /* packets one feedback may describe here; a longer one is refused */
    KG_RTCP_MAX_BYTES = 1184 /* plain compound packet, so that SRTCP stays ≤ 1,200 */
};

enum kg_rtcp_kind {
    KG_RTCP_SR,
    KG_RTCP_RR,
    KG_RTCP_SDES,
    KG_RTCP_BYE,
    KG_RTCP_NACK,
    KG_RTCP_PLI,
    KG_RTCP_FIR,
    KG_RTCP_REMB,
    KG_RTCP_TWCC,
    KG_RTCP_OTHER /* well-formed, not ours: skip it */
};

struct kg_rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost;   /* /256 */
    int32_t cumulative_lost; /* 24 bits signed */
    uint32_t highest_sequence;
    uint32_t jitter;      /* timestamp units */
    uint32_t last_sr;     /* middle 32 bits of the NTP time */
    uint32_t delay_since; /* 1/65536 s */
};

struct kg_rtcp_twcc_packet {
    bool received;
    int64_t delta_us; /* arrival after the previous received packet; the first: after reference_us */
};

struct kg_rtcp {
    enum kg_rtcp_kind kind;
    uint32_t sender_ssrc;
    uint32_t media_ssrc; /* NACK, PLI, TWCC */
    union {
        struct {
            uint64_t ntp; /* 32.32 fixed point, seconds since 1900 */
            uint32_t rtp_timestamp;
            uint32_t packets;
            uint32_t bytes;
            uint8_t report_count;
            struct kg_rtcp_report_block reports[KG_RTCP_MAX_REPORTS];
        } report; /* SR; RR uses report_count and reports only */
        struct {
            char cname[256]; /* first chunk's */
        } sdes;
        struct {
            uint8_t count;
            uint32_t ssrc[31];
        } bye;
        struct {
            uint16_t count;
            uint16_t sequence[KG_RTCP_MAX_NACKS];
        } nack;
        struct {
            uint8_t count;
            struct {
                uint32_t ssrc;
                uint8_t sequence;
            } entry[16];
        } fir;
        struct {
            uint64_t rate_bps;
            uint8_t count;
            uint32_t ssrc[16];
        } remb;
        struct {
            uint16_t base_sequence;
            uint16_t count;
            int64_t reference_us; /* multiple of 64 ms, 24 bits of it: wraps after 12.4 days */
            uint8_t feedback_count;
            struct kg_rtcp_twcc_packet packets[KG_RTCP_MAX_TWCC];
        } twcc;
    };
};

/* Steps through a compound packet: *at starts at 0. false at the end or when the rest is malformed
 * (*malformed says which). */
KG_MUST_CHECK bool kg_rtcp_next(const void *data, size_t size, size_t *at, struct kg_rtcp *out,
                                bool *malformed);

/* Appends one report to data[0..size) at offset `used`. Returns the new used size, or 0 when it does not fit.
 * KG_RTCP_OTHER cannot be written. NACK sequences must be in rising order (modulo 2^16). */
size_t kg_rtcp_append(const struct kg_rtcp *report, void *data, size_t size, size_t used);

/* NTP 32.32 ↔ microseconds since 1970 (RFC 3550 §4). */
uint64_t kg_ntp_from_wall_us(int64_t wall_us);
int64_t kg_ntp_to_wall_us(uint64_t ntp);

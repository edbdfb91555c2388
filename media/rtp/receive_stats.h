/* Reception statistics of one SSRC and its report blocks (RFC 3550 §6.4.1, A.1, A.3, A.8).
 * Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtcp.h"

struct kg_receive_stats {
    uint32_t ssrc;
    uint32_t clock_rate;
    bool started;
    uint16_t max_sequence;
    uint32_t cycles; /* × 2^16 */
    uint32_t base_sequence;
    uint32_t bad_sequence;
    uint64_t received; /* packets, since the last restart of the source */
    uint64_t bytes;    /* RTP packets with headers, ever */
    uint64_t expected_prior, received_prior;
    bool has_transit;
    uint32_t last_timestamp;
    int64_t last_arrival_us;
    double jitter; /* timestamp units */
    uint32_t last_sr;
    int64_t last_sr_us;
    bool has_sr;
};

void kg_receive_stats_init(struct kg_receive_stats *stats, uint32_t ssrc, uint32_t clock_rate);
/* A packet of the stream itself; packets recovered by RTX are not counted, or loss would never show. false:
 * not yet, or no longer, a believable sequence (A.1): a far jump is believed at the second packet in a row.
 */
bool kg_receive_stats_packet(struct kg_receive_stats *stats, uint16_t sequence, uint32_t timestamp,
                             uint32_t size, int64_t arrival_us);
/* The source's sender report arrived: for LSR and DLSR. */
void kg_receive_stats_sender_report(struct kg_receive_stats *stats, uint64_t ntp, int64_t now_us);
/* Fills *block and starts the next interval. false: nothing received yet. */
KG_MUST_CHECK bool kg_receive_stats_report(struct kg_receive_stats *stats, int64_t now_us,
                                           struct kg_rtcp_report_block *block);
int64_t kg_receive_stats_jitter_us(const struct kg_receive_stats *stats);
/* Extended highest sequence, packets lost so far (may be negative with duplicates). */
int64_t kg_receive_stats_lost(const struct kg_receive_stats *stats);

/* What one SSRC has sent, for its sender reports, and the round trip from the reports about it (RFC 3550
 * §6.4.1). Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtcp.h"

struct kg_sender_stats {
    uint32_t ssrc;
    uint32_t clock_rate;
    uint32_t packets; /* wrap, as on the wire */
    uint32_t bytes;   /* payload bytes only */
    bool started;
    uint32_t last_timestamp;
    int64_t last_capture_us; /* monotonic time of last_timestamp */
    int64_t last_report_us;
    bool reported;
    int64_t rtt_us; /* smoothed; 0: unknown */
    uint8_t fraction_lost;
};

void kg_sender_stats_init(struct kg_sender_stats *stats, uint32_t ssrc, uint32_t clock_rate);
/* A packet was sent. capture_us: the monotonic time its RTP timestamp stands for. */
void kg_sender_stats_packet(struct kg_sender_stats *stats, uint32_t timestamp, uint32_t payload_size,
                            int64_t capture_us);
/* Whether a report is due: with the first packet, then every interval_us (≤ 1 s here). */
bool kg_sender_stats_due(const struct kg_sender_stats *stats, int64_t interval_us, int64_t now_us);
/* Fills *out as a KG_RTCP_SR without report blocks: wall_us is the wall clock at now_us; its RTP timestamp is
 * what the media clock shows at that moment. false: nothing sent yet. */
KG_MUST_CHECK bool kg_sender_stats_report(struct kg_sender_stats *stats, int64_t now_us, int64_t wall_us,
                                          struct kg_rtcp *out);
/* A report block about this SSRC arrived at now_us, wall_us: loss, and round trip = now − LSR − DLSR. */
void kg_sender_stats_block(struct kg_sender_stats *stats, const struct kg_rtcp_report_block *block,
                           int64_t wall_us);

#include "rtp/sender_stats.h"

#include <string.h>

#include "rtp/rtp.h"

void kg_sender_stats_init(struct kg_sender_stats *stats, uint32_t ssrc, uint32_t clock_rate)
{
    memset(stats, 0, sizeof(*stats));
    stats->ssrc = ssrc;
    stats->clock_rate = clock_rate;
}

void kg_sender_stats_packet(struct kg_sender_stats *stats, uint32_t timestamp, uint32_t payload_size,
                            int64_t capture_us)
{
    stats->packets++;
    stats->bytes += payload_size;
    if (!stats->started || kg_timestamp_newer(timestamp, stats->last_timestamp)) {
        stats->last_timestamp = timestamp;
        stats->last_capture_us = capture_us;
        stats->started = true;
    }
}

bool kg_sender_stats_due(const struct kg_sender_stats *stats, int64_t interval_us, int64_t now_us)
{
    return stats->started && (!stats->reported || now_us - stats->last_report_us >= interval_us);
}

bool kg_sender_stats_report(struct kg_sender_stats *stats, int64_t now_us, int64_t wall_us,
                            struct kg_rtcp *out)
{
    if (!stats->started) {
        return false;
    }
    /* RFC 3550 §6.4.1: both times stand for the same instant, which need not be a packet's. */
    int64_t ticks = (now_us - stats->last_capture_us) * stats->clock_rate / 1000000;
    out->kind = KG_RTCP_SR;
    out->sender_ssrc = stats->ssrc;
    out->media_ssrc = 0;
    out->report.ntp = kg_ntp_from_wall_us(wall_us);
    out->report.rtp_timestamp = stats->last_timestamp + (uint32_t)ticks;
    out->report.packets = stats->packets;
    out->report.bytes = stats->bytes;
    out->report.report_count = 0;
    stats->last_report_us = now_us;
    stats->reported = true;
    return true;
}

void kg_sender_stats_block(struct kg_sender_stats *stats, const struct kg_rtcp_report_block *block,
                           int64_t wall_us)
{
    stats->fraction_lost = block->fraction_lost;
    if (block->last_sr == 0) {
        return; /* it had no sender report of ours yet */
    }
    uint32_t now = (uint32_t)(kg_ntp_from_wall_us(wall_us) >> 16);
    int32_t trip = (int32_t)(now - block->last_sr - block->delay_since);
    if (trip < 0) {
        return; /* the wall clock was set, or the peer invents */
    }
    int64_t rtt_us = (int64_t)trip * 1000000 / 65536;
    rtt_us = rtt_us > 0 ? rtt_us : 1;
    stats->rtt_us = stats->rtt_us == 0 ? rtt_us : (stats->rtt_us * 7 + rtt_us) / 8;
}

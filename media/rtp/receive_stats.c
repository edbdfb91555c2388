#include "rtp/receive_stats.h"

#include <string.h>

/* RFC 3550 A.1 */
enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100 };
#define SEQUENCE_MOD (UINT32_C(1) << 16)

void kg_receive_stats_init(struct kg_receive_stats *stats, uint32_t ssrc, uint32_t clock_rate)
{
    memset(stats, 0, sizeof(*stats));
    stats->ssrc = ssrc;
    stats->clock_rate = clock_rate;
}

static void restart(struct kg_receive_stats *stats, uint16_t sequence)
{
    stats->base_sequence = sequence;
    stats->max_sequence = sequence;
    stats->bad_sequence = SEQUENCE_MOD + 1; /* equal to no sequence number */
    stats->cycles = 0;
    stats->received = 0;
    stats->received_prior = 0;
    stats->expected_prior = 0;
    stats->has_transit = false;
}

/* A.1 without probation: the relay and the terminal know which SSRCs they were promised. */
static bool update_sequence(struct kg_receive_stats *stats, uint16_t sequence)
{
    uint16_t ahead = (uint16_t)(sequence - stats->max_sequence);

    if (!stats->started) {
        restart(stats, sequence);
        stats->started = true;
    } else if (ahead < MAX_DROPOUT) {
        if (sequence < stats->max_sequence) {
            stats->cycles += SEQUENCE_MOD;
        }
        stats->max_sequence = sequence;
        stats->bad_sequence = SEQUENCE_MOD + 1; /* a stray packet before was just that */
    } else if (ahead <= SEQUENCE_MOD - MAX_MISORDER) {
        if (sequence != stats->bad_sequence) {
            stats->bad_sequence = (sequence + 1) & (SEQUENCE_MOD - 1);
            return false;
        }
        restart(stats, sequence); /* two in a row: the source started anew */
    }
    stats->received++;
    return true;
}

/* A.8, with arrival in the units of the timestamp. */
static void update_jitter(struct kg_receive_stats *stats, uint32_t timestamp, int64_t arrival_us)
{
    if (stats->has_transit) {
        double moved = (double)(arrival_us - stats->last_arrival_us) * stats->clock_rate / 1e6;
        double d = moved - (double)(int32_t)(timestamp - stats->last_timestamp);
        stats->jitter += ((d < 0 ? -d : d) - stats->jitter) / 16;
    }
    stats->has_transit = true;
    stats->last_timestamp = timestamp;
    stats->last_arrival_us = arrival_us;
}

bool kg_receive_stats_packet(struct kg_receive_stats *stats, uint16_t sequence, uint32_t timestamp,
                             uint32_t size, int64_t arrival_us)
{
    stats->bytes += size;
    if (!update_sequence(stats, sequence)) {
        return false;
    }
    /* Packets of one frame share a timestamp but leave one after another: only the first says when it was
     * sent. */
    if (!stats->has_transit || timestamp != stats->last_timestamp) {
        update_jitter(stats, timestamp, arrival_us);
    }
    return true;
}

void kg_receive_stats_sender_report(struct kg_receive_stats *stats, uint64_t ntp, int64_t now_us)
{
    stats->last_sr = (uint32_t)(ntp >> 16);
    stats->last_sr_us = now_us;
    stats->has_sr = true;
}

static int64_t expected(const struct kg_receive_stats *stats)
{
    return (int64_t)stats->cycles + stats->max_sequence - stats->base_sequence + 1;
}

int64_t kg_receive_stats_lost(const struct kg_receive_stats *stats)
{
    return stats->started ? expected(stats) - (int64_t)stats->received : 0;
}

/* A.3: the part lost since the last report; duplicates may make it negative, which counts as none. */
static uint8_t interval_fraction(struct kg_receive_stats *stats)
{
    int64_t now_expected = expected(stats);
    int64_t wanted = now_expected - (int64_t)stats->expected_prior;
    int64_t got = (int64_t)(stats->received - stats->received_prior);

    stats->expected_prior = (uint64_t)now_expected;
    stats->received_prior = stats->received;
    if (wanted <= 0 || wanted <= got) {
        return 0;
    }
    return (uint8_t)KG_MIN((wanted - got) * 256 / wanted, 255);
}

bool kg_receive_stats_report(struct kg_receive_stats *stats, int64_t now_us,
                             struct kg_rtcp_report_block *block)
{
    if (!stats->started) {
        return false;
    }
    int64_t lost = kg_receive_stats_lost(stats);
    lost = KG_MAX(KG_MIN(lost, 0x7fffff), -0x800000);
    *block = (struct kg_rtcp_report_block){.ssrc = stats->ssrc,
                                           .fraction_lost = interval_fraction(stats),
                                           .cumulative_lost = (int32_t)lost,
                                           .highest_sequence = stats->cycles + stats->max_sequence,
                                           .jitter = (uint32_t)stats->jitter};
    if (stats->has_sr) {
        block->last_sr = stats->last_sr;
        block->delay_since = (uint32_t)((now_us - stats->last_sr_us) * 65536 / 1000000);
    }
    return true;
}

int64_t kg_receive_stats_jitter_us(const struct kg_receive_stats *stats)
{
    return stats->clock_rate > 0 ? (int64_t)(stats->jitter * 1e6 / stats->clock_rate) : 0;
}

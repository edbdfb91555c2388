#include "relay/source.h"

#include <string.h>

#include "base/log.h"
#include "relay/party.h"

static uint32_t clock_rate(const struct kg_source *source)
{
    return kg_source_is_video(source) ? KG_RTP_VIDEO_HZ : KG_RTP_AUDIO_HZ;
}

bool kg_source_init(struct kg_source *source, struct kg_party *party, enum kg_source_kind kind, uint32_t id,
                    const struct kg_wire_line *line, bool muted)
{
    memset(source, 0, sizeof(*source));
    source->id = id;
    source->kind = kind;
    source->party = party;
    source->line = line && line->active ? line : NULL;
    source->muted = muted;
    LIST_INIT(&source->feeds);
    LIST_INIT(&source->awaited);
    if (kg_source_is_video(source) && source->line) {
        source->cache = kg_sent_cache_create();
        if (!source->cache) {
            kg_log(KG_LOG_ERROR, "relay", NULL, "no memory for a source's cache");
            return false;
        }
    }
    kg_source_bind(source, source->line ? source->line->ssrc : 0);
    source->rtx_ssrc = source->line ? source->line->rtx_ssrc : 0;
    return true;
}

void kg_source_finish(struct kg_source *source)
{
    kg_sent_cache_destroy(source->cache);
    source->cache = NULL;
}

void kg_source_bind(struct kg_source *source, uint32_t ssrc)
{
    source->ssrc = ssrc;
    source->heard_us = 0;
    source->unwrap = (struct kg_unwrapper){0};
    memset(source->seen, 0, sizeof(source->seen));
    kg_receive_stats_init(&source->stats, ssrc, clock_rate(source));
    struct kg_nack_params params = kg_nack_params_default();
    kg_nack_init(&source->nack, &params);
    kg_time_map_init(&source->time_map, clock_rate(source));
}

static uint64_t *seen_word(struct kg_source *source, int64_t number, uint64_t *bit)
{
    uint64_t at = (uint64_t)number % KG_SOURCE_SEEN_NUMBERS;
    *bit = 1ull << at % 64;
    return &source->seen[at / 64];
}

/* SRTP drops repeats of one stream, but an original may follow its own retransmission, and a retransmission
 * may claim any number. */
static enum kg_source_verdict judge(struct kg_source *source, uint16_t sequence, bool recovered)
{
    struct kg_unwrapper peek = source->unwrap;
    int64_t number = kg_unwrap16(&peek, sequence);
    bool first = !source->unwrap.started, jump = number - source->newest >= KG_SOURCE_SEEN_NUMBERS;
    uint64_t bit;
    if (!first && (source->newest - number >= KG_SOURCE_MAX_LATE || (jump && recovered)))
        return KG_SOURCE_OLD;
    if (first || jump) {
        memset(source->seen, 0, sizeof(source->seen));
        source->newest = number;
    }
    while (source->newest < number) {
        uint64_t *word = seen_word(source, ++source->newest, &bit);
        *word &= ~bit;
    }
    source->unwrap.started = true;
    source->unwrap.last = source->newest;
    uint64_t *word = seen_word(source, number, &bit);
    bool known = *word & bit;
    *word |= bit;
    if (known)
        return KG_SOURCE_OLD;
    return !first && jump ? KG_SOURCE_RESTARTED : KG_SOURCE_NEW;
}

enum kg_source_verdict kg_source_receive(struct kg_source *source, const struct kg_rtp_packet *packet,
                                         size_t size, bool recovered, int64_t arrival_us, int64_t now_us)
{
    const struct kg_rtp_header *h = &packet->header;
    if (!recovered)
        (void)kg_receive_stats_packet(&source->stats, h->sequence, h->timestamp, (uint32_t)size, arrival_us);
    enum kg_source_verdict verdict = judge(source, h->sequence, recovered);
    if (verdict == KG_SOURCE_RESTARTED)
        kg_source_forget(source, now_us);
    if (verdict == KG_SOURCE_OLD)
        return verdict;
    if (source->cache)
        kg_nack_receive(&source->nack, h->sequence, now_us);
    if (source->heard_us == 0 || verdict == KG_SOURCE_RESTARTED ||
        kg_timestamp_newer(h->timestamp, source->last_timestamp)) {
        source->last_timestamp = h->timestamp;
        source->last_arrival_us = arrival_us;
    }
    source->heard_us = now_us;
    return verdict;
}

bool kg_source_is_silent(const struct kg_source *source, int64_t now_us)
{
    int64_t allowed_us = source->kind == KG_SOURCE_PRESENTATION ? KG_SOURCE_STILL_US : KG_SOURCE_SILENT_US;
    return now_us - source->heard_us > allowed_us;
}

bool kg_source_sender_report(struct kg_source *source, const struct kg_rtcp *report, int64_t arrival_us)
{
    kg_receive_stats_sender_report(&source->stats, report->report.ntp, arrival_us);
    return kg_time_map_report(&source->time_map, report->report.ntp, report->report.rtp_timestamp);
}

void kg_source_forget(struct kg_source *source, int64_t now_us)
{
    struct kg_nack_params params = kg_nack_params_default();
    kg_nack_init(&source->nack, &params);
    if (source->cache)
        kg_sent_cache_trim(source->cache, now_us + 2 * (int64_t)KG_SENT_CACHE_MAX_AGE_US);
}

int64_t kg_source_time(const struct kg_source *source, uint32_t timestamp)
{
    int64_t local_us;
    if (kg_time_map_local(&source->time_map, &source->party->wall_offset, timestamp, &local_us))
        return local_us;
    int32_t ticks = (int32_t)(timestamp - source->last_timestamp);
    return source->last_arrival_us + (int64_t)ticks * 1000000 / clock_rate(source);
}

uint32_t kg_source_timestamp(const struct kg_source *source, int64_t time_us)
{
    const struct kg_wall_offset *offset = &source->party->wall_offset;
    uint32_t timestamp;
    if (offset->started && kg_time_map_rtp(&source->time_map, time_us - offset->offset_us, &timestamp))
        return timestamp;
    int64_t ticks = (time_us - source->last_arrival_us) * clock_rate(source) / 1000000;
    return source->last_timestamp + (uint32_t)ticks;
}

void kg_source_want_keyframe(struct kg_source *source, bool newcomer)
{
    source->keyframe_wanted = true;
    source->keyframe_newcomer = source->keyframe_newcomer || newcomer;
}

bool kg_source_take_keyframe_request(struct kg_source *source, int64_t now_us)
{
    if (!source->keyframe_wanted || source->muted || source->ssrc == 0)
        return false;
    int64_t pause_us = source->keyframe_newcomer ? KG_SOURCE_PLI_NEWCOMER_US : KG_SOURCE_PLI_US;
    if (source->keyframe_asked_us != 0 && now_us - source->keyframe_asked_us < pause_us)
        return false;
    source->keyframe_asked_us = now_us;
    source->keyframe_wanted = source->keyframe_newcomer = false;
    return true;
}

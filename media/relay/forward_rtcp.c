#include <string.h>

#include "relay/forward_internal.h"

#define REPORT_US 1000000

enum { TAG_AND_INDEX = 20 };

static void send_compound(struct kg_party *party, const struct kg_rtcp *first, const struct kg_rtcp *second,
                          int64_t now_us)
{
    uint8_t out[KG_RTCP_MAX_BYTES + TAG_AND_INDEX];
    size_t used = kg_rtcp_append(first, out, KG_RTCP_MAX_BYTES, 0);
    if (used && second)
        used = kg_rtcp_append(second, out, KG_RTCP_MAX_BYTES, used);
    if (used)
        party->forward->ops->send_rtcp(party->user, out, used, sizeof(out), now_us);
}

/* As the answer's a=ssrc lines name it (RFC 3550 §6.5.1): the loudest voice and its picture are one source.
 */
static struct kg_rtcp name_of(const struct kg_slot *slot)
{
    struct kg_rtcp name = {.kind = KG_RTCP_SDES, .sender_ssrc = slot->line->ssrc};
    uint8_t index;
    enum kg_role role = kg_slot_role(slot->number, &index);
    if (index == 0 && role != KG_ROLE_PRESENTATION_SLOT)
        strcpy(name.sdes.cname, "speaker");
    else
        kg_role_format(role, index, name.sdes.cname);
    return name;
}

void kg_forward_send_report(struct kg_party *party, const struct kg_rtcp *report, int64_t now_us)
{
    if (report->kind != KG_RTCP_SR) { /* feedback alone: RFC 5506 */
        send_compound(party, report, NULL, now_us);
        return;
    }
    struct kg_slot *slot = kg_party_slot(party, report->sender_ssrc);
    struct kg_rtcp name = name_of(slot);
    send_compound(party, report, &name, now_us);
    slot->stats.reported = true;
    slot->stats.last_report_us = now_us;
}

void kg_forward_ask_keyframe(struct kg_source *source, int64_t now_us)
{
    struct kg_party *party = source->party;
    if (!kg_source_is_video(source) || !source->line || !party->connected ||
        !kg_source_take_keyframe_request(source, now_us))
        return;
    struct kg_rtcp request = {
        .kind = KG_RTCP_PLI, .sender_ssrc = party->twcc_in.sender_ssrc, .media_ssrc = source->ssrc};
    if (!source->line->pli && source->line->fir) {
        request.kind = KG_RTCP_FIR;
        request.fir.count = 1;
        request.fir.entry[0].ssrc = source->ssrc;
        request.fir.entry[0].sequence = source->fir_sequence++;
    }
    party->stats.pli_out++;
    send_compound(party, &request, NULL, now_us);
}

/* A receiver wants a keyframe of what its slot carries. */
static void on_keyframe_request(struct kg_party *party, uint32_t ssrc, int64_t now_us)
{
    struct kg_slot *slot = kg_party_slot(party, ssrc);
    if (!slot || !slot->current || !kg_source_is_video(slot->current))
        return;
    kg_source_want_keyframe(slot->current, false);
    kg_forward_ask_keyframe(slot->current, now_us);
}

static void resend(struct kg_slot *slot, uint16_t sequence, int64_t now_us)
{
    struct kg_party *party = slot->party;
    uint32_t id;
    uint16_t source_sequence;
    if (!kg_slot_rewrite_lookup(&slot->rewrite, sequence, &id, &source_sequence))
        return;
    struct kg_source *source =
        slot->current && slot->current->id == id ? slot->current : kg_forward_find_source(party->forward, id);
    if (!source || !source->cache || source->muted)
        return;
    const struct kg_packet *cached = kg_sent_cache_find(source->cache, source_sequence, now_us);
    struct kg_rtp_packet packet;
    uint8_t out[KG_PACKET_CAPACITY];
    if (!cached || !kg_rtp_parse(cached->data, cached->size, &packet) ||
        !kg_resend_limit_allow(&slot->resend_limit, sequence, now_us, party->rtt_us))
        return;
    size_t size = kg_slot_resend(slot, source, sequence, &packet, out, sizeof(out) - TAG_AND_INDEX);
    if (size == 0)
        return;
    party->stats.rtx_out++;
    kg_forward_emit(slot, out, size, sizeof(out), now_us);
}

static void on_nack(struct kg_party *party, const struct kg_rtcp *nack, int64_t now_us)
{
    struct kg_slot *slot = kg_party_slot(party, nack->media_ssrc);
    if (!slot || slot->line->ssrc != nack->media_ssrc || party->reliable_path)
        return;
    party->stats.nacks_in += nack->nack.count;
    for (uint16_t i = 0; i < nack->nack.count; i++)
        resend(slot, nack->nack.sequence[i], now_us);
}

static void on_blocks(struct kg_party *party, const struct kg_rtcp *report, int64_t arrival_us)
{
    for (uint8_t i = 0; i < report->report.report_count; i++) {
        const struct kg_rtcp_report_block *block = &report->report.reports[i];
        struct kg_slot *slot = kg_party_slot(party, block->ssrc);
        if (!slot || slot->line->ssrc != block->ssrc)
            continue;
        kg_sender_stats_block(&slot->stats, block, arrival_us + party->forward->wall_minus_now_us);
        if (slot->stats.rtt_us > 0)
            party->rtt_us = slot->stats.rtt_us;
    }
}

static void on_sender_report(struct kg_party *party, const struct kg_rtcp *report, int64_t arrival_us)
{
    struct kg_source *source = kg_party_source(party, report->sender_ssrc);
    if (source && source->ssrc == report->sender_ssrc && kg_source_sender_report(source, report, arrival_us))
        kg_wall_offset_sample(&party->wall_offset, kg_ntp_to_wall_us(report->report.ntp), arrival_us);
    on_blocks(party, report, arrival_us);
}

static void on_twcc(struct kg_party *party, const struct kg_rtcp *feedback, int64_t now_us)
{
    struct kg_twcc_result results[KG_RTCP_MAX_TWCC];
    size_t count =
        kg_twcc_sender_feedback(&party->twcc_out, feedback, now_us, results, KG_ARRAY_LEN(results));
    for (size_t i = 0; i < count; i++) {
        if (results[i].lost)
            party->stats.twcc_lost++;
        else
            party->stats.twcc_received++;
    }
}

static void on_bye(struct kg_party *party, const struct kg_rtcp *bye, int64_t now_us)
{
    for (uint8_t i = 0; i < bye->bye.count; i++) {
        struct kg_source *source = kg_party_source(party, bye->bye.ssrc[i]);
        if (source && source->ssrc == bye->bye.ssrc[i] && source->active)
            kg_forward_stop_source(source, now_us);
    }
}

void kg_forward_rtcp(struct kg_party *party, const uint8_t *data, size_t size, int64_t arrival_us,
                     int64_t now_us)
{
    size_t at = 0;
    bool malformed = false;
    struct kg_rtcp report;
    if (!party->connected)
        return;
    while (kg_rtcp_next(data, size, &at, &report, &malformed)) {
        switch (report.kind) {
        case KG_RTCP_SR:
            on_sender_report(party, &report, arrival_us);
            break;
        case KG_RTCP_RR:
            on_blocks(party, &report, arrival_us);
            break;
        case KG_RTCP_NACK:
            on_nack(party, &report, now_us);
            break;
        case KG_RTCP_PLI:
            on_keyframe_request(party, report.media_ssrc, now_us);
            break;
        case KG_RTCP_FIR:
            for (uint8_t i = 0; i < report.fir.count; i++)
                on_keyframe_request(party, report.fir.entry[i].ssrc, now_us);
            break;
        case KG_RTCP_TWCC:
            on_twcc(party, &report, now_us);
            break;
        case KG_RTCP_BYE:
            on_bye(party, &report, now_us);
            break;
        default:
            break;
        }
    }
    if (malformed)
        party->forward->dropped++;
}

static void ask_missing(struct kg_source *source, int64_t now_us)
{
    struct kg_party *party = source->party;
    struct kg_rtcp nack = {
        .kind = KG_RTCP_NACK, .sender_ssrc = party->twcc_in.sender_ssrc, .media_ssrc = source->ssrc};
    size_t count = 0;
    if (source->line->nack && source->line->rtx_payload_type && !party->reliable_path)
        count = kg_nack_due(&source->nack, now_us, party->rtt_us, nack.nack.sequence, KG_RTCP_MAX_NACKS);
    if (count) {
        nack.nack.count = (uint16_t)count;
        send_compound(party, &nack, NULL, now_us);
    }
    if (kg_nack_take_keyframe_request(&source->nack))
        kg_source_want_keyframe(source, false);
}

static void tick_sources(struct kg_party *party, int64_t now_us)
{
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        struct kg_source *source = &party->source[kind];
        if (!source->active)
            continue;
        if (!source->idle && kg_source_is_silent(source, now_us)) {
            kg_forward_stop_source(source, now_us);
            continue;
        }
        if (!kg_source_is_video(source))
            continue;
        ask_missing(source, now_us);
        if (!LIST_EMPTY(&source->awaited)) /* the request, or the keyframe's start, may have been lost */
            kg_source_want_keyframe(source, false);
        kg_forward_ask_keyframe(source, now_us);
    }
}

static void send_receiver_report(struct kg_party *party, int64_t now_us)
{
    struct kg_rtcp report = {.kind = KG_RTCP_RR, .sender_ssrc = party->twcc_in.sender_ssrc};
    const struct kg_slot *slot = kg_party_slot(party, report.sender_ssrc);
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        struct kg_source *source = &party->source[kind];
        if (source->ssrc && kg_receive_stats_report(&source->stats, now_us,
                                                    &report.report.reports[report.report.report_count]))
            report.report.report_count++;
    }
    if (report.report.report_count == 0)
        return;
    struct kg_rtcp name = {
        .kind = KG_RTCP_SDES, .sender_ssrc = report.sender_ssrc, .sdes = {.cname = "relay"}};
    if (slot)
        name = name_of(slot);
    send_compound(party, &report, &name, now_us);
}

static void tick_party(struct kg_party *party, int64_t now_us)
{
    struct kg_rtcp report;
    while (kg_twcc_receiver_build(&party->twcc_in, now_us, &report))
        send_compound(party, &report, NULL, now_us);
    tick_sources(party, now_us);
    kg_forward_tick_watch(party, now_us);
    kg_forward_lead_audio(party);
    if (now_us >= party->next_report_us) {
        send_receiver_report(party, now_us);
        party->next_report_us = now_us + REPORT_US;
    }
    for (unsigned i = 0; i < KG_SLOTS; i++) {
        struct kg_slot *slot = &party->slot[i];
        if (slot->current && kg_sender_stats_due(&slot->stats, REPORT_US, now_us) &&
            kg_slot_report(slot, now_us, now_us + party->forward->wall_minus_now_us, &report))
            kg_forward_send_report(party, &report, now_us);
    }
    if (!party->slots_changed)
        return;
    party->slots_changed = false;
    uint32_t carried[KG_SLOTS];
    for (unsigned i = 0; i < KG_SLOTS; i++)
        carried[i] = party->slot[i].current ? party->slot[i].current->id : 0;
    party->forward->ops->on_slots(party->user, carried);
}

void kg_forward_tick(struct kg_forward *forward, int64_t now_us, int64_t wall_us)
{
    forward->wall_minus_now_us = wall_us - now_us;
    if (kg_speakers_tick(&forward->speakers, now_us))
        forward->ops->on_speaking(forward->user, 0);
    struct kg_party *party;
    TAILQ_FOREACH(party, &forward->parties, link)
    {
        if (party->connected)
            tick_party(party, now_us);
    }
}

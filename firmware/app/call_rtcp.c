#include <stdio.h>
#include <string.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "rtp/rtcp.h"

static uint32_t own_ssrc(const struct kg_call *call)
{
    return call->microphone_ssrc.ssrc;
}

/* Encrypts and sends data[0..used); 0: what did not fit is left out. */
static void send_compound(struct kg_call *call, uint8_t *data, size_t used, size_t capacity, int64_t now_us)
{
    if (used > 0)
        kg_transport_send_rtcp(call->transport, data, used, capacity, now_us);
}

void kg_call_send_feedback(struct kg_call *call, struct kg_rtcp *feedback, int64_t now_us)
{
    uint8_t data[KG_PACKET_CAPACITY];
    struct kg_rtcp empty = {.kind = KG_RTCP_RR, .sender_ssrc = own_ssrc(call)};
    feedback->sender_ssrc = own_ssrc(call);
    size_t used = kg_rtcp_append(&empty, data, KG_RTCP_MAX_BYTES, 0);
    used = kg_rtcp_append(feedback, data, KG_RTCP_MAX_BYTES, used);
    send_compound(call, data, used, sizeof data, now_us);
}

/* --- ours ----------------------------------------------------------------------------------------------- */

static void fill_blocks(struct kg_call *call, struct kg_rtcp *report, int64_t now_us)
{
    for (unsigned i = 0; i < KG_CALL_SLOTS && report->report.report_count < KG_RTCP_MAX_REPORTS; i++) {
        struct kg_rtcp_report_block *block = &report->report.reports[report->report.report_count];
        if (call->slots[i].line && kg_receive_stats_report(&call->slots[i].stats, now_us, block))
            report->report.report_count++;
    }
}

static size_t append_sdes(struct kg_call *call, uint8_t *data, size_t used)
{
    struct kg_rtcp sdes = {.kind = KG_RTCP_SDES, .sender_ssrc = own_ssrc(call)};
    snprintf(sdes.sdes.cname, sizeof sdes.sdes.cname, "%s", call->cname);
    return kg_rtcp_append(&sdes, data, KG_RTCP_MAX_BYTES, used);
}

static void send_sender_report(struct kg_call *call, struct kg_sender_stats *stats, int64_t now_us)
{
    uint8_t data[KG_PACKET_CAPACITY];
    struct kg_rtcp report;
    if (!kg_sender_stats_due(stats, KG_CALL_REPORT_US - KG_CALL_TICK_US, now_us) ||
        !kg_sender_stats_report(stats, now_us, kg_clock_wall_us(), &report))
        return;
    size_t used = kg_rtcp_append(&report, data, KG_RTCP_MAX_BYTES, 0);
    used = used > 0 ? append_sdes(call, data, used) : 0;
    send_compound(call, data, used, sizeof data, now_us);
}

void kg_call_send_reports(struct kg_call *call, int64_t now_us)
{
    if (call->microphone)
        send_sender_report(call, &call->audio_sent, now_us);
    if (call->camera)
        send_sender_report(call, &call->video_sent, now_us);
    if (now_us - call->report_us < KG_CALL_REPORT_US)
        return;
    call->report_us = now_us;
    uint8_t data[KG_PACKET_CAPACITY];
    struct kg_rtcp report = {.kind = KG_RTCP_RR, .sender_ssrc = own_ssrc(call)};
    fill_blocks(call, &report, now_us);
    size_t used = kg_rtcp_append(&report, data, KG_RTCP_MAX_BYTES, 0);
    used = used > 0 ? append_sdes(call, data, used) : 0;
    send_compound(call, data, used, sizeof data, now_us);
}

/* --- the relay's ---------------------------------------------------------------------------------------- */

static void handle_blocks(struct kg_call *call, const struct kg_rtcp *report, int64_t arrival_us,
                          int64_t now_us)
{
    int64_t wall_us = kg_clock_wall_us() - (now_us - arrival_us);
    for (uint8_t i = 0; i < report->report.report_count; i++) {
        const struct kg_rtcp_report_block *block = &report->report.reports[i];
        if (call->camera && block->ssrc == call->camera->ssrc) {
            kg_sender_stats_block(&call->video_sent, block, wall_us);
        } else if (call->microphone && block->ssrc == call->microphone->ssrc) {
            kg_sender_stats_block(&call->audio_sent, block, wall_us);
            if (kg_fec_policy_report(&call->fec, block->fraction_lost, now_us))
                kg_send_audio_set_loss(call->params.media->send_audio, kg_fec_policy_percent(&call->fec));
        }
    }
}

static void handle_sender_report(struct kg_call *call, const struct kg_rtcp *report, int64_t arrival_us)
{
    bool rtx;
    struct kg_call_slot *slot = kg_call_slot_of(call, report->sender_ssrc, &rtx);
    if (!slot || rtx)
        return;
    kg_receive_stats_sender_report(&slot->stats, report->report.ntp, arrival_us);
    if (kg_time_map_report(&slot->time, report->report.ntp, report->report.rtp_timestamp))
        kg_wall_offset_sample(&call->wall, kg_ntp_to_wall_us(report->report.ntp), arrival_us);
}

static void handle_transport_feedback(struct kg_call *call, const struct kg_rtcp *feedback, int64_t now_us)
{
    struct kg_twcc_result results[KG_RTCP_MAX_TWCC];
    size_t count = kg_twcc_sender_feedback(&call->twcc_sender, feedback, now_us, results, KG_RTCP_MAX_TWCC);
    kg_estimator_results(&call->estimator, results, count, kg_transport_get_stats(call->transport).rtt_us,
                         now_us);
}

static void handle_fir(struct kg_call *call, const struct kg_rtcp *fir, int64_t now_us)
{
    for (uint8_t i = 0; i < fir->fir.count; i++) {
        if (call->camera && fir->fir.entry[i].ssrc == call->camera->ssrc)
            kg_call_make_keyframe(call, now_us);
    }
}

static void handle(struct kg_call *call, const struct kg_rtcp *rtcp, int64_t arrival_us, int64_t now_us)
{
    switch (rtcp->kind) {
    case KG_RTCP_SR:
        handle_sender_report(call, rtcp, arrival_us);
        handle_blocks(call, rtcp, arrival_us, now_us);
        break;
    case KG_RTCP_RR:
        handle_blocks(call, rtcp, arrival_us, now_us);
        break;
    case KG_RTCP_NACK:
        kg_call_resend(call, rtcp, now_us);
        break;
    case KG_RTCP_PLI:
        if (call->camera && rtcp->media_ssrc == call->camera->ssrc)
            kg_call_make_keyframe(call, now_us);
        break;
    case KG_RTCP_FIR:
        handle_fir(call, rtcp, now_us);
        break;
    case KG_RTCP_TWCC:
        handle_transport_feedback(call, rtcp, now_us);
        break;
    case KG_RTCP_SDES:
    case KG_RTCP_BYE: /* slots do not end; the control channel says who left */
    case KG_RTCP_REMB:
    case KG_RTCP_OTHER:
        break;
    }
}

void kg_call_on_rtcp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct kg_call *call = user;
    struct kg_rtcp rtcp;
    size_t at = 0;
    bool malformed = false;
    while (kg_rtcp_next(packet, size, &at, &rtcp, &malformed))
        handle(call, &rtcp, arrival_us, now_us);
    if (malformed)
        kg_log(KG_LOG_DEBUG, "app", NULL, "a malformed report is left aside");
}

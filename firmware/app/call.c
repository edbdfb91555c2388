#include "app/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "base/random.h"
#include "signal/answer.h"
#include "signal/offer.h"

static void make_ssrcs(struct kg_call *call)
{
    /* Different from each other with certainty: the three low bits are fixed. */
    uint32_t base[5];
    for (unsigned i = 0; i < 5; i++)
        base[i] = (kg_random_u32() & ~7u) | (i + 1);
    call->microphone_ssrc = (struct kg_offer_ssrc){.ssrc = base[0]};
    call->camera_ssrc = (struct kg_offer_ssrc){.ssrc = base[1], .rtx_ssrc = base[2]};
    call->presentation_ssrc = (struct kg_offer_ssrc){.ssrc = base[3], .rtx_ssrc = base[4]};
}

static bool make_offer(struct kg_call *call)
{
    kg_random_text(call->ufrag, sizeof call->ufrag);
    kg_random_text(call->password, sizeof call->password);
    kg_random_text(call->cname, sizeof call->cname);
    make_ssrcs(call);
    struct kg_offer_params params = {.session_id = kg_random_u32(),
                                     .ufrag = call->ufrag,
                                     .pwd = call->password,
                                     .cname = call->cname,
                                     .microphone = call->microphone_ssrc,
                                     .camera = call->camera_ssrc,
                                     .presentation = call->presentation_ssrc};
    memcpy(params.fingerprint, kg_identity_fingerprint(call->params.identity), sizeof params.fingerprint);
    call->offer = kg_offer_make(&params, call->lines);
    return call->offer != NULL;
}

struct kg_call *kg_call_create(const struct kg_call_params *params)
{
    struct kg_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->params = *params;
    call->muted_microphone = params->microphone_muted;
    call->muted_camera = params->camera_muted;
    call->watched = true;
    call->created_us = kg_clock_now_us();
    if (!make_offer(call)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "no offer could be made");
        kg_call_destroy(call);
        return NULL;
    }
    return call;
}

void kg_call_destroy(struct kg_call *call)
{
    if (!call)
        return;
    kg_loop_timer_cancel(call->params.loop, &call->timer);
    kg_call_stop_sending(call);
    kg_call_stop_receiving(call);
    kg_call_close_paths(call);
    kg_transport_destroy(call->transport);
    free(call->wire);
    free(call->offer);
    free(call);
}

const char *kg_call_offer(const struct kg_call *call)
{
    return call->offer;
}

const struct kg_message_line *kg_call_lines(const struct kg_call *call)
{
    return call->lines;
}

static void report(struct kg_call *call, const struct kg_media_report *what)
{
    call->params.report(call->params.user, what);
}

static const char *path_name(const struct kg_path *path)
{
    return path->kind == KG_PATH_UDP ? "udp" : path->kind == KG_PATH_TUNNEL ? "tunnel" : "none";
}

static void follow_watched(struct kg_call *call)
{
    kg_send_video_set_watched(call->params.media->send_video,
                              call->connected && call->camera && call->watched);
}

static void on_connected(struct kg_call *call, const struct kg_transport_event *event)
{
    const struct kg_media_report connected = {.event = KG_MEDIA_CONNECTED};
    call->connected = true;
    call->connected_us = kg_clock_now_us();
    kg_log(KG_LOG_INFO, "app", "app.call-connected", "path=%s profile=%s after_ms=%lld",
           path_name(kg_transport_path(call->transport)), kg_srtp_profile_name(event->profile),
           (long long)(call->connected_us - call->created_us) / 1000);
    kg_send_video_keyframe(call->params.media->send_video);
    follow_watched(call);
    report(call, &connected);
}

static void on_closed(struct kg_call *call, enum kg_transport_reason reason)
{
    struct kg_media_report lost = {.event = KG_MEDIA_LOST, .loss = KG_MEDIA_LOSS_OTHER};
    call->over = true;
    call->connected = false;
    follow_watched(call);
    if (reason == KG_TRANSPORT_LOCAL_CLOSED)
        return;
    if (reason == KG_TRANSPORT_NO_PATH)
        lost.loss = KG_MEDIA_LOSS_NO_PATH;
    else if (reason == KG_TRANSPORT_CONSENT_LOST)
        lost.loss = KG_MEDIA_LOSS_CONSENT;
    else if (reason != KG_TRANSPORT_PEER_CLOSED)
        lost.loss = KG_MEDIA_LOSS_HANDSHAKE;
    snprintf(lost.text, sizeof lost.text, "%s", kg_transport_reason_name(reason));
    report(call, &lost);
}

static void on_transport_event(void *user, const struct kg_transport_event *event)
{
    struct kg_call *call = user;
    char text[KG_PATH_TEXT_BYTES];
    switch (event->kind) {
    case KG_TRANSPORT_EVENT_CONNECTED:
        on_connected(call, event);
        break;
    case KG_TRANSPORT_EVENT_PATH_CHANGED:
        kg_log(KG_LOG_INFO, "app", "app.path", "media goes by %s", kg_path_text(&event->path, text));
        break;
    case KG_TRANSPORT_EVENT_CLOSED:
        on_closed(call, event->reason);
        break;
    case KG_TRANSPORT_EVENT_PATH_ADDED:
    case KG_TRANSPORT_EVENT_PATH_REMOVED:
        break;
    }
}

static void send_status(struct kg_call *call, int64_t now_us)
{
    struct kg_media_report status = {.event = KG_MEDIA_STATUS};
    if (now_us - call->speaking_us < 800000)
        status.speaking = call->speaking;
    const struct kg_call_slot *presentation = &call->slots[KG_CALL_SLOTS - 1];
    const struct kg_call_slot *first = &call->slots[KG_AUDIO_SLOTS];
    status.main_source = presentation->source ? presentation->source : first->source;
    double loss = kg_estimator_loss(&call->estimator);
    bool tunnel = kg_transport_path(call->transport)->kind == KG_PATH_TUNNEL;
    if (call->connected)
        status.line_quality = loss > 0.10                               ? 1
                              : loss > 0.03 || call->video_bps < 300000 ? 2
                              : loss > 0.01 || tunnel                   ? 3
                                                                        : 4;
    report(call, &status);
    call->status_us = now_us;
}

static void tick_connected(struct kg_call *call, int64_t now_us)
{
    kg_call_pump(call, now_us);
    kg_call_receive_tick(call, now_us);
    if (now_us >= call->tick_us) {
        call->tick_us = now_us + KG_CALL_TICK_US;
        kg_call_adapt(call, now_us);
        kg_call_send_reports(call, now_us);
    }
    if (now_us - call->status_us >= KG_CALL_STATUS_US)
        send_status(call, now_us);
}

static void on_timer(void *user, int64_t now_us)
{
    struct kg_call *call = user;
    if (call->tunnel_dead) {
        kg_ws_client_destroy(call->tunnel);
        call->tunnel = NULL;
        call->tunnel_dead = false;
    }
    if (call->tunnel_refused) {
        call->tunnel_refused = false;
        kg_transport_tunnel_down(call->transport, now_us);
    }
    kg_transport_tick(call->transport, now_us);
    if (call->connected)
        tick_connected(call, now_us);
    kg_call_schedule(call, now_us);
}

/* After anything that may have moved a deadline; sends what waits in the UDP batch too. */
void kg_call_schedule(struct kg_call *call, int64_t now_us)
{
    kg_call_flush(call);
    int64_t next_us = call->over ? INT64_MAX : kg_transport_next_us(call->transport);
    if (call->connected) {
        next_us = KG_MIN(next_us, call->tick_us);
        next_us = KG_MIN(next_us, kg_pacer_next_us(call->pacer, now_us));
        next_us = KG_MIN(next_us, kg_call_receive_next_us(call));
    }
    if (call->tunnel_dead || call->tunnel_refused)
        next_us = now_us;
    if (next_us == INT64_MAX)
        kg_loop_timer_cancel(call->params.loop, &call->timer);
    else
        kg_loop_timer_set(call->params.loop, &call->timer, next_us);
}

static const struct kg_transport_ops transport_ops = {.send = kg_call_send_datagram,
                                                      .on_rtp = kg_call_on_rtp,
                                                      .on_rtcp = kg_call_on_rtcp,
                                                      .on_event = on_transport_event,
                                                      .need_tunnel = kg_call_need_tunnel};

static bool create_transport(struct kg_call *call, int64_t now_us)
{
    struct kg_transport_params params = {.role = KG_TRANSPORT_TERMINAL,
                                         .local_ufrag = call->ufrag,
                                         .local_password = call->password,
                                         .remote_ufrag = call->wire->relay.ufrag,
                                         .remote_password = call->wire->relay.pwd,
                                         .identity = call->params.identity,
                                         .ops = &transport_ops,
                                         .user = call};
    memcpy(params.remote_fingerprint, call->wire->relay.fingerprint, sizeof params.remote_fingerprint);
    if (!kg_call_open_paths(call, &params))
        return false;
    call->transport = kg_transport_create(&params, now_us);
    return call->transport != NULL;
}

/* What a started half must not do: its sockets are watched, and what they bring needs all of the call. */
static void give_up(struct kg_call *call)
{
    call->over = true;
    kg_call_close_paths(call);
    kg_transport_destroy(call->transport);
    call->transport = NULL;
}

bool kg_call_answer(struct kg_call *call, const char *answer)
{
    struct kg_message_error error;
    if (call->wire)
        return false;
    call->wire = calloc(1, sizeof *call->wire);
    if (!call->wire)
        return false;
    if (!kg_wire_from_answer(call->offer, call->lines, KG_OFFER_LINES, answer, call->wire, &error)) {
        kg_log(KG_LOG_ERROR, "app", "app.bad-answer", "the relay's answer cannot be used: %s", error.text);
        return false;
    }
    int64_t now_us = kg_clock_now_us();
    call->timer = (struct kg_loop_timer){.fire = on_timer, .user = call};
    if (!create_transport(call, now_us) || !kg_call_start_receiving(call) || !kg_call_start_sending(call)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "the call cannot be started");
        give_up(call);
        return false;
    }
    call->tick_us = call->status_us = now_us;
    kg_loop_timer_set(call->params.loop, &call->timer, now_us);
    return true;
}

void kg_call_close(struct kg_call *call)
{
    if (!call->transport || call->over)
        return;
    kg_transport_close(call->transport, kg_clock_now_us());
    kg_call_flush(call);
}

void kg_call_limit_video(struct kg_call *call, uint32_t max_video_bps)
{
    call->params.max_video_bps = max_video_bps; /* followed in kg_call_adapt */
}

void kg_call_mute(struct kg_call *call, bool microphone_muted, bool camera_muted)
{
    call->muted_microphone = microphone_muted;
    call->muted_camera = camera_muted;
    if (camera_muted && call->pacer)
        kg_pacer_clear_video(call->pacer);
}

void kg_call_set_party(struct kg_call *call, uint32_t party)
{
    call->own_party = party;
}

static void set_watched(struct kg_call *call, bool watched)
{
    if (watched != call->watched)
        kg_log(KG_LOG_INFO, "app", "app.watched", "%s our camera",
               watched ? "somebody watches" : "nobody watches");
    /* Coding begins with a keyframe: the request that comes by the other way is answered by it. */
    if (watched && !call->watched)
        call->keyframe_us = kg_clock_now_us();
    call->watched = watched;
    follow_watched(call);
}

void kg_call_watched(struct kg_call *call, const uint32_t *sources, uint32_t count)
{
    bool watched = call->own_camera == 0;
    for (uint32_t i = 0; i < count; i++)
        watched |= sources[i] == call->own_camera;
    set_watched(call, watched);
}

void kg_call_assume_watched(struct kg_call *call)
{
    set_watched(call, true);
}

void kg_call_participants(struct kg_call *call, const struct kg_participant *participants, uint32_t count)
{
    call->party_count = KG_MIN(count, (uint32_t)KG_MAX_PARTICIPANTS);
    for (uint32_t i = 0; i < call->party_count; i++) {
        const struct kg_participant *who = &participants[i];
        call->parties[i] = (struct kg_call_party){who->sources.microphone, who->sources.camera};
        if (who->party == call->own_party)
            call->own_camera = who->sources.camera;
    }
}

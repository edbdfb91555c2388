#include <stdio.h>
#include <string.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "net/demux.h"
#include "rtp/rtp.h"

enum { TUNNEL_QUEUE_BYTES = 64 * 1024, DSCP_AUDIO = 46 /* EF */, DSCP_VIDEO = 34 /* AF41 */ };

static void on_udp_readable(void *user)
{
    struct kg_call *call = user;
    int64_t now_us = kg_clock_now_us();
    for (size_t i = 0; i < call->udp_count; i++) {
        const struct kg_udp_datagram *datagrams;
        size_t count;
        enum kg_udp_result result = kg_udp_receive(call->udp[i].udp, &datagrams, &count);
        now_us = kg_clock_now_us(); /* after it: no datagram is younger than now */
        for (size_t j = 0; result == KG_UDP_OK && j < count; j++)
            kg_transport_receive(call->transport, &call->udp[i].path, datagrams[j].data, datagrams[j].size,
                                 datagrams[j].arrival_us, now_us);
        if (result == KG_UDP_FAILED) {
            kg_loop_unwatch(call->udp[i].watch);
            call->udp[i].watch = NULL;
        }
    }
    kg_call_schedule(call, now_us);
}

static bool open_udp(struct kg_call *call, const struct kg_candidate *candidate)
{
    struct kg_path path = kg_path_udp((const struct sockaddr *)&candidate->address);
    const struct kg_udp_params params = {.bind = {.ss_family = candidate->address.ss_family},
                                         .peer = (const struct sockaddr *)&candidate->address,
                                         .receive_bytes = 512 * 1024};
    struct kg_udp *udp = kg_udp_open(&params);
    if (!udp)
        return false;
    struct kg_loop_watch *watch = kg_loop_watch(call->params.loop, kg_udp_fd(udp), on_udp_readable, call);
    if (!watch) {
        kg_udp_close(udp);
        return false;
    }
    call->udp[call->udp_count].udp = udp;
    call->udp[call->udp_count].path = path;
    call->udp[call->udp_count].watch = watch;
    call->udp_count++;
    return true;
}

/* An address family this machine lacks costs one candidate, not the call: the tunnel is left. */
bool kg_call_open_paths(struct kg_call *call, struct kg_transport_params *transport)
{
    const struct kg_wire_end *relay = &call->wire->relay;
    if (call->params.path == KG_MEDIA_PATH_TUNNEL)
        return true;
    for (unsigned i = 0; i < relay->candidate_count && call->udp_count < KG_TRANSPORT_MAX_REMOTES; i++) {
        if (!relay->candidates[i].tcp && open_udp(call, &relay->candidates[i]))
            transport->remotes[transport->remote_count++] = call->udp[call->udp_count - 1].path;
    }
    return true;
}

void kg_call_close_paths(struct kg_call *call)
{
    for (size_t i = 0; i < call->udp_count; i++) {
        kg_loop_unwatch(call->udp[i].watch);
        kg_udp_close(call->udp[i].udp);
    }
    call->udp_count = 0;
    kg_ws_client_destroy(call->tunnel);
    call->tunnel = NULL;
}

/* RTP of pictures may give way in a full tunnel; the payload type is in the clear (RFC 3711 §3.1). */
static bool is_video(const struct kg_call *call, const uint8_t *data, size_t size)
{
    return kg_demux_classify(data, size) == KG_DEMUX_RTP && call->camera && size > 1 &&
           ((data[1] & 0x7f) == call->camera->payload_type ||
            (data[1] & 0x7f) == call->camera->rtx_payload_type);
}

void kg_call_send_datagram(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct kg_call *call = user;
    bool video = is_video(call, data, size);
    if (path->kind == KG_PATH_TUNNEL) {
        if (call->tunnel && !call->tunnel_dead)
            kg_ws_client_send(call->tunnel, data, size, true, video ? KG_WS_DROP : KG_WS_KEEP);
        return;
    }
    for (size_t i = 0; i < call->udp_count; i++) {
        if (kg_path_equal(&call->udp[i].path, path)) {
            kg_udp_send(call->udp[i].udp, NULL, video ? DSCP_VIDEO : DSCP_AUDIO, data, size);
            call->udp[i].dirty = true;
        }
    }
}

void kg_call_flush(struct kg_call *call)
{
    for (size_t i = 0; i < call->udp_count; i++) {
        if (call->udp[i].dirty)
            kg_udp_flush(call->udp[i].udp); /* refused or full: as lost on the line; checks notice */
        call->udp[i].dirty = false;
    }
}

static void on_tunnel_opened(void *user)
{
    struct kg_call *call = user;
    int64_t now_us = kg_clock_now_us();
    kg_log(KG_LOG_INFO, "app", NULL, "the media tunnel stands");
    call->tunnel_missed = false;
    kg_transport_tunnel_up(call->transport, call->tunnel_id, now_us);
    kg_call_schedule(call, now_us);
}

static void on_tunnel_message(void *user, const void *data, size_t size, bool binary)
{
    struct kg_call *call = user;
    uint8_t datagram[KG_TRANSPORT_MAX_BYTES];
    if (!binary || size > sizeof datagram)
        return;
    int64_t now_us = kg_clock_now_us();
    struct kg_path path = kg_path_tunnel(call->tunnel_id);
    memcpy(datagram, data, size);
    kg_transport_receive(call->transport, &path, datagram, size, now_us, now_us);
    kg_call_schedule(call, now_us);
}

static void on_tunnel_closed(void *user, const struct kg_ws_close *close)
{
    struct kg_call *call = user;
    int64_t now_us = kg_clock_now_us();
    /* Once for an outage: it is tried every few seconds. */
    kg_log(call->tunnel_missed ? KG_LOG_DEBUG : KG_LOG_WARN, "app", "app.tunnel-closed",
           "the media tunnel is gone: %s: %s", kg_ws_failure_name(close->failure), close->detail);
    call->tunnel_dead = call->tunnel_missed = true;
    kg_transport_tunnel_down(call->transport, now_us);
    kg_call_schedule(call, now_us);
}

void kg_call_need_tunnel(void *user)
{
    struct kg_call *call = user;
    static const struct kg_ws_client_events events = {
        .opened = on_tunnel_opened, .message = on_tunnel_message, .closed = on_tunnel_closed};
    if (call->params.path == KG_MEDIA_PATH_UDP || (call->tunnel && !call->tunnel_dead))
        return;
    kg_ws_client_destroy(call->tunnel);
    call->tunnel_dead = false;
    struct kg_ws_client_params params = call->params.tunnel;
    params.path = "/v1/media";
    params.subprotocol = NULL;
    params.alpn = "kaigi-media";
    params.max_message_bytes = KG_TRANSPORT_MAX_BYTES;
    params.max_queued_bytes = TUNNEL_QUEUE_BYTES;
    call->tunnel_id++;
    call->tunnel = kg_ws_client_create(call->params.loop, &params, &events, call);
    call->tunnel_refused = call->tunnel == NULL;
}

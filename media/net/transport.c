#include "net/transport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "net/demux.h"
#include "net/dtls.h"
#include "net/ice.h"

enum { LOG_BURST = 3, LOG_INTERVAL_US = 10000000 };

struct kg_transport {
    struct kg_owner owner;
    enum kg_transport_role role;
    const struct kg_transport_ops *ops;
    void *user;
    enum kg_transport_state state;
    enum kg_transport_reason reason;
    struct kg_ice_lite *lite;               /* RELAY */
    struct kg_ice_controlling *controlling; /* TERMINAL */
    struct kg_dtls *dtls;                   /* NULL once closed */
    struct kg_srtp *srtp;                   /* NULL unless CONNECTED */
    struct kg_path path;                    /* where we send */
    struct kg_transport_stats stats;
    struct kg_log_limit refusals;
    int64_t now_us;   /* of the call in progress */
    unsigned running; /* depth of calls that ops may not re-enter */
};

static void enter(struct kg_transport *t, int64_t now_us)
{
    kg_owner_check(&t->owner);
    assert(t->running == 0);
    t->running++;
    t->now_us = now_us;
}

static void leave(struct kg_transport *t)
{
    t->running--;
}

static void raise_event(struct kg_transport *t, enum kg_transport_event_kind kind, const struct kg_path *path)
{
    struct kg_transport_event event = {.kind = kind, .profile = kg_transport_profile(t), .reason = t->reason};
    if (path)
        event.path = *path;
    t->ops->on_event(t->user, &event);
}

/* Keys go at once; ICE, whose op may be the caller, goes with the transport. */
static void finish(struct kg_transport *t, enum kg_transport_reason reason)
{
    if (t->state == KG_TRANSPORT_CLOSED)
        return;
    t->state = KG_TRANSPORT_CLOSED;
    t->reason = reason;
    kg_srtp_destroy(t->srtp);
    kg_dtls_destroy(t->dtls);
    t->srtp = NULL;
    t->dtls = NULL;
    t->path = (struct kg_path){.kind = KG_PATH_NONE};
    raise_event(t, KG_TRANSPORT_EVENT_CLOSED, NULL);
}

/* --- ICE's ops --- */

static void ice_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct kg_transport *t = user;
    t->ops->send(t->user, path, data, size);
}

static void ice_added(void *user, const struct kg_path *path)
{
    raise_event(user, KG_TRANSPORT_EVENT_PATH_ADDED, path);
}

static void ice_removed(void *user, const struct kg_path *path)
{
    struct kg_transport *t = user;
    if (kg_path_equal(&t->path, path))
        t->path = (struct kg_path){.kind = KG_PATH_NONE};
    raise_event(t, KG_TRANSPORT_EVENT_PATH_REMOVED, path);
}

static int64_t path_rtt_us(const struct kg_transport *t)
{
    return t->controlling ? kg_ice_controlling_rtt_us(t->controlling) : 0;
}

static void ice_selected(void *user, const struct kg_path *path)
{
    struct kg_transport *t = user;
    t->path = *path;
    if (t->state == KG_TRANSPORT_CHECKING) {
        t->state = KG_TRANSPORT_HANDSHAKING;
        raise_event(t, KG_TRANSPORT_EVENT_PATH_CHANGED, path);
        kg_dtls_start(t->dtls, path_rtt_us(t), t->now_us);
        return;
    }
    t->stats.path_changes++;
    raise_event(t, KG_TRANSPORT_EVENT_PATH_CHANGED, path);
}

static void ice_need_tunnel(void *user)
{
    struct kg_transport *t = user;
    t->ops->need_tunnel(t->user);
}

static void ice_lost(void *user, bool was_connected)
{
    finish(user, was_connected ? KG_TRANSPORT_CONSENT_LOST : KG_TRANSPORT_NO_PATH);
}

static const struct kg_ice_ops ice_ops = {
    .send = ice_send,
    .on_added = ice_added,
    .on_removed = ice_removed,
    .on_selected = ice_selected,
    .need_tunnel = ice_need_tunnel,
    .on_lost = ice_lost,
};

/* --- DTLS --- */

static void dtls_send(void *user, const void *data, size_t size)
{
    struct kg_transport *t = user;
    if (t->path.kind != KG_PATH_NONE)
        t->ops->send(t->user, &t->path, data, size);
}

static enum kg_transport_reason reason_of(enum kg_dtls_error error)
{
    switch (error) {
    case KG_DTLS_TIMEOUT:
        return KG_TRANSPORT_HANDSHAKE_TIMEOUT;
    case KG_DTLS_FINGERPRINT:
        return KG_TRANSPORT_FINGERPRINT;
    case KG_DTLS_PROFILE:
        return KG_TRANSPORT_NO_PROFILE;
    case KG_DTLS_PEER_CLOSED:
        return KG_TRANSPORT_PEER_CLOSED;
    case KG_DTLS_OK:
    case KG_DTLS_FAILED:
        break;
    }
    return KG_TRANSPORT_HANDSHAKE_FAILED;
}

/* What DTLS has become after bytes or time went into it. */
static void follow_dtls(struct kg_transport *t)
{
    if (t->state == KG_TRANSPORT_CLOSED)
        return;
    enum kg_dtls_state state = kg_dtls_get_state(t->dtls);
    if (state == KG_DTLS_CONNECTED && t->state == KG_TRANSPORT_HANDSHAKING) {
        t->srtp = kg_dtls_make_srtp(t->dtls);
        if (!t->srtp) {
            finish(t, KG_TRANSPORT_HANDSHAKE_FAILED);
            return;
        }
        t->state = KG_TRANSPORT_CONNECTED;
        raise_event(t, KG_TRANSPORT_EVENT_CONNECTED, &t->path);
    } else if (state == KG_DTLS_CLOSED) {
        finish(t, reason_of(kg_dtls_get_error(t->dtls)));
    }
}

/* --- life --- */

static bool params_valid(const struct kg_transport_params *p)
{
    return p->identity && p->ops && p->ops->send && p->ops->on_rtp && p->ops->on_rtcp && p->ops->on_event &&
           p->remote_count <= KG_TRANSPORT_MAX_REMOTES &&
           (p->role == KG_TRANSPORT_RELAY || (p->role == KG_TRANSPORT_TERMINAL && p->ops->need_tunnel));
}

struct kg_transport *kg_transport_create(const struct kg_transport_params *p, int64_t now_us)
{
    if (!params_valid(p)) {
        kg_log(KG_LOG_ERROR, "net", NULL, "a transport needs an identity, all ops and at most %d remotes",
               KG_TRANSPORT_MAX_REMOTES);
        return NULL;
    }
    struct kg_transport *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->role = p->role;
    t->ops = p->ops;
    t->user = p->user;
    t->refusals = (struct kg_log_limit){.burst = LOG_BURST, .interval_us = LOG_INTERVAL_US};
    struct kg_ice_params ice = {p->local_ufrag, p->local_password, p->remote_ufrag, p->remote_password};
    if (p->role == KG_TRANSPORT_RELAY)
        t->lite = kg_ice_lite_create(&ice, &ice_ops, t, now_us);
    else
        t->controlling = kg_ice_controlling_create(&ice, p->remotes, p->remote_count, &ice_ops, t, now_us);
    struct kg_dtls_params dtls = {.identity = p->identity,
                                  .client = p->role == KG_TRANSPORT_TERMINAL,
                                  .send = dtls_send,
                                  .user = t,
                                  .srtp_profiles = p->srtp_profiles};
    memcpy(dtls.remote_fingerprint, p->remote_fingerprint, sizeof dtls.remote_fingerprint);
    t->dtls = kg_dtls_create(&dtls);
    if ((t->lite || t->controlling) && t->dtls)
        return t;
    kg_transport_destroy(t);
    return NULL;
}

void kg_transport_destroy(struct kg_transport *t)
{
    if (!t)
        return;
    assert(t->running == 0);
    kg_srtp_destroy(t->srtp);
    kg_dtls_destroy(t->dtls);
    kg_ice_lite_destroy(t->lite);
    kg_ice_controlling_destroy(t->controlling);
    free(t);
}

void kg_transport_close(struct kg_transport *t, int64_t now_us)
{
    enter(t, now_us);
    if (t->dtls)
        kg_dtls_close(t->dtls);
    finish(t, KG_TRANSPORT_LOCAL_CLOSED);
    leave(t);
}

/* --- receiving --- */

static bool path_valid(const struct kg_transport *t, const struct kg_path *path)
{
    return t->lite ? kg_ice_lite_is_valid(t->lite, path) : kg_ice_controlling_is_valid(t->controlling, path);
}

static void count_refusal(struct kg_transport *t, enum kg_srtp_result result)
{
    if (result == KG_SRTP_AUTH)
        t->stats.dropped_auth++;
    else if (result == KG_SRTP_REPLAY)
        t->stats.dropped_replay++;
    else
        t->stats.dropped_garbage++;
}

static void receive_media(struct kg_transport *t, const struct kg_path *path, uint8_t *data, size_t size,
                          bool rtcp, int64_t arrival_us)
{
    if (!t->srtp) {
        t->stats.dropped_path++; /* media may overtake the handshake's last flight */
        return;
    }
    enum kg_srtp_result result =
        rtcp ? kg_srtp_unprotect_rtcp(t->srtp, data, &size) : kg_srtp_unprotect_rtp(t->srtp, data, &size);
    if (result != KG_SRTP_OK) {
        count_refusal(t, result);
        return;
    }
    if (t->controlling)
        kg_ice_controlling_heard(t->controlling, path, t->now_us);
    if (rtcp) {
        t->stats.rtcp_in++;
        t->ops->on_rtcp(t->user, data, size, arrival_us, t->now_us);
    } else {
        t->stats.rtp_in++;
        t->ops->on_rtp(t->user, data, size, arrival_us, t->now_us);
    }
}

static void receive_stun(struct kg_transport *t, const struct kg_path *path, const uint8_t *data, size_t size)
{
    if (t->lite)
        kg_ice_lite_receive(t->lite, path, data, size, t->now_us);
    else
        kg_ice_controlling_receive(t->controlling, path, data, size, t->now_us);
}

void kg_transport_receive(struct kg_transport *t, const struct kg_path *path, void *data, size_t size,
                          int64_t arrival_us, int64_t now_us)
{
    assert(arrival_us <= now_us);
    enter(t, now_us);
    enum kg_demux kind = size > KG_TRANSPORT_MAX_BYTES ? KG_DEMUX_NONE : kg_demux_classify(data, size);
    if (t->state == KG_TRANSPORT_CLOSED)
        kind = KG_DEMUX_NONE;
    if (kind == KG_DEMUX_NONE) {
        t->stats.dropped_garbage++;
    } else if (kind == KG_DEMUX_STUN) {
        receive_stun(t, path, data, size);
    } else if (!path_valid(t, path)) {
        t->stats.dropped_path++;
    } else if (kind == KG_DEMUX_DTLS) {
        kg_dtls_receive(t->dtls, data, size, now_us);
    } else {
        receive_media(t, path, data, size, kind == KG_DEMUX_RTCP, arrival_us);
    }
    follow_dtls(t);
    leave(t);
}

/* --- time --- */

void kg_transport_tick(struct kg_transport *t, int64_t now_us)
{
    enter(t, now_us);
    if (t->state != KG_TRANSPORT_CLOSED) {
        if (t->lite)
            kg_ice_lite_tick(t->lite, now_us);
        else
            kg_ice_controlling_tick(t->controlling, now_us);
    }
    if (t->state != KG_TRANSPORT_CLOSED)
        kg_dtls_tick(t->dtls, now_us);
    follow_dtls(t);
    leave(t);
}

int64_t kg_transport_next_us(const struct kg_transport *t)
{
    if (t->state == KG_TRANSPORT_CLOSED)
        return INT64_MAX;
    int64_t ice_us = t->lite ? kg_ice_lite_next_us(t->lite) : kg_ice_controlling_next_us(t->controlling);
    return KG_MIN(ice_us, kg_dtls_next_us(t->dtls));
}

void kg_transport_tunnel_up(struct kg_transport *t, uint32_t tunnel_id, int64_t now_us)
{
    enter(t, now_us);
    assert(t->controlling);
    if (t->state != KG_TRANSPORT_CLOSED)
        kg_ice_controlling_tunnel_up(t->controlling, tunnel_id, now_us);
    follow_dtls(t);
    leave(t);
}

void kg_transport_tunnel_down(struct kg_transport *t, int64_t now_us)
{
    enter(t, now_us);
    assert(t->controlling);
    if (t->state != KG_TRANSPORT_CLOSED)
        kg_ice_controlling_tunnel_down(t->controlling, now_us);
    follow_dtls(t);
    leave(t);
}

/* --- sending --- */

/* A refused packet is our own mistake or a peer's repetition forwarded: counted always, said now and then. */
static void refuse_send(struct kg_transport *t, enum kg_srtp_result result)
{
    uint32_t suppressed;
    t->stats.refused_send++;
    if (kg_log_allow(&t->refusals, t->now_us, &suppressed))
        kg_log(KG_LOG_WARN, "net", "net.srtp-send-refused", "SRTP refuses to send (result %d, %u more)",
               (int)result, suppressed);
}

static size_t protect(struct kg_transport *t, void *packet, size_t size, size_t capacity, bool rtcp)
{
    kg_owner_check(&t->owner);
    if (!t->srtp)
        return 0;
    enum kg_srtp_result result = rtcp ? kg_srtp_protect_rtcp(t->srtp, packet, &size, capacity)
                                      : kg_srtp_protect_rtp(t->srtp, packet, &size, capacity);
    if (result != KG_SRTP_OK) {
        refuse_send(t, result);
        return 0;
    }
    if (rtcp)
        t->stats.rtcp_out++;
    else
        t->stats.rtp_out++;
    return size;
}

static bool send_media(struct kg_transport *t, void *packet, size_t size, size_t capacity, bool rtcp,
                       int64_t now_us)
{
    t->now_us = KG_MAX(t->now_us, now_us);
    if (t->path.kind == KG_PATH_NONE)
        return false;
    size_t encrypted = protect(t, packet, size, capacity, rtcp);
    if (encrypted > 0)
        t->ops->send(t->user, &t->path, packet, encrypted);
    return encrypted > 0;
}

bool kg_transport_send_rtp(struct kg_transport *t, void *packet, size_t size, size_t capacity, int64_t now_us)
{
    return send_media(t, packet, size, capacity, false, now_us);
}

bool kg_transport_send_rtcp(struct kg_transport *t, void *packet, size_t size, size_t capacity,
                            int64_t now_us)
{
    return send_media(t, packet, size, capacity, true, now_us);
}

size_t kg_transport_protect_rtp(struct kg_transport *t, void *packet, size_t size, size_t capacity)
{
    return protect(t, packet, size, capacity, false);
}

/* --- what it is --- */

const struct kg_path *kg_transport_path(const struct kg_transport *t)
{
    return &t->path;
}

enum kg_transport_state kg_transport_get_state(const struct kg_transport *t)
{
    return t->state;
}

enum kg_srtp_profile kg_transport_profile(const struct kg_transport *t)
{
    return t->srtp ? kg_srtp_get_profile(t->srtp) : KG_SRTP_NONE;
}

struct kg_transport_stats kg_transport_get_stats(const struct kg_transport *t)
{
    struct kg_transport_stats stats = t->stats;
    stats.rtt_us = path_rtt_us(t);
    return stats;
}

const char *kg_transport_reason_name(enum kg_transport_reason reason)
{
    static const char *const names[] = {
        [KG_TRANSPORT_OPEN] = "open",
        [KG_TRANSPORT_NO_PATH] = "no-path",
        [KG_TRANSPORT_CONSENT_LOST] = "consent-lost",
        [KG_TRANSPORT_HANDSHAKE_TIMEOUT] = "handshake-timeout",
        [KG_TRANSPORT_HANDSHAKE_FAILED] = "handshake-failed",
        [KG_TRANSPORT_FINGERPRINT] = "wrong-fingerprint",
        [KG_TRANSPORT_NO_PROFILE] = "no-srtp-profile",
        [KG_TRANSPORT_PEER_CLOSED] = "peer-closed",
        [KG_TRANSPORT_LOCAL_CLOSED] = "local-closed",
    };
    return (size_t)reason < KG_ARRAY_LEN(names) ? names[reason] : "?";
}

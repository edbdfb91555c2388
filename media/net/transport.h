/* One party's bundled media transport: ICE, DTLS, SRTP and consent over any number of paths (RFC 7983, 8445,
 * 5764, 7675). The same object serves the relay (ICE-lite, DTLS server) and the terminal (controlling, DTLS
 * client). Thread: one owner from first use to destruction; bound at the first call after create. Does no I/O
 * and reads no clock: bytes and times in, ops out. (One exception: OpenSSL times DTLS retransmission by the
 * wall clock.) Ops are called inside receive, tick, send and tunnel_*; they must not destroy the transport,
 * and of its functions may call only kg_transport_send_* and the getters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/identity.h"
#include "net/path.h"
#include "net/srtp.h"

enum {
    KG_TRANSPORT_MAX_BYTES = 1500, /* a larger datagram is dropped */
    KG_TRANSPORT_MAX_REMOTES = 3,
};

enum kg_transport_role { KG_TRANSPORT_RELAY, KG_TRANSPORT_TERMINAL };

enum kg_transport_state {
    KG_TRANSPORT_CHECKING,
    KG_TRANSPORT_HANDSHAKING,
    KG_TRANSPORT_CONNECTED,
    KG_TRANSPORT_CLOSED
};

enum kg_transport_reason {
    KG_TRANSPORT_OPEN,
    KG_TRANSPORT_NO_PATH,           /* never a valid check */
    KG_TRANSPORT_CONSENT_LOST,      /* no valid check for KG_ICE_CONSENT_US */
    KG_TRANSPORT_HANDSHAKE_TIMEOUT, /* 10 s */
    KG_TRANSPORT_HANDSHAKE_FAILED,
    KG_TRANSPORT_FINGERPRINT, /* the peer is not who signalling says */
    KG_TRANSPORT_NO_PROFILE,  /* no SRTP profile in common */
    KG_TRANSPORT_PEER_CLOSED,
    KG_TRANSPORT_LOCAL_CLOSED
};

enum kg_transport_event_kind {
    KG_TRANSPORT_EVENT_CONNECTED,    /* media may flow; profile is set */
    KG_TRANSPORT_EVENT_PATH_ADDED,   /* path passed a check: its datagrams are taken (relay: route it here) */
    KG_TRANSPORT_EVENT_PATH_REMOVED, /* path's datagrams are dropped from now on */
    KG_TRANSPORT_EVENT_PATH_CHANGED, /* we send on path from now on */
    KG_TRANSPORT_EVENT_CLOSED        /* last event; reason is set; every call is harmless after it */
};

struct kg_transport_event {
    enum kg_transport_event_kind kind;
    enum kg_srtp_profile profile;
    enum kg_transport_reason reason;
    struct kg_path path;
};

struct kg_transport_ops {
    /* One datagram out, best effort. */
    void (*send)(void *user, const struct kg_path *path, const void *data, size_t size);
    /* A decrypted, authenticated, never repeated packet; the callee may change its bytes, valid during the
     * call. arrival_us: when it came off the line, as kg_transport_receive was told: for what is said about
     * the line. now_us: for what is done about it. */
    void (*on_rtp)(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us);
    void (*on_rtcp)(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us);
    void (*on_event)(void *user, const struct kg_transport_event *event);
    /* Terminal: open the tunnel, then kg_transport_tunnel_up, or kg_transport_tunnel_down if it fails (asked
     * again after a pause). NULL for a relay. */
    void (*need_tunnel)(void *user);
};

struct kg_transport_params {
    enum kg_transport_role role;
    const char *local_ufrag, *local_password;   /* RFC 8839 §5.4: 4..256 and 22..256 characters; copied */
    const char *remote_ufrag, *remote_password; /* copied */
    uint8_t remote_fingerprint[KG_FINGERPRINT_BYTES];
    const struct kg_identity *identity; /* outlives the transport */
    const struct kg_transport_ops *ops; /* outlives the transport */
    void *user;
    /* Terminal only. No remotes: UDP is not used (`media.udp = never`) and the tunnel is asked for at once.
     */
    struct kg_path remotes[KG_TRANSPORT_MAX_REMOTES]; /* the relay's UDP candidates, best first */
    size_t remote_count;
    const char
        *srtp_profiles; /* what to offer or accept, in OpenSSL's words; NULL: both, GCM first. For tests. */
};

struct kg_transport_stats {
    uint64_t rtp_in, rtp_out, rtcp_in, rtcp_out;
    uint64_t dropped_path;    /* DTLS or media from a path without a valid check, or before keys */
    uint64_t dropped_auth;    /* forged or damaged */
    uint64_t dropped_replay;  /* repeated or too old */
    uint64_t dropped_garbage; /* of no protocol, too long, too many SSRCs, anything else */
    uint64_t refused_send;    /* would have reused an SRTP index, or had no room */
    uint32_t path_changes;
    int64_t rtt_us; /* terminal: of the current path, by its last check; 0 unknown */
};

struct kg_transport;

/* NULL (logged): params out of range, or memory. Terminal: the first checks leave at the first tick. */
struct kg_transport *kg_transport_create(const struct kg_transport_params *params, int64_t now_us);
/* Sends nothing, raises no event. */
void kg_transport_destroy(struct kg_transport *t);
/* Says goodbye (DTLS close_notify) and ends in CLOSED with LOCAL_CLOSED. */
void kg_transport_close(struct kg_transport *t, int64_t now_us);

/* A datagram from path; its bytes are used as working space. arrival_us ≤ now_us: when this machine got it
 * (kg_udp_datagram), which a busy reader is later than. Only media is measured by it; ICE, consent and DTLS
 * go by now_us, for their timers must outwait our own slowness too. */
void kg_transport_receive(struct kg_transport *t, const struct kg_path *path, void *data, size_t size,
                          int64_t arrival_us, int64_t now_us);
void kg_transport_tick(struct kg_transport *t, int64_t now_us);
/* When tick wants to be called next (may move after any call); INT64_MAX: never. */
int64_t kg_transport_next_us(const struct kg_transport *t);

/* Terminal: the tunnel connection stands, or is gone. One at a time. */
void kg_transport_tunnel_up(struct kg_transport *t, uint32_t tunnel_id, int64_t now_us);
void kg_transport_tunnel_down(struct kg_transport *t, int64_t now_us);

/* Encrypts a plain packet in place and sends it on the current path. capacity ≥ size + KG_SRTP_RTP_TRAILER
 * (RTCP: KG_SRTP_RTCP_TRAILER). false: not connected, no path, or refused (counted). */
bool kg_transport_send_rtp(struct kg_transport *t, void *packet, size_t size, size_t capacity,
                           int64_t now_us);
bool kg_transport_send_rtcp(struct kg_transport *t, void *packet, size_t size, size_t capacity,
                            int64_t now_us);
/* Encrypts only, for batched sending on kg_transport_path. Returns the encrypted size, 0: refused (counted).
 */
KG_MUST_CHECK size_t kg_transport_protect_rtp(struct kg_transport *t, void *packet, size_t size,
                                              size_t capacity);

/* Where we send now; kind NONE: nowhere. Borrowed, until the next call. */
const struct kg_path *kg_transport_path(const struct kg_transport *t);
enum kg_transport_state kg_transport_get_state(const struct kg_transport *t);
enum kg_srtp_profile kg_transport_profile(const struct kg_transport *t);
struct kg_transport_stats kg_transport_get_stats(const struct kg_transport *t);
/* "consent-lost" and so on: for logs and reports. */
const char *kg_transport_reason_name(enum kg_transport_reason reason);

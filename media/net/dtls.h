/* One DTLS 1.2 association over caller-moved datagrams, as DTLS-SRTP uses it (RFC 6347, 5764): it makes SRTP
 * keys and closes; no application data. Thread: the owner's. Owns its OpenSSL state. No cookie exchange: the
 * caller lets nothing in from a path that has not passed an ICE check. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/identity.h"
#include "net/srtp.h"

enum {
    KG_DTLS_MTU = 1200,                     /* bytes of a datagram at most; never discovered */
    KG_DTLS_HANDSHAKE_MAX_US = 10000000,    /* from start to keys, else TIMEOUT */
    KG_DTLS_HANDSHAKE_MAX_BYTES = 64 * 1024 /* received before keys, else FAILED */
};

enum kg_dtls_state { KG_DTLS_NEW, KG_DTLS_HANDSHAKING, KG_DTLS_CONNECTED, KG_DTLS_CLOSED };

enum kg_dtls_error {
    KG_DTLS_OK,
    KG_DTLS_TIMEOUT,     /* no keys within KG_DTLS_HANDSHAKE_MAX_US */
    KG_DTLS_FINGERPRINT, /* the peer's certificate is not the signalled one */
    KG_DTLS_PROFILE,     /* no SRTP profile in common */
    KG_DTLS_FAILED,      /* anything else in the handshake, or a fatal alert */
    KG_DTLS_PEER_CLOSED  /* close_notify */
};

struct kg_dtls_params {
    const struct kg_identity *identity; /* outlives the association */
    bool client;
    uint8_t remote_fingerprint[KG_FINGERPRINT_BYTES];
    /* One datagram out; called inside start, receive, tick and close. Must not call back. */
    void (*send)(void *user, const void *data, size_t size);
    void *user;
    /* SRTP profiles to offer or accept, in OpenSSL's words; NULL: both, GCM first. For tests. */
    const char *srtp_profiles;
};

struct kg_dtls;

/* NULL (logged) when OpenSSL refuses or memory is short. */
struct kg_dtls *kg_dtls_create(const struct kg_dtls_params *params);
void kg_dtls_destroy(struct kg_dtls *dtls);

/* Client: sends the ClientHello. Server: begins to listen. rtt_us: the path's, 0 unknown; sets the first
 * retransmission. Once. */
void kg_dtls_start(struct kg_dtls *dtls, int64_t rtt_us, int64_t now_us);
/* A datagram whose first byte is a DTLS content type. Ignored before start and after the end. */
void kg_dtls_receive(struct kg_dtls *dtls, const void *data, size_t size, int64_t now_us);
/* Retransmits and times out. */
void kg_dtls_tick(struct kg_dtls *dtls, int64_t now_us);
/* When tick wants to be called; INT64_MAX: never. */
int64_t kg_dtls_next_us(const struct kg_dtls *dtls);
/* Sends close_notify if connected. */
void kg_dtls_close(struct kg_dtls *dtls);

enum kg_dtls_state kg_dtls_get_state(const struct kg_dtls *dtls);
enum kg_dtls_error kg_dtls_get_error(const struct kg_dtls *dtls);
/* CONNECTED only: the sessions' keys, made from the exporter (RFC 5764 §4.2). NULL (logged) otherwise. */
struct kg_srtp *kg_dtls_make_srtp(struct kg_dtls *dtls);

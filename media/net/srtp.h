/* SRTP and SRTCP for one DTLS association (RFC 3711, 7714): one session each way, streams added as SSRCs
 * appear. Thread: the owner's. Owns the keys, wiped at destruction; packets are changed in place. The number
 * of SSRCs is bounded both ways, so that an authenticated peer cannot make it grow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum kg_srtp_profile {
    KG_SRTP_NONE,
    KG_SRTP_AES128_CM_SHA1_80 = 0x0001, /* RFC 5764 §4.1.2 */
    KG_SRTP_AEAD_AES_128_GCM = 0x0007   /* RFC 7714 §14.2 */
};

enum kg_srtp_result {
    KG_SRTP_OK,
    KG_SRTP_AUTH,   /* receive: the tag is wrong */
    KG_SRTP_REPLAY, /* receive: seen before or older than the window. Send: would reuse an index (nonce) */
    KG_SRTP_LIMIT,  /* one SSRC too many */
    KG_SRTP_SHORT,  /* malformed, or no room for the tag */
    KG_SRTP_OTHER   /* libsrtp says no otherwise (key expired, memory) */
};

enum {
    KG_SRTP_MAX_KEYS = 60,     /* keying material of the longest profile: 2 × (16 + 14) */
    KG_SRTP_RTP_TRAILER = 16,  /* bytes to leave after a plain RTP packet */
    KG_SRTP_RTCP_TRAILER = 20, /* the same for RTCP: tag and index */
    KG_SRTP_WINDOW = 1024,     /* packets; ~1 s of video at 8 Mbps */
    KG_SRTP_MAX_RECEIVE_SSRC = 64,
    KG_SRTP_MAX_SEND_SSRC = 256
};

/* "AEAD_AES_128_GCM", "AES128_CM_SHA1_80", "none". */
const char *kg_srtp_profile_name(enum kg_srtp_profile profile);
/* Bytes of keying material the profile takes: both ends' key and salt. 0: unknown. */
size_t kg_srtp_key_bytes(enum kg_srtp_profile profile);

/* Makes libsrtp's table of ciphers ready, once a process; else the first kg_srtp_create does, while somebody
 * waits: Debian's libsrtp starts NSS, which takes 40 ms and more. Any thread. */
void kg_srtp_prepare(void);

struct kg_srtp;

/* keys: client key, server key, client salt, server salt, as RFC 5764 §4.2 exports them. client: which of
 * them this end sends with. NULL (logged): libsrtp refuses. The caller wipes its own copy of keys. */
struct kg_srtp *kg_srtp_create(enum kg_srtp_profile profile, const uint8_t *keys, size_t size, bool client);
void kg_srtp_destroy(struct kg_srtp *srtp);
enum kg_srtp_profile kg_srtp_get_profile(const struct kg_srtp *srtp);

/* *size: plain size in, encrypted size out. A (SSRC, sequence) is protected once and never again: a repeat,
 * or one older than KG_SRTP_WINDOW, is refused with KG_SRTP_REPLAY, because a second text under one GCM nonce
 * gives away both and the key (RFC 7714 §8.1). Reordering inside the window is fine. On failure the bytes are
 * undefined. */
KG_MUST_CHECK enum kg_srtp_result kg_srtp_protect_rtp(struct kg_srtp *srtp, void *packet, size_t *size,
                                                      size_t capacity);
KG_MUST_CHECK enum kg_srtp_result kg_srtp_protect_rtcp(struct kg_srtp *srtp, void *packet, size_t *size,
                                                       size_t capacity);
/* *size: encrypted size in, plain size out. */
KG_MUST_CHECK enum kg_srtp_result kg_srtp_unprotect_rtp(struct kg_srtp *srtp, void *packet, size_t *size);
KG_MUST_CHECK enum kg_srtp_result kg_srtp_unprotect_rtcp(struct kg_srtp *srtp, void *packet, size_t *size);

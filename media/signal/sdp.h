/* Session descriptions (RFC 8866) as far as Kaigi negotiates: one bundled, rtcp-muxed DTLS-SRTP transport,
 * Opus and VP8 (with RTX). Everything else in a description is skipped, so that any browser's offer can be
 * read. Thread: any; pure. Owns nothing: plain values (about 20 kB: keep it off small stacks). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "signal/wire.h"

enum {
    KG_SDP_MAX_BYTES = 256 * 1024,
    KG_SDP_MAX_LINES = 12000, /* Chromium's 16 m-lines with every codec come near 2,100 */
    KG_SDP_MAX_LINE_BYTES = 4096,
    KG_SDP_MAX_WORD = 40,  /* media type, protocol, format */
    KG_SDP_MAX_TEXT = 128, /* cname, msid parts, fmtp */
    KG_SDP_ERROR_BYTES = 200,
};

enum kg_sdp_kind { KG_SDP_AUDIO, KG_SDP_VIDEO, KG_SDP_OTHER };
enum kg_sdp_direction { KG_SDP_SENDRECV, KG_SDP_SENDONLY, KG_SDP_RECVONLY, KG_SDP_INACTIVE };
enum kg_sdp_setup { KG_SDP_SETUP_NONE, KG_SDP_ACTPASS, KG_SDP_ACTIVE, KG_SDP_PASSIVE };

/* The one codec we speak on a line: Opus at 48 kHz (audio) or VP8 at 90 kHz (video). */
struct kg_sdp_codec {
    bool present;
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: none */
    bool nack, pli, fir, transport_cc;
    char fmtp[KG_SDP_MAX_TEXT + 1]; /* "" : none */
};

struct kg_sdp_media {
    enum kg_sdp_kind kind;
    bool rejected;                  /* port 0, and not a bundle-only line */
    bool reduced_rtcp;              /* RFC 5506 */
    char type[KG_SDP_MAX_WORD + 1]; /* the m= line's words, to answer a line that is not ours */
    char proto[KG_SDP_MAX_WORD + 1];
    char format[KG_SDP_MAX_WORD + 1]; /* the first */
    enum kg_sdp_direction direction;
    char mid[KG_MAX_MID + 1];
    struct kg_sdp_codec codec;
    uint8_t extension[KG_EXT_COUNT];
    uint32_t ssrc, rtx_ssrc; /* 0: not said */
    char cname[KG_SDP_MAX_TEXT + 1];
    char msid_stream[KG_SDP_MAX_TEXT + 1]; /* "" : none */
    char msid_track[KG_SDP_MAX_TEXT + 1];
};

struct kg_sdp {
    uint64_t session_id;
    uint64_t session_version;
    uint8_t tagged; /* media whose transport attributes count: the first of the bundle, RFC 9143 §7.2.1 */
    char ufrag[KG_MAX_UFRAG + 1];
    char pwd[KG_MAX_PWD + 1];
    bool has_fingerprint;
    uint8_t fingerprint[KG_FINGERPRINT_BYTES];
    enum kg_sdp_setup setup;
    bool ice_lite;
    uint8_t candidate_count; /* component 1, literal addresses; others are skipped */
    struct kg_candidate candidates[KG_MAX_CANDIDATES];
    uint8_t media_count;
    struct kg_sdp_media media[KG_MAX_LINES];
};

struct kg_sdp_error {
    uint32_t line; /* from 1; 0: the description as a whole */
    char text[KG_SDP_ERROR_BYTES];
};

/* false, with *error naming line and attribute, when the text is malformed, breaks a limit, or is not one
 * bundled transport (a=group:BUNDLE over every line in use, one ufrag, pwd, fingerprint and setup). *out is
 * then void. */
KG_MUST_CHECK bool kg_sdp_parse(const char *text, size_t size, struct kg_sdp *out,
                                struct kg_sdp_error *error);

/* The description as text, CRLF lines, NUL-terminated; the caller frees it with free(). NULL: a value is out
 * of range or memory is short (logged). */
KG_MUST_CHECK char *kg_sdp_format(const struct kg_sdp *sdp);

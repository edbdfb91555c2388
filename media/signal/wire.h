/* What one offer and its answer agreed on: all that a transport and a forwarder need to know of SDP. Both
 * ends derive the same struct, the relay while answering (answer.h), the terminal from the answer it
 * receives. Thread: any; plain values, owns nothing, may be copied. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"

enum {
    KG_AUDIO_SLOTS = 3,
    KG_VIDEO_SLOTS = 9,
    KG_PRESENTATION_SLOTS = 1,
    KG_OFFER_LINES = 3 + KG_AUDIO_SLOTS + KG_VIDEO_SLOTS + KG_PRESENTATION_SLOTS,
    KG_MAX_LINES = 24,       /* m-lines of one description, rejected ones too */
    KG_MAX_CANDIDATES = 16,  /* kept of one description */
    KG_MAX_MID = 32,         /* characters */
    KG_MAX_UFRAG = 256,      /* RFC 8839 §5.4: 4..256 */
    KG_MAX_PWD = 256,        /* RFC 8839 §5.4: 22..256 */
    KG_ROLE_TEXT_BYTES = 20, /* "presentation-0" and its NUL fit */
};

/* A macro because net/identity.h, which must not include signal, says the same. */
#define KG_FINGERPRINT_BYTES 32

/* What an m-line is for, said by the party in `join`. The first three the party sends, the slots it receives.
 */
enum kg_role {
    KG_ROLE_NONE, /* the line is not used: rejected, or no role was given */
    KG_ROLE_MICROPHONE,
    KG_ROLE_CAMERA,
    KG_ROLE_PRESENTATION,
    KG_ROLE_AUDIO_SLOT,
    KG_ROLE_VIDEO_SLOT,
    KG_ROLE_PRESENTATION_SLOT,
};

static inline bool kg_role_is_slot(enum kg_role role)
{
    return role >= KG_ROLE_AUDIO_SLOT;
}
static inline bool kg_role_is_audio(enum kg_role role)
{
    return role == KG_ROLE_MICROPHONE || role == KG_ROLE_AUDIO_SLOT;
}
/* "microphone", "camera", "presentation", "audio-0".., "video-0".., "presentation-0". */
KG_MUST_CHECK bool kg_role_parse(const char *text, enum kg_role *role, uint8_t *index);
/* KG_ROLE_NONE becomes "none". index is 0 for what is not a slot. */
void kg_role_format(enum kg_role role, uint8_t index, char text[KG_ROLE_TEXT_BYTES]);
/* Slots of this kind a party has; 1 for what it sends, 0 for KG_ROLE_NONE. */
uint8_t kg_role_count(enum kg_role role);

/* RTP header extensions in use, as indices of an id table; id 0: not negotiated on this line. */
enum kg_extension { KG_EXT_AUDIO_LEVEL, KG_EXT_MID, KG_EXT_TRANSPORT_CC, KG_EXT_ABS_SEND_TIME, KG_EXT_COUNT };
const char *kg_extension_uri(enum kg_extension extension);

struct kg_candidate {
    struct sockaddr_storage address;
    uint32_t priority;
    bool tcp; /* RFC 6544; else UDP */
};

/* One end's transport: who checks and who shakes hands is fixed (party: controlling, DTLS client;
 * relay: lite, DTLS server). */
struct kg_wire_end {
    char ufrag[KG_MAX_UFRAG + 1];
    char pwd[KG_MAX_PWD + 1];
    uint8_t fingerprint[KG_FINGERPRINT_BYTES]; /* SHA-256 of the DTLS certificate */
    uint8_t candidate_count;
    struct kg_candidate candidates[KG_MAX_CANDIDATES];
};

struct kg_wire_line {
    enum kg_role role; /* KG_ROLE_NONE: rejected, everything else but mid is zero */
    uint8_t index;     /* of the slot */
    bool active;       /* false: a=inactive; nothing is sent */
    char mid[KG_MAX_MID + 1];
    uint32_t
        ssrc; /* the sender's: party's for its own lines (0: not said, learn it by MID), else the slot's */
    uint32_t rtx_ssrc; /* 0: no RTX */
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: no RTX */
    bool nack, pli, fir, transport_cc;
    uint8_t extension[KG_EXT_COUNT];
};

struct kg_wire {
    struct kg_wire_end party;
    struct kg_wire_end relay;
    uint8_t line_count; /* in the order of the m-lines */
    struct kg_wire_line lines[KG_MAX_LINES];
};

/* The line of this role and slot, or NULL: not negotiated. */
const struct kg_wire_line *kg_wire_find(const struct kg_wire *wire, enum kg_role role, uint8_t index);

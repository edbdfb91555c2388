/* The relay's answer to an offer, and what the two agree on. The relay is ICE-lite and the DTLS server; it
 * takes a party's own lines as recvonly and serves its slots as sendonly, each with an SSRC that never
 * changes. Thread: any; pure. */
#pragma once

#include "signal/message.h"
#include "signal/sdp.h"
#include "signal/wire.h"

struct kg_slot_ssrc {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* used for video when the offer has RTX */
};

struct kg_answer_params {
    uint64_t session_id;
    struct kg_wire_end relay; /* what the answer says of the relay; at least one candidate */
    struct kg_slot_ssrc audio[KG_AUDIO_SLOTS];
    struct kg_slot_ssrc video[KG_VIDEO_SLOTS];
    struct kg_slot_ssrc presentation[KG_PRESENTATION_SLOTS];
};

/* The answer as text (free with free()) and *wire. NULL with *error when the offer cannot be read, is not one
 * the relay can serve, or the roles do not fit it: code KG_ERROR_BAD_OFFER, or KG_ERROR_INTERNAL for our own
 * values. Lines without a role, and lines with neither Opus nor VP8, are rejected in the answer, not an
 * error. */
KG_MUST_CHECK char *kg_answer_make(const char *offer, const struct kg_message_line *lines, uint8_t line_count,
                                   const struct kg_answer_params *params, struct kg_wire *wire,
                                   struct kg_message_error *error);

/* The terminal's view: the same struct from its offer, its roles and the answer that came. false, with
 * *error, when the answer is malformed or does not answer this offer. */
KG_MUST_CHECK bool kg_wire_from_answer(const char *offer, const struct kg_message_line *lines,
                                       uint8_t line_count, const char *answer, struct kg_wire *wire,
                                       struct kg_message_error *error);

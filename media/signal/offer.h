/* The terminal's offer: 16 m-lines, of which it sends three (microphone, camera, presentation) and receives
 * thirteen slots. Mids are the role names ("microphone", "audio-0"...).
 * Thread: any; pure. */
#pragma once

#include "signal/message.h"
#include "signal/sdp.h"

struct kg_offer_ssrc {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* video only */
};

struct kg_offer_params {
    uint64_t session_id;
    const char *ufrag, *pwd; /* RFC 8839 §5.4 */
    uint8_t fingerprint[KG_FINGERPRINT_BYTES];
    const char *cname; /* [A-Za-z0-9-]{1,32}, random for each meeting (RFC 7022) */
    struct kg_offer_ssrc microphone, camera, presentation; /* ssrc 0: this line is inactive */
    bool video_inactive; /* slots of video and presentation: a terminal that plays sound only */
};

/* The offer as text (free with free()), and the roles of its lines for `join`. NULL: a value is out of range
 * or memory is short (logged). The lines' mids are constants. */
KG_MUST_CHECK char *kg_offer_make(const struct kg_offer_params *params,
                                  struct kg_message_line lines[KG_OFFER_LINES]);

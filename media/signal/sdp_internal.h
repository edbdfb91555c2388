/* Shared by sdp_parse.c and sdp_media.c only: the state of one parse. Thread: the caller's. */
#pragma once

#include <gst/sdp/gstsdpmessage.h>

#include "signal/sdp.h"
#include "signal/sdp_text.h"

enum kg_sdp_codec_name { KG_SDP_NO_CODEC, KG_SDP_OPUS, KG_SDP_VP8, KG_SDP_RTX, KG_SDP_FOREIGN };

struct kg_sdp_parse {
    const char *text;
    size_t size;
    struct kg_sdp *sdp;
    struct kg_sdp_error *error;
    size_t section;                    /* 0: session, 1..: media */
    int attribute;                     /* ordinal in the section, −1: the section itself */
    enum kg_sdp_codec_name codec[128]; /* what each payload type means in the bundle so far */
};

/* Records the error at the parse's place, and is false. */
bool kg_sdp_refuse(struct kg_sdp_parse *parse, const char *fmt, ...) KG_PRINTF(2, 3);
/* Fills sdp->media[index] from the section. */
KG_MUST_CHECK bool kg_sdp_media_parse(struct kg_sdp_parse *parse, const GstSDPMedia *media, size_t index);

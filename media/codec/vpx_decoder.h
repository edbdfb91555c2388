/* VP8 (RFC 6386) decoding of one slot's complete frames. Input is hostile: no bitstream makes it fail other
 * than by an answer, and none makes it allocate more than a KG_VPX_MAX_WIDTH × KG_VPX_MAX_HEIGHT picture.
 * Thread: one owner. Owns: the codec; decoded frames are the caller's and outlive it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/frame.h"

struct kg_vpx_decoder;

enum kg_vpx_result {
    KG_VPX_PICTURE,       /* *out is a picture */
    KG_VPX_NO_PICTURE,    /* the frame is not to be shown: nothing wrong */
    KG_VPX_NEED_KEYFRAME, /* broken, or the decoder waits for a keyframe since: ask the sender for one */
};

/* NULL when memory is short (logged). */
struct kg_vpx_decoder *kg_vpx_decoder_create(void);
void kg_vpx_decoder_destroy(struct kg_vpx_decoder *decoder);

/* data: one whole encoded frame. On KG_VPX_PICTURE *out is a new frame, the caller's reference, not yet
 * shared: the caller sets capture_us and source. Its size is the bitstream's, rounded down to even. */
KG_MUST_CHECK enum kg_vpx_result kg_vpx_decoder_decode(struct kg_vpx_decoder *decoder, const void *data,
                                                       size_t size, struct kg_frame **out);

/* RTP packets of one VP8 stream, in any order → whole frames in decoding order (RFC 7741).
 * A frame is given out only when a decoder can decode it: a keyframe, or the frame after the last one given
 * out with no packet missing between. Thread: the owner's. Owns: references to the packets it waits with;
 * bounded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/packet.h"
#include "rtp/rtp.h"

enum { KG_VP8_ASSEMBLER_PACKETS = 1024 }; /* window in sequence numbers; also the longest frame */

struct kg_vp8_frame {
    uint8_t *data; /* size bytes, and 64 zero bytes after them for readers that run over */
    size_t size;
    bool keyframe;
    uint16_t width, height; /* keyframes; else 0 */
    uint32_t timestamp;
    uint32_t source; /* CSRC[0], or the SSRC when there is none */
    uint16_t first_sequence, last_sequence;
    int64_t first_arrival_us; /* of its first packet to arrive */
    int64_t complete_us;      /* arrival of the packet that completed it */
};
void kg_vp8_frame_destroy(struct kg_vp8_frame *frame);

struct kg_vp8_assembler;

/* max_wait_us: how long a gap may hold back the frames behind it before a keyframe is required. NULL: no
 * memory. */
struct kg_vp8_assembler *kg_vp8_assembler_create(int64_t max_wait_us);
void kg_vp8_assembler_destroy(struct kg_vp8_assembler *assembler);

/* Takes its own reference to packet. rtp: kg_rtp_parse of that very packet (RTX already unwrapped).
 * Padding-only packets count as received. false: duplicate, too old, malformed, or no room; nothing kept. */
KG_MUST_CHECK bool kg_vp8_assembler_push(struct kg_vp8_assembler *assembler, struct kg_packet *packet,
                                         const struct kg_rtp_packet *rtp);
/* The next decodable frame, now the caller's; NULL: none yet. Call until NULL after each push, and now and
 * then without one: time makes a gap final. A complete keyframe behind a gap is taken at once. */
struct kg_vp8_frame *kg_vp8_assembler_take(struct kg_vp8_assembler *assembler, int64_t now_us);
/* Nothing can be decoded until a keyframe comes: ask for one (throttled by the caller). True from the start.
 */
bool kg_vp8_assembler_needs_keyframe(const struct kg_vp8_assembler *assembler);
/* The decoder failed, or frames were dropped after take: refuse all but a keyframe. */
void kg_vp8_assembler_require_keyframe(struct kg_vp8_assembler *assembler);

/* RTP packets (RFC 3550 §5.1), header extensions (RFC 8285), audio level (RFC 6464), MID/RID (RFC 8852,
 * 9143), transport-wide sequence numbers, RTX (RFC 4588). Pure functions over the caller's bytes; thread:
 * any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_RTP_MAX_PLAIN =
        1184, /* header and payload: with the SRTP tag (≤ 16, RFC 7714) a UDP payload of 1,200 */
    KG_RTP_MAX_CSRC = 15,
    KG_RTP_MAX_EXTENSIONS = 14,
    KG_RTP_AUDIO_HZ = 48000, /* of timestamps: Opus, RFC 7587 §4.1 */
    KG_RTP_VIDEO_HZ = 90000, /* VP8, RFC 7741 §4.1 */
};

struct kg_rtp_extension {
    uint8_t id; /* 1..14 one-byte form, 1..255 two-byte form */
    uint8_t size;
    const uint8_t *data; /* view into the packet, or the caller's bytes when building */
};

struct kg_rtp_header {
    bool marker;
    uint8_t payload_type; /* 0..127 */
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    uint8_t csrc_count;
    uint32_t csrc[KG_RTP_MAX_CSRC];
    uint8_t extension_count;
    struct kg_rtp_extension extensions[KG_RTP_MAX_EXTENSIONS];
};

/* A parsed packet: views into the caller's bytes, padding already taken off. */
struct kg_rtp_packet {
    struct kg_rtp_header header;
    const uint8_t *payload;
    size_t payload_size; /* may be 0 (padding only) */
    size_t header_size;
    uint8_t padding_size;
};

/* false: not a valid RTP packet; *out untouched. Extensions beyond KG_RTP_MAX_EXTENSIONS are ignored. */
KG_MUST_CHECK bool kg_rtp_parse(const void *data, size_t size, struct kg_rtp_packet *out);
/* The extension with this id, or NULL. id 0 (not negotiated) finds nothing. */
const struct kg_rtp_extension *kg_rtp_find(const struct kg_rtp_header *header, uint8_t id);

/* Writes the header (one-byte extensions when every id ≤ 14 and 1 ≤ size ≤ 16, else two-byte); the payload
 * follows at the returned offset. 0: it does not fit in size. */
size_t kg_rtp_write_header(const struct kg_rtp_header *header, void *data, size_t size);

/* Overwrites an extension's bytes in a built packet (TWCC number at send time). false: not there or of
 * another size. */
KG_MUST_CHECK bool kg_rtp_patch_extension(void *packet, size_t size, uint8_t id, const void *value,
                                          uint8_t value_size);

/* RFC 6464: level is −dBov, 0 (loudest) … 127 (silence). */
struct kg_audio_level {
    bool voice;
    uint8_t level;
};
KG_MUST_CHECK bool kg_audio_level_read(const struct kg_rtp_extension *extension, struct kg_audio_level *out);
uint8_t kg_audio_level_byte(struct kg_audio_level level);

/* RFC 4588 §4: the packet at `original` as a retransmission in `out`: SSRC, payload type and sequence number
 * of the RTX stream, the original sequence number in front of the payload. Returns its size, 0 if it does not
 * fit. */
size_t kg_rtx_wrap(const void *original, size_t size, uint32_t rtx_ssrc, uint8_t rtx_payload_type,
                   uint16_t rtx_sequence, void *out, size_t out_size);
/* Undoes it in place: packet becomes the original with `ssrc` and `payload_type`. Returns the new size; 0
 * when the packet is malformed or carries no original (padding probes). */
size_t kg_rtx_unwrap(void *packet, size_t size, uint32_t ssrc, uint8_t payload_type);

/* Serial number arithmetic modulo 2^32 (RFC 1982): a newer than b? Half the circle away is not. */
static inline bool kg_timestamp_newer(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}
/* Extends a wrapping counter to 64 bits, choosing the value nearest to the last one. The first is itself. */
struct kg_unwrapper {
    int64_t last;
    bool started;
};
int64_t kg_unwrap16(struct kg_unwrapper *u, uint16_t value);
int64_t kg_unwrap32(struct kg_unwrapper *u, uint32_t value);

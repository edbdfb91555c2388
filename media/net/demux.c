#include "net/demux.h"

#include <stdint.h>

#include "rtp/stun.h"

enum {
    DTLS_RECORD_HEADER = 13, /* RFC 6347 §4.1 */
    RTP_HEADER = 12,
    RTCP_HEADER = 8, /* of the smallest report that SRTCP can authenticate: header and sender SSRC */
};

enum kg_demux kg_demux_classify(const void *data, size_t size)
{
    const uint8_t *p = data;
    if (size < RTCP_HEADER)
        return KG_DEMUX_NONE;
    if (p[0] <= 3)
        return kg_stun_is(data, size) ? KG_DEMUX_STUN : KG_DEMUX_NONE;
    if (p[0] >= 20 && p[0] <= 63)
        return size >= DTLS_RECORD_HEADER ? KG_DEMUX_DTLS : KG_DEMUX_NONE;
    if (p[0] < 128 || p[0] > 191)
        return KG_DEMUX_NONE;
    /* RFC 5761 §4: RTCP packet types 192..223 would be RTP payload types 64..95 with the marker bit. */
    if (p[1] >= 192 && p[1] <= 223)
        return KG_DEMUX_RTCP;
    return size >= RTP_HEADER ? KG_DEMUX_RTP : KG_DEMUX_NONE;
}

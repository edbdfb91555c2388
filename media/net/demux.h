/* Which protocol a datagram on a bundled transport belongs to (RFC 7983 §7, RFC 5761 §4). Pure; thread: any.
 */
#pragma once

#include <stddef.h>

enum kg_demux {
    KG_DEMUX_NONE, /* too short for what its first byte says, or a protocol we do not speak (ZRTP, TURN, QUIC)
                    */
    KG_DEMUX_STUN,
    KG_DEMUX_DTLS,
    KG_DEMUX_RTP,
    KG_DEMUX_RTCP
};

enum kg_demux kg_demux_classify(const void *data, size_t size);

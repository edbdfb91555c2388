/* RTP, VP8 descriptor, RTX, RTCP and STUN parsers: what is parsed must be writable again and read the same.
 */
#include <stdlib.h>
#include <string.h>

#include "rtp/rtcp.h"
#include "rtp/rtp.h"
#include "rtp/stun.h"
#include "rtp/vp8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_rtp(const uint8_t *data, size_t size)
{
    struct kg_rtp_packet p, again;
    if (!kg_rtp_parse(data, size, &p))
        return;
    must(p.header_size + p.payload_size + p.padding_size == size);
    uint8_t out[4096], rtx[4096];
    size_t header = kg_rtp_write_header(&p.header, out, sizeof out);
    if (header > 0 && p.payload_size > 0 && header + p.payload_size < sizeof out) {
        memcpy(out + header, p.payload, p.payload_size);
        must(kg_rtp_parse(out, header + p.payload_size, &again));
        must(again.header.extension_count == p.header.extension_count &&
             again.payload_size == p.payload_size);
        size_t n = kg_rtx_wrap(out, header + p.payload_size, 1, 97, 2, rtx, sizeof rtx);
        if (n > 0) {
            must(kg_rtx_unwrap(rtx, n, p.header.ssrc, p.header.payload_type) == header + p.payload_size);
            must(memcmp(rtx, out, header + p.payload_size) == 0);
        }
    }
    struct kg_vp8_descriptor d;
    if (kg_vp8_parse(p.payload, p.payload_size, &d)) {
        uint16_t w, h;
        if (kg_vp8_keyframe_size(p.payload + d.size, p.payload_size - d.size, &w, &h))
            must(kg_vp8_is_keyframe(p.payload + d.size, p.payload_size - d.size));
        memcpy(rtx, p.payload, p.payload_size < sizeof rtx ? p.payload_size : 0);
        if (p.payload_size < sizeof rtx)
            kg_vp8_patch(rtx, &d, 0x7fff, 0xff);
    }
}

static void try_rtcp(const uint8_t *data, size_t size)
{
    static struct kg_rtcp report, again;
    size_t at = 0;
    bool malformed;
    while (kg_rtcp_next(data, size, &at, &report, &malformed)) {
        uint8_t out[8192];
        size_t n = kg_rtcp_append(&report, out, sizeof out, 0), from = 0;
        if (n > 0 && kg_rtcp_next(out, n, &from, &again, &malformed))
            must(again.kind == report.kind);
    }
}

static void try_stun(const uint8_t *data, size_t size)
{
    struct kg_stun m;
    uint8_t out[KG_STUN_MAX_BYTES];
    if (!kg_stun_parse(data, size, &m))
        return;
    (void)!kg_stun_check(data, size, &m, "VOkJxbRl1RmTxUk/WvJxBt");
    size_t n = kg_stun_write(&m, "password", out, sizeof out);
    if (n > 0) {
        struct kg_stun again;
        must(kg_stun_parse(out, n, &again) && kg_stun_check(out, n, &again, "password"));
        must(strcmp(again.username, m.username) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_rtp(data, size);
    try_rtcp(data, size);
    try_stun(data, size);
    return 0;
}

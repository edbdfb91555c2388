#include "signal/sdp.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "signal/sdp_text.h"
#include "signal/text_builder.h"

#define EOL "\r\n"

static bool printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* A word that can stand between spaces. */
static bool is_word(const char *text)
{
    return text[0] && printable(text) && !strchr(text, ' ');
}

static bool media_valid(const struct kg_sdp_media *m)
{
    if (!is_word(m->type) || !is_word(m->proto) || !is_word(m->format))
        return false;
    if ((m->mid[0] && !is_word(m->mid)) || !printable(m->codec.fmtp) || !printable(m->cname))
        return false;
    if ((m->msid_stream[0] && !is_word(m->msid_stream)) || (m->msid_track[0] && !is_word(m->msid_track)))
        return false;
    return m->rejected || m->kind == KG_SDP_OTHER || (m->mid[0] && m->codec.present);
}

static void add_direction(struct kg_text *t, enum kg_sdp_direction direction)
{
    static const char *const names[] = {[KG_SDP_SENDRECV] = "sendrecv",
                                        [KG_SDP_SENDONLY] = "sendonly",
                                        [KG_SDP_RECVONLY] = "recvonly",
                                        [KG_SDP_INACTIVE] = "inactive"};
    kg_text_add(t, "a=%s" EOL, names[direction]);
}

static void add_fingerprint(struct kg_text *t, const uint8_t bytes[KG_FINGERPRINT_BYTES])
{
    kg_text_add(t, "a=fingerprint:sha-256 ");
    for (size_t i = 0; i < KG_FINGERPRINT_BYTES; i++)
        kg_text_add(t, "%s%02X", i ? ":" : "", bytes[i]);
    kg_text_add(t, EOL);
}

static void add_candidate(struct kg_text *t, const struct kg_candidate *candidate, unsigned foundation)
{
    char address[INET6_ADDRSTRLEN] = "";
    uint16_t port = 0;
    if (candidate->address.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &candidate->address, sizeof(v4));
        inet_ntop(AF_INET, &v4.sin_addr, address, sizeof(address));
        port = ntohs(v4.sin_port);
    } else if (candidate->address.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &candidate->address, sizeof(v6));
        inet_ntop(AF_INET6, &v6.sin6_addr, address, sizeof(address));
        port = ntohs(v6.sin6_port);
    }
    if (!address[0] || port == 0) {
        t->failed = true;
        return;
    }
    /* RFC 6544 §4.5: a lite agent's TCP candidate is passive. */
    kg_text_add(t, "a=candidate:%u 1 %s %" PRIu32 " %s %u typ host%s" EOL, foundation,
                candidate->tcp ? "tcp" : "udp", candidate->priority, address, port,
                candidate->tcp ? " tcptype passive" : "");
}

static void add_transport(struct kg_text *t, const struct kg_sdp *sdp, bool with_candidates)
{
    static const char *const setups[] = {[KG_SDP_SETUP_NONE] = "",
                                         [KG_SDP_ACTPASS] = "actpass",
                                         [KG_SDP_ACTIVE] = "active",
                                         [KG_SDP_PASSIVE] = "passive"};
    kg_text_add(t, "a=ice-ufrag:%s" EOL "a=ice-pwd:%s" EOL, sdp->ufrag, sdp->pwd);
    add_fingerprint(t, sdp->fingerprint);
    kg_text_add(t, "a=setup:%s" EOL, setups[sdp->setup]);
    for (uint8_t i = 0; with_candidates && i < sdp->candidate_count; i++)
        add_candidate(t, &sdp->candidates[i], i + 1u);
    if (with_candidates && sdp->candidate_count > 0)
        kg_text_add(t, "a=end-of-candidates" EOL);
}

static void add_codec(struct kg_text *t, const struct kg_sdp_media *m)
{
    const struct kg_sdp_codec *c = &m->codec;
    unsigned pt = c->payload_type;
    kg_text_add(t, "a=rtpmap:%u %s" EOL, pt, m->kind == KG_SDP_AUDIO ? "opus/48000/2" : "VP8/90000");
    if (c->fmtp[0])
        kg_text_add(t, "a=fmtp:%u %s" EOL, pt, c->fmtp);
    if (c->transport_cc)
        kg_text_add(t, "a=rtcp-fb:%u transport-cc" EOL, pt);
    if (c->fir)
        kg_text_add(t, "a=rtcp-fb:%u ccm fir" EOL, pt);
    if (c->nack)
        kg_text_add(t, "a=rtcp-fb:%u nack" EOL, pt);
    if (c->pli)
        kg_text_add(t, "a=rtcp-fb:%u nack pli" EOL, pt);
    if (c->rtx_payload_type)
        kg_text_add(t, "a=rtpmap:%u rtx/90000" EOL "a=fmtp:%u apt=%u" EOL, c->rtx_payload_type,
                    c->rtx_payload_type, pt);
}

static void add_ssrc(struct kg_text *t, const struct kg_sdp_media *m, uint32_t ssrc)
{
    kg_text_add(t, "a=ssrc:%" PRIu32 " cname:%s" EOL, ssrc, m->cname[0] ? m->cname : "kaigi");
    if (m->msid_stream[0])
        kg_text_add(t, "a=ssrc:%" PRIu32 " msid:%s %s" EOL, ssrc, m->msid_stream, m->msid_track);
}

static void add_sources(struct kg_text *t, const struct kg_sdp_media *m)
{
    if (m->msid_stream[0])
        kg_text_add(t, "a=msid:%s%s%s" EOL, m->msid_stream, m->msid_track[0] ? " " : "", m->msid_track);
    if (m->ssrc && m->rtx_ssrc)
        kg_text_add(t, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 EOL, m->ssrc, m->rtx_ssrc);
    if (m->ssrc)
        add_ssrc(t, m, m->ssrc);
    if (m->rtx_ssrc)
        add_ssrc(t, m, m->rtx_ssrc);
}

static void add_media(struct kg_text *t, const struct kg_sdp *sdp, uint8_t index)
{
    const struct kg_sdp_media *m = &sdp->media[index];
    if (m->rejected || m->kind == KG_SDP_OTHER) {
        /* RFC 8829 §5.3.1: a rejected line keeps its place, type and protocol. */
        kg_text_add(t, "m=%s 0 %s %s" EOL "c=IN IP4 0.0.0.0" EOL, m->type, m->proto, m->format);
        if (m->mid[0])
            kg_text_add(t, "a=mid:%s" EOL, m->mid);
        kg_text_add(t, "a=inactive" EOL);
        return;
    }
    kg_text_add(t, "m=%s 9 %s %u", m->type, m->proto, m->codec.payload_type);
    if (m->codec.rtx_payload_type)
        kg_text_add(t, " %u", m->codec.rtx_payload_type);
    kg_text_add(t, EOL "c=IN IP4 0.0.0.0" EOL "a=rtcp:9 IN IP4 0.0.0.0" EOL);
    add_transport(t, sdp, index == sdp->tagged);
    kg_text_add(t, "a=mid:%s" EOL, m->mid);
    for (unsigned i = 0; i < KG_EXT_COUNT; i++)
        if (m->extension[i])
            kg_text_add(t, "a=extmap:%u %s" EOL, m->extension[i], kg_extension_uri((enum kg_extension)i));
    add_direction(t, m->direction);
    kg_text_add(t, "a=rtcp-mux" EOL "%s", m->reduced_rtcp ? "a=rtcp-rsize" EOL : "");
    add_codec(t, m);
    add_sources(t, m);
}

/* The line that carries the transport is named first (RFC 9143 §7.1), wherever it stands. */
static void add_bundle(struct kg_text *t, const struct kg_sdp *sdp)
{
    kg_text_add(t, "a=group:BUNDLE %s", sdp->media[sdp->tagged].mid);
    for (uint8_t i = 0; i < sdp->media_count; i++)
        if (i != sdp->tagged && !sdp->media[i].rejected && sdp->media[i].kind != KG_SDP_OTHER)
            kg_text_add(t, " %s", sdp->media[i].mid);
}

static bool valid(const struct kg_sdp *sdp)
{
    if (sdp->media_count == 0 || sdp->media_count > KG_MAX_LINES || sdp->tagged >= sdp->media_count ||
        sdp->candidate_count > KG_MAX_CANDIDATES || sdp->session_id > INT64_MAX ||
        sdp->session_version > INT64_MAX)
        return false;
    struct kg_word ufrag = kg_word_of(sdp->ufrag);
    struct kg_word pwd = kg_word_of(sdp->pwd);
    if (ufrag.size < 4 || !kg_word_chars(ufrag, "+/") || pwd.size < 22 || !kg_word_chars(pwd, "+/"))
        return false;
    const struct kg_sdp_media *tagged = &sdp->media[sdp->tagged];
    if (!sdp->has_fingerprint || sdp->setup == KG_SDP_SETUP_NONE || tagged->rejected ||
        tagged->kind == KG_SDP_OTHER)
        return false;
    for (uint8_t i = 0; i < sdp->media_count; i++)
        if (!media_valid(&sdp->media[i]))
            return false;
    return true;
}

char *kg_sdp_format(const struct kg_sdp *sdp)
{
    if (!valid(sdp)) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "a session description holds a value that cannot be written");
        return NULL;
    }
    struct kg_text t = kg_text_init(KG_SDP_MAX_BYTES);
    kg_text_add(&t, "v=0" EOL "o=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1" EOL "s=-" EOL "t=0 0" EOL,
                sdp->session_id, sdp->session_version);
    if (sdp->ice_lite)
        kg_text_add(&t, "a=ice-lite" EOL);
    add_bundle(&t, sdp);
    /* RFC 8830: "WMS *" tells older browsers that msid is meant. */
    kg_text_add(&t, EOL "a=msid-semantic: WMS *" EOL);
    for (uint8_t i = 0; i < sdp->media_count; i++)
        add_media(&t, sdp, i);
    return kg_text_take(&t);
}

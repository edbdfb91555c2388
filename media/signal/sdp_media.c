/* One media section: what it is, its codec, extensions and sources. */
#include <string.h>

#include "signal/sdp_internal.h"

/* RFC 5761 §4: 64..95 would look like RTCP. 0 is PCMU and our sign for none. */
static bool payload_type_usable(uint64_t pt)
{
    return (pt >= 1 && pt <= 63) || (pt >= 96 && pt <= 127);
}

static enum kg_sdp_codec_name codec_named(struct kg_word encoding)
{
    if (kg_word_is_nocase(encoding, "opus/48000/2"))
        return KG_SDP_OPUS;
    if (kg_word_is_nocase(encoding, "VP8/90000"))
        return KG_SDP_VP8;
    return kg_word_is_nocase(encoding, "rtx/90000") ? KG_SDP_RTX : KG_SDP_FOREIGN;
}

/* a=rtpmap:<pt> <encoding>. */
static bool rtpmap(struct kg_sdp_parse *p, const char *value, bool seen[128])
{
    struct kg_word number;
    struct kg_word encoding;
    uint64_t pt;
    if (!kg_word_next(&value, &number) || !kg_word_next(&value, &encoding) ||
        !kg_word_number(number, 127, &pt))
        return kg_sdp_refuse(p, "a=rtpmap needs a payload type below 128 and an encoding");
    if (seen[pt])
        return kg_sdp_refuse(p, "a=rtpmap:%u stands twice in one section", (unsigned)pt);
    seen[pt] = true;
    enum kg_sdp_codec_name name = codec_named(encoding);
    bool ours = name != KG_SDP_FOREIGN;
    if (ours && !payload_type_usable(pt))
        return kg_sdp_refuse(p, "payload type %u cannot be used beside RTCP", (unsigned)pt);
    /* RFC 9143 §9.1: one payload type means one thing in a bundle. */
    bool was_ours = p->codec[pt] != KG_SDP_NO_CODEC && p->codec[pt] != KG_SDP_FOREIGN;
    if (p->codec[pt] != KG_SDP_NO_CODEC && p->codec[pt] != name && (ours || was_ours))
        return kg_sdp_refuse(p, "payload type %u means two codecs in the bundle", (unsigned)pt);
    p->codec[pt] = name;
    return true;
}

/* The first format of the m= line that is our codec of this kind. */
static void choose_codec(struct kg_sdp_parse *p, const GstSDPMedia *media, const bool seen[128],
                         struct kg_sdp_media *out)
{
    enum kg_sdp_codec_name wanted = out->kind == KG_SDP_AUDIO ? KG_SDP_OPUS : KG_SDP_VP8;
    for (guint i = 0; i < gst_sdp_media_formats_len(media); i++) {
        uint64_t pt;
        if (!kg_word_number(kg_word_of(gst_sdp_media_get_format(media, i)), 127, &pt))
            continue;
        if (seen[pt] && p->codec[pt] == wanted) {
            out->codec.present = true;
            out->codec.payload_type = (uint8_t)pt;
            return;
        }
    }
}

/* a=fmtp:<pt> <parameters>: kept for our codec; "apt=" says which RTX belongs to it (RFC 4588 §8.1). */
static bool fmtp(struct kg_sdp_parse *p, const char *value, const bool seen[128], struct kg_sdp_codec *codec)
{
    struct kg_word number;
    uint64_t pt;
    if (!kg_word_next(&value, &number) || !kg_word_number(number, 127, &pt))
        return kg_sdp_refuse(p, "a=fmtp needs a payload type below 128");
    if (!codec->present || !seen[pt])
        return true;
    value += strspn(value, " ");
    if (pt == codec->payload_type) {
        if (!kg_word_copy(kg_word_of(value), codec->fmtp, sizeof(codec->fmtp)))
            codec->fmtp[0] = '\0'; /* nobody's Opus or VP8 needs that much */
    } else if (p->codec[pt] == KG_SDP_RTX && strncmp(value, "apt=", 4) == 0 && codec->rtx_payload_type == 0) {
        uint64_t apt;
        struct kg_word apt_word = {value + 4, strcspn(value + 4, "; ")};
        if (!kg_word_number(apt_word, 127, &apt))
            return kg_sdp_refuse(p, "a=fmtp:%u has a bad apt", (unsigned)pt);
        if (apt == codec->payload_type)
            codec->rtx_payload_type = (uint8_t)pt;
    }
    return true;
}

/* a=rtcp-fb:<pt or *> <type> [<parameter>]. */
static void rtcp_fb(const char *value, struct kg_sdp_codec *codec)
{
    struct kg_word number;
    struct kg_word type;
    struct kg_word parameter = {"", 0};
    uint64_t pt;
    if (!codec->present || !kg_word_next(&value, &number) || !kg_word_next(&value, &type))
        return;
    if (!kg_word_is(number, "*") && (!kg_word_number(number, 127, &pt) || pt != codec->payload_type))
        return;
    if (!kg_word_next(&value, &parameter))
        parameter = (struct kg_word){"", 0};
    if (kg_word_is(type, "nack") && parameter.size == 0)
        codec->nack = true;
    else if (kg_word_is(type, "nack") && kg_word_is(parameter, "pli"))
        codec->pli = true;
    else if (kg_word_is(type, "ccm") && kg_word_is(parameter, "fir"))
        codec->fir = true;
    else if (kg_word_is(type, "transport-cc"))
        codec->transport_cc = true;
}

/* a=extmap:<id>[/<direction>] <uri>. Only ids of the one-byte form are used (RFC 8285 §4.2). */
static bool extmap(struct kg_sdp_parse *p, const char *value, struct kg_sdp_media *out)
{
    struct kg_word id_word;
    struct kg_word uri;
    uint64_t id;
    if (!kg_word_next(&value, &id_word) || !kg_word_next(&value, &uri))
        return kg_sdp_refuse(p, "a=extmap needs an id and a URI");
    const char *slash = memchr(id_word.at, '/', id_word.size);
    if (slash)
        id_word.size = (size_t)(slash - id_word.at);
    if (!kg_word_number(id_word, 4351, &id) || id == 0)
        return kg_sdp_refuse(p, "a=extmap has a bad id");
    for (unsigned i = 0; i < KG_EXT_COUNT && id <= 14; i++) {
        if (!kg_word_is(uri, kg_extension_uri((enum kg_extension)i)) || out->extension[i])
            continue;
        for (unsigned j = 0; j < KG_EXT_COUNT; j++)
            if (out->extension[j] == id)
                return kg_sdp_refuse(p, "a=extmap:%u stands for two extensions", (unsigned)id);
        out->extension[i] = (uint8_t)id;
    }
    return true;
}

/* a=msid:<stream> [<track>]; longer names than we keep are dropped, nobody needs them. */
static void msid(const char *value, struct kg_sdp_media *out)
{
    struct kg_word stream;
    struct kg_word track;
    if (out->msid_stream[0] || !kg_word_next(&value, &stream) ||
        !kg_word_copy(stream, out->msid_stream, sizeof(out->msid_stream)))
        return;
    if (kg_word_next(&value, &track))
        (void)!kg_word_copy(track, out->msid_track, sizeof(out->msid_track));
}

/* a=ssrc:<id> [<attribute>[:<value>]] (RFC 5576 §4.1). The first SSRC is the line's, if no FID group says. */
static bool ssrc(struct kg_sdp_parse *p, const char *value, struct kg_sdp_media *out)
{
    struct kg_word number;
    uint64_t id;
    if (!kg_word_next(&value, &number) || !kg_word_number(number, UINT32_MAX, &id) || id == 0)
        return kg_sdp_refuse(p, "a=ssrc has a bad id");
    if (out->ssrc == 0)
        out->ssrc = (uint32_t)id;
    if (out->ssrc != id)
        return true;
    value += strspn(value, " ");
    if (strncmp(value, "cname:", 6) == 0 && !out->cname[0])
        (void)!kg_word_copy(kg_word_of(value + 6), out->cname, sizeof(out->cname));
    if (strncmp(value, "msid:", 5) == 0)
        msid(value + 5, out);
    return true;
}

/* a=ssrc-group:FID <media> <rtx> (RFC 5576 §4.2, RFC 4588 §8.8). */
static bool ssrc_group(struct kg_sdp_parse *p, const char *value, struct kg_sdp_media *out)
{
    struct kg_word word[3];
    uint64_t id[3];
    if (!kg_word_next(&value, &word[0]) || !kg_word_is(word[0], "FID") || out->rtx_ssrc)
        return true;
    for (size_t i = 1; i < 3; i++)
        if (!kg_word_next(&value, &word[i]) || !kg_word_number(word[i], UINT32_MAX, &id[i]) || id[i] == 0)
            return kg_sdp_refuse(p, "a=ssrc-group:FID needs two SSRCs");
    out->ssrc = (uint32_t)id[1];
    out->rtx_ssrc = (uint32_t)id[2];
    return true;
}

static bool mid(struct kg_sdp_parse *p, const char *value, struct kg_sdp_media *out)
{
    struct kg_word word = kg_word_of(value);
    if (word.size == 0 || !kg_word_chars(word, "!#$%&'*+-.^_`{|}~") ||
        !kg_word_copy(word, out->mid, sizeof(out->mid)))
        return kg_sdp_refuse(p, "a=mid must be a token of 1 to 32 characters");
    return true;
}

static bool direction(const char *key, enum kg_sdp_direction *out)
{
    static const char *const names[] = {[KG_SDP_SENDRECV] = "sendrecv",
                                        [KG_SDP_SENDONLY] = "sendonly",
                                        [KG_SDP_RECVONLY] = "recvonly",
                                        [KG_SDP_INACTIVE] = "inactive"};
    for (unsigned i = 0; i < KG_ARRAY_LEN(names); i++) {
        if (strcmp(key, names[i]) == 0) {
            *out = (enum kg_sdp_direction)i;
            return true;
        }
    }
    return false;
}

struct section_flags {
    bool mux, bundle_only;
};

/* First pass: what the section is, before its codec is known. */
static bool describe(struct kg_sdp_parse *p, const GstSDPMedia *media, bool seen[128],
                     struct section_flags *flags, struct kg_sdp_media *out)
{
    for (guint i = 0; i < gst_sdp_media_attributes_len(media); i++) {
        const GstSDPAttribute *a = gst_sdp_media_get_attribute(media, i);
        const char *value = a->value ? a->value : "";
        p->attribute = (int)i;
        if (!a->key || direction(a->key, &out->direction))
            continue;
        bool good = true;
        if (strcmp(a->key, "mid") == 0)
            good = mid(p, value, out);
        else if (strcmp(a->key, "rtpmap") == 0 && out->kind != KG_SDP_OTHER)
            good = rtpmap(p, value, seen);
        else if (strcmp(a->key, "rtcp-mux") == 0)
            flags->mux = true;
        else if (strcmp(a->key, "rtcp-rsize") == 0)
            out->reduced_rtcp = true;
        else if (strcmp(a->key, "bundle-only") == 0)
            flags->bundle_only = true;
        if (!good)
            return false;
    }
    return true;
}

/* Second pass: what belongs to the codec, and the sources. */
static bool details(struct kg_sdp_parse *p, const GstSDPMedia *media, const bool seen[128],
                    struct kg_sdp_media *out)
{
    for (guint i = 0; i < gst_sdp_media_attributes_len(media); i++) {
        const GstSDPAttribute *a = gst_sdp_media_get_attribute(media, i);
        const char *value = a->value ? a->value : "";
        p->attribute = (int)i;
        if (!a->key)
            continue;
        bool good = true;
        if (strcmp(a->key, "fmtp") == 0)
            good = fmtp(p, value, seen, &out->codec);
        else if (strcmp(a->key, "rtcp-fb") == 0)
            rtcp_fb(value, &out->codec);
        else if (strcmp(a->key, "extmap") == 0)
            good = extmap(p, value, out);
        else if (strcmp(a->key, "msid") == 0)
            msid(value, out);
        else if (strcmp(a->key, "ssrc") == 0)
            good = ssrc(p, value, out);
        else if (strcmp(a->key, "ssrc-group") == 0)
            good = ssrc_group(p, value, out);
        if (!good)
            return false;
    }
    return true;
}

static enum kg_sdp_kind kind_of(const GstSDPMedia *media)
{
    const char *type = gst_sdp_media_get_media(media);
    const char *proto = gst_sdp_media_get_proto(media);
    /* RFC 8829 §5.1.2: DTLS-SRTP with feedback, under its names. */
    if (strcmp(proto, "UDP/TLS/RTP/SAVPF") != 0 && strcmp(proto, "TCP/DTLS/RTP/SAVPF") != 0 &&
        strcmp(proto, "RTP/SAVPF") != 0)
        return KG_SDP_OTHER;
    if (strcmp(type, "audio") == 0)
        return KG_SDP_AUDIO;
    return strcmp(type, "video") == 0 ? KG_SDP_VIDEO : KG_SDP_OTHER;
}

bool kg_sdp_media_parse(struct kg_sdp_parse *p, const GstSDPMedia *media, size_t index)
{
    struct kg_sdp_media *out = &p->sdp->media[index];
    bool seen[128] = {false};
    struct section_flags flags = {0};
    p->section = index + 1;
    p->attribute = -1;
    const char *type = gst_sdp_media_get_media(media);
    const char *proto = gst_sdp_media_get_proto(media);
    const char *format = gst_sdp_media_formats_len(media) > 0 ? gst_sdp_media_get_format(media, 0) : NULL;
    if (!type || !type[0] || !proto || !proto[0] || !format || !format[0])
        return kg_sdp_refuse(p, "m= needs a type, a port, a protocol and a format");
    if (!kg_word_copy(kg_word_of(type), out->type, sizeof(out->type)) ||
        !kg_word_copy(kg_word_of(proto), out->proto, sizeof(out->proto)) ||
        !kg_word_copy(kg_word_of(format), out->format, sizeof(out->format)))
        return kg_sdp_refuse(p, "m= has a word longer than 40 characters");
    if (gst_sdp_media_get_port(media) > UINT16_MAX)
        return kg_sdp_refuse(p, "m= has a bad port");
    out->kind = kind_of(media);
    out->direction = KG_SDP_SENDRECV;
    if (!describe(p, media, seen, &flags, out))
        return false;
    out->rejected = gst_sdp_media_get_port(media) == 0 && !flags.bundle_only;
    if (out->rejected || out->kind == KG_SDP_OTHER)
        return true;
    p->attribute = -1;
    if (!out->mid[0])
        return kg_sdp_refuse(p, "m= line without a=mid");
    if (!flags.mux)
        return kg_sdp_refuse(p, "m= line with mid \"%s\" lacks a=rtcp-mux", out->mid);
    choose_codec(p, media, seen, out);
    return details(p, media, seen, out);
}

/* The session level, the bundle and its transport; media sections are in sdp_media.c. */
#include "signal/sdp.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "signal/sdp_internal.h"

bool kg_sdp_refuse(struct kg_sdp_parse *parse, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(parse->error->text, sizeof(parse->error->text), fmt, args);
    va_end(args);
    parse->error->line = kg_sdp_text_line(parse->text, parse->size, parse->section, parse->attribute);
    return false;
}

/* RFC 8839 §5.4: ice-char is a letter, a digit, '+' or '/'. */
static bool ice_text(struct kg_sdp_parse *p, const char *key, const char *value, size_t min, char *out)
{
    struct kg_word word = kg_word_of(value);
    if (word.size < min || !kg_word_chars(word, "+/") || !kg_word_copy(word, out, KG_MAX_UFRAG + 1))
        return kg_sdp_refuse(p, "a=%s must be %zu to 256 of letters, digits, + and /", key, min);
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 8122 §5. Other hash functions are skipped: an offer may carry several. */
static bool fingerprint(struct kg_sdp_parse *p, const char *value)
{
    struct kg_word name;
    struct kg_word digits;
    if (!kg_word_next(&value, &name) || !kg_word_next(&value, &digits))
        return kg_sdp_refuse(p, "a=fingerprint needs a hash function and a value");
    if (!kg_word_is_nocase(name, "sha-256"))
        return true;
    if (digits.size != KG_FINGERPRINT_BYTES * 3 - 1)
        return kg_sdp_refuse(p, "a=fingerprint sha-256 is not 32 bytes");
    for (size_t i = 0; i < KG_FINGERPRINT_BYTES; i++) {
        const char *at = digits.at + i * 3;
        if (hex(at[0]) < 0 || hex(at[1]) < 0 || (i + 1 < KG_FINGERPRINT_BYTES && at[2] != ':'))
            return kg_sdp_refuse(p, "a=fingerprint is not pairs of hex digits joined by colons");
        p->sdp->fingerprint[i] = (uint8_t)(hex(at[0]) << 4 | hex(at[1]));
    }
    p->sdp->has_fingerprint = true;
    return true;
}

static bool setup(struct kg_sdp_parse *p, const char *value)
{
    if (strcmp(value, "actpass") == 0)
        p->sdp->setup = KG_SDP_ACTPASS;
    else if (strcmp(value, "active") == 0)
        p->sdp->setup = KG_SDP_ACTIVE;
    else if (strcmp(value, "passive") == 0)
        p->sdp->setup = KG_SDP_PASSIVE;
    else
        return kg_sdp_refuse(p, "a=setup is not actpass, active or passive");
    return true;
}

static bool address_of(struct kg_word word, uint16_t port, struct sockaddr_storage *out)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memset(out, 0, sizeof(*out));
    if (!kg_word_copy(word, text, sizeof(text)))
        return false;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof(v6));
    else
        return false;
    return true;
}

/* RFC 8839 §5.1: foundation component transport priority address port "typ" type. Host names (mDNS), other
 * components and other transports are skipped, as the RFC asks. */
static bool candidate(struct kg_sdp_parse *p, const char *value)
{
    struct kg_word word[8];
    uint64_t component;
    uint64_t priority;
    uint64_t port;
    for (size_t i = 0; i < KG_ARRAY_LEN(word); i++)
        if (!kg_word_next(&value, &word[i]))
            return kg_sdp_refuse(p, "a=candidate has fewer than 8 fields");
    if (!kg_word_number(word[1], 256, &component) || !kg_word_number(word[3], UINT32_MAX, &priority) ||
        !kg_word_number(word[5], UINT16_MAX, &port) || !kg_word_is(word[6], "typ"))
        return kg_sdp_refuse(p, "a=candidate has a bad component, priority, port or typ");
    struct kg_candidate found = {.priority = (uint32_t)priority, .tcp = kg_word_is_nocase(word[2], "tcp")};
    if ((!found.tcp && !kg_word_is_nocase(word[2], "udp")) || component != 1 || port == 0 ||
        !address_of(word[4], (uint16_t)port, &found.address))
        return true;
    if (p->sdp->candidate_count < KG_MAX_CANDIDATES)
        p->sdp->candidates[p->sdp->candidate_count++] = found;
    return true;
}

/* What may stand on either level. Other attributes are left alone. */
static bool transport_attribute(struct kg_sdp_parse *p, const char *key, const char *value)
{
    if (strcmp(key, "ice-ufrag") == 0)
        return ice_text(p, key, value, 4, p->sdp->ufrag);
    if (strcmp(key, "ice-pwd") == 0)
        return ice_text(p, key, value, 22, p->sdp->pwd);
    if (strcmp(key, "fingerprint") == 0)
        return fingerprint(p, value);
    if (strcmp(key, "setup") == 0)
        return setup(p, value);
    if (strcmp(key, "candidate") == 0)
        return candidate(p, value);
    return true;
}

static bool session(struct kg_sdp_parse *p, const GstSDPMessage *message, const char **bundle, int *bundle_at)
{
    const GstSDPOrigin *origin = gst_sdp_message_get_origin(message);
    p->section = 0;
    p->attribute = -1;
    if (!kg_word_number(kg_word_of(origin->sess_id), INT64_MAX, &p->sdp->session_id) ||
        !kg_word_number(kg_word_of(origin->sess_version), INT64_MAX, &p->sdp->session_version))
        return kg_sdp_refuse(p, "o= has no numeric session id and version");
    for (guint i = 0; i < gst_sdp_message_attributes_len(message); i++) {
        const GstSDPAttribute *a = gst_sdp_message_get_attribute(message, i);
        const char *value = a->value ? a->value : "";
        p->attribute = (int)i;
        if (!a->key)
            continue;
        if (strcmp(a->key, "ice-lite") == 0) {
            p->sdp->ice_lite = true;
        } else if (strcmp(a->key, "group") == 0 && strncmp(value, "BUNDLE", 6) == 0) {
            if (*bundle)
                return kg_sdp_refuse(p, "a second a=group:BUNDLE");
            *bundle = value + 6;
            *bundle_at = (int)i;
        } else if (!transport_attribute(p, a->key, value)) {
            return false;
        }
    }
    return true;
}

/* Every audio and video line in use must be in the bundle (RFC 9143): one transport is all we do. */
static bool check_bundle(struct kg_sdp_parse *p, const char *bundle, int bundle_at)
{
    bool inside[KG_MAX_LINES] = {false};
    struct kg_sdp *sdp = p->sdp;
    bool tagged = false;
    p->section = 0;
    p->attribute = bundle_at;
    if (!bundle)
        return kg_sdp_refuse(p, "a=group:BUNDLE is missing");
    for (struct kg_word mid; kg_word_next(&bundle, &mid);) {
        size_t i = 0;
        while (i < sdp->media_count && !(sdp->media[i].mid[0] && kg_word_is(mid, sdp->media[i].mid)))
            i++;
        if (i == sdp->media_count)
            return kg_sdp_refuse(p, "a=group:BUNDLE names a mid that no m= line has");
        if (inside[i])
            return kg_sdp_refuse(p, "a=group:BUNDLE names mid %s twice", sdp->media[i].mid);
        inside[i] = true;
        if (!tagged && !sdp->media[i].rejected) {
            sdp->tagged = (uint8_t)i;
            tagged = true;
        }
    }
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct kg_sdp_media *m = &sdp->media[i];
        p->section = i + 1;
        p->attribute = -1;
        if (!m->rejected && m->kind != KG_SDP_OTHER && !inside[i])
            return kg_sdp_refuse(p, "m= line with mid \"%s\" is not in a=group:BUNDLE", m->mid);
    }
    p->section = 0;
    p->attribute = bundle_at;
    return tagged || kg_sdp_refuse(p, "a=group:BUNDLE holds no m= line in use");
}

static bool tagged_transport(struct kg_sdp_parse *p, const GstSDPMessage *message)
{
    const GstSDPMedia *media = gst_sdp_message_get_media(message, p->sdp->tagged);
    p->section = p->sdp->tagged + 1u;
    for (guint i = 0; i < gst_sdp_media_attributes_len(media); i++) {
        const GstSDPAttribute *a = gst_sdp_media_get_attribute(media, i);
        p->attribute = (int)i;
        if (a->key && !transport_attribute(p, a->key, a->value ? a->value : ""))
            return false;
    }
    p->attribute = -1;
    if (!p->sdp->ufrag[0] || !p->sdp->pwd[0])
        return kg_sdp_refuse(p, "a=ice-ufrag or a=ice-pwd is missing");
    if (!p->sdp->has_fingerprint)
        return kg_sdp_refuse(p, "a=fingerprint with sha-256 is missing");
    return p->sdp->setup != KG_SDP_SETUP_NONE || kg_sdp_refuse(p, "a=setup is missing");
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Two lines with one mid or one SSRC could not be told apart on the shared transport. */
static bool check_unique(struct kg_sdp_parse *p)
{
    const struct kg_sdp *sdp = p->sdp;
    uint32_t ssrcs[2 * KG_MAX_LINES];
    size_t count = 0;
    p->attribute = -1;
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct kg_sdp_media *m = &sdp->media[i];
        p->section = i + 1;
        for (size_t j = 0; j < i; j++)
            if (m->mid[0] && strcmp(m->mid, sdp->media[j].mid) == 0)
                return kg_sdp_refuse(p, "a=mid:%s is used by two m= lines", m->mid);
        if (m->ssrc)
            ssrcs[count++] = m->ssrc;
        if (m->rtx_ssrc)
            ssrcs[count++] = m->rtx_ssrc;
    }
    qsort(ssrcs, count, sizeof(ssrcs[0]), compare_u32);
    p->section = 0;
    for (size_t i = 1; i < count; i++)
        if (ssrcs[i] == ssrcs[i - 1])
            return kg_sdp_refuse(p, "a=ssrc %u is used twice", ssrcs[i]);
    return true;
}

static bool message_parse(struct kg_sdp_parse *p, const GstSDPMessage *message)
{
    const char *bundle = NULL;
    int bundle_at = -1;
    if (!session(p, message, &bundle, &bundle_at))
        return false;
    guint count = gst_sdp_message_medias_len(message);
    p->attribute = -1;
    if (count == 0 || count > KG_MAX_LINES)
        return kg_sdp_refuse(p, "the description has %s m= lines", count ? "too many" : "no");
    p->sdp->media_count = (uint8_t)count;
    for (guint i = 0; i < count; i++)
        if (!kg_sdp_media_parse(p, gst_sdp_message_get_media(message, i), i))
            return false;
    return check_unique(p) && check_bundle(p, bundle, bundle_at) && tagged_transport(p, message);
}

bool kg_sdp_parse(const char *text, size_t size, struct kg_sdp *out, struct kg_sdp_error *error)
{
    struct kg_sdp_parse parse = {.text = text, .size = size, .sdp = out, .error = error, .attribute = -1};
    GstSDPMessage *message = NULL;
    memset(out, 0, sizeof(*out));
    memset(error, 0, sizeof(*error));
    if (!kg_sdp_text_check(text, size, error))
        return false;
    if (gst_sdp_message_new(&message) != GST_SDP_OK)
        return kg_sdp_refuse(&parse, "memory is short");
    bool good = gst_sdp_message_parse_buffer((const guint8 *)text, (guint)size, message) == GST_SDP_OK;
    if (!good)
        kg_sdp_refuse(&parse, "the description is malformed");
    else
        good = message_parse(&parse, message);
    gst_sdp_message_free(message);
    return good;
}

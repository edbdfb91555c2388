#include "signal/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Both descriptions and what each m-line of the offer is for. Heap: it is too big for a thread's small stack.
 */
struct negotiation {
    struct kg_sdp offer;
    struct kg_sdp answer;
    struct {
        enum kg_role role;
        uint8_t index;
    } line[KG_MAX_LINES];
};

KG_PRINTF(3, 4)
static bool refuse(struct kg_message_error *error, enum kg_error_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    error->code = code;
    vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    return false;
}

static bool read_sdp(const char *name, const char *text, struct kg_sdp *out, struct kg_message_error *error)
{
    struct kg_sdp_error sdp_error;
    if (kg_sdp_parse(text, text ? strlen(text) : 0, out, &sdp_error))
        return true;
    if (sdp_error.line > 0)
        return refuse(error, KG_ERROR_BAD_OFFER, "%s line %" PRIu32 ": %.160s", name, sdp_error.line,
                      sdp_error.text);
    return refuse(error, KG_ERROR_BAD_OFFER, "%s: %.160s", name, sdp_error.text);
}

/* Does the line's own direction allow its role? Inactive does: it is agreed on and silent. */
static bool direction_fits(enum kg_role role, enum kg_sdp_direction direction)
{
    if (direction == KG_SDP_SENDRECV || direction == KG_SDP_INACTIVE)
        return true;
    return direction == (kg_role_is_slot(role) ? KG_SDP_RECVONLY : KG_SDP_SENDONLY);
}

static bool assign_role(struct negotiation *n, const struct kg_message_line *line,
                        struct kg_message_error *error)
{
    char name[KG_ROLE_TEXT_BYTES];
    kg_role_format(line->role, line->index, name);
    if (!line->mid || line->role == KG_ROLE_NONE || line->index >= kg_role_count(line->role))
        return refuse(error, KG_ERROR_BAD_OFFER, "lines: no such role");
    size_t at = 0;
    while (at < n->offer.media_count && strcmp(n->offer.media[at].mid, line->mid) != 0)
        at++;
    if (at == n->offer.media_count || !line->mid[0])
        return refuse(error, KG_ERROR_BAD_OFFER, "lines: the offer has no mid \"%.32s\" for %s", line->mid,
                      name);
    const struct kg_sdp_media *m = &n->offer.media[at];
    if (n->line[at].role != KG_ROLE_NONE)
        return refuse(error, KG_ERROR_BAD_OFFER, "lines: mid \"%s\" is given two roles", m->mid);
    for (size_t i = 0; i < n->offer.media_count; i++)
        if (n->line[i].role == line->role && n->line[i].index == line->index)
            return refuse(error, KG_ERROR_BAD_OFFER, "lines: two lines are %s", name);
    if (!m->rejected) {
        enum kg_sdp_kind wanted = kg_role_is_audio(line->role) ? KG_SDP_AUDIO : KG_SDP_VIDEO;
        if (m->kind != wanted)
            return refuse(error, KG_ERROR_BAD_OFFER, "lines: mid \"%s\" is not %s, as %s must be", m->mid,
                          wanted == KG_SDP_AUDIO ? "audio" : "video", name);
        if (!direction_fits(line->role, m->direction))
            return refuse(error, KG_ERROR_BAD_OFFER, "lines: mid \"%s\" cannot be %s with its direction",
                          m->mid, name);
    }
    n->line[at].role = line->role;
    n->line[at].index = line->index;
    return true;
}

/* Reads the offer and gives its lines their roles. */
static bool read_offer(struct negotiation *n, const char *offer, const struct kg_message_line *lines,
                       uint8_t line_count, struct kg_message_error *error)
{
    if (!read_sdp("offer", offer, &n->offer, error))
        return false;
    if (n->offer.setup == KG_SDP_PASSIVE)
        return refuse(error, KG_ERROR_BAD_OFFER, "offer: a=setup:passive, but the relay is passive itself");
    if (n->offer.ice_lite)
        return refuse(error, KG_ERROR_BAD_OFFER, "offer: a=ice-lite, but the relay is lite itself");
    for (uint8_t i = 0; i < line_count; i++)
        if (!assign_role(n, &lines[i], error))
            return false;
    return true;
}

static bool used(const struct negotiation *n, size_t i)
{
    const struct kg_sdp_media *m = &n->offer.media[i];
    return n->line[i].role != KG_ROLE_NONE && !m->rejected && m->kind != KG_SDP_OTHER && m->codec.present;
}

static const struct kg_slot_ssrc *slot_ssrc(const struct kg_answer_params *params, enum kg_role role,
                                            uint8_t index)
{
    if (role == KG_ROLE_AUDIO_SLOT)
        return &params->audio[index];
    return role == KG_ROLE_VIDEO_SLOT ? &params->video[index] : &params->presentation[index];
}

static void answer_slot(struct kg_sdp_media *a, enum kg_role role, uint8_t index,
                        const struct kg_answer_params *params)
{
    const struct kg_slot_ssrc *slot = slot_ssrc(params, role, index);
    a->ssrc = slot->ssrc;
    a->rtx_ssrc = a->codec.rtx_payload_type ? slot->rtx_ssrc : 0;
    if (!a->rtx_ssrc)
        a->codec.rtx_payload_type = 0;
    kg_role_format(role, index, a->msid_track);
    /* Slots 0 are the loudest speaker's voice and picture: one stream, which a browser plays in step. */
    bool speaker = index == 0 && role != KG_ROLE_PRESENTATION_SLOT;
    snprintf(a->msid_stream, sizeof(a->msid_stream), "%s", speaker ? "speaker" : a->msid_track);
    memcpy(a->cname, a->msid_stream, sizeof(a->cname)); /* of one size */
}

/* RFC 8829 §5.3.1: the answer mirrors the offer's lines; each either agrees on the intersection or is
 * rejected. */
static void answer_line(struct negotiation *n, size_t i, const struct kg_answer_params *params)
{
    const struct kg_sdp_media *o = &n->offer.media[i];
    struct kg_sdp_media *a = &n->answer.media[i];
    *a = *o;
    a->ssrc = a->rtx_ssrc = 0;
    a->cname[0] = a->msid_stream[0] = a->msid_track[0] = '\0';
    a->rejected = !used(n, i);
    if (a->rejected)
        return;
    enum kg_role role = n->line[i].role;
    if (kg_role_is_audio(role)) {
        a->codec.nack = a->codec.pli = a->codec.fir = false;
        a->codec.rtx_payload_type = 0;
        snprintf(a->codec.fmtp, sizeof(a->codec.fmtp), "minptime=10;useinbandfec=1");
    } else {
        a->codec.fmtp[0] = '\0';
        if (!a->codec.nack)
            a->codec.rtx_payload_type = 0;
        a->extension[KG_EXT_AUDIO_LEVEL] = 0;
    }
    if (o->direction == KG_SDP_INACTIVE)
        a->direction = KG_SDP_INACTIVE;
    else
        a->direction = kg_role_is_slot(role) ? KG_SDP_SENDONLY : KG_SDP_RECVONLY;
    if (kg_role_is_slot(role))
        answer_slot(a, role, n->line[i].index, params);
}

/* RFC 9143 §9.1: in a bundle an id means one extension. Where the offer gives it two (aiortc 1.4 does), the
 * first line's holds and the other is not agreed to: a receiver would read one's bytes as the other. */
static void drop_clashing_ids(struct kg_sdp *a, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (a->media[j].rejected)
            continue;
        for (unsigned e = 0; e < KG_EXT_COUNT; e++)
            for (unsigned f = 0; f < KG_EXT_COUNT; f++)
                if (e != f && a->media[i].extension[e] == a->media[j].extension[f])
                    a->media[i].extension[e] = 0;
    }
}

static bool make_answer(struct negotiation *n, const struct kg_answer_params *params,
                        struct kg_message_error *error)
{
    struct kg_sdp *a = &n->answer;
    a->session_id = params->session_id;
    a->session_version = 1;
    a->ice_lite = true;
    a->setup = KG_SDP_PASSIVE;
    a->has_fingerprint = true;
    snprintf(a->ufrag, sizeof(a->ufrag), "%s", params->relay.ufrag);
    snprintf(a->pwd, sizeof(a->pwd), "%s", params->relay.pwd);
    memcpy(a->fingerprint, params->relay.fingerprint, sizeof(a->fingerprint));
    a->candidate_count = params->relay.candidate_count;
    memcpy(a->candidates, params->relay.candidates, sizeof(a->candidates));
    a->media_count = n->offer.media_count;
    bool any = false;
    for (uint8_t i = 0; i < a->media_count; i++) {
        answer_line(n, i, params);
        drop_clashing_ids(a, i);
        /* The offer's first of the bundle stays it, unless it is rejected (RFC 9143 §7.3.2). */
        if (!a->media[i].rejected && (!any || i == n->offer.tagged))
            a->tagged = i;
        any = any || !a->media[i].rejected;
    }
    return any || refuse(error, KG_ERROR_BAD_OFFER, "offer: no line has a role and Opus or VP8");
}

/* RFC 8829 §5.3.1, §4.1.8: does the answer's line agree with the offer's? */
static bool line_answers(const struct negotiation *n, size_t i, struct kg_message_error *error)
{
    const struct kg_sdp_media *o = &n->offer.media[i];
    const struct kg_sdp_media *a = &n->answer.media[i];
    if (strcmp(o->type, a->type) != 0 || (a->mid[0] && strcmp(o->mid, a->mid) != 0))
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: m= line %zu is not the offer's", i + 1);
    if (a->rejected)
        return true;
    if (!used(n, i) || a->kind != o->kind)
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: mid \"%s\" is accepted, but was not offered",
                      a->mid);
    if (!a->codec.present || a->codec.payload_type != o->codec.payload_type ||
        (a->codec.rtx_payload_type && a->codec.rtx_payload_type != o->codec.rtx_payload_type))
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: mid \"%s\" has a codec that was not offered",
                      a->mid);
    for (unsigned e = 0; e < KG_EXT_COUNT; e++)
        if (a->extension[e] && a->extension[e] != o->extension[e])
            return refuse(error, KG_ERROR_BAD_OFFER,
                          "answer: mid \"%s\" has an a=extmap that was not offered", a->mid);
    bool slot = kg_role_is_slot(n->line[i].role);
    enum kg_sdp_direction active = slot ? KG_SDP_SENDONLY : KG_SDP_RECVONLY;
    if (a->direction != KG_SDP_INACTIVE && (a->direction != active || o->direction == KG_SDP_INACTIVE))
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: mid \"%s\" has a direction its role forbids",
                      a->mid);
    if (slot && a->ssrc == 0)
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: slot \"%s\" has no a=ssrc", a->mid);
    return true;
}

static void fill_end(const struct kg_sdp *sdp, struct kg_wire_end *end)
{
    memcpy(end->ufrag, sdp->ufrag, sizeof(end->ufrag));
    memcpy(end->pwd, sdp->pwd, sizeof(end->pwd));
    memcpy(end->fingerprint, sdp->fingerprint, sizeof(end->fingerprint));
    end->candidate_count = sdp->candidate_count;
    memcpy(end->candidates, sdp->candidates, sizeof(end->candidates));
}

static void fill_line(const struct negotiation *n, size_t i, struct kg_wire_line *line)
{
    const struct kg_sdp_media *o = &n->offer.media[i];
    const struct kg_sdp_media *a = &n->answer.media[i];
    memcpy(line->mid, o->mid, sizeof(line->mid));
    if (a->rejected)
        return;
    line->role = n->line[i].role;
    line->index = n->line[i].index;
    line->active = a->direction != KG_SDP_INACTIVE;
    const struct kg_sdp_media *sender = kg_role_is_slot(line->role) ? a : o;
    line->ssrc = sender->ssrc;
    line->payload_type = a->codec.payload_type;
    if (a->codec.rtx_payload_type && (sender->rtx_ssrc || !sender->ssrc)) {
        line->rtx_ssrc = sender->rtx_ssrc;
        line->rtx_payload_type = a->codec.rtx_payload_type;
    }
    line->nack = a->codec.nack && o->codec.nack;
    line->pli = a->codec.pli && o->codec.pli;
    line->fir = a->codec.fir && o->codec.fir;
    line->transport_cc = a->codec.transport_cc && o->codec.transport_cc;
    memcpy(line->extension, a->extension, sizeof(line->extension));
}

/* One function for both ends, so that they cannot differ. */
static bool make_wire(const struct negotiation *n, struct kg_wire *wire, struct kg_message_error *error)
{
    memset(wire, 0, sizeof(*wire));
    if (n->answer.media_count != n->offer.media_count)
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: %u m= lines for the offer's %u",
                      n->answer.media_count, n->offer.media_count);
    if (n->answer.setup != KG_SDP_PASSIVE)
        return refuse(error, KG_ERROR_BAD_OFFER, "answer: a=setup must be passive");
    fill_end(&n->offer, &wire->party);
    fill_end(&n->answer, &wire->relay);
    wire->line_count = n->offer.media_count;
    for (size_t i = 0; i < wire->line_count; i++) {
        if (!line_answers(n, i, error))
            return false;
        fill_line(n, i, &wire->lines[i]);
    }
    return true;
}

static struct negotiation *begin(struct kg_message_error *error)
{
    memset(error, 0, sizeof(*error));
    struct negotiation *n = calloc(1, sizeof(*n));
    if (!n) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: a negotiation");
        refuse(error, KG_ERROR_INTERNAL, "memory is short");
    }
    return n;
}

char *kg_answer_make(const char *offer, const struct kg_message_line *lines, uint8_t line_count,
                     const struct kg_answer_params *params, struct kg_wire *wire,
                     struct kg_message_error *error)
{
    char *text = NULL;
    struct negotiation *n = begin(error);
    if (!n)
        return NULL;
    if (read_offer(n, offer, lines, line_count, error) && make_answer(n, params, error) &&
        make_wire(n, wire, error)) {
        text = kg_sdp_format(&n->answer);
        if (!text)
            refuse(error, KG_ERROR_INTERNAL, "the answer cannot be written");
    }
    free(n);
    return text;
}

bool kg_wire_from_answer(const char *offer, const struct kg_message_line *lines, uint8_t line_count,
                         const char *answer, struct kg_wire *wire, struct kg_message_error *error)
{
    struct negotiation *n = begin(error);
    if (!n)
        return false;
    bool good = read_offer(n, offer, lines, line_count, error) &&
                read_sdp("answer", answer, &n->answer, error) && make_wire(n, wire, error);
    free(n);
    return good;
}

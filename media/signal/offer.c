#include "signal/offer.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* Our payload types and extension ids, one meaning each over the whole bundle. */
enum { PT_OPUS = 111, PT_VP8 = 96, PT_RTX = 97 };
static const uint8_t extension_ids[KG_EXT_COUNT] = {
    [KG_EXT_AUDIO_LEVEL] = 1, [KG_EXT_TRANSPORT_CC] = 3, [KG_EXT_MID] = 4};

/* The order of the m-lines: own lines first, so that the bundle's transport hangs on the microphone. */
static const struct kg_message_line plan[KG_OFFER_LINES] = {
    {"microphone", KG_ROLE_MICROPHONE, 0},     {"camera", KG_ROLE_CAMERA, 0},
    {"presentation", KG_ROLE_PRESENTATION, 0}, {"audio-0", KG_ROLE_AUDIO_SLOT, 0},
    {"audio-1", KG_ROLE_AUDIO_SLOT, 1},        {"audio-2", KG_ROLE_AUDIO_SLOT, 2},
    {"video-0", KG_ROLE_VIDEO_SLOT, 0},        {"video-1", KG_ROLE_VIDEO_SLOT, 1},
    {"video-2", KG_ROLE_VIDEO_SLOT, 2},        {"video-3", KG_ROLE_VIDEO_SLOT, 3},
    {"video-4", KG_ROLE_VIDEO_SLOT, 4},        {"video-5", KG_ROLE_VIDEO_SLOT, 5},
    {"video-6", KG_ROLE_VIDEO_SLOT, 6},        {"video-7", KG_ROLE_VIDEO_SLOT, 7},
    {"video-8", KG_ROLE_VIDEO_SLOT, 8},        {"presentation-0", KG_ROLE_PRESENTATION_SLOT, 0},
};

static void audio_codec(struct kg_sdp_media *m)
{
    m->kind = KG_SDP_AUDIO;
    m->codec = (struct kg_sdp_codec){
        .present = true, .payload_type = PT_OPUS, .transport_cc = true, .fmtp = "minptime=10;useinbandfec=1"};
    snprintf(m->type, sizeof(m->type), "audio");
}

static void video_codec(struct kg_sdp_media *m)
{
    m->kind = KG_SDP_VIDEO;
    m->codec = (struct kg_sdp_codec){.present = true,
                                     .payload_type = PT_VP8,
                                     .rtx_payload_type = PT_RTX,
                                     .nack = true,
                                     .pli = true,
                                     .fir = true,
                                     .transport_cc = true};
    snprintf(m->type, sizeof(m->type), "video");
}

static const struct kg_offer_ssrc *own_ssrc(const struct kg_offer_params *params, enum kg_role role)
{
    switch (role) {
    case KG_ROLE_MICROPHONE:
        return &params->microphone;
    case KG_ROLE_CAMERA:
        return &params->camera;
    case KG_ROLE_PRESENTATION:
        return &params->presentation;
    default:
        return NULL;
    }
}

static void fill_media(struct kg_sdp_media *m, const struct kg_message_line *line,
                       const struct kg_offer_params *params)
{
    bool audio = kg_role_is_audio(line->role);
    if (audio)
        audio_codec(m);
    else
        video_codec(m);
    snprintf(m->proto, sizeof(m->proto), "UDP/TLS/RTP/SAVPF");
    snprintf(m->format, sizeof(m->format), "%u", m->codec.payload_type);
    snprintf(m->mid, sizeof(m->mid), "%s", line->mid);
    memcpy(m->extension, extension_ids, sizeof(m->extension));
    if (!audio)
        m->extension[KG_EXT_AUDIO_LEVEL] = 0;
    m->reduced_rtcp = true;
    const struct kg_offer_ssrc *own = own_ssrc(params, line->role);
    if (!own) {
        m->direction = !audio && params->video_inactive ? KG_SDP_INACTIVE : KG_SDP_RECVONLY;
        return;
    }
    m->direction = own->ssrc ? KG_SDP_SENDONLY : KG_SDP_INACTIVE;
    if (!own->ssrc)
        return;
    m->ssrc = own->ssrc;
    m->rtx_ssrc = audio ? 0 : own->rtx_ssrc;
    snprintf(m->cname, sizeof(m->cname), "%s", params->cname);
    /* Microphone and camera are one stream: they are to be played in step. The presentation is another. */
    snprintf(m->msid_stream, sizeof(m->msid_stream), "%s",
             line->role == KG_ROLE_PRESENTATION ? "presentation" : "room");
    snprintf(m->msid_track, sizeof(m->msid_track), "%s", line->mid);
}

char *kg_offer_make(const struct kg_offer_params *params, struct kg_message_line lines[KG_OFFER_LINES])
{
    struct kg_sdp sdp = {.session_id = params->session_id,
                         .session_version = 1,
                         .has_fingerprint = true,
                         .setup = KG_SDP_ACTPASS,
                         .media_count = KG_OFFER_LINES};
    if (!params->ufrag || !params->pwd || !params->cname || strlen(params->ufrag) > KG_MAX_UFRAG ||
        strlen(params->pwd) > KG_MAX_PWD || strlen(params->cname) > 32 || !params->cname[0]) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "an offer needs ufrag, pwd and a cname of 1 to 32 characters");
        return NULL;
    }
    snprintf(sdp.ufrag, sizeof(sdp.ufrag), "%s", params->ufrag);
    snprintf(sdp.pwd, sizeof(sdp.pwd), "%s", params->pwd);
    memcpy(sdp.fingerprint, params->fingerprint, sizeof(sdp.fingerprint));
    for (unsigned i = 0; i < KG_OFFER_LINES; i++) {
        fill_media(&sdp.media[i], &plan[i], params);
        lines[i] = plan[i];
    }
    return kg_sdp_format(&sdp);
}

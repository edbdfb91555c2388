/* SDP: what parses must be writable and read the same again; an answer to it, if there is one, must give both
 * ends the same wire. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signal/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct kg_answer_params params(void)
{
    struct kg_answer_params p = {.session_id = 1,
                                 .relay = {.ufrag = "00ab", .pwd = "0123456789012345678901"}};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 1};
    memcpy(&p.relay.candidates[0].address, &v4, sizeof v4);
    p.relay.candidate_count = 1;
    uint32_t next = 4000000000;
    for (unsigned i = 0; i < KG_AUDIO_SLOTS; i++)
        p.audio[i].ssrc = next++;
    for (unsigned i = 0; i < KG_VIDEO_SLOTS; i++)
        p.video[i] = (struct kg_slot_ssrc){next + 2 * i, next + 2 * i + 1};
    p.presentation[0] = (struct kg_slot_ssrc){next + 100, next + 101};
    return p;
}

/* Roles in the order of the lines, as far as their kinds allow. */
static uint8_t roles(const struct kg_sdp *sdp, struct kg_message_line lines[KG_MAX_LINES])
{
    uint8_t count = 0, audio = 0, video = 0;
    bool microphone = false, camera = false;
    for (unsigned i = 0; i < sdp->media_count; i++) {
        const struct kg_sdp_media *m = &sdp->media[i];
        bool sends = m->direction == KG_SDP_SENDONLY;
        if (!m->mid[0] || m->kind == KG_SDP_OTHER)
            continue;
        struct kg_message_line line = {.mid = m->mid};
        if (m->kind == KG_SDP_AUDIO && sends && !microphone) {
            line.role = KG_ROLE_MICROPHONE;
            microphone = true;
        } else if (m->kind == KG_SDP_VIDEO && sends && !camera) {
            line.role = KG_ROLE_CAMERA;
            camera = true;
        } else if (m->kind == KG_SDP_AUDIO && !sends && audio < KG_AUDIO_SLOTS) {
            line.role = KG_ROLE_AUDIO_SLOT;
            line.index = audio++;
        } else if (m->kind == KG_SDP_VIDEO && !sends && video < KG_VIDEO_SLOTS) {
            line.role = KG_ROLE_VIDEO_SLOT;
            line.index = video++;
        } else {
            continue;
        }
        lines[count++] = line;
    }
    return count;
}

static void try_answer(const char *offer, const struct kg_sdp *sdp)
{
    static struct kg_wire here, there;
    struct kg_message_line lines[KG_MAX_LINES];
    struct kg_message_error error;
    struct kg_answer_params p = params();
    uint8_t count = roles(sdp, lines);
    char *answer = kg_answer_make(offer, lines, count, &p, &here, &error);
    if (!answer) {
        must(error.code == KG_ERROR_BAD_OFFER && error.text[0]);
        return;
    }
    must(kg_wire_from_answer(offer, lines, count, answer, &there, &error));
    /* Both start as zeroes, the bytes between their members too. */
    must(memcmp(&here, &there, sizeof here) == 0); // NOLINT(*-memory-comparison,cert-exp42-c,cert-flp37-c)
    free(answer);
}

/* A usable line without one of our codecs is read, but not written by us. */
static bool writable(const struct kg_sdp *sdp)
{
    for (unsigned i = 0; i < sdp->media_count; i++)
        if (!sdp->media[i].rejected && sdp->media[i].kind != KG_SDP_OTHER && !sdp->media[i].codec.present)
            return false;
    return !sdp->media[sdp->tagged].rejected && sdp->media[sdp->tagged].kind != KG_SDP_OTHER;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_sdp sdp, again;
    struct kg_sdp_error error;
    if (!kg_sdp_parse((const char *)data, size, &sdp, &error)) {
        must(error.text[0] && memchr(error.text, '\0', sizeof error.text));
        return 0;
    }
    char *offer = malloc(size + 1);
    memcpy(offer, data, size);
    offer[size] = '\0';
    try_answer(offer, &sdp);
    free(offer);
    char *text = writable(&sdp) ? kg_sdp_format(&sdp) : NULL;
    if (text) {
        must(kg_sdp_parse(text, strlen(text), &again, &error));
        char *second = kg_sdp_format(&again);
        must(second && strcmp(text, second) == 0);
        free(second);
        free(text);
    }
    return 0;
}

#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "signal/answer.h"
#include "signal/offer.h"
#include "unit/signal/helpers.h"

static struct kg_offer_params offer_params(void)
{
    struct kg_offer_params p = {.session_id = 77,
                                .ufrag = "TERM",
                                .pwd = "terminalterminalterminal",
                                .cname = "kyoto",
                                .microphone = {11, 0},
                                .camera = {21, 22},
                                .presentation = {31, 32}};
    memset(p.fingerprint, 0xab, sizeof p.fingerprint);
    return p;
}

static struct kg_answer_params answer_params(void)
{
    struct kg_answer_params p = {.session_id = 88,
                                 .relay = {.ufrag = "00relay", .pwd = "relayrelayrelayrelayrelay"}};
    memset(p.relay.fingerprint, 0xcd, sizeof p.relay.fingerprint);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(8443)};
    inet_pton(AF_INET, "192.0.2.5", &v4.sin_addr);
    memcpy(&p.relay.candidates[0].address, &v4, sizeof v4);
    p.relay.candidates[0].priority = 2130706431;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(8443)};
    inet_pton(AF_INET6, "2001:db8::5", &v6.sin6_addr);
    memcpy(&p.relay.candidates[1].address, &v6, sizeof v6);
    p.relay.candidates[1].priority = 2130706430;
    p.relay.candidate_count = 2;
    for (uint32_t i = 0; i < KG_AUDIO_SLOTS; i++)
        p.audio[i].ssrc = 100 + i;
    for (uint32_t i = 0; i < KG_VIDEO_SLOTS; i++)
        p.video[i] = (struct kg_slot_ssrc){200 + i, 300 + i};
    p.presentation[0] = (struct kg_slot_ssrc){400, 401};
    return p;
}

static struct kg_message_line lines[KG_OFFER_LINES];
static struct kg_message_error error;
static struct kg_wire wire, terminal_wire;

static char *make_offer(void)
{
    struct kg_offer_params p = offer_params();
    char *offer = kg_offer_make(&p, lines);
    assert_non_null(offer);
    return offer;
}

static char *make_answer(const char *offer)
{
    struct kg_answer_params p = answer_params();
    char *answer = kg_answer_make(offer, lines, KG_OFFER_LINES, &p, &wire, &error);
    if (!answer)
        fail_msg("%s: %s", kg_error_name(error.code), error.text);
    return answer;
}

static void the_terminals_offer(void **state)
{
    (void)state;
    static struct kg_sdp sdp;
    struct kg_sdp_error sdp_error;
    char *offer = make_offer();
    assert_true(kg_sdp_parse(offer, strlen(offer), &sdp, &sdp_error));
    assert_int_equal(sdp.media_count, 16);
    assert_int_equal(sdp.setup, KG_SDP_ACTPASS);
    assert_string_equal(sdp.media[1].mid, "camera");
    assert_int_equal(sdp.media[1].direction, KG_SDP_SENDONLY);
    assert_int_equal(sdp.media[1].ssrc, 21);
    assert_int_equal(sdp.media[1].rtx_ssrc, 22);
    assert_string_equal(sdp.media[0].msid_stream, sdp.media[1].msid_stream);
    assert_int_equal(sdp.media[14].direction, KG_SDP_RECVONLY);
    assert_string_equal(sdp.media[15].mid, "presentation-0");
    free(offer);

    struct kg_offer_params p = offer_params();
    p.camera.ssrc = 0;
    p.video_inactive = true;
    offer = kg_offer_make(&p, lines);
    assert_true(kg_sdp_parse(offer, strlen(offer), &sdp, &sdp_error));
    assert_int_equal(sdp.media[1].direction, KG_SDP_INACTIVE);
    assert_int_equal(sdp.media[6].direction, KG_SDP_INACTIVE);
    assert_int_equal(sdp.media[3].direction, KG_SDP_RECVONLY);
    free(offer);
    p.ufrag = "a b!";
    assert_null(kg_offer_make(&p, lines));
    p.ufrag = "TERM";
    p.cname = "";
    assert_null(kg_offer_make(&p, lines));
}

static void both_ends_derive_the_same_wire(void **state)
{
    (void)state;
    char *offer = make_offer();
    char *answer = make_answer(offer);
    if (!kg_wire_from_answer(offer, lines, KG_OFFER_LINES, answer, &terminal_wire, &error))
        fail_msg("%s", error.text);
    assert_memory_equal(&wire, &terminal_wire, sizeof wire);

    assert_int_equal(wire.line_count, 16);
    assert_string_equal(wire.party.ufrag, "TERM");
    assert_string_equal(wire.relay.ufrag, "00relay");
    assert_int_equal(wire.party.fingerprint[3], 0xab);
    assert_int_equal(wire.relay.fingerprint[3], 0xcd);
    assert_int_equal(wire.relay.candidate_count, 2);
    const struct kg_wire_line *camera = kg_wire_find(&wire, KG_ROLE_CAMERA, 0);
    assert_true(camera && camera->active && camera->ssrc == 21 && camera->rtx_ssrc == 22);
    assert_true(camera->nack && camera->pli && camera->fir && camera->transport_cc);
    assert_int_equal(camera->rtx_payload_type, 97);
    assert_int_equal(camera->extension[KG_EXT_AUDIO_LEVEL], 0);
    assert_int_equal(camera->extension[KG_EXT_TRANSPORT_CC], 3);
    assert_int_equal(camera->extension[KG_EXT_MID], 4);
    const struct kg_wire_line *microphone = kg_wire_find(&wire, KG_ROLE_MICROPHONE, 0);
    assert_true(microphone && microphone->ssrc == 11 && microphone->rtx_payload_type == 0 &&
                !microphone->nack);
    assert_int_equal(microphone->extension[KG_EXT_AUDIO_LEVEL], 1);
    const struct kg_wire_line *slot = kg_wire_find(&wire, KG_ROLE_VIDEO_SLOT, 8);
    assert_true(slot && slot->ssrc == 208 && slot->rtx_ssrc == 308);
    assert_string_equal(slot->mid, "video-8");
    slot = kg_wire_find(&wire, KG_ROLE_AUDIO_SLOT, 2);
    assert_true(slot && slot->ssrc == 102 && slot->rtx_ssrc == 0);
    assert_null(kg_wire_find(&wire, KG_ROLE_VIDEO_SLOT, 9));
    assert_null(kg_wire_find(&wire, KG_ROLE_NONE, 0));
    free(answer);
    free(offer);
}

static void the_answer_says(void **state)
{
    (void)state;
    char *offer = make_offer();
    char *answer = make_answer(offer);
    assert_non_null(strstr(answer, "a=ice-lite\r\n"));
    assert_non_null(strstr(answer, "a=candidate:1 1 udp 2130706431 192.0.2.5 8443 typ host\r\n"));
    assert_non_null(strstr(answer, "a=candidate:2 1 udp 2130706430 2001:db8::5 8443 typ host\r\n"));
    assert_non_null(strstr(answer, "a=ssrc-group:FID 203 303\r\n"));
    /* The speaker's voice and picture share a stream, so that a browser plays them in step; others do not. */
    assert_non_null(strstr(answer, "a=msid:speaker audio-0\r\n"));
    assert_non_null(strstr(answer, "a=msid:speaker video-0\r\n"));
    assert_non_null(strstr(answer, "a=msid:video-1 video-1\r\n"));
    assert_non_null(strstr(answer, "a=msid:presentation-0 presentation-0\r\n"));
    assert_null(strstr(answer, "actpass"));
    unsigned passive = 0;
    for (const char *c = answer; (c = strstr(c, "a=setup:passive")); c++)
        passive++;
    assert_int_equal(passive, 16);
    free(answer);
    free(offer);
}

static void give_roles(struct kg_message_line out[16], char mids[16][4])
{
    static const enum kg_role roles[] = {KG_ROLE_MICROPHONE, KG_ROLE_CAMERA, KG_ROLE_PRESENTATION};
    for (unsigned i = 0; i < 16; i++) {
        snprintf(mids[i], 4, "%u", i);
        out[i].mid = mids[i];
        if (i < 3)
            out[i] = (struct kg_message_line){mids[i], roles[i], 0};
        else if (i < 6)
            out[i] = (struct kg_message_line){mids[i], KG_ROLE_AUDIO_SLOT, (uint8_t)(i - 3)};
        else if (i < 15)
            out[i] = (struct kg_message_line){mids[i], KG_ROLE_VIDEO_SLOT, (uint8_t)(i - 6)};
        else
            out[i] = (struct kg_message_line){mids[i], KG_ROLE_PRESENTATION_SLOT, 0};
    }
}

static void browsers_offers_are_answered(void **state)
{
    (void)state;
    static const char *const paths[] = {SEEDS "/sdp/chromium-156.sdp", SEEDS "/sdp/aiortc-1.4.sdp"};
    for (size_t i = 0; i < 2; i++) {
        size_t size = 0;
        char *offer = read_file(paths[i], &size);
        assert_non_null(offer);
        struct kg_message_line own[16];
        char mids[16][4];
        give_roles(own, mids);
        struct kg_answer_params p = answer_params();
        char *answer = kg_answer_make(offer, own, 16, &p, &wire, &error);
        if (!answer)
            fail_msg("%s: %s", paths[i], error.text);
        assert_true(kg_wire_from_answer(offer, own, 16, answer, &terminal_wire, &error));
        assert_memory_equal(&wire, &terminal_wire, sizeof wire);
        for (unsigned line = 0; line < 16; line++)
            assert_true(wire.lines[line].active && wire.lines[line].ssrc &&
                        wire.lines[line].extension[KG_EXT_MID]);
        assert_true(kg_wire_find(&wire, KG_ROLE_CAMERA, 0)->rtx_ssrc != 0);
        assert_true(strlen(answer) < strlen(offer));
        free(answer);
        free(offer);
    }
}

/* aiortc gives id 2 to the audio level on its audio lines and to the send time on its video lines. */
static void an_id_of_two_meanings_keeps_the_first(void **state)
{
    (void)state;
    size_t size = 0;
    char *offer = read_file(SEEDS "/sdp/aiortc-1.4.sdp", &size);
    assert_non_null(offer);
    struct kg_message_line own[16];
    char mids[16][4];
    give_roles(own, mids);
    struct kg_answer_params p = answer_params();
    char *answer = kg_answer_make(offer, own, 16, &p, &wire, &error);
    assert_non_null(answer);
    for (unsigned line = 0; line < 16; line++) {
        bool audio = kg_role_is_audio(wire.lines[line].role);
        assert_int_equal(wire.lines[line].extension[KG_EXT_MID], 1);
        assert_int_equal(wire.lines[line].extension[KG_EXT_AUDIO_LEVEL], audio ? 2 : 0);
        assert_int_equal(wire.lines[line].extension[KG_EXT_ABS_SEND_TIME], 0);
    }
    assert_null(strstr(answer, "abs-send-time"));
    free(answer);
    free(offer);
}

static void rejected_and_unknown_lines_keep_their_place(void **state)
{
    (void)state;
    char *full = make_offer();
    char *data =
        replaced(full, "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
                 "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\n"
                 "a=sctp-port:5000\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97");
    char *no_vp8 = replaced(data, "a=rtpmap:96 VP8/90000", "a=rtpmap:96 H264/90000");
    struct kg_answer_params p = answer_params();
    /* The camera has no VP8 now; audio-2 gets no role. */
    struct kg_message_line own[KG_OFFER_LINES];
    uint8_t count = 0;
    for (unsigned i = 0; i < KG_OFFER_LINES; i++)
        if (strcmp(lines[i].mid, "audio-2") != 0)
            own[count++] = lines[i];
    char *answer = kg_answer_make(no_vp8, own, count, &p, &wire, &error);
    if (answer)
        fail_msg("payload type 96 means H264 and VP8, yet it was answered");
    free(no_vp8);
    no_vp8 = replaced(data, "a=rtpmap:96 VP8/90000\r\n", "");
    answer = kg_answer_make(no_vp8, own, count, &p, &wire, &error);
    if (!answer)
        fail_msg("%s", error.text);
    assert_int_equal(wire.line_count, 17);
    assert_int_equal(wire.lines[1].role, KG_ROLE_NONE);
    assert_null(kg_wire_find(&wire, KG_ROLE_CAMERA, 0));
    assert_null(kg_wire_find(&wire, KG_ROLE_AUDIO_SLOT, 2));
    assert_non_null(kg_wire_find(&wire, KG_ROLE_PRESENTATION, 0));
    assert_non_null(strstr(answer, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE microphone presentation audio-0 audio-1 video-0"));
    assert_true(kg_wire_from_answer(no_vp8, own, count, answer, &terminal_wire, &error));
    assert_memory_equal(&wire, &terminal_wire, sizeof wire);
    free(answer);
    free(no_vp8);
    free(data);
    free(full);
}

static void the_offers_first_of_the_bundle_stays_first(void **state)
{
    (void)state;
    static struct kg_sdp offered, answered;
    struct kg_sdp_error problem;
    char *first = make_offer();
    assert_true(kg_sdp_parse(first, strlen(first), &offered, &problem));
    offered.tagged = 1;
    char *offer = kg_sdp_format(&offered);
    assert_non_null(offer);
    char *answer = make_answer(offer);
    assert_true(kg_sdp_parse(answer, strlen(answer), &answered, &problem));
    assert_int_equal(answered.tagged, 1);
    assert_int_equal(answered.candidate_count, answer_params().relay.candidate_count);
    assert_true(kg_wire_from_answer(offer, lines, KG_OFFER_LINES, answer, &terminal_wire, &error));
    assert_memory_equal(&wire, &terminal_wire, sizeof wire);
    free(answer);
    free(offer);
    free(first);
}

static void bad_offers_and_roles(void **state)
{
    (void)state;
    char *offer = make_offer();
    struct kg_answer_params p = answer_params();
    const struct {
        struct kg_message_line line; /* instead of the camera's */
        const char *says;
    } roles[] = {
        {{"nowhere", KG_ROLE_CAMERA, 0}, "no mid"},
        {{"camera", KG_ROLE_NONE, 0}, "no such role"},
        {{"camera", KG_ROLE_VIDEO_SLOT, 9}, "no such role"},
        {{"camera", KG_ROLE_CAMERA, 1}, "no such role"},
        {{"camera", KG_ROLE_MICROPHONE, 0}, "two lines are microphone"},
        {{"camera", KG_ROLE_VIDEO_SLOT, 8}, "direction"},
        {{"microphone", KG_ROLE_CAMERA, 0}, "two roles"},
        {{"", KG_ROLE_CAMERA, 0}, "no mid"},
        {{NULL, KG_ROLE_CAMERA, 0}, "no such role"},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        struct kg_message_line own[KG_OFFER_LINES];
        uint8_t count = KG_OFFER_LINES;
        memcpy(own, lines, sizeof own);
        own[1] = roles[i].line;
        if (roles[i].line.role == KG_ROLE_VIDEO_SLOT)
            own[14] = lines[0], own[0] = lines[2], count = 1 + 1; /* leave video-8 free */
        if (kg_answer_make(offer, own, count, &p, &wire, &error) || error.code != KG_ERROR_BAD_OFFER ||
            !strstr(error.text, roles[i].says))
            fail_msg("%zu: %s", i, error.text);
    }
    const struct {
        const char *from, *to, *says;
    } edits[] = {
        {"a=setup:actpass", "a=setup:passive", "passive"},
        {"a=group:BUNDLE", "a=ice-lite\r\na=group:BUNDLE", "ice-lite"},
        {"m=audio", "m=audi\x01", "control character"},
        {"v=0", "v=9", "line 1"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char *bad = replaced(offer, edits[i].from, edits[i].to);
        char *answer = kg_answer_make(bad, lines, KG_OFFER_LINES, &p, &wire, &error);
        if (answer || error.code != KG_ERROR_BAD_OFFER || !strstr(error.text, edits[i].says))
            fail_msg("%s: %s", edits[i].to, error.text);
        free(bad);
    }
    assert_null(kg_answer_make(NULL, lines, KG_OFFER_LINES, &p, &wire, &error));
    assert_null(kg_answer_make(offer, lines, 0, &p, &wire, &error));
    /* Our own values at fault are no fault of the offer. */
    p.relay.pwd[3] = '\0';
    assert_null(kg_answer_make(offer, lines, KG_OFFER_LINES, &p, &wire, &error));
    assert_int_equal(error.code, KG_ERROR_INTERNAL);
    free(offer);
}

static void bad_answers(void **state)
{
    (void)state;
    char *offer = make_offer();
    char *answer = make_answer(offer);
    static const struct {
        const char *from, *to, *says;
    } table[] = {
        {"a=setup:passive", "a=setup:active", "passive"},
        {"a=mid:camera", "a=mid:kamera", "no m= line has"},
        {"a=recvonly", "a=sendonly", "direction"},
        {"a=rtpmap:111 opus", "a=rtpmap:112 opus", "not offered"},
        {"a=extmap:3", "a=extmap:5", "extmap"},
        {"a=ssrc:100 cname:speaker\r\na=ssrc:100 msid:speaker audio-0\r\n", "", "no a=ssrc"},
        {"a=fingerprint:sha-256 CD:", "a=fingerprint:sha-256 ", "32 bytes"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *bad = replaced(answer, table[i].from, table[i].to);
        if (kg_wire_from_answer(offer, lines, KG_OFFER_LINES, bad, &terminal_wire, &error) ||
            !strstr(error.text, table[i].says))
            fail_msg("%s: %s", table[i].from, error.text);
        free(bad);
    }
    /* What the answer leaves out is not negotiated, though it was offered. */
    char *less = replaced(answer, "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n", "");
    assert_true(kg_wire_from_answer(offer, lines, KG_OFFER_LINES, less, &terminal_wire, &error));
    assert_int_equal(terminal_wire.lines[0].extension[KG_EXT_AUDIO_LEVEL], 0);
    assert_int_equal(terminal_wire.lines[0].extension[KG_EXT_MID], 4);
    free(less);
    *strstr(answer, "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=") = '\0'; /* only the microphone is left */
    assert_false(kg_wire_from_answer(offer, lines, KG_OFFER_LINES, answer, &terminal_wire, &error));
    free(answer);
    free(offer);
}

static void role_names(void **state)
{
    (void)state;
    char text[KG_ROLE_TEXT_BYTES];
    enum kg_role role;
    uint8_t index;
    unsigned names = 0;
    for (unsigned r = KG_ROLE_MICROPHONE; r <= KG_ROLE_PRESENTATION_SLOT; r++) {
        for (uint8_t i = 0; i < kg_role_count((enum kg_role)r); i++, names++) {
            kg_role_format((enum kg_role)r, i, text);
            assert_true(kg_role_parse(text, &role, &index) && role == r && index == i);
        }
    }
    assert_int_equal(names, KG_OFFER_LINES);
    static const char *const bad[] = {"",         "none",    "audio",         "audio-3",
                                      "audio-00", "video-9", "video-x",       "video-1 ",
                                      "camera-0", "Camera",  "presentation-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(kg_role_parse(bad[i], &role, &index));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_terminals_offer),
        cmocka_unit_test(both_ends_derive_the_same_wire),
        cmocka_unit_test(the_answer_says),
        cmocka_unit_test(browsers_offers_are_answered),
        cmocka_unit_test(an_id_of_two_meanings_keeps_the_first),
        cmocka_unit_test(rejected_and_unknown_lines_keep_their_place),
        cmocka_unit_test(the_offers_first_of_the_bundle_stays_first),
        cmocka_unit_test(bad_offers_and_roles),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(role_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "signal/sdp.h"
#include "signal/sdp_text.h"
#include "unit/signal/helpers.h"

#define PRINT                                                                                                \
    "F0:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1f"
#define AUDIO_M "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
#define VIDEO_M "m=video 9 UDP/TLS/RTP/SAVPF 102 96 97\r\n"

static const char base[] =
    "v=0\r\no=- 42 7 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\na=x-unknown:yes\r\n" AUDIO_M
    "c=IN IP4 0.0.0.0\r\nb=AS:64\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    "a=fingerprint:sha-1 00:11\r\na=fingerprint:sha-256 " PRINT "\r\na=setup:actpass\r\na=mid:a\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0\r\n"
    "a=candidate:2 1 udp 2130706430 0b1e.local 5001 typ host\r\n"
    "a=candidate:1 2 udp 2130706430 192.0.2.1 5001 typ host\r\n"
    "a=candidate:3 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:9 urn:example:other\r\n"
    "a=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
    "a=rtcp-fb:111 transport-cc\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=msid:s1 t1\r\na=ssrc:1001 cname:c1\r\n" VIDEO_M
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:other\r\na=ice-pwd:othersothersothersothers\r\na=setup:active\r\n"
    "a=mid:v\r\na=recvonly\r\na=rtcp-mux\r\n"
    "a=rtpmap:102 H264/90000\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    "a=rtcp-fb:* nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:102 transport-cc\r\n"
    "a=ssrc-group:FID 2001 2002\r\na=ssrc:2001 cname:c2\r\na=ssrc:2002 cname:c2\r\n";

static struct kg_sdp sdp;
static struct kg_sdp_error error;

static bool parse(const char *text)
{
    return kg_sdp_parse(text, strlen(text), &sdp, &error);
}

static void reads_every_field(void **state)
{
    (void)state;
    if (!parse(base))
        fail_msg("line %u: %s", error.line, error.text);
    assert_int_equal(sdp.session_id, 42);
    assert_int_equal(sdp.session_version, 7);
    assert_string_equal(sdp.ufrag, "abcd");
    assert_string_equal(sdp.pwd, "abcdefghijklmnopqrstuv");
    assert_int_equal(sdp.fingerprint[0], 0xf0);
    assert_int_equal(sdp.fingerprint[31], 0x1f);
    assert_int_equal(sdp.setup, KG_SDP_ACTPASS);
    assert_false(sdp.ice_lite);
    assert_int_equal(sdp.candidate_count, 2); /* the .local name and RTCP's are skipped */
    assert_int_equal(sdp.candidates[0].priority, 2130706431);
    assert_int_equal(ntohs(((struct sockaddr_in *)&sdp.candidates[0].address)->sin_port), 5000);
    assert_true(sdp.candidates[1].tcp);
    assert_int_equal(sdp.candidates[1].address.ss_family, AF_INET6);

    assert_int_equal(sdp.media_count, 2);
    const struct kg_sdp_media *a = &sdp.media[0];
    assert_int_equal(a->kind, KG_SDP_AUDIO);
    assert_int_equal(a->direction, KG_SDP_SENDONLY);
    assert_true(a->reduced_rtcp && a->codec.present && a->codec.transport_cc && !a->codec.nack);
    assert_int_equal(a->codec.payload_type, 111);
    assert_string_equal(a->codec.fmtp, "useinbandfec=1");
    assert_int_equal(a->extension[KG_EXT_AUDIO_LEVEL], 1);
    assert_int_equal(a->extension[KG_EXT_MID], 4);
    assert_int_equal(a->extension[KG_EXT_TRANSPORT_CC], 0);
    assert_int_equal(a->ssrc, 1001);
    assert_string_equal(a->cname, "c1");
    assert_string_equal(a->msid_stream, "s1");
    assert_string_equal(a->msid_track, "t1");

    const struct kg_sdp_media *v = &sdp.media[1];
    assert_int_equal(v->kind, KG_SDP_VIDEO);
    assert_int_equal(v->direction, KG_SDP_RECVONLY);
    assert_false(v->reduced_rtcp);
    assert_int_equal(v->codec.payload_type, 96);
    assert_int_equal(v->codec.rtx_payload_type, 97);
    assert_true(v->codec.nack && v->codec.pli && v->codec.fir && !v->codec.transport_cc);
    assert_int_equal(v->ssrc, 2001);
    assert_int_equal(v->rtx_ssrc, 2002);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    static struct kg_sdp first;
    assert_true(parse(base));
    first = sdp;
    char *text = kg_sdp_format(&first);
    assert_non_null(text);
    if (!parse(text))
        fail_msg("line %u: %s", error.line, error.text);
    /* The m= line's first format is now our codec's, whatever else the other side had offered. */
    snprintf(first.media[1].format, sizeof first.media[1].format, "96");
    assert_memory_equal(&sdp, &first, sizeof sdp);
    char *again = kg_sdp_format(&sdp);
    assert_string_equal(again, text);
    free(again);
    free(text);
}

/* Which line carries the transport is said by the bundle's order alone. */
static void another_line_carries_the_transport(void **state)
{
    (void)state;
    static struct kg_sdp first;
    assert_true(parse(base));
    sdp.tagged = 1;
    char *text = kg_sdp_format(&sdp);
    assert_non_null(strstr(text, "a=group:BUNDLE v a\r\n"));
    first = sdp;
    if (!parse(text))
        fail_msg("line %u: %s", error.line, error.text);
    assert_int_equal(sdp.tagged, 1);
    assert_int_equal(sdp.candidate_count, 2);
    snprintf(first.media[1].format, sizeof first.media[1].format, "96");
    assert_memory_equal(&sdp, &first, sizeof sdp);
    free(text);
    sdp.media[1].rejected = true; /* then it cannot be the one */
    assert_null(kg_sdp_format(&sdp));
}

static void refuses_with_line_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        bool there; /* the error is in the replaced line itself */
        const char *says;
    } table[] = {
        {"v=0", "v=1", true, "v=0"},
        {"s=-", "garbage", true, "x=value"},
        {"o=- 42 7", "o=- 4x2 7", false, "o="},
        {"a=group:BUNDLE a v\r\n", "", false, "BUNDLE is missing"},
        {"a=group:BUNDLE a v", "a=group:BUNDLE a", false, "not in a=group:BUNDLE"},
        {"a=group:BUNDLE a v", "a=group:BUNDLE a v w", true, "no m= line has"},
        {"a=group:BUNDLE a v", "a=group:BUNDLE a v v", true, "twice"},
        {"a=x-unknown:yes", "a=group:BUNDLE v a", true, "second"},
        {"a=ice-ufrag:abcd\r\n", "", false, "ice-ufrag"},
        {"a=ice-ufrag:abcd", "a=ice-ufrag:abc", true, "a=ice-ufrag"},
        {"a=ice-pwd:abcdefghijklmnopqrstuv", "a=ice-pwd:abcdefghijklmnopqr tuv", true, "a=ice-pwd"},
        {"a=fingerprint:sha-256 F0", "a=fingerprint:sha-256 G0", true, "hex"},
        {"a=fingerprint:sha-256 F0:", "a=fingerprint:sha-256 ", true, "32 bytes"},
        {"a=fingerprint:sha-256", "a=fingerprint:sha-384", false, "sha-256 is missing"},
        {"a=setup:actpass", "a=setup:holdconn", true, "a=setup"},
        {"t=0 0", "t=0\t0", true, "control character"},
        {"t=0 0", "t=0\r0", true, "control character"},
        {"a=mid:a\r\n", "a=mid:v\r\n", false, "two m= lines"},
        {"a=mid:a\r\n", "", false, "without a=mid"},
        {"a=mid:a\r\n", "a=mid:a b\r\n", true, "a=mid"},
        {"1 1 udp 2130706431", "1 1 udp 99999999999", true, "a=candidate"},
        {"192.0.2.1 5000", "192.0.2.1 70000", true, "a=candidate"},
        {"a=extmap:1 ", "a=extmap:x ", true, "a=extmap"},
        {"a=extmap:4/recvonly", "a=extmap:01", true, "two extensions"},
        {"a=rtcp-mux\r\n", "", false, "rtcp-mux"},
        {"a=rtpmap:111", "a=rtpmap:1110", true, "a=rtpmap"},
        {"a=rtpmap:0 PCMU/8000", "a=rtpmap:72 opus/48000/2", true, "RTCP"},
        {"a=rtpmap:0 PCMU/8000", "a=rtpmap:111 PCMU/8000", true, "twice"},
        {"a=rtpmap:102 H264/90000", "a=rtpmap:111 VP8/90000", true, "two codecs"},
        {"a=fmtp:97 apt=96", "a=fmtp:97 apt=300", true, "apt"},
        {"a=ssrc:1001", "a=ssrc:0", true, "a=ssrc"},
        {"a=ssrc:1001", "a=ssrc:4294967296", true, "a=ssrc"},
        {"a=ssrc:1001", "a=ssrc:2002", false, "used twice"},
        {"FID 2001 2002", "FID 2001", true, "FID"},
        {AUDIO_M, "m=audio 9 UDP/TLS/RTP/SAVPF\r\n", true, "needs a type"},
        {AUDIO_M, "m=audio 70000 UDP/TLS/RTP/SAVPF 111 0\r\n", true, "m="},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *text = replaced(base, table[i].from, table[i].to);
        if (parse(text))
            fail_msg("accepted: %s", table[i].to);
        if (!strstr(error.text, table[i].says))
            fail_msg("%zu: said \"%s\" for \"%s\"", i, error.text, table[i].to);
        unsigned line = 1;
        for (const char *c = text; c < strstr(text, table[i].to); c++)
            line += *c == '\n';
        if (table[i].there && error.line != line)
            fail_msg("%s: said line %u instead of %u", table[i].to, error.line, line);
        free(text);
    }
}

static void bounds(void **state)
{
    (void)state;
    size_t size = KG_SDP_MAX_BYTES + 1;
    char *big = malloc(size);
    memset(big, 'a', size);
    assert_false(kg_sdp_parse(big, size, &sdp, &error));
    assert_non_null(strstr(error.text, "256 kB"));
    assert_false(kg_sdp_parse("", 0, &sdp, &error));
    assert_false(kg_sdp_parse(NULL, 0, &sdp, &error));
    assert_false(kg_sdp_parse("v=0\r\n\0a", 7, &sdp, &error));
    assert_non_null(strstr(error.text, "NUL"));

    size_t used = (size_t)snprintf(big, size, "v=0\r\no=- 1 1 IN IP4 0\r\n");
    for (int i = 0; i < KG_MAX_LINES + 1; i++)
        used += (size_t)snprintf(big + used, size - used, AUDIO_M);
    assert_false(kg_sdp_parse(big, used, &sdp, &error));
    assert_non_null(strstr(error.text, "24 m= lines"));

    used = (size_t)snprintf(big, size, "v=0\r\n");
    for (int i = 0; i < KG_SDP_MAX_LINES; i++)
        used += (size_t)snprintf(big + used, size - used, "a=x\r\n");
    assert_false(kg_sdp_parse(big, used, &sdp, &error));
    assert_non_null(strstr(error.text, "12000 lines"));

    used = (size_t)snprintf(big, size, "v=0\r\na=%0*d\r\n", KG_SDP_MAX_LINE_BYTES, 0);
    assert_false(kg_sdp_parse(big, used, &sdp, &error));
    assert_non_null(strstr(error.text, "4096"));
    assert_int_equal(error.line, 2);
    free(big);
}

/* Every truncation of a good description ends in a plain yes or no. */
static void truncations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof base; i++) {
        char *copy = malloc(i + 1);
        memcpy(copy, base, i);
        (void)!kg_sdp_parse(copy, i, &sdp, &error);
        free(copy);
    }
}

static void browsers_offers(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned pt_audio, pt_video, pt_rtx;
        bool twcc;
    } table[] = {{SEEDS "/sdp/chromium-156.sdp", 111, 96, 97, true},
                 {SEEDS "/sdp/aiortc-1.4.sdp", 96, 97, 98, false}};
    for (size_t i = 0; i < 2; i++) {
        size_t size = 0;
        char *text = read_file(table[i].path, &size);
        assert_non_null(text);
        if (!kg_sdp_parse(text, size, &sdp, &error))
            fail_msg("%s line %u: %s", table[i].path, error.line, error.text);
        assert_int_equal(sdp.media_count, 16);
        assert_int_equal(sdp.tagged, 0);
        assert_int_equal(sdp.media[0].codec.payload_type, table[i].pt_audio);
        assert_int_equal(sdp.media[1].codec.payload_type, table[i].pt_video);
        assert_int_equal(sdp.media[15].codec.rtx_payload_type, table[i].pt_rtx);
        assert_int_equal(sdp.media[15].direction, KG_SDP_RECVONLY);
        assert_true(sdp.media[1].ssrc && sdp.media[1].rtx_ssrc);
        assert_int_equal(sdp.media[1].codec.transport_cc, table[i].twcc);
        free(text);
    }
}

static unsigned good_files;

static void survive(const char *path, const char *text, size_t size)
{
    (void)path;
    char *exact = malloc(size + 1); /* so that a read past the end is seen */
    memcpy(exact, text, size);
    if (kg_sdp_parse(exact, size, &sdp, &error)) {
        good_files++;
        char *written = kg_sdp_format(&sdp);
        free(written);
    } else {
        assert_true(error.text[0]);
    }
    free(exact);
}

static void corpora(void **state)
{
    (void)state;
    unsigned files = each_file(CORPORA "/sdp", survive) + each_file(CORPORA "/webrtc/sdp-corpus", survive);
    if (files == 0)
        skip();
    print_message("%u descriptions, %u of them a transport of ours\n", files, good_files);
    assert_true(good_files > 0);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(kg_word_number(kg_word_of("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
    assert_false(kg_word_number(kg_word_of("18446744073709551616"), UINT64_MAX, &n));
    assert_true(kg_word_number(kg_word_of("65535"), 65535, &n));
    assert_false(kg_word_number(kg_word_of("65536"), 65535, &n));
    assert_false(kg_word_number(kg_word_of(""), 9, &n));
    assert_false(kg_word_number(kg_word_of("-1"), 9, &n));
    assert_false(kg_word_number(kg_word_of("7"), 5, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(another_line_carries_the_transport),
        cmocka_unit_test(refuses_with_line_and_reason),
        cmocka_unit_test(bounds),
        cmocka_unit_test(truncations),
        cmocka_unit_test(browsers_offers),
        cmocka_unit_test(corpora),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

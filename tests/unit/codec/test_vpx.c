/* VP8: what goes in comes out, keyframes come when asked for, the rate is obeyed, and no bitstream harms. */
#include "unit/cmocka_all.h"

#include <stdio.h>

#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include "base/random.h"
#include "codec/vpx_decoder.h"
#include "codec/vpx_encoder.h"
#include "unit/codec/pictures.h"

#define WIDTH  320
#define HEIGHT 180

static struct kg_vpx_encoder *make_encoder(uint32_t rate_bps)
{
    struct kg_vpx_encoder_params params = {
        .width = WIDTH, .height = HEIGHT, .fps = 30, .rate_bps = rate_bps, .threads = 1};
    struct kg_vpx_encoder *encoder = kg_vpx_encoder_create(&params);
    assert_non_null(encoder);
    return encoder;
}

static void round_trip_keeps_the_picture(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(500000);
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    double ssim = 0, psnr = 0;
    uint32_t compared = 0;
    for (uint32_t i = 0; i < 60; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i), *out = NULL;
        struct kg_encoded_frame encoded;
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_int_equal(encoded.keyframe, i == 0);
        assert_int_equal(encoded.capture_us, in->capture_us);
        if (encoded.data) {
            assert_int_equal(kg_vpx_decoder_decode(decoder, encoded.data, encoded.size, &out),
                             KG_VPX_PICTURE);
            assert_int_equal(out->width, WIDTH);
            assert_int_equal(out->height, HEIGHT);
            if (i >= 30) {
                ssim += picture_ssim(in, out);
                psnr += picture_psnr(in, out);
                compared++;
            }
        }
        kg_frame_unref(out);
        kg_frame_unref(in);
    }
    print_message("SSIM %.4f, PSNR %.1f dB over %u pictures\n", ssim / compared, psnr / compared, compared);
    assert_true(compared >= 28);
    assert_true(ssim / compared > 0.93);
    assert_true(psnr / compared > 33);
    kg_vpx_encoder_destroy(encoder);
    kg_vpx_decoder_destroy(decoder);
}

static void keyframe_only_when_asked(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(300000);
    for (uint32_t i = 0; i < 40; i++) {
        struct kg_frame *in =
            picture_scene(WIDTH, HEIGHT, i < 20 ? i : 5000 + i); /* a cut at 20 asks nothing */
        struct kg_encoded_frame encoded;
        if (i == 10)
            kg_vpx_encoder_force_keyframe(encoder);
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_int_equal(encoded.keyframe, i == 0 || i == 10);
        kg_frame_unref(in);
    }
    kg_vpx_encoder_destroy(encoder);
}

static uint32_t measure_rate_bps(struct kg_vpx_encoder *encoder, uint32_t from, uint32_t frames)
{
    size_t bytes = 0;
    for (uint32_t i = from; i < from + frames; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i);
        struct kg_encoded_frame encoded;
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_true(i == 0 || !encoded.keyframe);
        bytes += encoded.data ? encoded.size : 0;
        kg_frame_unref(in);
    }
    return (uint32_t)(bytes * 8 * 30 / frames);
}

static void rate_change_is_obeyed(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(150000);
    measure_rate_bps(encoder, 0, 45);
    uint32_t low = measure_rate_bps(encoder, 45, 60);
    kg_vpx_encoder_set_rate(encoder, 300000, 30);
    measure_rate_bps(encoder, 105, 20);
    uint32_t high = measure_rate_bps(encoder, 125, 60);
    print_message("150 kbps gave %u, 300 kbps gave %u\n", low, high);
    assert_in_range(low, 120000, 180000);
    assert_in_range(high, 240000, 360000);
    kg_vpx_encoder_destroy(encoder);
}

/* With the rate the encoder's speed and the frames' loop filter change, in mid-stream. */
static void a_much_better_line_needs_no_keyframe(void **state)
{
    (void)state;
    static const uint32_t rates_bps[] = {50000, 400000, 50000, 400000};
    struct kg_vpx_encoder *encoder = make_encoder(rates_bps[0]);
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    double ssim[4] = {0};
    uint32_t compared[4] = {0};
    for (uint32_t i = 0; i < 120; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i), *out = NULL;
        struct kg_encoded_frame encoded;
        kg_vpx_encoder_set_rate(encoder, rates_bps[i / 30], 60); /* few bits a pixel at first */
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_int_equal(encoded.keyframe, i == 0);
        if (encoded.data) {
            assert_int_equal(kg_vpx_decoder_decode(decoder, encoded.data, encoded.size, &out),
                             KG_VPX_PICTURE);
            if (i % 30 >= 15) {
                ssim[i / 30] += picture_ssim(in, out);
                compared[i / 30]++;
            }
        }
        kg_frame_unref(out);
        kg_frame_unref(in);
    }
    for (int i = 0; i < 4; i++)
        print_message("%u bps: SSIM %.4f over %u\n", rates_bps[i], ssim[i] / compared[i], compared[i]);
    assert_true(compared[1] >= 14 && compared[3] >= 14);
    assert_true(ssim[1] / compared[1] > 0.93 && ssim[3] / compared[3] > 0.93);
    assert_true(ssim[2] / compared[2] > 0.6);
    kg_vpx_encoder_destroy(encoder);
    kg_vpx_decoder_destroy(decoder);
}

/* Who comes after a pause must not wait for a picture as large as the pause was long. */
static void a_pause_saves_no_bits(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(300000);
    size_t before = 0, after = 0;
    int64_t captured_us = 1000000;
    for (uint32_t i = 0; i < 61; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i);
        struct kg_encoded_frame encoded;
        captured_us += i == 60 ? 10000000 : 33333;
        in->capture_us = captured_us;
        if (i == 30 || i == 60)
            kg_vpx_encoder_force_keyframe(encoder);
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_int_equal(encoded.capture_us, captured_us);
        if (i == 30)
            before = encoded.size;
        after = encoded.size;
        kg_frame_unref(in);
    }
    print_message("a keyframe of %zu bytes; after ten seconds' pause of %zu\n", before, after);
    assert_true(before > 0 && after > 0 && after < before * 3 / 2);
    kg_vpx_encoder_destroy(encoder);
}

static void other_size_reopens_with_a_keyframe(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{WIDTH, HEIGHT}, {640, 360}, {160, 90}, {176, 144}};
    struct kg_vpx_encoder *encoder = make_encoder(300000);
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    for (uint32_t i = 0; i < 8; i++) {
        struct kg_frame *in = picture_scene(sizes[i / 2][0], sizes[i / 2][1], i), *out = NULL;
        struct kg_encoded_frame encoded;
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        assert_int_equal(encoded.keyframe, i % 2 == 0);
        assert_non_null(encoded.data);
        assert_int_equal(kg_vpx_decoder_decode(decoder, encoded.data, encoded.size, &out), KG_VPX_PICTURE);
        assert_int_equal(out->width, in->width);
        assert_int_equal(out->height, in->height);
        kg_frame_unref(out);
        kg_frame_unref(in);
    }
    kg_vpx_encoder_destroy(encoder);
    kg_vpx_decoder_destroy(decoder);
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    struct kg_vpx_encoder_params params = {.width = 321, .height = 180, .fps = 30, .rate_bps = 300000};
    assert_null(kg_vpx_encoder_create(&params));
    params.width = 4000;
    assert_null(kg_vpx_encoder_create(&params));
    params = (struct kg_vpx_encoder_params){.width = 320, .height = 180, .fps = 0, .rate_bps = 300000};
    assert_null(kg_vpx_encoder_create(&params));
    params = (struct kg_vpx_encoder_params){.width = 320, .height = 180, .fps = 30, .rate_bps = 1000};
    assert_null(kg_vpx_encoder_create(&params));
}

static void loss_waits_for_a_keyframe(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(300000);
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    for (uint32_t i = 0; i < 12; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i), *out = NULL;
        struct kg_encoded_frame encoded;
        if (i == 8)
            kg_vpx_encoder_force_keyframe(encoder);
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        if (i == 0) {
            kg_frame_unref(in);
            continue; /* the decoder never sees the first keyframe */
        }
        enum kg_vpx_result result = kg_vpx_decoder_decode(decoder, encoded.data, encoded.size, &out);
        assert_int_equal(result, i >= 8 ? KG_VPX_PICTURE : KG_VPX_NEED_KEYFRAME);
        kg_frame_unref(out);
        kg_frame_unref(in);
    }
    kg_vpx_encoder_destroy(encoder);
    kg_vpx_decoder_destroy(decoder);
}

/* A sound keyframe, but wider than anything a meeting sends. */
static void wide_picture_is_refused(void **state)
{
    (void)state;
    static uint8_t grey[1936 * 32];
    vpx_codec_ctx_t codec;
    vpx_codec_enc_cfg_t config;
    vpx_image_t image;
    vpx_codec_iter_t iter = NULL;
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    struct kg_frame *out = NULL;
    assert_int_equal(vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &config, 0), VPX_CODEC_OK);
    config.g_w = 1936;
    config.g_h = 16;
    config.g_lag_in_frames = 0;
    assert_int_equal(vpx_codec_enc_init(&codec, vpx_codec_vp8_cx(), &config, 0), VPX_CODEC_OK);
    assert_non_null(vpx_img_wrap(&image, VPX_IMG_FMT_I420, 1936, 16, 1, grey));
    assert_int_equal(vpx_codec_encode(&codec, &image, 0, 1, 0, VPX_DL_REALTIME), VPX_CODEC_OK);
    const vpx_codec_cx_pkt_t *packet = vpx_codec_get_cx_data(&codec, &iter);
    assert_non_null(packet);
    assert_int_equal(kg_vpx_decoder_decode(decoder, packet->data.frame.buf, packet->data.frame.sz, &out),
                     KG_VPX_NEED_KEYFRAME);
    assert_null(out);
    vpx_codec_destroy(&codec);
    kg_vpx_decoder_destroy(decoder);
}

static void huge_picture_is_refused_unseen(void **state)
{
    (void)state;
    /* RFC 6386 §9.1: keyframe, shown, first partition 0 bytes; start code; 16383 × 16383. */
    const uint8_t header[] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0, 0, 0};
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    struct kg_frame *out = NULL;
    assert_int_equal(kg_vpx_decoder_decode(decoder, header, sizeof header, &out), KG_VPX_NEED_KEYFRAME);
    assert_int_equal(kg_vpx_decoder_decode(decoder, header, 5, &out), KG_VPX_NEED_KEYFRAME);
    assert_int_equal(kg_vpx_decoder_decode(decoder, header, 0, &out), KG_VPX_NEED_KEYFRAME);
    assert_null(out);
    kg_vpx_decoder_destroy(decoder);
}

static void damaged_frames_never_harm(void **state)
{
    (void)state;
    struct kg_vpx_encoder *encoder = make_encoder(300000);
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    uint32_t shown = 0;
    for (uint32_t i = 0; i < 200; i++) {
        struct kg_frame *in = picture_scene(WIDTH, HEIGHT, i % 16), *out = NULL;
        struct kg_encoded_frame encoded;
        uint8_t copy[65536];
        if (i % 5 == 0)
            kg_vpx_encoder_force_keyframe(encoder);
        in->capture_us = (int64_t)i * 33333;
        assert_true(kg_vpx_encoder_encode(encoder, in, &encoded));
        kg_frame_unref(in);
        if (!encoded.data || encoded.size > sizeof copy)
            continue;
        memcpy(copy, encoded.data, encoded.size);
        size_t size = i % 3 ? encoded.size : 1 + (size_t)i * 7 % encoded.size;
        for (uint32_t k = 0; k < i % 7; k++)
            copy[(i * 131 + k * 977) % size] ^= (uint8_t)(1 + i + k);
        if (kg_vpx_decoder_decode(decoder, copy, size, &out) == KG_VPX_PICTURE) {
            assert_true(out->width <= KG_VPX_MAX_WIDTH && out->height <= KG_VPX_MAX_HEIGHT);
            shown++;
        }
        kg_frame_unref(out);
    }
    assert_true(shown > 10);
    kg_vpx_encoder_destroy(encoder);
    kg_vpx_decoder_destroy(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_the_picture),
        cmocka_unit_test(keyframe_only_when_asked),
        cmocka_unit_test(rate_change_is_obeyed),
        cmocka_unit_test(a_much_better_line_needs_no_keyframe),
        cmocka_unit_test(a_pause_saves_no_bits),
        cmocka_unit_test(other_size_reopens_with_a_keyframe),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(loss_waits_for_a_keyframe),
        cmocka_unit_test(wide_picture_is_refused),
        cmocka_unit_test(huge_picture_is_refused_unseen),
        cmocka_unit_test(damaged_frames_never_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

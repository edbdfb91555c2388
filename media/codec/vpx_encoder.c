#include "codec/vpx_encoder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include "base/log.h"

#define MODULE "codec"

/* Speed over size. Measured on a real face at 720p and 1.5 Mbps, SSIM and the work of coding and decoding: -8
 * 0.985 and 110 %, -10 0.983 and 100 %, -12 0.983 and 94 %, -14 0.981 and 86 %, -15 0.977 and 85 %, -16
 * 0.962. From -14 on the frames ask their decoder for the simple loop filter, which is where both ends save;
 * at few bits it shows (500 kbps: 0.957 against 0.962), and there is less to save. From -12 on a cut of scene
 * is coded whole, like a keyframe, instead of being left out. */
#define CPU_USED       (-10)
#define CPU_USED_QUICK (-14)
#define QUICK_BITS     0.02 /* a pixel: 550 kbps at 720p30 */
/* A block that changed less than this is not coded anew: a wall's noise is not worth a sixth of the work and
 * of the bits (SSIM on faces -0.0003; text on a screen must not smear). */
#define STATIC_CAMERA 300U
#define STATIC_SCREEN 100U
#define MIN_RATE_BPS  30000
#define MAX_RATE_BPS  20000000
#define MOST_FRAMES   8 /* apart: further is a pause */

struct kg_vpx_encoder {
    vpx_codec_ctx_t codec;
    vpx_codec_enc_cfg_t config;
    struct kg_vpx_encoder_params params; /* as now in force: width, height, rate and fps follow the calls */
    bool open;
    bool config_changed;
    bool force_keyframe;
    int cpu_used;
    int64_t last_pts_us;
    int64_t skipped_us; /* of pauses, which the codec is not told of */
};

static uint32_t clamp_u32(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static bool size_fits(uint32_t width, uint32_t height)
{
    return width >= 16 && height >= 16 && width <= KG_VPX_MAX_WIDTH && height <= KG_VPX_MAX_HEIGHT &&
           width % 2 == 0 && height % 2 == 0;
}

/* A second thread costs more in total than it gives below 720p, and on two processors the decoders and the
 * screen need the other one. */
static uint32_t choose_threads(const struct kg_vpx_encoder_params *params)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t pixels = params->width * params->height;
    if (params->threads)
        return clamp_u32(params->threads, 1, 8);
    if (pixels > 640 * 480 && processors >= 4)
        return 2;
    return 1;
}

static void fill_config(struct kg_vpx_encoder *encoder)
{
    vpx_codec_enc_cfg_t *config = &encoder->config;
    const struct kg_vpx_encoder_params *params = &encoder->params;
    config->g_w = params->width;
    config->g_h = params->height;
    config->g_timebase = (vpx_rational_t){1, 1000000};
    config->g_threads = choose_threads(params);
    config->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT; /* lets temporal layers be dropped on the way */
    config->g_lag_in_frames = 0;
    config->g_pass = VPX_RC_ONE_PASS;
    config->rc_end_usage = VPX_CBR;
    config->rc_target_bitrate = params->rate_bps / 1000;
    config->rc_dropframe_thresh = params->screen ? 0 : 30;
    config->rc_resize_allowed = 0; /* the size is the sender's decision */
    config->rc_min_quantizer = 2;
    config->rc_max_quantizer = params->screen ? 52 : 56;
    config->rc_undershoot_pct = 100;
    config->rc_overshoot_pct = 15;
    /* Milliseconds of the target rate: a small model buffer keeps bursts, and so the pacer's queue, short. */
    config->rc_buf_initial_sz = 500;
    config->rc_buf_optimal_sz = 600;
    config->rc_buf_sz = 1000;
    config->kf_mode = VPX_KF_DISABLED; /* only when force_keyframe says so */
}

/* Partitions let that many threads of a decoder work; each costs a few bytes a frame. */
static int token_partitions(uint32_t threads)
{
    return threads >= 4   ? VP8_FOUR_TOKENPARTITION
           : threads >= 2 ? VP8_TWO_TOKENPARTITION
                          : VP8_ONE_TOKENPARTITION;
}

static int choose_speed(const struct kg_vpx_encoder_params *params)
{
    double pixels_s = (double)params->width * params->height * params->fps;
    return !params->screen && params->rate_bps >= QUICK_BITS * pixels_s ? CPU_USED_QUICK : CPU_USED;
}

/* Any frame may be of another speed. */
static bool follow_speed(struct kg_vpx_encoder *encoder)
{
    int cpu_used = choose_speed(&encoder->params);
    if (cpu_used == encoder->cpu_used)
        return true;
    encoder->cpu_used = cpu_used;
    return vpx_codec_control(&encoder->codec, VP8E_SET_CPUUSED, cpu_used) == VPX_CODEC_OK;
}

static bool set_controls(struct kg_vpx_encoder *encoder)
{
    vpx_codec_ctx_t *codec = &encoder->codec;
    bool screen = encoder->params.screen;
    vpx_codec_err_t failed = VPX_CODEC_OK;
    encoder->cpu_used = choose_speed(&encoder->params);
    failed |= vpx_codec_control(codec, VP8E_SET_CPUUSED, encoder->cpu_used);
    failed |= vpx_codec_control(codec, VP8E_SET_STATIC_THRESHOLD, screen ? STATIC_SCREEN : STATIC_CAMERA);
    failed |=
        vpx_codec_control(codec, VP8E_SET_TOKEN_PARTITIONS, token_partitions(encoder->config.g_threads));
    failed |= vpx_codec_control(codec, VP8E_SET_NOISE_SENSITIVITY, 0U);
    failed |= vpx_codec_control(codec, VP8E_SET_SCREEN_CONTENT_MODE, screen ? 1U : 0U);
    /* A keyframe may take up to 4.5 frames' share: sharp enough at once, sent within 150 ms. */
    failed |= vpx_codec_control(codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, screen ? 0U : 450U);
    return failed == VPX_CODEC_OK;
}

static void close_codec(struct kg_vpx_encoder *encoder)
{
    if (encoder->open)
        vpx_codec_destroy(&encoder->codec);
    encoder->open = false;
}

static bool open_codec(struct kg_vpx_encoder *encoder)
{
    vpx_codec_err_t err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &encoder->config, 0);
    fill_config(encoder);
    if (err == VPX_CODEC_OK)
        err = vpx_codec_enc_init(&encoder->codec, vpx_codec_vp8_cx(), &encoder->config, 0);
    encoder->open = err == VPX_CODEC_OK;
    if (encoder->open && !set_controls(encoder)) {
        err = VPX_CODEC_INVALID_PARAM;
        close_codec(encoder);
    }
    if (!encoder->open) {
        kg_log(KG_LOG_ERROR, MODULE, "codec.vp8_refused", "libvpx refuses VP8 %ux%u at %u bps: %s",
               encoder->params.width, encoder->params.height, encoder->params.rate_bps,
               vpx_codec_err_to_string(err));
        return false;
    }
    encoder->config_changed = false;
    encoder->force_keyframe = true;
    encoder->last_pts_us = -1;
    encoder->skipped_us = 0;
    return true;
}

struct kg_vpx_encoder *kg_vpx_encoder_create(const struct kg_vpx_encoder_params *params)
{
    if (!size_fits(params->width, params->height) || params->fps < 1 || params->fps > 120 ||
        params->rate_bps < MIN_RATE_BPS || params->rate_bps > MAX_RATE_BPS) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no VP8 encoder for %ux%u, %u fps, %u bps: out of range",
               params->width, params->height, params->fps, params->rate_bps);
        return NULL;
    }
    struct kg_vpx_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for a VP8 encoder");
        return NULL;
    }
    encoder->params = *params;
    if (!open_codec(encoder)) {
        free(encoder);
        return NULL;
    }
    return encoder;
}

void kg_vpx_encoder_destroy(struct kg_vpx_encoder *encoder)
{
    if (!encoder)
        return;
    close_codec(encoder);
    free(encoder);
}

void kg_vpx_encoder_force_keyframe(struct kg_vpx_encoder *encoder)
{
    encoder->force_keyframe = true;
}

void kg_vpx_encoder_set_rate(struct kg_vpx_encoder *encoder, uint32_t rate_bps, uint32_t fps)
{
    rate_bps = clamp_u32(rate_bps, MIN_RATE_BPS, MAX_RATE_BPS);
    fps = clamp_u32(fps, 1, 120);
    if (rate_bps == encoder->params.rate_bps && fps == encoder->params.fps)
        return;
    encoder->params.rate_bps = rate_bps;
    encoder->params.fps = fps;
    encoder->config_changed = true;
}

/* Makes codec and frame agree: opens after a failure or for another picture size, applies a new rate. */
static bool prepare(struct kg_vpx_encoder *encoder, const struct kg_frame *frame)
{
    if (!size_fits(frame->width, frame->height)) {
        kg_log(KG_LOG_ERROR, MODULE, NULL,
               "cannot encode a %ux%u picture: even sizes from 16x16 to %dx%d only", frame->width,
               frame->height, KG_VPX_MAX_WIDTH, KG_VPX_MAX_HEIGHT);
        return false;
    }
    if (!encoder->open || frame->width != encoder->params.width || frame->height != encoder->params.height) {
        encoder->params.width = frame->width;
        encoder->params.height = frame->height;
        close_codec(encoder);
        return open_codec(encoder);
    }
    if (encoder->config_changed) {
        encoder->config_changed = false;
        encoder->config.rc_target_bitrate = encoder->params.rate_bps / 1000;
        if (!follow_speed(encoder) ||
            vpx_codec_enc_config_set(&encoder->codec, &encoder->config) != VPX_CODEC_OK) {
            kg_log(KG_LOG_WARN, MODULE, NULL, "libvpx refuses %u bps (%s); reopening",
                   encoder->params.rate_bps, vpx_codec_error(&encoder->codec));
            close_codec(encoder);
            return open_codec(encoder);
        }
    }
    return true;
}

static void take_packet(struct kg_vpx_encoder *encoder, struct kg_encoded_frame *out)
{
    const vpx_codec_cx_pkt_t *packet;
    vpx_codec_iter_t iter = NULL;
    while ((packet = vpx_codec_get_cx_data(&encoder->codec, &iter))) {
        if (packet->kind != VPX_CODEC_CX_FRAME_PKT)
            continue;
        out->data = packet->data.frame.buf;
        out->size = packet->data.frame.sz;
        out->keyframe = packet->data.frame.flags & VPX_FRAME_IS_KEY;
    }
}

/* libvpx takes a pause for a frame rate: three seconds without a picture, and the next may have three
 * seconds' worth of bits, a third of a second on the line while somebody waits for it. */
static int64_t next_pts_us(struct kg_vpx_encoder *encoder, int64_t capture_us, int64_t duration_us)
{
    int64_t pts_us = capture_us - encoder->skipped_us, follows_us = encoder->last_pts_us + duration_us;
    bool paused = encoder->last_pts_us >= 0 && pts_us - encoder->last_pts_us > MOST_FRAMES * duration_us;
    if (paused)
        encoder->skipped_us += pts_us - follows_us;
    if (paused || pts_us <= encoder->last_pts_us)
        pts_us = follows_us;
    encoder->last_pts_us = pts_us;
    return pts_us;
}

bool kg_vpx_encoder_encode(struct kg_vpx_encoder *encoder, const struct kg_frame *frame,
                           struct kg_encoded_frame *out)
{
    *out = (struct kg_encoded_frame){
        .capture_us = frame->capture_us, .width = frame->width, .height = frame->height};
    if (!prepare(encoder, frame))
        return false;

    vpx_image_t image;
    /* libvpx only reads the picture; its API has no const. */
    vpx_img_wrap(&image, VPX_IMG_FMT_I420, frame->width, frame->height, 1, (unsigned char *)frame->plane[0]);
    for (int i = 0; i < 3; i++) {
        image.planes[i] = (unsigned char *)frame->plane[i];
        image.stride[i] = frame->stride[i];
    }
    unsigned long duration_us = 1000000 / encoder->params.fps;
    int64_t pts_us = next_pts_us(encoder, frame->capture_us, (int64_t)duration_us);

    vpx_enc_frame_flags_t flags = encoder->force_keyframe ? VPX_EFLAG_FORCE_KF : 0;
    if (vpx_codec_encode(&encoder->codec, &image, pts_us, duration_us, flags, VPX_DL_REALTIME) !=
        VPX_CODEC_OK) {
        const char *detail = vpx_codec_error_detail(&encoder->codec);
        kg_log(KG_LOG_ERROR, MODULE, NULL, "VP8 encoding failed: %s %s; reopening",
               vpx_codec_error(&encoder->codec), detail ? detail : "");
        close_codec(encoder);
        return false;
    }
    take_packet(encoder, out);
    if (out->keyframe)
        encoder->force_keyframe = false;
    int quantizer = 0;
    if (vpx_codec_control(&encoder->codec, VP8E_GET_LAST_QUANTIZER_64, &quantizer) == VPX_CODEC_OK)
        out->quantizer = (uint32_t)quantizer;
    return true;
}

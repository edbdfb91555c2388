#include "codec/vpx_decoder.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

#include "base/frame_pool.h"
#include "base/log.h"
#include "codec/vpx_encoder.h"
#include "rtp/vp8.h"

#define MODULE "codec"

struct kg_vpx_decoder {
    vpx_codec_ctx_t codec;
    struct kg_frame_pool *pool;
    bool open;
    bool waits_for_keyframe;
};

static bool open_codec(struct kg_vpx_decoder *decoder)
{
    vpx_codec_dec_cfg_t config = {.threads = 1};
    vpx_codec_err_t err = vpx_codec_dec_init(&decoder->codec, vpx_codec_vp8_dx(), &config, 0);
    decoder->open = err == VPX_CODEC_OK;
    decoder->waits_for_keyframe = true;
    if (!decoder->open)
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no VP8 decoder: %s", vpx_codec_err_to_string(err));
    return decoder->open;
}

struct kg_vpx_decoder *kg_vpx_decoder_create(void)
{
    struct kg_vpx_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for a VP8 decoder");
        return NULL;
    }
    decoder->pool = kg_frame_pool_create();
    if (!decoder->pool || !open_codec(decoder)) {
        kg_vpx_decoder_destroy(decoder);
        return NULL;
    }
    return decoder;
}

void kg_vpx_decoder_destroy(struct kg_vpx_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->open)
        vpx_codec_destroy(&decoder->codec);
    kg_frame_pool_destroy(decoder->pool);
    free(decoder);
}

/* The size is checked before libvpx sees the header, since it allocates what the header says: a 14-bit size
 * reaches 400 MB a picture (RFC 6386 §9.1). */
static bool may_decode(struct kg_vpx_decoder *decoder, const void *data, size_t size)
{
    uint16_t width, height;
    if (size == 0)
        return false; /* to libvpx: "this frame was lost, show the last one again" */
    if (!kg_vp8_is_keyframe(data, size))
        return !decoder->waits_for_keyframe;
    return kg_vp8_keyframe_size(data, size, &width, &height) && width >= 2 && height >= 2 &&
           width <= KG_VPX_MAX_WIDTH && height <= KG_VPX_MAX_HEIGHT;
}

static void copy_plane(struct kg_frame *frame, int i, const vpx_image_t *image)
{
    size_t columns = i ? frame->width / 2 : frame->width;
    size_t rows = i ? frame->height / 2 : frame->height;
    uint8_t *to = (uint8_t *)frame->plane[i]; /* ours alone until it is returned */
    const uint8_t *from = image->planes[i];
    for (size_t y = 0; y < rows; y++, to += frame->stride[i], from += image->stride[i])
        memcpy(to, from, columns);
}

static struct kg_frame *copy_picture(struct kg_frame_pool *pool, const vpx_image_t *image)
{
    if (image->fmt != VPX_IMG_FMT_I420 || image->d_w < 2 || image->d_h < 2)
        return NULL;
    struct kg_frame *frame = kg_frame_pool_take(pool, image->d_w & ~1U, image->d_h & ~1U);
    if (!frame) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for a %ux%u picture", image->d_w, image->d_h);
        return NULL;
    }
    for (int i = 0; i < 3; i++)
        copy_plane(frame, i, image);
    return frame;
}

static enum kg_vpx_result need_keyframe(struct kg_vpx_decoder *decoder)
{
    decoder->waits_for_keyframe = true;
    return KG_VPX_NEED_KEYFRAME;
}

enum kg_vpx_result kg_vpx_decoder_decode(struct kg_vpx_decoder *decoder, const void *data, size_t size,
                                         struct kg_frame **out)
{
    if ((!decoder->open && !open_codec(decoder)) || size > UINT32_MAX || !may_decode(decoder, data, size))
        return need_keyframe(decoder);
    if (vpx_codec_decode(&decoder->codec, data, (unsigned)size, NULL, 0) != VPX_CODEC_OK) {
        /* What state a refused frame leaves behind is libvpx's secret: start afresh. */
        vpx_codec_destroy(&decoder->codec);
        decoder->open = false;
        return need_keyframe(decoder);
    }
    int corrupted = 0;
    vpx_codec_iter_t iter = NULL;
    const vpx_image_t *image = vpx_codec_get_frame(&decoder->codec, &iter);
    if (vpx_codec_control(&decoder->codec, VP8D_GET_FRAME_CORRUPTED, &corrupted) != VPX_CODEC_OK || corrupted)
        return need_keyframe(decoder);
    decoder->waits_for_keyframe = false;
    if (!image)
        return KG_VPX_NO_PICTURE;
    struct kg_frame *frame = copy_picture(decoder->pool, image);
    if (!frame)
        return KG_VPX_NO_PICTURE;
    *out = frame;
    return KG_VPX_PICTURE;
}

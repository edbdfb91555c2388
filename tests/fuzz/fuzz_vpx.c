/* VP8 decoding of anything: an IVF file's frames where the input looks like one (the corpus), otherwise
 * frames cut by 16-bit lengths. A picture that comes out must be whole: every byte of its planes is read. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "codec/vpx_decoder.h"
#include "codec/vpx_encoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint32_t sum;

static void look_at(const struct kg_frame *frame)
{
    if (frame->width > KG_VPX_MAX_WIDTH || frame->height > KG_VPX_MAX_HEIGHT || frame->width % 2 ||
        frame->height % 2 || frame->width == 0 || frame->height == 0)
        abort();
    for (int plane = 0; plane < 3; plane++) {
        uint32_t width = plane ? frame->width / 2 : frame->width,
                 height = plane ? frame->height / 2 : frame->height;
        for (uint32_t y = 0; y < height; y++) {
            const uint8_t *row = frame->plane[plane] + (size_t)y * (size_t)frame->stride[plane];
            sum += row[0] + row[width - 1];
        }
    }
}

static void decode(struct kg_vpx_decoder *decoder, const uint8_t *data, size_t size)
{
    struct kg_frame *frame = NULL;
    enum kg_vpx_result result = kg_vpx_decoder_decode(decoder, data, size, &frame);
    if ((result == KG_VPX_PICTURE) != (frame != NULL))
        abort();
    if (frame)
        look_at(frame);
    kg_frame_unref(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_vpx_decoder *decoder = kg_vpx_decoder_create();
    size_t ivf = size >= 32 && memcmp(data, "DKIF", 4) == 0, at = ivf ? 32 : 0, header = ivf ? 12 : 2;
    for (int frames = 0; decoder && frames < 40 && size - at > header; frames++) {
        size_t wanted = data[at] | (size_t)data[at + 1] << 8, left = size - at - header;
        wanted = wanted < left ? wanted : left;
        decode(decoder, data + at + header, wanted);
        at += header + wanted;
    }
    kg_vpx_decoder_destroy(decoder);
    return 0;
}

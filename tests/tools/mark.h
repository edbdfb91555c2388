/* Frame marks: squares at the bottom left of each picture that carry the frame's number, put there by
 * GStreamer's simplevideomark and read by simplevideomarkdetect, so that a picture is recognised wherever it
 * is drawn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { KG_MARK_SQUARES = 4, KG_MARK_BITS = 12, KG_MARK_NUMBERS = 1 << KG_MARK_BITS };

/* Side of a square in a picture of this width: 32 px, 16 below 640. */
uint32_t kg_mark_side(uint32_t picture_width);
static inline uint32_t kg_mark_width(uint32_t picture_width)
{
    return kg_mark_side(picture_width) * (KG_MARK_SQUARES + KG_MARK_BITS);
}

struct kg_mark_clip {
    const char *source; /* a file GStreamer can decode, or "test", "test:PATTERN" (videotestsrc's names) */
    const char *out;    /* .y4m, I420 */
    uint32_t width, height, fps;
    uint32_t frames; /* at most; a shorter source gives fewer */
    bool still;      /* one picture and one mark, repeated: what a frozen camera sends */
};
/* Writes the marked clip; frame n carries n. false: said on stderr. */
bool kg_mark_write(const struct kg_mark_clip *clip);

/* Finds marks in a series of luma pictures of one size. side_x/side_y: a square's size there. */
struct kg_mark_reader;
struct kg_mark_reader *kg_mark_reader_create(uint32_t width, uint32_t height, uint32_t side_x,
                                             uint32_t side_y);
/* luma: width × height bytes, copied. Returns at once; results come with finish. */
void kg_mark_reader_push(struct kg_mark_reader *reader, const uint8_t *luma);
/* Waits, then gives the number found in each picture pushed (-1: none) and frees the reader. The caller frees
 * the array. */
int32_t *kg_mark_reader_finish(struct kg_mark_reader *reader);

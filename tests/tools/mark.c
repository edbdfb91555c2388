#include "tools/mark.h"

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t kg_mark_side(uint32_t picture_width)
{
    return picture_width >= 640 ? 32 : 16;
}

struct numbering {
    GstElement *mark;
    uint64_t next;
    bool still;
};

static GstPadProbeReturn number_frame(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    (void)pad;
    (void)info;
    struct numbering *n = user;
    g_object_set(n->mark, "pattern-data", (guint64)(n->still ? 7 : n->next++), NULL);
    return GST_PAD_PROBE_OK;
}

/* Takes the colour from under the marks: the element sets luma only, and a saturated colour would take a
 * drawn square's RGB out of range, so that its luma could not be found again. */
static GstPadProbeReturn bleach_marks(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    (void)user;
    GstVideoInfo video;
    GstVideoFrame frame;
    GstCaps *caps = gst_pad_get_current_caps(pad);
    bool known = caps && gst_video_info_from_caps(&video, caps);
    if (caps)
        gst_caps_unref(caps);
    GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    if (!known || !gst_video_frame_map(&frame, &video, buffer, GST_MAP_READWRITE))
        return GST_PAD_PROBE_OK;
    uint32_t width = (uint32_t)GST_VIDEO_FRAME_WIDTH(&frame), side = kg_mark_side(width);
    for (guint plane = 1; plane <= 2; plane++) {
        uint8_t *rows = GST_VIDEO_FRAME_PLANE_DATA(&frame, plane);
        int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
        int height = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane);
        for (int y = height - (int)side / 2; y < height; y++)
            memset(rows + (ptrdiff_t)y * stride, 128, kg_mark_width(width) / 2);
    }
    gst_video_frame_unmap(&frame);
    return GST_PAD_PROBE_OK;
}

/* Runs to the end or the first error. */
static bool run_to_end(GstElement *pipeline)
{
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *m = gst_bus_timed_pop_filtered(bus, 300 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    bool ok = m && GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS;
    if (m && !ok) {
        GError *error = NULL;
        gst_message_parse_error(m, &error, NULL);
        fprintf(stderr, "cannot make the marked clip: %s\n", error->message);
        g_error_free(error);
    }
    if (m)
        gst_message_unref(m);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return ok;
}

bool kg_mark_write(const struct kg_mark_clip *clip)
{
    bool patterned = strncmp(clip->source, "test:", 5) == 0;
    bool generated = patterned || strcmp(clip->source, "test") == 0;
    const char *pattern = patterned ? clip->source + 5 : "smpte100";
    uint32_t side = kg_mark_side(clip->width);
    char *source = generated
                       ? g_strdup_printf("videotestsrc pattern=%s horizontal-speed=6", pattern)
                       : g_strdup_printf("filesrc location=\"%s\" ! decodebin ! videoconvert", clip->source);
    char *freeze = clip->still ? g_strdup("imagefreeze !") : g_strdup("");
    char *text =
        g_strdup_printf("%s ! videoconvert ! videoscale add-borders=true ! %s videorate ! "
                        "video/x-raw,format=I420,width=%u,height=%u,framerate=%u/1,pixel-aspect-ratio=1/1 ! "
                        "identity eos-after=%u ! simplevideomark name=mark pattern-width=%u "
                        "pattern-height=%u pattern-count=%d "
                        "pattern-data-count=%d ! y4menc ! filesink location=\"%s\"",
                        source, freeze, clip->width, clip->height, clip->fps, clip->frames + 1, side, side,
                        KG_MARK_SQUARES, KG_MARK_BITS, clip->out);
    GError *error = NULL;
    GstElement *pipeline = gst_parse_launch(text, &error);
    g_free(source);
    g_free(freeze);
    g_free(text);
    if (!pipeline) {
        fprintf(stderr, "cannot make the marked clip: %s\n", error->message);
        g_error_free(error);
        return false;
    }
    struct numbering numbering = {.mark = gst_bin_get_by_name(GST_BIN(pipeline), "mark"),
                                  .still = clip->still};
    GstPad *pad = gst_element_get_static_pad(numbering.mark, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, number_frame, &numbering, NULL);
    GstPad *out = gst_element_get_static_pad(numbering.mark, "src");
    gst_pad_add_probe(out, GST_PAD_PROBE_TYPE_BUFFER, bleach_marks, NULL, NULL);
    bool ok = run_to_end(pipeline);
    gst_object_unref(pad);
    gst_object_unref(out);
    gst_object_unref(numbering.mark);
    gst_object_unref(pipeline);
    return ok;
}

struct kg_mark_reader {
    GstElement *pipeline;
    GstElement *source;
    uint32_t width, height;
    uint32_t pushed;
    uint32_t capacity;
    int32_t *numbers;
    GMutex mutex; /* guards numbers: the detector's thread writes them */
};

static GstBusSyncReply take_result(GstBus *bus, GstMessage *message, gpointer user)
{
    (void)bus;
    struct kg_mark_reader *reader = user;
    const GstStructure *s = gst_message_get_structure(message);
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT || !s ||
        !gst_structure_has_name(s, "GstSimpleVideoMarkDetect"))
        return GST_BUS_PASS;
    gboolean found = FALSE;
    guint64 time = 0, data = 0;
    gst_structure_get_boolean(s, "have-pattern", &found);
    gst_structure_get_uint64(s, "timestamp", &time);
    gst_structure_get_uint64(s, "data", &data);
    g_mutex_lock(&reader->mutex);
    uint64_t index = time / GST_MSECOND;
    if (found && index < reader->capacity)
        reader->numbers[index] = (int32_t)(data & (KG_MARK_NUMBERS - 1));
    g_mutex_unlock(&reader->mutex);
    return GST_BUS_DROP;
}

struct kg_mark_reader *kg_mark_reader_create(uint32_t width, uint32_t height, uint32_t side_x,
                                             uint32_t side_y)
{
    struct kg_mark_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->width = (width + 7) / 8 * 8;
    reader->height = (height + 1) / 2 * 2;
    g_mutex_init(&reader->mutex);
    char *text = g_strdup_printf(
        "appsrc name=in format=time block=true max-bytes=8000000 "
        "caps=video/x-raw,format=I420,width=%u,height=%u,framerate=30/1 ! simplevideomarkdetect "
        "pattern-width=%u "
        "pattern-height=%u pattern-count=%d pattern-data-count=%d message=true ! fakesink sync=false",
        reader->width, reader->height, side_x, side_y, KG_MARK_SQUARES, KG_MARK_BITS);
    reader->pipeline = gst_parse_launch(text, NULL);
    g_free(text);
    reader->source = gst_bin_get_by_name(GST_BIN(reader->pipeline), "in");
    GstBus *bus = gst_element_get_bus(reader->pipeline);
    gst_bus_set_sync_handler(bus, take_result, reader, NULL);
    gst_object_unref(bus);
    gst_element_set_state(reader->pipeline, GST_STATE_PLAYING);
    return reader;
}

void kg_mark_reader_push(struct kg_mark_reader *reader, const uint8_t *luma)
{
    g_mutex_lock(&reader->mutex);
    if (reader->pushed == reader->capacity) {
        uint32_t larger = reader->capacity ? reader->capacity * 2 : 1024;
        reader->numbers = g_realloc_n(reader->numbers, larger, sizeof *reader->numbers);
        for (uint32_t i = reader->capacity; i < larger; i++)
            reader->numbers[i] = -1;
        reader->capacity = larger;
    }
    g_mutex_unlock(&reader->mutex);
    size_t y = (size_t)reader->width * reader->height;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, y * 3 / 2, NULL);
    gst_buffer_fill(buffer, 0, luma, y);
    gst_buffer_memset(buffer, y, 128, y / 2);
    GST_BUFFER_PTS(buffer) = reader->pushed++ * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = GST_MSECOND;
    gst_app_src_push_buffer(GST_APP_SRC(reader->source), buffer);
}

int32_t *kg_mark_reader_finish(struct kg_mark_reader *reader)
{
    gst_app_src_end_of_stream(GST_APP_SRC(reader->source));
    GstBus *bus = gst_element_get_bus(reader->pipeline);
    GstMessage *m = gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (m)
        gst_message_unref(m);
    gst_object_unref(bus);
    gst_element_set_state(reader->pipeline, GST_STATE_NULL);
    gst_object_unref(reader->source);
    gst_object_unref(reader->pipeline);
    int32_t *numbers = reader->numbers;
    g_mutex_clear(&reader->mutex);
    free(reader);
    return numbers;
}

#include "gst/audio_pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include "base/clock.h"
#include "gst/stream_clock.h"

#define BLOCK          KG_AUDIO_BLOCK_SAMPLES
#define BLOCK_BYTES    (BLOCK * sizeof(int16_t))
#define PLAY_BUFFER_US 30000 /* as in play_text */
#define FORMAT         "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved"

struct kg_audio_pipeline {
    struct kg_audio_pipeline_params params;
    GstElement *pipeline;
    GstElement *play_source;
    GstElement *capture_sink;
    bool failed; /* the owner's: a failure was taken from the bus */
    /* play_source's thread: */
    int64_t played; /* samples */
    struct kg_stream_clock play_clock;
    /* capture_sink's thread: */
    int64_t captured;     /* samples, those that were lost on the way included */
    uint64_t next_offset; /* the buffer that follows without a gap begins with this sample */
    struct kg_stream_clock capture_clock;
    int16_t partial[BLOCK]; /* a device's buffers need not be whole blocks */
    size_t partial_samples;
};

/* Element names begin with the side they belong to, so that a failure can be blamed. Periods of 10 ms; two to
 * three of them in the loudspeaker's buffer are what a loaded small board needs. Devices run at their own
 * pace, uncorrected: corrections by GStreamer are jumps, which undo what the echo canceller has learnt. */
#define CAPTURE_DEVICE                                                                                       \
    " name=mic-device provide-clock=false slave-method=none buffer-time=40000 latency-time=10000"
#define PLAY_DEVICE                                                                                          \
    " name=spk-device provide-clock=false slave-method=none buffer-time=30000 latency-time=10000"

static const char *capture_text(enum kg_audio_kind kind)
{
    switch (kind) {
    case KG_AUDIO_PULSE:
        return "pulsesrc" CAPTURE_DEVICE;
    case KG_AUDIO_ALSA:
        return "alsasrc" CAPTURE_DEVICE;
    default:
        return "audiotestsrc name=mic-clock is-live=true wave=silence samplesperbuffer=480";
    }
}

static const char *play_text(enum kg_audio_kind kind)
{
    switch (kind) {
    case KG_AUDIO_PULSE:
        return "audioconvert ! audioresample ! pulsesink" PLAY_DEVICE;
    case KG_AUDIO_ALSA:
        return "audioconvert ! audioresample ! alsasink" PLAY_DEVICE;
    case KG_AUDIO_WAV:
        return "clocksync name=spk-clock ! wavenc name=spk-wav ! filesink name=spk-device sync=false "
               "async=false";
    default:
        return "fakesink name=spk-clock sync=true";
    }
}

/* A running time on our clock: GStreamer's system clock is CLOCK_MONOTONIC, as ours is. */
static int64_t clocked_us(struct kg_audio_pipeline *pipeline, int64_t position)
{
    GstClockTime base = gst_element_get_base_time(pipeline->pipeline);
    int64_t running_us = position * 10000 / BLOCK;
    if (base == 0 || !GST_CLOCK_TIME_IS_VALID(base))
        return kg_clock_now_us() + running_us; /* about to begin */
    return (int64_t)(base / 1000) + running_us;
}

static bool is_device(const struct kg_audio_pipeline *pipeline, enum kg_audio_side side)
{
    enum kg_audio_kind kind = pipeline->params.end[side].kind;
    return kind == KG_AUDIO_PULSE || kind == KG_AUDIO_ALSA;
}

static void need_data(GstAppSrc *source, guint length, gpointer user)
{
    struct kg_audio_pipeline *pipeline = user;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, BLOCK_BYTES, NULL);
    GstMapInfo map;
    (void)length;
    if (!buffer)
        return;
    int64_t position = pipeline->played, at_us = clocked_us(pipeline, position);
    /* A device asks when its buffer has room: what it gets now is heard when the buffer has been played. */
    if (is_device(pipeline, KG_AUDIO_SPEAKER))
        at_us = kg_stream_clock_at(&pipeline->play_clock, position, kg_clock_now_us()) + PLAY_BUFFER_US;
    pipeline->played += BLOCK;
    GST_BUFFER_PTS(buffer) = gst_util_uint64_scale((guint64)position, GST_SECOND, KG_AUDIO_RATE_HZ);
    GST_BUFFER_DURATION(buffer) = 10 * GST_MSECOND;
    if (gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
        pipeline->params.play(pipeline->params.user, (int16_t *)(void *)map.data, at_us);
        gst_buffer_unmap(buffer, &map);
    }
    gst_app_src_push_buffer(source, buffer); /* refused: the run is being closed */
}

/* Cuts what a device gave into blocks. */
static void cut(struct kg_audio_pipeline *pipeline, const int16_t *pcm, size_t samples)
{
    int64_t now_us = kg_clock_now_us(), end = pipeline->captured + (int64_t)samples;
    /* A device hands over a buffer when it is full; a clocked source when its time has come. */
    bool device = is_device(pipeline, KG_AUDIO_MICROPHONE);
    int64_t end_us =
        device ? kg_stream_clock_at(&pipeline->capture_clock, end, now_us) : clocked_us(pipeline, end);
    int64_t position = pipeline->captured - (int64_t)pipeline->partial_samples;
    while (pipeline->partial_samples + samples >= BLOCK) {
        size_t n = BLOCK - pipeline->partial_samples;
        memcpy(pipeline->partial + pipeline->partial_samples, pcm, n * sizeof *pcm);
        pipeline->params.captured(pipeline->params.user, pipeline->partial, position,
                                  end_us - (end - position) * 10000 / BLOCK);
        pipeline->partial_samples = 0;
        pcm += n;
        samples -= n;
        position += BLOCK;
    }
    memcpy(pipeline->partial + pipeline->partial_samples, pcm, samples * sizeof *pcm);
    pipeline->partial_samples += samples;
    pipeline->captured = end;
}

/* Counts samples the device lost (an overrun), so that the far-end signal stays in step. */
static void count_gap(struct kg_audio_pipeline *pipeline, const GstBuffer *buffer, size_t samples)
{
    uint64_t offset = GST_BUFFER_OFFSET(buffer);
    if (offset == GST_BUFFER_OFFSET_NONE)
        return;
    if (pipeline->captured > 0 && offset > pipeline->next_offset &&
        offset - pipeline->next_offset < UINT64_C(10) * KG_AUDIO_RATE_HZ)
        pipeline->captured += (int64_t)(offset - pipeline->next_offset);
    pipeline->next_offset = offset + samples;
}

static GstFlowReturn new_sample(GstAppSink *sink, gpointer user)
{
    struct kg_audio_pipeline *pipeline = user;
    GstSample *sample = gst_app_sink_pull_sample(sink);
    GstMapInfo map;
    if (!sample)
        return GST_FLOW_EOS;
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        size_t samples = map.size / sizeof(int16_t);
        count_gap(pipeline, buffer, samples);
        cut(pipeline, (const int16_t *)(const void *)map.data, samples);
        gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

static const char *name_property(enum kg_audio_kind kind)
{
    return kind == KG_AUDIO_WAV ? "location" : "device";
}

static void set_name(GstElement *bin, const char *element, const struct kg_audio_end *end)
{
    GstElement *device = end->name ? gst_bin_get_by_name(GST_BIN(bin), element) : NULL;
    if (!device)
        return;
    g_object_set(device, name_property(end->kind), end->name, NULL);
    gst_object_unref(device);
}

static enum kg_audio_side side_of(GstElement *element)
{
    return element && strncmp(GST_ELEMENT_NAME(element), "mic-", 4) == 0 ? KG_AUDIO_MICROPHONE
                                                                         : KG_AUDIO_SPEAKER;
}

bool kg_audio_pipeline_failed(struct kg_audio_pipeline *pipeline, enum kg_audio_side *guilty,
                              char error[KG_PIPELINE_ERROR_MAX])
{
    GstElement *element = NULL;
    if (!kg_pipeline_failed(pipeline->pipeline, error, &element))
        return false;
    pipeline->failed = true;
    *guilty = side_of(element);
    if (element)
        gst_object_unref(element);
    return true;
}

static void connect_callbacks(struct kg_audio_pipeline *pipeline)
{
    GstAppSrcCallbacks source = {.need_data = need_data};
    GstAppSinkCallbacks sink = {.new_sample = new_sample};
    pipeline->play_source = gst_bin_get_by_name(GST_BIN(pipeline->pipeline), "spk-app");
    pipeline->capture_sink = gst_bin_get_by_name(GST_BIN(pipeline->pipeline), "mic-app");
    gst_app_src_set_callbacks(GST_APP_SRC(pipeline->play_source), &source, pipeline, NULL);
    gst_app_sink_set_callbacks(GST_APP_SINK(pipeline->capture_sink), &sink, pipeline, NULL);
    set_name(pipeline->pipeline, "mic-device", &pipeline->params.end[KG_AUDIO_MICROPHONE]);
    set_name(pipeline->pipeline, "spk-device", &pipeline->params.end[KG_AUDIO_SPEAKER]);
    /* Or the microphone's latency would be added to the loudspeaker's. */
    gst_pipeline_set_latency(GST_PIPELINE(pipeline->pipeline), 0);
}

struct kg_audio_pipeline *kg_audio_pipeline_open(const struct kg_audio_pipeline_params *params,
                                                 enum kg_audio_side *guilty,
                                                 char error[KG_PIPELINE_ERROR_MAX])
{
    char text[1024];
    struct kg_audio_pipeline *pipeline = calloc(1, sizeof *pipeline);
    *guilty = KG_AUDIO_SPEAKER;
    if (!pipeline) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "out of memory");
        return NULL;
    }
    pipeline->params = *params;
    snprintf(text, sizeof text,
             "%s ! audioconvert ! audioresample ! " FORMAT " ! appsink name=mic-app sync=false async=false "
             "appsrc name=spk-app format=time max-bytes=960 caps=" FORMAT " ! %s",
             capture_text(params->end[KG_AUDIO_MICROPHONE].kind),
             play_text(params->end[KG_AUDIO_SPEAKER].kind));
    pipeline->pipeline = kg_pipeline_parse(text, error);
    if (!pipeline->pipeline) {
        free(pipeline);
        return NULL;
    }
    connect_callbacks(pipeline);
    if (gst_element_set_state(pipeline->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        if (!kg_audio_pipeline_failed(pipeline, guilty, error))
            snprintf(error, KG_PIPELINE_ERROR_MAX, "the sound pipeline refuses to start");
        kg_audio_pipeline_close(pipeline);
        return NULL;
    }
    return pipeline;
}

/* A WAV file's header learns its length only at the end of the stream. The bus tells the end only when every
 * sink has it, which the microphone's never will: so watch the file's. */
static void finish_file(struct kg_audio_pipeline *pipeline)
{
    int64_t deadline_us = kg_clock_now_us() + 500000;
    GstElement *file = gst_bin_get_by_name(GST_BIN(pipeline->pipeline), "spk-device");
    GstPad *pad = gst_element_get_static_pad(file, "sink");
    gst_app_src_set_callbacks(GST_APP_SRC(pipeline->play_source), &(GstAppSrcCallbacks){0}, NULL, NULL);
    gst_app_src_end_of_stream(GST_APP_SRC(pipeline->play_source));
    while (!GST_PAD_IS_EOS(pad) && kg_clock_now_us() < deadline_us)
        g_usleep(1000);
    gst_object_unref(pad);
    gst_object_unref(file);
}

void kg_audio_pipeline_close(struct kg_audio_pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (pipeline->params.end[KG_AUDIO_SPEAKER].kind == KG_AUDIO_WAV && !pipeline->failed)
        finish_file(pipeline);
    kg_pipeline_destroy(pipeline->pipeline);
    gst_object_unref(pipeline->play_source);
    gst_object_unref(pipeline->capture_sink);
    free(pipeline);
}

static bool probe_file(const char *path, char *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        snprintf(error, KG_PIPELINE_ERROR_MAX, "it cannot be written: %s", strerror(errno));
    else
        close(fd);
    return fd >= 0;
}

bool kg_audio_probe(enum kg_audio_side side, const struct kg_audio_end *end,
                    char error[KG_PIPELINE_ERROR_MAX])
{
    static const char *const factories[2][2] = {{"pulsesrc", "alsasrc"}, {"pulsesink", "alsasink"}};
    if (end->kind == KG_AUDIO_CLOCKED)
        return true;
    if (end->kind == KG_AUDIO_WAV)
        return probe_file(end->name, error);
    const char *factory = factories[side][end->kind == KG_AUDIO_ALSA];
    GstElement *element = gst_element_factory_make(factory, NULL);
    if (!element) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "GStreamer has no %s (package gstreamer1.0-%s)", factory,
                 end->kind == KG_AUDIO_ALSA ? "alsa" : "plugins-good");
        return false;
    }
    if (end->name)
        g_object_set(element, "device", end->name, NULL);
    GstElement *alone = gst_pipeline_new(NULL); /* gives it a bus to complain on */
    gst_bin_add(GST_BIN(alone), element);
    bool opened = gst_element_set_state(element, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE;
    if (!opened && !kg_pipeline_failed(alone, error, NULL))
        snprintf(error, KG_PIPELINE_ERROR_MAX, "%s cannot be opened", factory);
    kg_pipeline_destroy(alone);
    return opened;
}

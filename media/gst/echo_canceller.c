#include "gst/echo_canceller.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gst/gst.h>

#include "base/log.h"
#include "gst/delay_estimator.h"
#include "gst/device.h"
#include "gst/echo_filter.h"

#define MODULE "gst"

#define BLOCK       480
#define BLOCK_BYTES (BLOCK * sizeof(int16_t))
#define RATE_KHZ    INT64_C(48)

/* The estimator hears every sixth sample of a low-passed signal. */
#define DECIMATION  6
#define TAPS        48
#define ESTIMATE_HZ 8000

/* The filters model 120 ms of echo after the far-end signal, and nothing before it. */
#define LEAD_SAMPLES (8 * RATE_KHZ)  /* wanted: the echo comes this long after the far-end signal */
#define NEAR_LEAD    (4 * RATE_KHZ)  /* beyond these two the far-end signal slips by a sample every 100 ms: */
#define FAR_LEAD     (30 * RATE_KHZ) /* hardly noticed, and faster than clocks drift (208 ppm) */
#define MIN_LEAD     (2 * RATE_KHZ)  /* beyond these it is moved at once, and the echo learnt anew */
#define MAX_LEAD     (45 * RATE_KHZ)
#define SLIP_BLOCKS  10

#define LINE_SAMPLES 32768 /* a power of two above the longest delay and a block */

/* One direction through an element, driven by hand: buffers pushed into `source` pass the element and come
 * out at `sink` within the call, in the caller's thread. */
struct port {
    GstElement *element;
    GstPad *source;
    GstPad *sink;
};

/* Every DECIMATION-th sample of a signal without what lies above 4 kHz. */
struct decimator {
    float history[TAPS];
};

struct kg_echo_canceller {
    struct port near;
    struct port far;
    bool failed; /* told */
    uint64_t blocks;
    int16_t *out; /* where near_chain puts what comes out, during process */
    bool came_out;
    bool cancel;

    struct kg_echo_filter *filter;
    struct kg_delay_estimator *estimator;
    struct decimator near_decimator, far_decimator;
    float taps[TAPS];

    int16_t line[LINE_SAMPLES]; /* the far-end signal, by position modulo its size */
    uint64_t written;
    int64_t delay; /* samples the far-end signal is held back */
    uint32_t revision;
    uint32_t since_slip; /* blocks */
};

static GstFlowReturn near_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    struct kg_echo_canceller *canceller = gst_pad_get_element_private(pad);
    (void)parent;
    if (canceller->out && gst_buffer_get_size(buffer) == BLOCK_BYTES) {
        gst_buffer_extract(buffer, 0, canceller->out, BLOCK_BYTES);
        canceller->came_out = true;
    }
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

static GstFlowReturn drop_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    (void)pad;
    (void)parent;
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

/* webrtcechoprobe asks upstream for the delay to report to the canceller: none, it has been taken out. */
static gboolean source_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
        return gst_pad_query_default(pad, parent, query);
    gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
}

static bool link_pads(struct port *port, GstPad *in, GstPad *out)
{
    return gst_pad_link(port->source, in) == GST_PAD_LINK_OK &&
           gst_pad_link(out, port->sink) == GST_PAD_LINK_OK;
}

static bool send_format(struct port *port)
{
    GstSegment segment;
    GstCaps *caps = gst_caps_from_string("audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved");
    gst_segment_init(&segment, GST_FORMAT_TIME);
    bool sent = gst_pad_push_event(port->source, gst_event_new_stream_start("kaigi")) &&
                gst_pad_push_event(port->source, gst_event_new_caps(caps)) &&
                gst_pad_push_event(port->source, gst_event_new_segment(&segment));
    gst_caps_unref(caps);
    return sent;
}

static bool open_port(struct kg_echo_canceller *canceller, struct port *port, GstPadChainFunction chain)
{
    GstPad *in = gst_element_get_static_pad(port->element, "sink");
    GstPad *out = gst_element_get_static_pad(port->element, "src");
    port->source = gst_object_ref_sink(gst_pad_new("source", GST_PAD_SRC));
    port->sink = gst_object_ref_sink(gst_pad_new("sink", GST_PAD_SINK));
    gst_pad_set_element_private(port->sink, canceller);
    gst_pad_set_chain_function(port->sink, chain);
    gst_pad_set_query_function(port->source, source_query);
    bool linked = link_pads(port, in, out);
    gst_object_unref(in);
    gst_object_unref(out);
    return linked && gst_pad_set_active(port->source, TRUE) && gst_pad_set_active(port->sink, TRUE) &&
           gst_element_set_state(port->element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE &&
           send_format(port);
}

static void close_port(struct port *port)
{
    if (port->element)
        gst_element_set_state(port->element, GST_STATE_NULL);
    if (port->source)
        gst_pad_set_active(port->source, FALSE);
    if (port->sink)
        gst_pad_set_active(port->sink, FALSE);
    gst_clear_object(&port->source);
    gst_clear_object(&port->sink);
    gst_clear_object(&port->element);
}

static GstElement *make_element(const char *factory, const char *name)
{
    GstElement *element = gst_element_factory_make(factory, name);
    if (!element) {
        kg_log(KG_LOG_ERROR, MODULE, "echo.missing",
               "GStreamer has no %s: install the package gstreamer1.0-plugins-bad", factory);
        return NULL;
    }
    return gst_object_ref_sink(element);
}

static bool open_elements(struct kg_echo_canceller *canceller, const struct kg_echo_canceller_params *params)
{
    static atomic_uint number;
    char name[32];
    /* webrtcdsp finds its probe by name among all of the process. */
    snprintf(name, sizeof name, "kaigi-far-%u", atomic_fetch_add(&number, 1));
    canceller->far.element = make_element("webrtcechoprobe", name);
    canceller->near.element = make_element("webrtcdsp", NULL);
    if (!canceller->far.element || !canceller->near.element)
        return false;
    /* Low suppression (0): still 30 dB off a lone echo, and the gentlest with people talking over it. */
    g_object_set(canceller->near.element, "probe", name, "echo-cancel", params->cancel, "delay-agnostic",
                 FALSE, "extended-filter", TRUE, "noise-suppression", params->suppress_noise, "gain-control",
                 params->level, "limiter", params->level, "echo-suppression-level", 0, NULL);
    if (!open_port(canceller, &canceller->far, drop_chain) ||
        !open_port(canceller, &canceller->near, near_chain) ||
        !gst_pad_push_event(canceller->far.sink, gst_event_new_latency(0))) {
        kg_log(KG_LOG_ERROR, MODULE, "echo.refused", "webrtcdsp refuses to start");
        return false;
    }
    return true;
}

/* A windowed sinc that passes 3.4 kHz and stops 4.6 kHz. */
static void design_taps(float taps[TAPS])
{
    float sum = 0;
    for (int i = 0; i < TAPS; i++) {
        float t = (float)i - (TAPS - 1) / 2.0F, x = (float)G_PI * t / DECIMATION;
        float hann = 0.5F - 0.5F * cosf(2 * (float)G_PI * ((float)i + 0.5F) / TAPS);
        taps[i] = sinf(x) / x * hann;
        sum += taps[i];
    }
    for (int i = 0; i < TAPS; i++)
        taps[i] /= sum * 32768;
}

struct kg_echo_canceller *kg_echo_canceller_create(const struct kg_echo_canceller_params *params)
{
    kg_gst_init();
    struct kg_echo_canceller *canceller = calloc(1, sizeof *canceller);
    if (!canceller) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for echo cancelling");
        return NULL;
    }
    canceller->cancel = params->cancel;
    design_taps(canceller->taps);
    canceller->estimator = kg_delay_estimator_create(ESTIMATE_HZ);
    canceller->filter = kg_echo_filter_create();
    if (!canceller->estimator || !canceller->filter || !open_elements(canceller, params)) {
        kg_echo_canceller_destroy(canceller);
        return NULL;
    }
    return canceller;
}

void kg_echo_canceller_destroy(struct kg_echo_canceller *canceller)
{
    if (!canceller)
        return;
    close_port(&canceller->near);
    close_port(&canceller->far);
    kg_delay_estimator_destroy(canceller->estimator);
    kg_echo_filter_destroy(canceller->filter);
    free(canceller);
}

static void decimate(struct decimator *decimator, const float *taps, const int16_t *block, float *out)
{
    for (int at = 0; at < BLOCK; at += DECIMATION) {
        memmove(decimator->history, decimator->history + DECIMATION,
                (TAPS - DECIMATION) * sizeof *decimator->history);
        for (int i = 0; i < DECIMATION; i++)
            decimator->history[TAPS - DECIMATION + i] = block[at + i];
        float sum = 0;
        for (int i = 0; i < TAPS; i++)
            sum += decimator->history[i] * taps[i];
        *out++ = sum;
    }
}

/* Keeps the far-end signal about LEAD_SAMPLES before its echo. */
static void follow(struct kg_echo_canceller *canceller)
{
    struct kg_delay_estimate estimate = kg_delay_estimator_get(canceller->estimator);
    if (estimate.delay_us < 0)
        return;
    int64_t echo = (int64_t)estimate.delay_us * RATE_KHZ / 1000, lead = echo - canceller->delay;
    bool late = lead < NEAR_LEAD && canceller->delay > 0, early = lead > FAR_LEAD;
    canceller->since_slip++;
    if (estimate.revision != canceller->revision && (lead > MAX_LEAD || (lead < MIN_LEAD && late))) {
        kg_log(KG_LOG_DEBUG, MODULE, NULL, "echo comes after %d us; aligned anew", estimate.delay_us);
        canceller->delay = KG_MAX(echo - LEAD_SAMPLES, 0);
        kg_echo_filter_reset(canceller->filter);
    } else if (canceller->since_slip >= SLIP_BLOCKS && (late || early)) {
        canceller->delay += early ? 1 : -1;
        canceller->since_slip = 0;
    }
    canceller->revision = estimate.revision;
}

static void align(struct kg_echo_canceller *canceller, const int16_t *near, const int16_t *far,
                  int16_t *aligned)
{
    float near_slow[BLOCK / DECIMATION], far_slow[BLOCK / DECIMATION];
    decimate(&canceller->near_decimator, canceller->taps, near, near_slow);
    decimate(&canceller->far_decimator, canceller->taps, far, far_slow);
    kg_delay_estimator_push(canceller->estimator, near_slow, far_slow, BLOCK / DECIMATION);
    follow(canceller);
    for (int i = 0; i < BLOCK; i++)
        canceller->line[(canceller->written + (uint64_t)i) % LINE_SAMPLES] = far[i];
    uint64_t from = canceller->written + LINE_SAMPLES - (uint64_t)canceller->delay;
    for (int i = 0; i < BLOCK; i++)
        aligned[i] = canceller->line[(from + (uint64_t)i) % LINE_SAMPLES];
    canceller->written += BLOCK;
}

static bool push(struct kg_echo_canceller *canceller, struct port *port, const int16_t *block)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, BLOCK_BYTES, NULL);
    if (!buffer)
        return false;
    gst_buffer_fill(buffer, 0, block, BLOCK_BYTES);
    /* Both directions carry exact times, so the probe hands over block for block. */
    GST_BUFFER_PTS(buffer) = canceller->blocks * 10 * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = 10 * GST_MSECOND;
    return gst_pad_push(port->source, buffer) == GST_FLOW_OK;
}

bool kg_echo_canceller_process(struct kg_echo_canceller *canceller, const int16_t *near, const int16_t *far,
                               int16_t *out)
{
    int16_t aligned[BLOCK] = {0}, cleaned[BLOCK], result[BLOCK];
    memcpy(cleaned, near, BLOCK_BYTES);
    if (canceller->cancel) {
        align(canceller, near, far, aligned);
        kg_echo_filter_process(canceller->filter, near, aligned, cleaned);
    }
    canceller->out = result;
    canceller->came_out = false;
    bool pushed = push(canceller, &canceller->far, aligned) && push(canceller, &canceller->near, cleaned) &&
                  canceller->came_out;
    canceller->out = NULL;
    canceller->blocks++;
    memmove(out, pushed ? result : near, BLOCK_BYTES);
    if (!pushed && !canceller->failed)
        kg_log(KG_LOG_ERROR, MODULE, "echo.failed",
               "webrtcdsp gives no sound; the microphone is sent as it is");
    canceller->failed = !pushed;
    return pushed;
}

int32_t kg_echo_canceller_delay_us(const struct kg_echo_canceller *canceller)
{
    return kg_delay_estimator_get(canceller->estimator).delay_us;
}

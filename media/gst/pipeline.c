#include "gst/pipeline.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "gst/device.h"

static void init_once(void)
{
    gst_init(NULL, NULL);
}

void kg_gst_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

GstElement *kg_pipeline_parse(const char *text, char error[KG_PIPELINE_ERROR_MAX])
{
    GError *cause = NULL;
    GstElement *pipeline = gst_parse_launch_full(text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &cause);
    if (!pipeline || cause) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "%s", cause ? cause->message : "out of memory");
        g_clear_error(&cause);
        kg_pipeline_destroy(pipeline);
        return NULL;
    }
    return pipeline;
}

/* GStreamer's debug text ends in ":\n" and the line that matters: "Device '/dev/video0' is busy". */
static const char *last_line(const char *debug)
{
    const char *line = debug ? strrchr(debug, '\n') : NULL;
    return line ? line + 1 : "";
}

bool kg_pipeline_failed(GstElement *pipeline, char error[KG_PIPELINE_ERROR_MAX], GstElement **element)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    gst_object_unref(bus);
    if (!message)
        return false;
    GError *cause = NULL;
    gchar *debug = NULL;
    gst_message_parse_error(message, &cause, &debug);
    const char *detail = last_line(debug);
    snprintf(error, KG_PIPELINE_ERROR_MAX, "%s: %s%s%s", GST_MESSAGE_SRC_NAME(message),
             cause ? cause->message : "failed", *detail ? " " : "", detail);
    if (element)
        *element = GST_IS_ELEMENT(GST_MESSAGE_SRC(message))
                       ? GST_ELEMENT(gst_object_ref(GST_MESSAGE_SRC(message)))
                       : NULL;
    g_clear_error(&cause);
    g_free(debug);
    gst_message_unref(message);
    return true;
}

bool kg_pipeline_play(GstElement *pipeline, char error[KG_PIPELINE_ERROR_MAX])
{
    if (gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
        return true;
    if (!kg_pipeline_failed(pipeline, error, NULL))
        snprintf(error, KG_PIPELINE_ERROR_MAX, "the pipeline refuses to start");
    return false;
}

void kg_pipeline_destroy(GstElement *pipeline)
{
    if (!pipeline)
        return;
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
}

/* What cameras and sound share about GStreamer pipelines: building one from text, and saying in one line what
 * went wrong with it. Thread: the one that owns the pipeline. */
#pragma once

#include <gst/gst.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define KG_PIPELINE_ERROR_MAX 400

/* The pipeline described by text, or NULL with the reason in error. */
GstElement *kg_pipeline_parse(const char *text, char error[KG_PIPELINE_ERROR_MAX]);
/* PLAYING is asked for; whether it succeeds is told by the bus. false: refused at once, the reason in error.
 */
KG_MUST_CHECK bool kg_pipeline_play(GstElement *pipeline, char error[KG_PIPELINE_ERROR_MAX]);
/* true: the pipeline has failed. error: "element: cause"; *element: a reference to the element that failed,
 * when element is not NULL. */
KG_MUST_CHECK bool kg_pipeline_failed(GstElement *pipeline, char error[KG_PIPELINE_ERROR_MAX],
                                      GstElement **element);
/* Stops it and gives it back. NULL is fine. */
void kg_pipeline_destroy(GstElement *pipeline);

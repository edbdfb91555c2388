/* One run of microphone and loudspeaker through GStreamer, on one clock: built, run, closed; never repaired.
 * Thread: open, check and close by one owner; the callbacks come from GStreamer's threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "gst/audio.h"
#include "gst/pipeline.h"

enum kg_audio_kind {
    KG_AUDIO_CLOCKED, /* no device: silence, or nothing, at the pace of the clock */
    KG_AUDIO_PULSE,   /* name: PulseAudio's, NULL for its default */
    KG_AUDIO_ALSA,    /* name: ALSA's */
    KG_AUDIO_WAV,     /* name: the file written (loudspeaker only) */
};

struct kg_audio_end {
    enum kg_audio_kind kind;
    const char *name;
};

struct kg_audio_pipeline_params {
    struct kg_audio_end end[2]; /* by kg_audio_side */
    /* at_us: when the block is heard. */
    void (*play)(void *user, int16_t *out, int64_t at_us);
    /* position: of the block's first sample since the run began; at_us: when the microphone heard it. */
    void (*captured)(void *user, const int16_t *block, int64_t position, int64_t at_us);
    void *user;
};

struct kg_audio_pipeline;

/* NULL: refused at once; the reason is in error, *guilty says whose it is. */
struct kg_audio_pipeline *kg_audio_pipeline_open(const struct kg_audio_pipeline_params *params,
                                                 enum kg_audio_side *guilty,
                                                 char error[KG_PIPELINE_ERROR_MAX]);
/* No callback runs after it returns. */
void kg_audio_pipeline_close(struct kg_audio_pipeline *pipeline);
/* true: it has failed by the fault of *guilty; the reason is in error. */
KG_MUST_CHECK bool kg_audio_pipeline_failed(struct kg_audio_pipeline *pipeline, enum kg_audio_side *guilty,
                                            char error[KG_PIPELINE_ERROR_MAX]);

/* Can the device be opened now? Takes it for a moment and gives it back. */
KG_MUST_CHECK bool kg_audio_probe(enum kg_audio_side side, const struct kg_audio_end *end,
                                  char error[KG_PIPELINE_ERROR_MAX]);

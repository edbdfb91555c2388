/* The last second of what was sent to the loudspeaker, found again by when it is heard: the canceller's
 * far-end signal. Positions are samples of the pipeline's running time. Thread: one writer and one reader. */
#pragma once

#include <stdint.h>

#include "base/thread.h"

#define KG_FAR_LINE_SAMPLES 65536

struct kg_far_line {
    struct kg_mutex mutex; /* guards the next two */
    int16_t samples[KG_FAR_LINE_SAMPLES];
    int64_t end; /* position after the newest sample; older than KG_FAR_LINE_SAMPLES before it is gone */
    int64_t at;  /* the reader's: where the next block begins */
};

void kg_far_line_init(struct kg_far_line *line);
void kg_far_line_finish(struct kg_far_line *line);
/* Forgets everything: a new pipeline counts from zero. */
void kg_far_line_reset(struct kg_far_line *line);

/* Adds a block heard from `position` on; gaps are silence. */
void kg_far_line_write(struct kg_far_line *line, const int16_t *block, int64_t samples, int64_t position);
/* The block that begins near `position`. Blocks follow each other without gap or overlap, whatever jitter
 * `position` has, until it is 20 ms off for good. What is not there is silence. */
void kg_far_line_read(struct kg_far_line *line, int16_t *block, int64_t samples, int64_t position);

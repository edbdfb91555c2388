/* The last second of what was sent to the loudspeaker, handed out again in step with the microphone: the
 * canceller's far-end signal. Sound is always written before it is heard, so reading begins at the newest:
 * however late a device plays and a microphone tells, the echo comes after what it is given, by a steady time
 * that delay_estimator.h finds. Positions count samples, each side's from its own start. Thread: one writer
 * and one reader. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

#define KG_FAR_LINE_SAMPLES 65536

struct kg_far_line {
    struct kg_mutex mutex; /* guards all below */
    int16_t samples[KG_FAR_LINE_SAMPLES];
    int64_t end;      /* written so far; older than KG_FAR_LINE_SAMPLES before it is gone */
    int64_t seen_end; /* at the last read */
    int64_t offset;   /* of the reader's positions in the writer's */
    uint32_t idle;    /* blocks read since one was written */
    bool anchored;    /* offset is set */
    uint32_t missed;  /* how badly offset has fitted of late */
    uint32_t reads;   /* in this window, with what lay ready beyond the block at least */
    int64_t least_ready;
};

void kg_far_line_init(struct kg_far_line *line);
void kg_far_line_finish(struct kg_far_line *line);
/* Forgets everything: a new pipeline counts from zero. */
void kg_far_line_reset(struct kg_far_line *line);

/* Adds a block just given to the loudspeaker. */
void kg_far_line_write(struct kg_far_line *line, const int16_t *block, int64_t samples);
/* The block beside the microphone's one at `position`. Blocks follow each other as positions do. When what is
 * asked for is again and again not there yet (a device takes blocks in bursts, or stopped), or for a second
 * was much older than it need be (the microphone lost samples, two clocks have drifted apart), reading begins
 * at the newest again. What is not there is silence. */
void kg_far_line_read(struct kg_far_line *line, int16_t *block, int64_t samples, int64_t position);

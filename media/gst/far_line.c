#include "gst/far_line.h"

#include <string.h>

#include "base/attr.h"

#define MARGIN_SAMPLES 480 /* behind the newest: the writer's jitter */
/* A block that is not there weighs as many that are. The limit is reached by 13 in a row, and by one in three
 * (a writer that comes in bursts) within a second. */
#define MISSED     4
#define MAX_MISSED 50
#define MAX_IDLE   12  /* blocks; for longer, the loudspeaker has stopped, and there is nothing to be found */
#define WINDOW     100 /* blocks; more than LATE samples lay ready during all of them: */
#define LATE       1920 /* the microphone has lost some, and its echo may come before what it is given */

void kg_far_line_init(struct kg_far_line *line)
{
    kg_mutex_init(&line->mutex);
    kg_far_line_reset(line);
}

void kg_far_line_finish(struct kg_far_line *line)
{
    kg_mutex_finish(&line->mutex);
}

void kg_far_line_reset(struct kg_far_line *line)
{
    kg_mutex_lock(&line->mutex);
    memset(line->samples, 0, sizeof line->samples);
    line->end = line->seen_end = line->offset = 0;
    line->anchored = false;
    line->missed = line->idle = line->reads = 0;
    line->least_ready = INT64_MAX;
    kg_mutex_unlock(&line->mutex);
}

void kg_far_line_write(struct kg_far_line *line, const int16_t *block, int64_t samples)
{
    kg_mutex_lock(&line->mutex);
    for (int64_t i = 0; i < samples; i++)
        line->samples[(uint64_t)line->end++ % KG_FAR_LINE_SAMPLES] = block[i];
    kg_mutex_unlock(&line->mutex);
}

static void anchor_locked(struct kg_far_line *line, int64_t offset)
{
    line->offset = offset;
    line->anchored = true;
    line->missed = line->reads = 0;
    line->least_ready = INT64_MAX;
}

/* Where in the writer's count the block at `position` begins. */
static int64_t place_locked(struct kg_far_line *line, int64_t samples, int64_t position)
{
    kg_mutex_assert_held(&line->mutex);
    int64_t ready = line->end - (position + line->offset + samples);
    line->idle = line->end > line->seen_end ? 0 : line->idle + 1;
    line->seen_end = line->end;
    line->least_ready = KG_MIN(line->least_ready, ready);
    if (ready >= 0)
        line->missed -= line->missed > 0;
    else if (line->idle <= MAX_IDLE)
        line->missed += MISSED;
    if (line->end > 0 && (!line->anchored || line->missed > MAX_MISSED)) {
        anchor_locked(line, line->offset + ready - MARGIN_SAMPLES);
    } else if (line->anchored && ++line->reads == WINDOW) {
        bool late = line->least_ready > LATE;
        anchor_locked(line, line->offset + (late ? line->least_ready - MARGIN_SAMPLES : 0));
    }
    return position + line->offset;
}

void kg_far_line_read(struct kg_far_line *line, int16_t *block, int64_t samples, int64_t position)
{
    kg_mutex_lock(&line->mutex);
    int64_t at = place_locked(line, samples, position);
    for (int64_t i = 0; i < samples; i++, at++) {
        bool known = line->anchored && at >= 0 && at < line->end && at >= line->end - KG_FAR_LINE_SAMPLES;
        block[i] = known ? line->samples[(uint64_t)at % KG_FAR_LINE_SAMPLES] : 0;
    }
    kg_mutex_unlock(&line->mutex);
}

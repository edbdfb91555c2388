#include "gst/far_line.h"

#include <string.h>

#define MARGIN_SAMPLES 480   /* behind the newest: the writer's jitter */
#define OLD_SAMPLES    24000 /* half a second */
/* A block that offset does not fit weighs this many that it does; the limit is reached by six in a row, and
 * by one in three within a third of a second: a writer that comes in bursts. */
#define ASTRAY     4
#define MAX_ASTRAY 20
#define MAX_IDLE   4 /* blocks; for longer, the loudspeaker has stopped, and there is nothing to be found */

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
    line->astray = line->idle = 0;
    kg_mutex_unlock(&line->mutex);
}

void kg_far_line_write(struct kg_far_line *line, const int16_t *block, int64_t samples)
{
    kg_mutex_lock(&line->mutex);
    for (int64_t i = 0; i < samples; i++)
        line->samples[(uint64_t)line->end++ % KG_FAR_LINE_SAMPLES] = block[i];
    kg_mutex_unlock(&line->mutex);
}

/* Where in the writer's count the block at `position` begins. */
static int64_t place_locked(struct kg_far_line *line, int64_t samples, int64_t position)
{
    kg_mutex_assert_held(&line->mutex);
    int64_t at = position + line->offset;
    line->idle = line->end > line->seen_end ? 0 : line->idle + 1;
    line->seen_end = line->end;
    if (at + samples <= line->end && at >= line->end - OLD_SAMPLES)
        line->astray -= line->astray > 0;
    else if (line->idle <= MAX_IDLE)
        line->astray += ASTRAY;
    if (line->end > 0 && (!line->anchored || line->astray > MAX_ASTRAY)) {
        at = line->end - samples - MARGIN_SAMPLES;
        line->offset = at - position;
        line->anchored = true;
        line->astray = 0;
    }
    return at;
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

#include "gst/far_line.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OFF_SAMPLES 960 /* 20 ms */

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
    line->end = 0;
    line->at = INT64_MIN;
    kg_mutex_unlock(&line->mutex);
}

static int16_t *slot(struct kg_far_line *line, int64_t position)
{
    return &line->samples[(uint64_t)position % KG_FAR_LINE_SAMPLES];
}

void kg_far_line_write(struct kg_far_line *line, const int16_t *block, int64_t samples, int64_t position)
{
    kg_mutex_lock(&line->mutex);
    if (position - line->end > KG_FAR_LINE_SAMPLES)
        line->end = position - KG_FAR_LINE_SAMPLES;
    for (; line->end < position; line->end++)
        *slot(line, line->end) = 0;
    for (int64_t i = 0; i < samples; i++)
        *slot(line, position + i) = block[i];
    if (position + samples > line->end)
        line->end = position + samples;
    kg_mutex_unlock(&line->mutex);
}

void kg_far_line_read(struct kg_far_line *line, int16_t *block, int64_t samples, int64_t position)
{
    kg_mutex_lock(&line->mutex);
    if (line->at == INT64_MIN || llabs(line->at - position) > MAX_OFF_SAMPLES)
        line->at = position;
    for (int64_t i = 0; i < samples; i++, line->at++) {
        bool known = line->at >= 0 && line->at < line->end && line->at >= line->end - KG_FAR_LINE_SAMPLES;
        block[i] = known ? *slot(line, line->at) : 0;
    }
    kg_mutex_unlock(&line->mutex);
}

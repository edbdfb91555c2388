#include "gst/delay_estimator.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gst/fft/gstfftf32.h>

#include "base/log.h"

/* Times in samples of the 8 kHz case; at 16 kHz everything doubles. */
#define REACH 4096 /* longest delay sought, 512 ms */
#define HOP   1024 /* between correlations, 128 ms */
/* Half the weight of a correlation is gone after 8 hops, one second: short enough for a drifting clock (0.1
 * ms/s at 100 ppm), long enough that a few words suffice. */
#define FORGET  0.917F
#define LOW_HZ  250
#define HIGH_HZ 3400
/* Below this mean square (-62 dBFS) the far end is silent and its echo tells nothing. */
#define SILENT 6e-7F
/* Peak over spread that chance does not reach among 4096 delays in minutes of unrelated speech, as measured.
 */
#define MIN_CONFIDENCE 9
#define MIN_WEIGHT     2.5F /* correlations, after forgetting */
#define SAME_US        1500 /* estimates this near are one and the same, drifting */
#define CONFIRM        2    /* hops in a row that must agree on a new one */

struct kg_delay_estimator {
    uint32_t rate_hz;
    size_t reach, hop, size; /* size: of the transform, 2 × reach */
    GstFFTF32 *forward, *inverse;
    float *near, *far; /* `size` samples, oldest first, and behind them those since the last correlation */
    float *window;     /* over near's newer half */
    float *work;
    GstFFTF32Complex *near_spectrum, *far_spectrum, *sum;
    size_t fresh; /* samples since the last correlation */
    float weight; /* of sum, correlations */
    int32_t candidate_us;
    uint32_t agreed; /* hops in a row */
    struct kg_delay_estimate estimate;
};

static bool allocate(struct kg_delay_estimator *e)
{
    size_t bins = e->size / 2 + 1;
    e->forward = gst_fft_f32_new((gint)e->size, FALSE);
    e->inverse = gst_fft_f32_new((gint)e->size, TRUE);
    e->near = calloc(e->size + e->hop, sizeof *e->near);
    e->far = calloc(e->size + e->hop, sizeof *e->far);
    e->window = calloc(e->reach, sizeof *e->window);
    e->work = calloc(e->size, sizeof *e->work);
    e->near_spectrum = calloc(bins, sizeof *e->near_spectrum);
    e->far_spectrum = calloc(bins, sizeof *e->far_spectrum);
    e->sum = calloc(bins, sizeof *e->sum);
    return e->forward && e->inverse && e->near && e->far && e->window && e->work && e->near_spectrum &&
           e->far_spectrum && e->sum;
}

struct kg_delay_estimator *kg_delay_estimator_create(uint32_t rate_hz)
{
    if (rate_hz != 8000 && rate_hz != 16000) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "no delay estimation at %u Hz", rate_hz);
        return NULL;
    }
    struct kg_delay_estimator *e = calloc(1, sizeof *e);
    if (!e) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "no memory for delay estimation");
        return NULL;
    }
    e->rate_hz = rate_hz;
    e->reach = (size_t)REACH * rate_hz / 8000;
    e->hop = (size_t)HOP * rate_hz / 8000;
    e->size = 2 * e->reach;
    e->estimate.delay_us = e->candidate_us = -1;
    if (!allocate(e)) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "no memory for delay estimation");
        kg_delay_estimator_destroy(e);
        return NULL;
    }
    for (size_t i = 0; i < e->reach; i++)
        e->window[i] = 0.5F - 0.5F * cosf(2 * (float)M_PI * ((float)i + 0.5F) / (float)e->reach);
    return e;
}

void kg_delay_estimator_destroy(struct kg_delay_estimator *e)
{
    if (!e)
        return;
    if (e->forward)
        gst_fft_f32_free(e->forward);
    if (e->inverse)
        gst_fft_f32_free(e->inverse);
    free(e->near);
    free(e->far);
    free(e->window);
    free(e->work);
    free(e->near_spectrum);
    free(e->far_spectrum);
    free(e->sum);
    free(e);
}

static float mean_square(const float *samples, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += samples[i] * samples[i];
    return sum / (float)count;
}

/* Adds near × conj(far), every bin at the same loudness: what counts is how phase grows with frequency.
 * Near's older half is left out, so that each of its samples finds the far-end ones of all delays beside it.
 */
static void correlate(struct kg_delay_estimator *e)
{
    memset(e->work, 0, e->reach * sizeof *e->work);
    for (size_t i = 0; i < e->reach; i++)
        e->work[e->reach + i] = e->near[e->reach + i] * e->window[i];
    gst_fft_f32_fft(e->forward, e->work, e->near_spectrum);
    gst_fft_f32_fft(e->forward, e->far, e->far_spectrum);
    size_t low = LOW_HZ * e->size / e->rate_hz, high = HIGH_HZ * e->size / e->rate_hz;
    for (size_t k = low; k < high; k++) {
        GstFFTF32Complex n = e->near_spectrum[k], f = e->far_spectrum[k];
        float re = n.r * f.r + n.i * f.i, im = n.i * f.r - n.r * f.i;
        float scale = 1 / (sqrtf(re * re + im * im) + 1e-12F);
        e->sum[k].r = e->sum[k].r * FORGET + re * scale;
        e->sum[k].i = e->sum[k].i * FORGET + im * scale;
    }
    e->weight = e->weight * FORGET + 1;
}

/* The correlation's highest point, between the samples by a parabola through its neighbours. */
static int32_t find_peak(struct kg_delay_estimator *e, float *confidence)
{
    gst_fft_f32_inverse_fft(e->inverse, e->sum, e->work);
    size_t best = 0;
    float squares = 0;
    for (size_t i = 0; i < e->reach; i++) {
        squares += e->work[i] * e->work[i];
        if (e->work[i] > e->work[best])
            best = i;
    }
    float left = e->work[(best + e->size - 1) % e->size], right = e->work[best + 1], top = e->work[best];
    float bend = left - 2 * top + right, shift = bend < 0 ? 0.5F * (left - right) / bend : 0;
    *confidence = top / sqrtf(squares / (float)e->reach + 1e-20F);
    return (int32_t)lrintf(((float)best + shift) * 1e6F / (float)e->rate_hz);
}

static void judge(struct kg_delay_estimator *e, int32_t delay_us, float confidence)
{
    if (confidence < MIN_CONFIDENCE || e->weight < MIN_WEIGHT) {
        e->agreed = 0;
        return;
    }
    e->agreed = abs(delay_us - e->candidate_us) <= SAME_US ? e->agreed + 1 : 1;
    e->candidate_us = delay_us;
    if (e->agreed < CONFIRM)
        return;
    e->estimate.delay_us = delay_us < 0 ? 0 : delay_us > KG_DELAY_MAX_US ? KG_DELAY_MAX_US : delay_us;
    e->estimate.confidence = confidence;
    e->estimate.revision++;
}

static void hop(struct kg_delay_estimator *e)
{
    float confidence;
    /* Echo can come from all the far end said within reach; near must hold sound at all. */
    if (mean_square(e->far, e->size) < SILENT || mean_square(e->near + e->reach, e->reach) < SILENT / 100)
        return;
    correlate(e);
    int32_t delay_us = find_peak(e, &confidence);
    judge(e, delay_us, confidence);
}

static void advance(float *line, size_t size, size_t count)
{
    memmove(line, line + count, size * sizeof *line);
}

void kg_delay_estimator_push(struct kg_delay_estimator *e, const float *near, const float *far,
                             size_t samples)
{
    while (samples) {
        size_t n = KG_MIN(samples, e->hop - e->fresh);
        memcpy(e->near + e->size + e->fresh, near, n * sizeof *near);
        memcpy(e->far + e->size + e->fresh, far, n * sizeof *far);
        near += n;
        far += n;
        samples -= n;
        e->fresh += n;
        if (e->fresh == e->hop) {
            e->fresh = 0;
            advance(e->near, e->size, e->hop);
            advance(e->far, e->size, e->hop);
            hop(e);
        }
    }
}

struct kg_delay_estimate kg_delay_estimator_get(const struct kg_delay_estimator *e)
{
    return e->estimate;
}

#include "gst/echo_filter.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gst/fft/gstfftf32.h>

#include "base/log.h"

#define BLOCK KG_ECHO_FILTER_BLOCK
#define SIZE  (2 * BLOCK) /* of the transforms: overlap-save */
#define BINS  (BLOCK + 1)
#define PARTS KG_ECHO_FILTER_PARTS

#define UNSURE 1.0F /* of the first coefficients: their expected square */
/* How much of a coefficient is still true after a block. Lower follows a drifting clock better and leaves
 * more of a steady echo: 0.998 to 0.98 were measured; at 100 ppm this one loses nothing. */
#define STILL_TRUE 0.995F
#define SMOOTH     0.7F
#define FAINT      1e-9F

struct kg_echo_filter {
    GstFFTF32 *forward, *inverse;
    float far[SIZE];                       /* the last two blocks */
    GstFFTF32Complex spectra[PARTS][BINS]; /* of far, newest at `newest` */
    GstFFTF32Complex weights[PARTS][BINS];
    float unsure[PARTS][BINS]; /* expected square of each weight's error */
    float residual[BINS];      /* smoothed power of what the filter does not explain */
    uint32_t newest;
    uint32_t constrained; /* the part to be put right next */
    uint32_t silent;      /* blocks in a row without far-end signal */
    float near_power, out_power;
};

struct kg_echo_filter *kg_echo_filter_create(void)
{
    struct kg_echo_filter *filter = calloc(1, sizeof *filter);
    if (filter) {
        filter->forward = gst_fft_f32_new(SIZE, FALSE);
        filter->inverse = gst_fft_f32_new(SIZE, TRUE);
    }
    if (!filter || !filter->forward || !filter->inverse) {
        kg_log(KG_LOG_ERROR, "gst", NULL, "no memory for echo cancelling");
        kg_echo_filter_destroy(filter);
        return NULL;
    }
    kg_echo_filter_reset(filter);
    return filter;
}

void kg_echo_filter_destroy(struct kg_echo_filter *filter)
{
    if (!filter)
        return;
    if (filter->forward)
        gst_fft_f32_free(filter->forward);
    if (filter->inverse)
        gst_fft_f32_free(filter->inverse);
    free(filter);
}

void kg_echo_filter_reset(struct kg_echo_filter *filter)
{
    memset(filter->weights, 0, sizeof filter->weights);
    memset(filter->residual, 0, sizeof filter->residual);
    filter->near_power = filter->out_power = 0;
    for (int p = 0; p < PARTS; p++) {
        for (int k = 0; k < BINS; k++)
            filter->unsure[p][k] = UNSURE;
    }
}

static const GstFFTF32Complex *far_spectrum(const struct kg_echo_filter *filter, uint32_t part)
{
    return filter->spectra[(filter->newest + part) % PARTS];
}

static void take_far(struct kg_echo_filter *filter, const int16_t *far)
{
    memmove(filter->far, filter->far + BLOCK, BLOCK * sizeof *filter->far);
    for (int i = 0; i < BLOCK; i++)
        filter->far[BLOCK + i] = (float)far[i] / 32768;
    filter->newest = (filter->newest + PARTS - 1) % PARTS;
    gst_fft_f32_fft(filter->forward, filter->far, filter->spectra[filter->newest]);
}

/* The echo the filter expects in this block. */
static void expect(struct kg_echo_filter *filter, float echo[BLOCK])
{
    GstFFTF32Complex sum[BINS] = {0};
    float time[SIZE];
    for (uint32_t p = 0; p < PARTS; p++) {
        const GstFFTF32Complex *x = far_spectrum(filter, p), *w = filter->weights[p];
        for (int k = 0; k < BINS; k++) {
            sum[k].r += w[k].r * x[k].r - w[k].i * x[k].i;
            sum[k].i += w[k].r * x[k].i + w[k].i * x[k].r;
        }
    }
    gst_fft_f32_inverse_fft(filter->inverse, sum, time);
    for (int i = 0; i < BLOCK; i++)
        echo[i] = time[BLOCK + i] / SIZE;
}

static void learn(struct kg_echo_filter *filter, const float error[BLOCK])
{
    float time[SIZE] = {0}, expected[BINS] = {0};
    GstFFTF32Complex e[BINS];
    memcpy(time + BLOCK, error, BLOCK * sizeof *error);
    gst_fft_f32_fft(filter->forward, time, e);
    for (uint32_t p = 0; p < PARTS; p++) {
        const GstFFTF32Complex *x = far_spectrum(filter, p);
        for (int k = 0; k < BINS; k++)
            expected[k] += filter->unsure[p][k] * (x[k].r * x[k].r + x[k].i * x[k].i);
    }
    for (int k = 0; k < BINS; k++) {
        float power = e[k].r * e[k].r + e[k].i * e[k].i;
        filter->residual[k] = fmaxf(power, SMOOTH * filter->residual[k] + (1 - SMOOTH) * power);
        /* Half of it: the error's transform sees one block of two. */
        expected[k] = 1 / (0.5F * expected[k] + filter->residual[k] + FAINT);
    }
    for (uint32_t p = 0; p < PARTS; p++) {
        const GstFFTF32Complex *x = far_spectrum(filter, p);
        GstFFTF32Complex *w = filter->weights[p];
        float *unsure = filter->unsure[p];
        for (int k = 0; k < BINS; k++) {
            float step = unsure[k] * expected[k], far_power = x[k].r * x[k].r + x[k].i * x[k].i;
            w[k].r += step * (x[k].r * e[k].r + x[k].i * e[k].i);
            w[k].i += step * (x[k].r * e[k].i - x[k].i * e[k].r);
            unsure[k] = STILL_TRUE * (1 - 0.5F * step * far_power) * unsure[k] +
                        (1 - STILL_TRUE) * (w[k].r * w[k].r + w[k].i * w[k].i);
        }
    }
}

/* A part's impulse response is one block long; what learning spread into the second is noise. One part a
 * block. */
static void constrain(struct kg_echo_filter *filter)
{
    float time[SIZE];
    GstFFTF32Complex *w = filter->weights[filter->constrained];
    gst_fft_f32_inverse_fft(filter->inverse, w, time);
    for (int i = 0; i < BLOCK; i++)
        time[i] /= SIZE;
    memset(time + BLOCK, 0, BLOCK * sizeof *time);
    gst_fft_f32_fft(filter->forward, time, w);
    filter->constrained = (filter->constrained + 1) % PARTS;
}

static float power_of(const float *block)
{
    float sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += block[i] * block[i];
    return sum;
}

static bool is_silent(const int16_t *block)
{
    for (int i = 0; i < BLOCK; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

/* What learn() does to the coefficients' certainty in so many blocks without far-end signal. */
static void grow_unsure(struct kg_echo_filter *filter, uint32_t blocks)
{
    float kept = powf(STILL_TRUE, (float)blocks);
    for (int p = 0; p < PARTS; p++) {
        for (int k = 0; k < BINS; k++) {
            GstFFTF32Complex w = filter->weights[p][k];
            filter->unsure[p][k] = kept * filter->unsure[p][k] + (1 - kept) * (w.r * w.r + w.i * w.i);
        }
    }
}

void kg_echo_filter_process(struct kg_echo_filter *filter, const int16_t *near, const int16_t *far,
                            int16_t *out)
{
    float echo[BLOCK], heard[BLOCK], error[BLOCK];
    bool silent = is_silent(far);
    if (silent && filter->silent > PARTS) { /* none of it is left in the filter either: nothing to do */
        filter->silent++;
        memmove(out, near, BLOCK * sizeof *out);
        return;
    }
    if (!silent && filter->silent > PARTS)
        grow_unsure(filter, filter->silent - PARTS - 1);
    filter->silent = silent ? filter->silent + 1 : 0;
    take_far(filter, far);
    expect(filter, echo);
    for (int i = 0; i < BLOCK; i++) {
        heard[i] = (float)near[i] / 32768;
        error[i] = heard[i] - echo[i];
    }
    filter->near_power = 0.95F * filter->near_power + 0.05F * power_of(heard);
    filter->out_power = 0.95F * filter->out_power + 0.05F * power_of(error);
    if (filter->out_power >
        2 * filter->near_power + FAINT) { /* it adds echo: the room or a device has changed */
        kg_echo_filter_reset(filter);
        memcpy(error, heard, sizeof error);
    }
    learn(filter, error);
    constrain(filter);
    constrain(filter);
    for (int i = 0; i < BLOCK; i++)
        out[i] = (int16_t)lrintf(fminf(fmaxf(error[i] * 32768, -32768), 32767));
}

#include "codec/mixer.h"

#include <math.h>
#include <stdlib.h>

#include "base/attr.h"

#define CEILING 32000.0F
#define CHUNK   64 /* the gain's grid, 1.3 ms at 48 kHz */
/* Recovery a chunk: 6 dB in about a third of a second, too slow to hear it pump. */
#define RELEASE 1.0027F

void kg_mixer_init(struct kg_mixer *mixer)
{
    mixer->gain = 1;
}

static int32_t sum_at(const int16_t *const *streams, size_t count, size_t i)
{
    int32_t sum = 0;
    for (size_t k = 0; k < count; k++)
        sum += streams[k] ? streams[k][i] : 0;
    return sum;
}

void kg_mixer_mix(struct kg_mixer *mixer, const int16_t *const *streams, size_t count, int16_t *out,
                  size_t samples)
{
    count = KG_MIN(count, (size_t)KG_MIXER_MAX_STREAMS);
    for (size_t at = 0; at < samples; at += CHUNK) {
        size_t n = KG_MIN(samples - at, (size_t)CHUNK);
        int32_t sums[CHUNK], peak = 0;
        for (size_t i = 0; i < n; i++) {
            sums[i] = sum_at(streams, count, at + i);
            peak = KG_MAX(peak, abs(sums[i]));
        }
        float target = fminf(1, mixer->gain * RELEASE);
        if ((float)peak * target > CEILING)
            target = CEILING / (float)peak;
        /* Down at once, since the peak may be the chunk's first sample; up along a ramp. */
        float from = fminf(mixer->gain, target);
        for (size_t i = 0; i < n; i++) {
            float gain = from + (target - from) * (float)i / (float)n;
            out[at + i] = (int16_t)lrintf((float)sums[i] * gain);
        }
        mixer->gain = target;
    }
}

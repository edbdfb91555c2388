#include "codec/stretch.h"

#include <math.h>
#include <stdlib.h>

#include <sonic.h>

#include "base/log.h"

#define MODULE "codec"

#define RATE_HZ   48000
#define MIN_RATIO 0.85F
#define MAX_RATIO 1.15F
/* libsonic looks at two of the longest pitch periods (65 Hz) before it changes anything. */
#define MAX_WAITING (2.0F * RATE_HZ / 65)

struct kg_stretch {
    sonicStream sonic;
    float ratio;
    float waiting; /* samples libsonic keeps unprocessed; it does not tell, so this counts in and out */
};

struct kg_stretch *kg_stretch_create(void)
{
    struct kg_stretch *stretch = calloc(1, sizeof *stretch);
    if (stretch)
        stretch->sonic = sonicCreateStream(RATE_HZ, 1);
    if (!stretch || !stretch->sonic) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for time-stretching");
        free(stretch);
        return NULL;
    }
    stretch->ratio = 1;
    return stretch;
}

void kg_stretch_destroy(struct kg_stretch *stretch)
{
    if (!stretch)
        return;
    sonicDestroyStream(stretch->sonic);
    free(stretch);
}

void kg_stretch_set_ratio(struct kg_stretch *stretch, float ratio)
{
    ratio = fminf(fmaxf(ratio, MIN_RATIO), MAX_RATIO);
    /* One cut or repeat of a pitch period every half second is no change worth its risk. */
    if (fabsf(ratio - 1) < 0.005F)
        ratio = 1;
    stretch->ratio = ratio;
    sonicSetSpeed(stretch->sonic, 1 / ratio);
}

bool kg_stretch_push(struct kg_stretch *stretch, const int16_t *pcm, size_t samples)
{
    size_t before = kg_stretch_available(stretch);
    if (before + samples > RATE_HZ) {
        kg_log(KG_LOG_WARN, MODULE, NULL, "time-stretching refuses speech: a second waits to be played");
        return false;
    }
    /* libsonic only reads pcm; its API has no const. */
    if (!sonicWriteShortToStream(stretch->sonic, (short *)pcm, (int)samples)) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for time-stretching");
        return false;
    }
    float consumed = (float)(kg_stretch_available(stretch) - before) / stretch->ratio;
    stretch->waiting = fminf(fmaxf(stretch->waiting + (float)samples - consumed, 0), MAX_WAITING);
    if (stretch->ratio == 1)
        stretch->waiting = 0;
    return true;
}

size_t kg_stretch_available(const struct kg_stretch *stretch)
{
    return (size_t)sonicSamplesAvailable(stretch->sonic);
}

size_t kg_stretch_pull(struct kg_stretch *stretch, int16_t *pcm, size_t samples)
{
    return (size_t)sonicReadShortFromStream(stretch->sonic, pcm, (int)KG_MIN(samples, (size_t)RATE_HZ));
}

size_t kg_stretch_held(const struct kg_stretch *stretch)
{
    return kg_stretch_available(stretch) + (size_t)stretch->waiting;
}

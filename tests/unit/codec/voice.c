#include "unit/codec/voice.h"

#include <math.h>

void voice_fill(int16_t *pcm, size_t samples, double pitch_hz)
{
    double phase = 0;
    for (size_t i = 0; i < samples; i++) {
        double t = (double)i / 48000, loud = 0.55 + 0.45 * sin(2 * M_PI * 3.1 * t), y = 0;
        phase += 2 * M_PI * pitch_hz * (1 + 0.02 * sin(2 * M_PI * 0.7 * t)) / 48000;
        for (int k = 1; k <= 8; k++)
            y += sin(phase * k + k) / k;
        pcm[i] = (int16_t)(7000 * loud * y);
    }
}

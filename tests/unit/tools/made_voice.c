#include "unit/tools/made_voice.h"

#include <math.h>

#include "tools/voice.h"

void kg_made_voice(int16_t *pcm, size_t count)
{
    uint32_t random = 12345;
    double phase = 0, pitch = 130, towards = 130, vowel = 500, next = 500;
    for (size_t i = 0; i < count; i++) {
        if (i % 4800 == 0) { /* each 100 ms */
            random = random * 1664525 + 1013904223;
            towards = 110 + 60 * (double)(random >> 16) / 65536;
            next = 300 + 600 * (double)(random >> 8 & 0xffff) / 65536;
        }
        pitch += (towards - pitch) / 2400;
        vowel += (next - vowel) / 1200;
        phase += 2 * M_PI * pitch / KG_VOICE_RATE;
        double v = 0;
        for (int k = 1; k <= 12; k++) {
            double off = (k * pitch - vowel) / 250;
            v += cos(phase * k + k * k) / (1 + off * off);
        }
        pcm[i] = (int16_t)(2500 * v * (0.4 + 0.6 * fabs(sin((double)i / 9000))));
    }
}

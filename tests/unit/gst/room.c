#include "unit/gst/room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 24

static double at(const int16_t *far, size_t samples, double position)
{
    double whole = floor(position), part = position - whole, sum = 0;
    if (part == 0)
        return whole >= 0 && whole < (double)samples ? far[(size_t)whole] : 0;
    for (int k = -7; k <= 8; k++) {
        double i = whole + k, x = part - k;
        if (i < 0 || i >= (double)samples)
            continue;
        double sinc = fabs(x) < 1e-9 ? 1 : sin(M_PI * x) / (M_PI * x);
        sum += far[(size_t)i] * sinc * (0.5 + 0.5 * cos(M_PI * x / 8.5));
    }
    return sum;
}

void room_echo(int16_t *near, const int16_t *far, size_t samples, double delay_samples, double drift_ppm,
               double level)
{
    double *direct = calloc(samples, sizeof *direct);
    size_t gap[TAIL];
    double gain[TAIL];
    if (!direct)
        abort();
    for (size_t n = 0; n < samples; n++)
        direct[n] = at(far, samples, (double)n * (1 + drift_ppm * 1e-6) - delay_samples);
    for (size_t k = 0; k < TAIL; k++) {
        gap[k] = k * k * 2880 / ((size_t)TAIL * TAIL) + k;
        gain[k] = (k % 2 ? -1 : 1) * exp(-3.5 * (double)gap[k] / 2880) / (k ? 3 : 1);
    }
    for (size_t n = 0; n < samples; n++) {
        double sum = 0;
        for (size_t k = 0; k < TAIL && gap[k] <= n; k++)
            sum += direct[n - gap[k]] * gain[k];
        sum = sum * level;
        near[n] = (int16_t)fmax(-32000, fmin(32000, sum));
    }
    free(direct);
}

void room_talk(int16_t *out, size_t samples, uint32_t seed)
{
    uint32_t noise = seed * 2654435761U + 1;
    double y1 = 0, y2 = 0, z1 = 0, z2 = 0, phase = 0;
    for (size_t i = 0; i < samples; i++) {
        double t = (double)i / 48000 + seed;
        double loud = fmod(t, 1.9) < 1.5 ? pow(sin(M_PI * fmod(t * 3.7, 1)), 2) : 0;
        double formant = 500 + 300 * sin(t * 5.3) + 60 * seed, second = 1700 + 600 * sin(t * 7.7);
        noise = noise * 1664525 + 1013904223;
        phase = fmod(phase + (110 + 30 * sin(t * 2.3) + 25 * (seed % 4)) / 48000, 1);
        double x = loud * ((1 - 2 * phase) * 0.7 + 0.5 * (double)(int32_t)noise / 2147483648.0);
        double r = 0.992;
        double y = x * 0.05 + 2 * r * cos(2 * M_PI * formant / 48000) * y1 - r * r * y2;
        double z = x * 0.10 + 2 * r * cos(2 * M_PI * second / 48000) * z1 - r * r * z2;
        y2 = y1;
        y1 = y;
        z2 = z1;
        z1 = z;
        out[i] = (int16_t)(9000 * tanh(0.5 * y + 0.5 * z));
    }
}

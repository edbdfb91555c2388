#include "bench/clip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct clip clip_new(size_t samples)
{
    struct clip clip = {calloc(samples + 1, sizeof(int16_t)), samples};
    if (!clip.pcm) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return clip;
}

void clip_free(struct clip *clip)
{
    free(clip->pcm);
    *clip = (struct clip){0};
}

static int16_t clamp(double value)
{
    return (int16_t)lrint(fmax(-32768, fmin(32767, value)));
}

/* The band-limited signal between its samples. */
static double between(const struct clip *clip, double position)
{
    double whole = floor(position), part = position - whole, sum = 0;
    double sine = sin(M_PI * part) / M_PI;
    if (part < 1e-6)
        return whole >= 0 && whole < (double)clip->samples ? clip->pcm[(size_t)whole] : 0;
    for (int k = -15; k <= 16; k++) {
        double i = whole + k, x = part - k;
        if (i < 0 || i >= (double)clip->samples)
            continue;
        double sinc = (k % 2 ? -sine : sine) / x;
        sum += clip->pcm[(size_t)i] * sinc * (0.5 + 0.5 * cos(M_PI * x / 16.5));
    }
    return sum;
}

static uint32_t u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Finds the format and the data among a RIFF file's chunks. */
static bool parse(const uint8_t *file, size_t size, uint32_t *rate_hz, const uint8_t **data, size_t *bytes)
{
    *rate_hz = 0;
    if (size < 12 || memcmp(file, "RIFF", 4) != 0 || memcmp(file + 8, "WAVE", 4) != 0)
        return false;
    for (size_t at = 12; at + 8 <= size;) {
        size_t length = u32(file + at + 4), left = size - at - 8;
        length = length < left ? length : left;
        const uint8_t *chunk = file + at + 8;
        if (memcmp(file + at, "fmt ", 4) == 0 && length >= 16 && chunk[2] == 1 && chunk[14] == 16)
            *rate_hz = u32(chunk + 4);
        if (memcmp(file + at, "data", 4) == 0) {
            *data = chunk;
            *bytes = length;
            return *rate_hz == 8000 || *rate_hz == 16000 || *rate_hz == 48000;
        }
        at += 8 + length + length % 2;
    }
    return false;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = file ? malloc(16 << 20) : NULL;
    *size = bytes ? fread(bytes, 1, 16 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

bool clip_load(struct clip *clip, const char *path)
{
    size_t size, bytes;
    uint32_t rate_hz;
    const uint8_t *data;
    uint8_t *file = read_file(path, &size);
    bool good = file && parse(file, size, &rate_hz, &data, &bytes);
    if (good) {
        struct clip slow = clip_new(bytes / 2);
        for (size_t i = 0; i < slow.samples; i++)
            slow.pcm[i] = (int16_t)(data[2 * i] | data[2 * i + 1] << 8);
        uint32_t factor = 48000 / rate_hz;
        *clip = clip_new(slow.samples * factor);
        for (size_t i = 0; i < clip->samples; i++)
            clip->pcm[i] = clamp(between(&slow, (double)i / factor));
        clip_free(&slow);
    }
    free(file);
    return good;
}

struct clip clip_shift(const struct clip *clip, size_t late, double drift_ppm)
{
    struct clip shifted = clip_new(clip->samples);
    for (size_t i = 0; i < shifted.samples; i++)
        shifted.pcm[i] = clamp(between(clip, (double)i * (1 + drift_ppm * 1e-6) - (double)late));
    return shifted;
}

struct clip clip_mix(const struct clip *a, const struct clip *b, size_t at, double gain)
{
    struct clip mixed = clip_new(a->samples);
    for (size_t i = 0; i < mixed.samples; i++) {
        double add = i >= at && i - at < b->samples ? b->pcm[i - at] * gain : 0;
        mixed.pcm[i] = clamp(a->pcm[i] + add);
    }
    return mixed;
}

struct clip clip_cut(const struct clip *clip, size_t from, size_t samples)
{
    struct clip part = clip_new(samples);
    for (size_t i = 0; i < samples && from + i < clip->samples; i++)
        part.pcm[i] = clip->pcm[from + i];
    return part;
}

double clip_energy(const struct clip *clip, size_t from, size_t to)
{
    double sum = 1;
    for (size_t i = from; i < to && i < clip->samples; i++)
        sum += (double)clip->pcm[i] * clip->pcm[i];
    return sum;
}

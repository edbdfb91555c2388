#include "gst/sound.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gst/app/gstappsink.h>

#include "base/clock.h"
#include "base/log.h"

#define MODULE      "gst"
#define RATE_HZ     48000
#define MAX_SAMPLES ((size_t)600 * RATE_HZ)
#define STALLED_US  5000000

struct kg_sound {
    int16_t *samples;
    size_t count;
    size_t at;
};

static bool append(struct kg_sound *sound, size_t *capacity, const void *pcm, size_t samples)
{
    samples = KG_MIN(samples, MAX_SAMPLES - sound->count);
    if (sound->count + samples > *capacity) {
        size_t grown = KG_MAX(*capacity * 2, sound->count + samples);
        int16_t *moved = realloc(sound->samples, grown * sizeof *moved);
        if (!moved)
            return false;
        sound->samples = moved;
        *capacity = grown;
    }
    memcpy(sound->samples + sound->count, pcm, samples * sizeof(int16_t));
    sound->count += samples;
    return true;
}

static bool take_sample(struct kg_sound *sound, size_t *capacity, GstSample *sample)
{
    GstMapInfo map;
    bool taken = false;
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        taken = append(sound, capacity, map.data, map.size / sizeof(int16_t));
        gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
    return taken;
}

/* false: the reason is in error. */
static bool pull_all(struct kg_sound *sound, GstElement *pipeline, GstAppSink *sink, char *error)
{
    size_t capacity = (size_t)RATE_HZ * 16;
    int64_t deadline_us = kg_clock_now_us() + STALLED_US;
    sound->samples = malloc(capacity * sizeof *sound->samples);
    bool memory = sound->samples != NULL;
    while (memory && sound->count < MAX_SAMPLES) {
        GstSample *sample = gst_app_sink_try_pull_sample(sink, 100 * GST_MSECOND);
        if (sample) {
            deadline_us = kg_clock_now_us() + STALLED_US;
            memory = take_sample(sound, &capacity, sample);
        } else if (kg_pipeline_failed(pipeline, error, NULL)) {
            return false;
        } else if (gst_app_sink_is_eos(sink) || kg_clock_now_us() > deadline_us) {
            break;
        }
    }
    if (!memory)
        snprintf(error, KG_PIPELINE_ERROR_MAX, "out of memory");
    else if (sound->count < RATE_HZ / 100)
        snprintf(error, KG_PIPELINE_ERROR_MAX, "there is no sound in it");
    return memory && sound->count >= RATE_HZ / 100;
}

struct kg_sound *kg_sound_load(const char *path, char error[KG_PIPELINE_ERROR_MAX])
{
    struct kg_sound *sound = calloc(1, sizeof *sound);
    GstElement *pipeline = kg_pipeline_parse("filesrc name=source ! decodebin ! audioconvert ! audioresample "
                                             "! audio/x-raw,format=S16LE,rate=48000,channels=1 "
                                             "! appsink name=sound sync=false max-buffers=8",
                                             error);
    if (!sound || !pipeline) {
        free(sound);
        kg_pipeline_destroy(pipeline);
        return NULL;
    }
    GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sound");
    g_object_set(source, "location", path, NULL);
    bool loaded = kg_pipeline_play(pipeline, error) && pull_all(sound, pipeline, GST_APP_SINK(sink), error);
    gst_object_unref(source);
    gst_object_unref(sink);
    kg_pipeline_destroy(pipeline);
    if (!loaded) {
        kg_sound_destroy(sound);
        return NULL;
    }
    if (sound->count == MAX_SAMPLES)
        kg_log(KG_LOG_WARN, MODULE, NULL, "only the first ten minutes of %s are played", path);
    return sound;
}

/* A resonance of the throat: what turns a buzz into a vowel. */
struct resonator {
    double a, b, y1, y2;
};

static double resonate(struct resonator *r, double x, double hz, double width_hz)
{
    double radius = exp(-M_PI * width_hz / RATE_HZ);
    r->a = 2 * radius * cos(2 * M_PI * hz / RATE_HZ);
    r->b = -radius * radius;
    double y = (1 - radius) * x + r->a * r->y1 + r->b * r->y2;
    r->y2 = r->y1;
    r->y1 = y;
    return y;
}

/* Ten seconds of syllables: a buzz of gliding pitch and some breath, through three resonances that change
 * from vowel to vowel, four syllables a second, with a pause every 2.5 s. */
struct kg_sound *kg_sound_create_test(void)
{
    static const double vowels[5][3] = {
        {800, 1200, 2600}, {300, 2300, 3000}, {350, 1300, 2300}, {500, 1900, 2500}, {500, 900, 2500}};
    struct kg_sound *sound = calloc(1, sizeof *sound);
    struct resonator throat[3] = {0};
    uint32_t noise = 1;
    double phase = 0;
    if (sound)
        sound->samples = malloc((size_t)10 * RATE_HZ * sizeof *sound->samples);
    if (!sound || !sound->samples) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for the test sound");
        kg_sound_destroy(sound);
        return NULL;
    }
    sound->count = (size_t)10 * RATE_HZ;
    for (size_t i = 0; i < sound->count; i++) {
        double t = (double)i / RATE_HZ, syllable = fmod(t * 4, 1);
        const double *vowel = vowels[(size_t)(t * 4) * 7 % 5];
        double loud = fmod(t, 2.5) < 2 ? pow(sin(M_PI * syllable), 0.7) : 0;
        phase = fmod(phase + (120 + 25 * sin(t * 1.9) + 20 * sin(t * 5.1)) / RATE_HZ, 1);
        noise = noise * 1664525 + 1013904223;
        double breath = (double)(int32_t)noise / 2147483648.0;
        double x = loud * (2 * phase - 1 + 0.15 * breath), y = 0;
        for (int k = 0; k < 3; k++)
            y += resonate(&throat[k], x, vowel[k], 60 + 40 * k) / (k + 1);
        sound->samples[i] = (int16_t)(20000 * tanh(2.5 * y));
    }
    return sound;
}

void kg_sound_destroy(struct kg_sound *sound)
{
    if (!sound)
        return;
    free(sound->samples);
    free(sound);
}

void kg_sound_read(struct kg_sound *sound, int16_t *out, size_t samples)
{
    if (!sound) {
        memset(out, 0, samples * sizeof *out);
        return;
    }
    while (samples) {
        size_t n = KG_MIN(samples, sound->count - sound->at);
        memcpy(out, sound->samples + sound->at, n * sizeof *out);
        out += n;
        samples -= n;
        sound->at = (sound->at + n) % sound->count;
    }
}

#include "tools/voice.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHIRP_FROM_HZ = 400, CHIRP_TO_HZ = 3000 };

void kg_chirp_fill(enum kg_chirp chirp, float *samples, size_t count, float rate)
{
    double seconds = (double)count / rate;
    double from = chirp == KG_CHIRP_UP ? CHIRP_FROM_HZ : CHIRP_TO_HZ;
    double to = chirp == KG_CHIRP_UP ? CHIRP_TO_HZ : CHIRP_FROM_HZ;
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / rate;
        double phase = 2 * M_PI * (from * t + (to - from) * t * t / (2 * seconds));
        double window = 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)(count - 1));
        samples[i] = (float)(sin(phase) * window);
    }
}

/* Normalised correlation at each offset; a peak above the threshold with no higher one within half a second.
 */
size_t kg_chirp_find(enum kg_chirp chirp, const float *pcm, size_t count, size_t *found, size_t max)
{
    float sweep[KG_CHIRP_SAMPLES];
    const double threshold = 0.5;
    const size_t apart = KG_CHIRP_RATE / 2;
    kg_chirp_fill(chirp, sweep, KG_CHIRP_SAMPLES, KG_CHIRP_RATE);
    double sweep_energy = 0, energy = 0;
    size_t n = 0;
    double best = 0;
    for (size_t i = 0; i < KG_CHIRP_SAMPLES; i++)
        sweep_energy += (double)sweep[i] * sweep[i];
    for (size_t i = 0; i < KG_CHIRP_SAMPLES && i < count; i++)
        energy += (double)pcm[i] * pcm[i];
    for (size_t at = 0; at + KG_CHIRP_SAMPLES < count; at++) {
        if (energy > 1e-5 * KG_CHIRP_SAMPLES) { /* above −50 dBFS */
            double dot = 0;
            for (size_t i = 0; i < KG_CHIRP_SAMPLES; i++)
                dot += (double)sweep[i] * pcm[at + i];
            double match = fabs(dot) / sqrt(sweep_energy * energy);
            bool new_one = n == 0 || at > found[n - 1] + apart;
            if (match > threshold && (new_one || match > best)) {
                if (new_one && n == max)
                    break;
                found[new_one ? n++ : n - 1] = at;
                best = match;
            }
        }
        double out = pcm[at], in = pcm[at + KG_CHIRP_SAMPLES];
        energy = fmax(0, energy - out * out + in * in);
    }
    return n;
}

void kg_voice_generate(float *pcm, size_t count, bool low_voice)
{
    uint32_t random = 12345;
    double low_hz = low_voice ? 100 : 160, phase = 0, pitch = low_hz, towards = low_hz, vowel = 500,
           next = 500;
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / KG_VOICE_RATE, in_phrase = fmod(t, 4.0);
        if (i % (KG_VOICE_RATE / 10) == 0) {
            random = random * 1664525 + 1013904223;
            towards = low_hz * (1 + 0.5 * (double)(random >> 16) / 65536);
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
        double syllable = 0.3 + 0.7 * fabs(sin(2 * M_PI * 1.55 * t));
        double phrase = fmax(0, fmin(1, 50 * fmin(in_phrase, 3.2 - in_phrase)));
        pcm[i] = (float)(0.07 * v * syllable * phrase);
    }
}

/* Decodes a file whole and repeats it over count samples. */
static bool decode(const char *file, float *pcm, size_t count)
{
    char *text = g_strdup_printf("filesrc location=\"%s\" ! decodebin ! audioconvert ! audioresample ! "
                                 "audio/x-raw,format=F32LE,rate=%d,channels=1 ! appsink name=out sync=false",
                                 file, KG_VOICE_RATE);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    g_free(text);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    size_t n = 0;
    for (GstSample *s; n < count && (s = gst_app_sink_pull_sample(GST_APP_SINK(sink))); gst_sample_unref(s)) {
        GstBuffer *b = gst_sample_get_buffer(s);
        n += gst_buffer_extract(b, 0, pcm + n, (count - n) * sizeof *pcm) / sizeof *pcm;
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    for (size_t i = n; n > 0 && i < count; i++)
        pcm[i] = pcm[i - n];
    if (n == 0)
        fprintf(stderr, "no sound in %s\n", file);
    return n > 0;
}

static void add_chirps(float *pcm, size_t count, enum kg_chirp chirp)
{
    enum { SAMPLES = KG_CHIRP_SAMPLES * (KG_VOICE_RATE / KG_CHIRP_RATE), QUIET = KG_VOICE_RATE / 20 };
    float sweep[SAMPLES];
    size_t period = (size_t)KG_VOICE_RATE * KG_CHIRP_PERIOD_US / 1000000;
    kg_chirp_fill(chirp, sweep, SAMPLES, KG_VOICE_RATE);
    for (size_t at = chirp == KG_CHIRP_UP ? KG_VOICE_RATE / 2 : KG_VOICE_RATE * 3 / 2;
         at + SAMPLES + QUIET < count; at += period) {
        memset(pcm + at - QUIET, 0, (SAMPLES + 2 * QUIET) * sizeof *pcm);
        for (size_t i = 0; i < SAMPLES; i++)
            pcm[at + i] = 0.3f * sweep[i];
    }
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static bool write_wav(const char *path, const float *pcm, size_t count)
{
    uint8_t header[44] = "RIFF....WAVEfmt \x10\0\0\0\1\0\1\0........\2\0\x10\0data....";
    put_u32(header + 4, (uint32_t)(36 + count * 2));
    put_u32(header + 24, KG_VOICE_RATE);
    put_u32(header + 28, KG_VOICE_RATE * 2);
    put_u32(header + 40, (uint32_t)(count * 2));
    FILE *f = fopen(path, "wb");
    if (!f) {
        fprintf(stderr, "cannot write %s: %m\n", path);
        return false;
    }
    fwrite(header, 1, sizeof header, f);
    for (size_t i = 0; i < count; i++) {
        float v = fmaxf(-1, fminf(1, pcm[i]));
        int16_t s = (int16_t)lrintf(v * 32767);
        fwrite(&s, sizeof s, 1, f);
    }
    return fclose(f) == 0;
}

bool kg_voice_write(const char *speech, enum kg_chirp chirp, uint32_t seconds, const char *out)
{
    size_t count = (size_t)seconds * KG_VOICE_RATE;
    float *pcm = calloc(count, sizeof *pcm);
    if (!pcm)
        return false;
    bool ok = true;
    if (strcmp(speech, "silence") != 0) {
        if (strcmp(speech, "test") == 0)
            kg_voice_generate(pcm, count, chirp == KG_CHIRP_DOWN);
        else
            ok = decode(speech, pcm, count);
        add_chirps(pcm, count, chirp);
    }
    ok = ok && write_wav(out, pcm, count);
    free(pcm);
    return ok;
}

/* Measures the terminal's echo canceller, set as the terminal sets it, over far-end recordings and in double
 * talk. `bench_echo --out DIR` prints a table and writes DIR/echo.json. Recordings come from KAIGI_DATA where
 * it has them; a generated room is always measured. The microphone's signal is delayed and its clock bent; "0
 * ms" is the recording's own delay plus 10 ms, less than any sound card adds. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/clip.h"
#include "gst/echo_canceller.h"
#include "unit/gst/room.h"

#define RATE     48000
#define BLOCK    480
#define AHEAD    480
#define SETTLE_S 3

static FILE *json;
static bool first = true;

struct outcome {
    struct clip out;
    double known_s; /* when the delay was known; -1: never */
    int32_t delay_us;
    double cpu_share;
};

static struct outcome run(const struct clip *near, const struct clip *far, bool cancel, bool level)
{
    struct kg_echo_canceller_params params = {.cancel = cancel, .suppress_noise = true, .level = level};
    struct kg_echo_canceller *canceller = kg_echo_canceller_create(&params);
    struct outcome outcome = {.out = clip_cut(near, near->samples, near->samples), .known_s = -1};
    int64_t cpu_us = kg_clock_cpu_us();
    if (!canceller)
        exit(1);
    for (size_t at = 0; at + BLOCK <= near->samples && at + BLOCK <= far->samples; at += BLOCK) {
        if (!kg_echo_canceller_process(canceller, near->pcm + at, far->pcm + at, outcome.out.pcm + at))
            exit(1);
        outcome.delay_us = kg_echo_canceller_delay_us(canceller);
        if (outcome.known_s < 0 && outcome.delay_us >= 0)
            outcome.known_s = (double)at / RATE;
    }
    outcome.cpu_share = (double)(kg_clock_cpu_us() - cpu_us) / 1e6 / ((double)near->samples / RATE);
    kg_echo_canceller_destroy(canceller);
    return outcome;
}

static double reduction_db(const struct clip *near, const struct clip *out, size_t from, size_t to)
{
    return 10 * log10(clip_energy(near, from, to) / clip_energy(out, from, to));
}

/* Echo left after SETTLE_S, with and without cancelling, dB against the microphone's own signal. */
static void compare(const struct clip *near, const struct clip *far, bool level, struct outcome *on,
                    double *reduced, double *floor)
{
    size_t from = (size_t)SETTLE_S * RATE;
    *on = run(near, far, true, level);
    struct outcome off = run(near, far, false, level);
    size_t to = (near->samples < far->samples ? near->samples : far->samples) / BLOCK * BLOCK;
    *reduced = reduction_db(near, &on->out, from, to);
    *floor = reduction_db(near, &off.out, from, to);
    clip_free(&off.out);
}

static void far_end_case(const char *name, const struct clip *near, const struct clip *far, unsigned delay_ms,
                         double drift_ppm)
{
    struct clip late = clip_shift(near, AHEAD + delay_ms * 48UL, drift_ppm);
    struct outcome on, live;
    double reduced, floor, live_reduced, live_floor;
    compare(&late, far, false, &on, &reduced, &floor);
    compare(&late, far, true, &live, &live_reduced, &live_floor);
    double live_gain = live_reduced - live_floor;
    printf("%-18s %5u %+6.0f   %6.1f %8.1f %8.1f   %7.1f %8.2f   %.3f  %s\n", name, delay_ms, drift_ppm,
           reduced, floor, live_gain, on.delay_us / 1000.0, on.known_s, live.cpu_share,
           reduced >= 25 && live_gain >= 25 ? "" : "below 25 dB");
    fprintf(json,
            "%s\n  {\"clip\": \"%s\", \"added_delay_ms\": %u, \"drift_ppm\": %.0f, \"reduced_db\": %.1f, "
            "\"floor_db\": %.1f, \"live_reduced_db\": %.1f, \"live_floor_db\": %.1f, \"estimated_delay_ms\": "
            "%.1f, "
            "\"known_after_s\": %.2f, \"cpu_share\": %.4f}",
            first ? "" : ",", name, delay_ms, drift_ppm, reduced, floor, live_reduced, live_floor,
            on.delay_us / 1000.0, on.known_s, live.cpu_share);
    first = false;
    clip_free(&late);
    clip_free(&on.out);
    clip_free(&live.out);
}

static void far_end_clip(const char *name, const struct clip *near, const struct clip *far)
{
    static const unsigned delays_ms[] = {0, 50, 150, 300};
    static const double drifts_ppm[] = {0, 100, -100};
    for (size_t d = 0; d < 4; d++) {
        for (size_t p = 0; p < 3; p++)
            far_end_case(name, near, far, delays_ms[d], drifts_ppm[p]);
    }
}

/* How loud `voice` is in `out`, whatever else is: the best fit over lags up to 40 ms. */
static double gain_db(const struct clip *out, const struct clip *voice, size_t from)
{
    double best = 1e-9, energy = clip_energy(voice, from, voice->samples - 2000);
    for (size_t lag = 0; lag < 1920; lag += 8) {
        double sum = 0;
        for (size_t i = from; i + 2000 < voice->samples; i++)
            sum += (double)voice->pcm[i] * out->pcm[i + lag];
        best = fmax(best, sum / energy);
    }
    return 20 * log10(best);
}

/* What the other side's speaking at the same time costs the voice in the room: its level in the output,
 * against its level when it speaks alone through the same canceller. Level control is off, since it would
 * hide the loss. */
static void double_talk_case(const char *name, const struct clip *echo, const struct clip *voice,
                             const struct clip *far, size_t from)
{
    struct clip both = clip_mix(echo, voice, 0, 1), silence = clip_cut(far, far->samples, far->samples);
    struct outcome talk = run(&both, far, true, false), alone = run(voice, &silence, true, false);
    double ratio =
        10 * log10(clip_energy(voice, from, voice->samples) / clip_energy(echo, from, echo->samples));
    double lost = gain_db(&alone.out, voice, from) - gain_db(&talk.out, voice, from);
    printf("%-34s %+6.1f   %6.1f  %s\n", name, ratio, lost, lost <= 3 ? "" : "above 3 dB");
    fprintf(json, "%s\n  {\"case\": \"%s\", \"voice_to_echo_db\": %.1f, \"lost_db\": %.1f}", first ? "" : ",",
            name, ratio, lost);
    first = false;
    clip_free(&both);
    clip_free(&silence);
    clip_free(&talk.out);
    clip_free(&alone.out);
}

/* A voice put over an echo, db louder than it. */
static void mixed_talk(const char *name, const struct clip *near, const struct clip *far,
                       const struct clip *voice, double db)
{
    size_t from = (size_t)4 * RATE;
    struct clip echo = clip_shift(near, AHEAD, 0), none = clip_cut(near, near->samples, near->samples);
    size_t length = near->samples - from < voice->samples ? near->samples - from : voice->samples;
    double gain =
        sqrt(clip_energy(&echo, from, from + length) / clip_energy(voice, 0, length)) * pow(10, db / 20);
    struct clip placed = clip_mix(&none, voice, from, gain);
    double_talk_case(name, &echo, &placed, far, from);
    clip_free(&echo);
    clip_free(&none);
    clip_free(&placed);
}

/* This recording's microphone is the echo plus a voice that is known: male_8k, whole, from sample 51029 on.
 */
static void known_talk(const struct clip *near, const struct clip *far, const struct clip *male)
{
    struct clip none = clip_cut(near, near->samples, near->samples);
    struct clip voice = clip_mix(&none, male, 51029UL * 6, 1), echo = clip_mix(near, &voice, 0, -1);
    struct clip late_voice = clip_shift(&voice, AHEAD, 0), late_echo = clip_shift(&echo, AHEAD, 0);
    double_talk_case("pyaec, recorded double talk", &late_echo, &late_voice, far, 7 * RATE + RATE / 2);
    clip_free(&none);
    clip_free(&voice);
    clip_free(&echo);
    clip_free(&late_voice);
    clip_free(&late_echo);
}

struct set {
    struct clip room_near, room_far, dtln_near, dtln_far, pyaec_near, pyaec_far, male, voices[3];
};

static bool load(struct clip *clip, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/audio/%s", folder, name);
    return clip_load(clip, path);
}

static bool load_recordings(struct set *set)
{
    const char *folder = getenv("KAIGI_DATA");
    return folder && load(&set->dtln_near, folder, "echo/dtln_farend_singletalk_mic.wav") &&
           load(&set->dtln_far, folder, "echo/dtln_farend_singletalk_lpb.wav") &&
           load(&set->pyaec_near, folder, "echo/pyaec_d_8k.wav") &&
           load(&set->pyaec_far, folder, "echo/pyaec_x_8k.wav") &&
           load(&set->male, folder, "echo/pyaec_male_8k.wav") &&
           load(&set->voices[0], folder, "speech/jfk_16k.wav") &&
           load(&set->voices[1], folder, "ja/common_voice_ja_38852485_16k.wav") &&
           load(&set->voices[2], folder, "speech/df_clean_freesound_33711_48k.wav");
}

static void generate(struct set *set)
{
    struct clip blank = {0};
    set->room_far = clip_cut(&blank, 0, (size_t)12 * RATE);
    set->room_near = clip_cut(&blank, 0, (size_t)12 * RATE);
    room_talk(set->room_far.pcm, set->room_far.samples, 1);
    room_echo(set->room_near.pcm, set->room_far.pcm, set->room_far.samples, 0, 0, 0.5);
}

static void measure(struct set *set, bool recordings)
{
    puts("\nThe far end talks alone: what is left of its echo after 3 s (aim: 25 dB off)\n"
         "reduced: microphone to output, noise suppression on, level control off; without: the same, not "
         "cancelled;\n"
         "live: with level control as the terminal runs, which raises what is left: cancelled against not "
         "cancelled\n"
         "clip               added  drift  reduced  without     live   delay    known   cores\n"
         "                      ms    ppm       dB       dB       dB      ms  after s");
    fputs("{\n\"far_end\": [", json);
    far_end_clip("generated room", &set->room_near, &set->room_far);
    if (recordings) {
        struct clip alone = clip_cut(&set->pyaec_near, 0, (size_t)(7.4 * RATE));
        far_end_clip("dtln far end", &set->dtln_near, &set->dtln_far);
        far_end_clip("pyaec, first 7.4 s", &alone, &set->pyaec_far);
        clip_free(&alone);
    }
    puts("\nBoth ends talk: what the voice in the room loses (aim: 3 dB at most)\n"
         "case                            voice/echo    lost\n"
         "                                        dB      dB");
    fputs("\n],\n\"double_talk\": [", json);
    first = true;
    struct clip talk = clip_cut(&set->room_far, set->room_far.samples, (size_t)6 * RATE);
    room_talk(talk.pcm, talk.samples, 6);
    mixed_talk("generated room, generated voice", &set->room_near, &set->room_far, &talk, 0);
    clip_free(&talk);
    if (recordings) {
        static const char *const names[] = {"jfk", "common voice ja", "freesound"};
        known_talk(&set->pyaec_near, &set->pyaec_far, &set->male);
        for (int i = 0; i < 6; i++) {
            char name[64];
            snprintf(name, sizeof name, "dtln echo, %s over it", names[i / 2]);
            mixed_talk(name, &set->dtln_near, &set->dtln_far, &set->voices[i / 2], i % 2 ? 6 : 0);
        }
    }
    fputs("\n]\n}\n", json);
}

int main(int argc, char **argv)
{
    char path[4096];
    struct set set = {0};
    if (argc != 3 || strcmp(argv[1], "--out") != 0) {
        fputs("usage: bench_echo --out DIR\n", stderr);
        return 2;
    }
    snprintf(path, sizeof path, "%s/echo.json", argv[2]);
    json = fopen(path, "w");
    if (!json) {
        perror(path);
        return 1;
    }
    generate(&set);
    bool recordings = load_recordings(&set);
    if (!recordings)
        puts("No recordings (KAIGI_DATA): only the generated room is measured.");
    measure(&set, recordings);
    struct clip *clips = &set.room_near;
    for (size_t i = 0; i < sizeof set / sizeof *clips; i++)
        clip_free(&clips[i]);
    return fclose(json) == 0 ? 0 : 1;
}

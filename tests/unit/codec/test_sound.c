/* Stretching changes length and not pitch; mixing never wraps. */
#include "unit/cmocka_all.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "codec/mixer.h"
#include "codec/stretch.h"
#include "unit/codec/voice.h"

#define SECONDS 6
#define SAMPLES ((size_t)SECONDS * 48000)

static int16_t in[SAMPLES], out[SAMPLES * 2];

/* The period at which a second of sound resembles itself most, as Hz between 80 and 400. */
static double pitch_of(const int16_t *pcm)
{
    double best = -1, best_hz = 0;
    for (int lag = 120; lag <= 600; lag++) {
        double sum = 0, energy = 1;
        for (int i = 0; i < 24000; i++) {
            sum += (double)pcm[i] * pcm[i + lag];
            energy += (double)pcm[i + lag] * pcm[i + lag];
        }
        if (sum / sqrt(energy) > best) {
            best = sum / sqrt(energy);
            best_hz = 48000.0 / lag;
        }
    }
    return best_hz;
}

static size_t stretch_all(float ratio)
{
    struct kg_stretch *stretch = kg_stretch_create();
    size_t got = 0;
    assert_non_null(stretch);
    kg_stretch_set_ratio(stretch, ratio);
    for (size_t at = 0; at + 480 <= SAMPLES; at += 480) {
        assert_true(kg_stretch_push(stretch, in + at, 480));
        assert_true(kg_stretch_held(stretch) <= 4460);
        while (kg_stretch_available(stretch) >= 480)
            got += kg_stretch_pull(stretch, out + got, 480);
    }
    kg_stretch_destroy(stretch);
    return got;
}

static void stretching_keeps_the_pitch(void **state)
{
    (void)state;
    static const float ratios[] = {0.85F, 0.95F, 1.05F, 1.15F};
    voice_fill(in, SAMPLES, 150);
    double pitch = pitch_of(in + 96000);
    for (size_t i = 0; i < 4; i++) {
        size_t length = stretch_all(ratios[i]);
        double stretched = pitch_of(out + 96000);
        print_message("ratio %.2f: length %.3f, pitch %.1f Hz for %.1f\n", ratios[i],
                      (double)length / SAMPLES, stretched, pitch);
        assert_true(fabs((double)length / SAMPLES - ratios[i]) < 0.02);
        assert_true(fabs(stretched - pitch) < 0.02 * pitch);
    }
}

static void ratio_one_changes_nothing(void **state)
{
    (void)state;
    voice_fill(in, SAMPLES, 150);
    assert_int_equal(stretch_all(1), SAMPLES);
    assert_memory_equal(in, out, sizeof in);
}

static void back_to_one_gives_all_back(void **state)
{
    (void)state;
    struct kg_stretch *stretch = kg_stretch_create();
    voice_fill(in, SAMPLES, 150);
    kg_stretch_set_ratio(stretch, 1.1F);
    for (size_t at = 0; at < 48000; at += 480) {
        assert_true(kg_stretch_push(stretch, in + at, 480));
        kg_stretch_pull(stretch, out, 960);
    }
    assert_true(kg_stretch_held(stretch) > kg_stretch_available(stretch)); /* something waits unseen */
    kg_stretch_set_ratio(stretch, 1);
    assert_true(kg_stretch_push(stretch, in, 480));
    assert_int_equal(kg_stretch_held(stretch), kg_stretch_available(stretch));
    while (kg_stretch_push(stretch, in, 4800))
        ;
    assert_true(kg_stretch_available(stretch) <= 48000); /* bounded */
    kg_stretch_destroy(stretch);
}

static void quiet_voices_add_exactly(void **state)
{
    (void)state;
    struct kg_mixer mixer;
    int16_t a[480], b[480], mix[480];
    kg_mixer_init(&mixer);
    for (int i = 0; i < 480; i++) {
        a[i] = (int16_t)(i * 10 - 2400);
        b[i] = (int16_t)(1000 - i);
    }
    kg_mixer_mix(&mixer, (const int16_t *const[]){a, NULL, b}, 3, mix, 480);
    for (int i = 0; i < 480; i++)
        assert_int_equal(mix[i], a[i] + b[i]);
    kg_mixer_mix(&mixer, NULL, 0, mix, 480);
    for (int i = 0; i < 480; i++)
        assert_int_equal(mix[i], 0);
}

static void loud_voices_are_held_below_full_scale(void **state)
{
    (void)state;
    struct kg_mixer mixer;
    int16_t a[480], b[480], c[480], mix[480];
    kg_mixer_init(&mixer);
    for (int block = 0; block < 200; block++) {
        bool loud = block < 50;
        for (int i = 0; i < 480; i++) {
            double t = (block * 480 + i) / 48000.0;
            a[i] = (int16_t)((loud ? 32000 : 3000) * sin(2 * M_PI * 200 * t));
            b[i] = loud ? a[i] : 0;
            c[i] = loud ? a[i] : 0;
        }
        kg_mixer_mix(&mixer, (const int16_t *const[]){a, b, c}, 3, mix, 480);
        for (int i = 0; i < 480; i++) {
            assert_true(abs(mix[i]) <= 32100);
            assert_true((mix[i] >= 0) == (a[i] >= 0) || abs(a[i]) < 10); /* never wrapped */
        }
        if (block == 40)
            assert_true(mixer.gain < 0.4F);
    }
    assert_true(mixer.gain == 1); /* given back after 1.5 s */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretching_keeps_the_pitch),
        cmocka_unit_test(ratio_one_changes_nothing),
        cmocka_unit_test(back_to_one_gives_all_back),
        cmocka_unit_test(quiet_voices_add_exactly),
        cmocka_unit_test(loud_voices_are_held_below_full_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

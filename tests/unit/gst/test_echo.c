/* The delay of an echo is found, followed and taken out; a lone echo goes, a lone voice stays. */
#include "unit/cmocka_all.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "gst/delay_estimator.h"
#include "gst/device.h"
#include "gst/echo_canceller.h"
#include "gst/echo_filter.h"
#include "unit/gst/room.h"

#define SECONDS 6
#define SAMPLES ((size_t)SECONDS * 48000)

static int16_t far_end[SAMPLES], near_end[SAMPLES], voice[SAMPLES], out[SAMPLES];

static int talk(void **state)
{
    (void)state;
    kg_gst_init();
    room_talk(far_end, SAMPLES, 1);
    room_talk(voice, SAMPLES, 6);
    return 0;
}

/* Feeds every sixth sample: what is far below 4 kHz here needs no filter. Returns when it was known, s. */
static double estimate(struct kg_delay_estimator *estimator, struct kg_delay_estimate *last)
{
    double known = -1;
    for (size_t at = 0; at + 480 <= SAMPLES; at += 480) {
        float near[80], far[80];
        for (size_t i = 0; i < 80; i++) {
            near[i] = (float)near_end[at + i * 6] / 32768;
            far[i] = (float)far_end[at + i * 6] / 32768;
        }
        kg_delay_estimator_push(estimator, near, far, 80);
        *last = kg_delay_estimator_get(estimator);
        if (known < 0 && last->delay_us >= 0)
            known = (double)at / 48000;
    }
    return known;
}

static void delay_is_found(void **state)
{
    (void)state;
    static const int delays_ms[] = {0, 50, 300, 480};
    for (size_t i = 0; i < 4; i++) {
        struct kg_delay_estimator *estimator = kg_delay_estimator_create(8000);
        struct kg_delay_estimate last;
        room_echo(near_end, far_end, SAMPLES, delays_ms[i] * 48.0, 0, 0.5);
        double known = estimate(estimator, &last);
        print_message("%d ms: %.2f ms after %.2f s, confidence %.0f\n", delays_ms[i], last.delay_us / 1000.0,
                      known, (double)last.confidence);
        assert_true(abs(last.delay_us - delays_ms[i] * 1000) < 1000);
        assert_true(known >= 0 && known < 2.5);
        kg_delay_estimator_destroy(estimator);
    }
}

static void drift_is_followed(void **state)
{
    (void)state;
    for (int ppm = -100; ppm <= 100; ppm += 200) {
        struct kg_delay_estimator *estimator = kg_delay_estimator_create(8000);
        struct kg_delay_estimate last;
        room_echo(near_end, far_end, SAMPLES, 4800, ppm, 0.5);
        estimate(estimator, &last);
        double truth_us = 100000 - ppm * SECONDS; /* a slower microphone hears it earlier and earlier */
        assert_true(fabs(last.delay_us - truth_us) < 700);
        kg_delay_estimator_destroy(estimator);
    }
}

static void unrelated_sound_has_no_delay(void **state)
{
    (void)state;
    struct kg_delay_estimator *estimator = kg_delay_estimator_create(8000);
    struct kg_delay_estimate last;
    memcpy(near_end, voice, sizeof near_end);
    estimate(estimator, &last);
    assert_int_equal(last.delay_us, -1);
    memset(near_end, 0, sizeof near_end);
    estimate(estimator, &last);
    assert_int_equal(last.delay_us, -1);
    kg_delay_estimator_destroy(estimator);
    assert_null(kg_delay_estimator_create(44100));
}

static double level_db(const int16_t *a, double from_s, double to_s)
{
    double sum = 1;
    for (size_t i = (size_t)(from_s * 48000); i < (size_t)(to_s * 48000); i++)
        sum += (double)a[i] * a[i];
    return 10 * log10(sum);
}

static void process(bool cancel, const int16_t *far)
{
    struct kg_echo_canceller_params params = {.cancel = cancel, .suppress_noise = false, .level = false};
    struct kg_echo_canceller *canceller = kg_echo_canceller_create(&params);
    assert_non_null(canceller);
    for (size_t at = 0; at + 480 <= SAMPLES; at += 480)
        assert_true(kg_echo_canceller_process(canceller, near_end + at, far + at, out + at));
    kg_echo_canceller_destroy(canceller);
}

static void echo_goes(void **state)
{
    (void)state;
    static const struct {
        int delay_ms, ppm;
    } cases[] = {{10, 0}, {160, 100}, {310, -100}};
    for (size_t i = 0; i < 3; i++) {
        room_echo(near_end, far_end, SAMPLES, cases[i].delay_ms * 48.0, cases[i].ppm, 0.5);
        process(true, far_end);
        double reduced = level_db(near_end, 3, SECONDS) - level_db(out, 3, SECONDS);
        process(false, far_end);
        double floor = level_db(near_end, 3, SECONDS) - level_db(out, 3, SECONDS);
        print_message("%d ms, %+d ppm: %.1f dB off the echo, %.1f without cancelling\n", cases[i].delay_ms,
                      cases[i].ppm, reduced, floor);
        assert_true(reduced > 25);
        assert_true(floor < 3);
    }
}

static void filter(const int16_t *far)
{
    struct kg_echo_filter *filter = kg_echo_filter_create();
    assert_non_null(filter);
    for (size_t at = 0; at + 480 <= SAMPLES; at += 480)
        kg_echo_filter_process(filter, near_end + at, far + at, out + at);
    kg_echo_filter_destroy(filter);
}

/* While the far end says nothing our own filter rests; it must know the room when it speaks again, and learn
 * anew what has changed meanwhile. */
static void echo_goes_after_a_silence(void **state)
{
    (void)state;
    static int16_t paused[SAMPLES], louder[SAMPLES];
    size_t from = (size_t)(2.5 * 48000), to = 4 * 48000;
    memcpy(paused, far_end, sizeof paused);
    memset(paused + from, 0, (to - from) * sizeof *paused);
    room_echo(near_end, paused, SAMPLES, 480, 0, 0.25);
    filter(paused);
    double same = level_db(near_end, 4.2, SECONDS) - level_db(out, 4.2, SECONDS);
    room_echo(louder, paused, SAMPLES, 480, 0, 0.5);
    memcpy(near_end + to, louder + to, (SAMPLES - to) * sizeof *near_end);
    filter(paused);
    double changed = level_db(near_end, 5, SECONDS) - level_db(out, 5, SECONDS);
    print_message("after a silence: %.1f dB off the same echo, %.1f off a louder one\n", same, changed);
    assert_true(same > 12);
    assert_true(changed > 12);
}

static void voice_stays(void **state)
{
    (void)state;
    static const int16_t silence[SAMPLES];
    memcpy(near_end, voice, sizeof near_end);
    process(true, silence);
    double lost = level_db(near_end, 1, SECONDS) - level_db(out, 1, SECONDS);
    print_message("a lone voice loses %.2f dB\n", lost);
    assert_true(fabs(lost) < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay_is_found),
        cmocka_unit_test(drift_is_followed),
        cmocka_unit_test(unrelated_sound_has_no_delay),
        cmocka_unit_test(echo_goes),
        cmocka_unit_test(echo_goes_after_a_silence),
        cmocka_unit_test(voice_stays),
    };
    return cmocka_run_group_tests(tests, talk, NULL);
}

/* What was lost on the way is told from what coding alone does, for losses made here by libopus itself. */
#include "unit/cmocka_all.h"

#include <math.h>
#include <opus/opus.h>
#include <stdlib.h>

#include "tools/concealment.h"
#include "tools/voice.h"

/* The voice through Opus as a room codes it, half a packet beside the tool's own frames, with `lost` of each
 * hundred packets, anywhere, concealed; what a listener hears is late by LATE and the codec's delay. */
static void check_concealment(const int16_t *voice, size_t count, unsigned lost)
{
    enum { BLOCK = KG_CONCEALMENT_BLOCK, LATE = 2003 };
    int wrong;
    size_t blocks = count / BLOCK, every = lost ? 100 / lost : SIZE_MAX, pick = SIZE_MAX;
    uint32_t random = 7 + lost;
    int16_t *heard = calloc(count + 2 * (size_t)LATE, sizeof *heard);
    struct kg_concealment_due *dues = calloc(blocks, sizeof *dues);
    OpusEncoder *encoder = opus_encoder_create(KG_VOICE_RATE, 1, OPUS_APPLICATION_VOIP, &wrong);
    OpusDecoder *decoder = opus_decoder_create(KG_VOICE_RATE, 1, &wrong);
    assert_true(heard && dues && encoder && decoder);
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(32000));
    for (size_t at = BLOCK / 2, n = 0; at + BLOCK <= count; at += BLOCK, n++) {
        unsigned char packet[1500];
        opus_int32 size = opus_encode(encoder, voice + at, BLOCK, packet, sizeof packet);
        assert_true(size > 0);
        if (lost > 0 && n % every == 0) {
            random = random * 1664525 + 1013904223;
            pick = n + (random >> 16) % every;
        }
        bool gone = n == pick;
        int got = opus_decode(decoder, gone ? NULL : packet, gone ? 0 : size, heard + LATE + at, BLOCK, 0);
        assert_int_equal(got, BLOCK);
    }
    for (size_t n = 0; n < blocks; n++) {
        size_t due = n * BLOCK + LATE + 200; /* not quite right, as clocks are */
        dues[n].first = dues[n].last = due + KG_VOICE_RATE / 10 < count ? due : SIZE_MAX;
    }
    struct kg_concealment result;
    kg_concealment_measure(voice, count, heard, count + LATE, dues, &result);
    print_message("%u %% lost: %.2f %% found, %u of %u pieces unlike\n", lost, result.percent, result.unlike,
                  result.pieces);
    assert_true(result.pieces > count / BLOCK);
    assert_true(fabs(result.percent - lost) <= (lost == 0 ? 0.3 : 1.5));
    opus_encoder_destroy(encoder);
    opus_decoder_destroy(decoder);
    free(dues);
    free(heard);
}

static void concealment_is_told_from_coding(void **state)
{
    (void)state;
    size_t count = 20 * (size_t)KG_VOICE_RATE;
    int16_t *voice = calloc(count, sizeof *voice);
    float *sound = calloc(count, sizeof *sound);
    assert_true(voice && sound);
    kg_voice_generate(sound, count, true);
    for (size_t i = 0; i < count; i++)
        voice[i] = (int16_t)lrintf(fmaxf(-1, fminf(1, sound[i])) * 32767);
    free(sound);
    for (size_t i = 0; i < 4; i++)
        check_concealment(voice, count, (unsigned[]){0, 1, 5, 10}[i]);
    free(voice);
}

static void silence_tells_nothing(void **state)
{
    (void)state;
    enum { COUNT = KG_VOICE_RATE };
    static int16_t nothing[COUNT];
    struct kg_concealment_due dues[COUNT / KG_CONCEALMENT_BLOCK];
    struct kg_concealment result;
    for (size_t n = 0; n < COUNT / KG_CONCEALMENT_BLOCK; n++)
        dues[n].first = dues[n].last = n * KG_CONCEALMENT_BLOCK + 1000;
    kg_concealment_measure(nothing, COUNT, nothing, COUNT, dues, &result);
    assert_int_equal(result.pieces, 0);
    assert_true(result.percent < 0);
    kg_concealment_measure(nothing, 0, nothing, 0, dues, &result);
    assert_true(result.percent < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concealment_is_told_from_coding),
        cmocka_unit_test(silence_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Opus: speech survives, FEC beats concealment, loss turns FEC on and off, and no packet harms. */
#include "unit/cmocka_all.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "codec/opus_decoder.h"
#include "codec/opus_encoder.h"
#include "unit/codec/voice.h"

#define FRAME  ((size_t)KG_OPUS_FRAME_SAMPLES)
#define FRAMES 100

static int16_t speech[FRAMES * FRAME];

static struct kg_opus_encoder *make_encoder(void)
{
    struct kg_opus_encoder_params params = {.rate_bps = 32000, .complexity = 5};
    struct kg_opus_encoder *encoder = kg_opus_encoder_create(&params);
    assert_non_null(encoder);
    return encoder;
}

static double energy(const int16_t *pcm, size_t samples)
{
    double sum = 0;
    for (size_t i = 0; i < samples; i++)
        sum += (double)pcm[i] * pcm[i];
    return sum;
}

static double difference(const int16_t *a, const int16_t *b, size_t samples)
{
    double sum = 0;
    for (size_t i = 0; i < samples; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

static void speech_survives(void **state)
{
    (void)state;
    static int16_t out[FRAMES * FRAME];
    struct kg_opus_encoder *encoder = make_encoder();
    struct kg_opus_decoder *decoder = kg_opus_decoder_create();
    size_t bytes = 0;
    for (int i = 0; i < FRAMES; i++) {
        uint8_t packet[KG_OPUS_MAX_PACKET];
        size_t size = kg_opus_encoder_encode(encoder, speech + i * FRAME, packet, sizeof packet);
        assert_in_range(size, 3, KG_OPUS_MAX_PACKET);
        assert_int_equal(kg_opus_decoder_decode(decoder, packet, size, out + i * FRAME, FRAME), FRAME);
        bytes += size;
    }
    double said = energy(speech + 4800, 80 * FRAME), error = said;
    for (size_t lag = 0; lag < 960; lag += 2)
        error = fmin(error, difference(speech + 4800, out + 4800 + lag, 80 * FRAME));
    print_message("%zu bps, SNR %.1f dB\n", bytes * 8 * 50 / FRAMES, 10 * log10(said / error));
    assert_in_range(bytes * 8 * 50 / FRAMES, 20000, 44000);
    assert_true(said / error >
                2.5); /* noise or silence would give 1; a voice coder shapes its error, not hides it */
    kg_opus_encoder_destroy(encoder);
    kg_opus_decoder_destroy(decoder);
}

struct damage {
    double conceal, fec;
};

/* Every tenth packet is lost; its 20 ms are filled both ways and compared with what should have come. */
static struct damage lose_packets(uint32_t told_percent)
{
    struct damage damage = {0};
    struct kg_opus_encoder *encoder = make_encoder();
    struct kg_opus_decoder *whole = kg_opus_decoder_create(), *with_fec = kg_opus_decoder_create(),
                           *without = kg_opus_decoder_create();
    uint8_t packet[KG_OPUS_MAX_PACKET];
    int16_t truth[FRAME], before[FRAME], out[FRAME];
    kg_opus_encoder_set_loss(encoder, told_percent);
    for (int i = 0; i < FRAMES; i++) {
        size_t size = kg_opus_encoder_encode(encoder, speech + i * FRAME, packet, sizeof packet);
        bool lost = i % 10 == 8, after_loss = i % 10 == 9;
        if (after_loss) {
            assert_int_equal(kg_opus_decoder_decode_fec(with_fec, packet, size, out, FRAME), FRAME);
            damage.fec += difference(out, before, FRAME);
            assert_int_equal(kg_opus_decoder_conceal(without, out, FRAME), FRAME);
            damage.conceal += difference(out, before, FRAME);
        }
        assert_int_equal(kg_opus_decoder_decode(whole, packet, size, truth, FRAME), FRAME);
        memcpy(before, truth, sizeof before);
        if (!lost) {
            assert_int_equal(kg_opus_decoder_decode(with_fec, packet, size, out, FRAME), FRAME);
            assert_int_equal(kg_opus_decoder_decode(without, packet, size, out, FRAME), FRAME);
        }
    }
    kg_opus_encoder_destroy(encoder);
    kg_opus_decoder_destroy(whole);
    kg_opus_decoder_destroy(with_fec);
    kg_opus_decoder_destroy(without);
    return damage;
}

static void fec_beats_concealment(void **state)
{
    (void)state;
    struct damage on = lose_packets(20), off = lose_packets(0);
    print_message("error of a lost packet, FEC against concealment: %.1f dB; with FEC off: %.1f dB\n",
                  10 * log10(on.fec / on.conceal), 10 * log10(off.fec / off.conceal));
    assert_true(on.fec < on.conceal / 2);
    /* Told of no loss the encoder sends no FEC: then decode_fec is concealment itself. */
    assert_true(fabs(off.fec - off.conceal) <= 0.01 * off.conceal);
}

static void bad_packets_are_refused(void **state)
{
    (void)state;
    struct kg_opus_decoder *decoder = kg_opus_decoder_create();
    static uint8_t junk[2000];
    int16_t pcm[KG_OPUS_MAX_SAMPLES];
    uint32_t seed = 7;
    assert_int_equal(kg_opus_decoder_decode(decoder, junk, 0, pcm, KG_OPUS_MAX_SAMPLES), 0);
    assert_int_equal(kg_opus_decoder_decode(decoder, "\xff", 1, pcm, KG_OPUS_MAX_SAMPLES), 0);
    for (int i = 0; i < 3000; i++) {
        size_t size = 1 + (size_t)(i * 37) % (i % 10 ? 200 : sizeof junk);
        for (size_t k = 0; k < size; k++) {
            seed = seed * 1664525 + 1013904223;
            junk[k] = (uint8_t)(seed >> 24);
        }
        assert_true(kg_opus_decoder_decode(decoder, junk, size, pcm, KG_OPUS_MAX_SAMPLES) <=
                    KG_OPUS_MAX_SAMPLES);
        assert_true(kg_opus_decoder_decode(decoder, junk, size, pcm, 240) <= 240);
        assert_true(kg_opus_decoder_decode_fec(decoder, junk, size, pcm, FRAME) <= FRAME);
    }
    assert_int_equal(kg_opus_decoder_conceal(decoder, pcm, FRAME), FRAME);
    assert_int_equal(kg_opus_decoder_conceal(decoder, pcm, 7), 0);
    assert_int_equal(kg_opus_decoder_decode_fec(decoder, junk, 10, pcm, 7), 0);
    kg_opus_decoder_destroy(decoder);
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    assert_null(kg_opus_encoder_create(&(struct kg_opus_encoder_params){.rate_bps = 1000, .complexity = 5}));
    assert_null(
        kg_opus_encoder_create(&(struct kg_opus_encoder_params){.rate_bps = 32000, .complexity = 11}));
}

static int fill_speech(void **state)
{
    (void)state;
    voice_fill(speech, FRAMES * FRAME, 140);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speech_survives),
        cmocka_unit_test(fec_beats_concealment),
        cmocka_unit_test(bad_packets_are_refused),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, fill_speech, NULL);
}

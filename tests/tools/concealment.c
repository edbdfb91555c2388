#include "tools/concealment.h"

#include <glib.h>
#include <math.h>
#include <opus/opus.h>

/* Sounds are compared below 3 kHz, where Opus follows the wave: every STEP-th sample of what a low-pass
 * leaves. What was heard keeps all samples, for its delay is a whole number of those and not of every
 * STEP-th. */
enum {
    RATE = 48000,
    BLOCK = KG_CONCEALMENT_BLOCK,
    PIECE = RATE / 100,
    STEP = 6,
    TAPS = 97,
    SEGMENT = RATE * 80 / 1000, /* long enough that its delay is no chance */
    SEGMENT_BLOCKS = SEGMENT / BLOCK,
    SLACK = RATE * 8 / 1000,
    WIDE = RATE * 120 / 1000,
    RATE_BPS = 32000, /* a room's; a line of somewhat less stays within unlike_factor */
    TRIALS = 4,
    LOSE_EVERY = 8, /* in each trial, packets of its own */
    NO_LAG = -1,
};
static const double voice_power = 1e-4;   /* −40 dBFS */
static const double least_likeness = 0.5; /* of a segment, to believe its delay */
static const double sure_likeness = 0.9;
static const double wide_likeness = 0.7;  /* where more may be alike by chance */
static const double most_by_coding = 0.4; /* a piece that coding alone changes more can tell nothing */
static const double silence = 0.9;        /* of the energy is missing */
static const double unlike_factor = 2.5, unlike_floor = 0.05;

struct wave {
    float *pcm;
    size_t count;
    size_t step; /* between the samples that are there */
};

/* Low-passed; step 1: each sample; STEP: only every STEP-th is right, the others are 0. */
static struct wave filter(const int16_t *pcm, size_t count, size_t step)
{
    float taps[TAPS], sum = 0;
    struct wave w = {g_new0(float, count + 1), count, step};
    const int middle = TAPS / 2;
    for (int i = 0; i < TAPS; i++) {
        double t = i - middle, x = 2 * M_PI * 3000.0 / RATE * t;
        taps[i] = (float)((t == 0 ? 1 : sin(x) / x) * (0.5 + 0.5 * cos(2 * M_PI * t / (TAPS + 1))));
        sum += taps[i];
    }
    for (int i = 0; i < TAPS; i++)
        taps[i] /= sum * 32768;
    for (size_t at = TAPS / 2 / STEP * STEP + STEP; at + TAPS / 2 < count; at += step) {
        const int16_t *from = pcm + at - TAPS / 2;
        float v = 0;
        for (int i = 0; i < TAPS; i++)
            v += taps[i] * from[i];
        w.pcm[at] = v;
    }
    return w;
}

static double power(const struct wave *w, size_t at, size_t samples)
{
    double sum = 0;
    for (size_t i = 0; i < samples; i += STEP)
        sum += (double)w->pcm[at + i] * w->pcm[at + i];
    return sum * STEP / (double)samples;
}

/* Correlation of the samples from a's at and b's there on; 0 outside. */
static double likeness(const struct wave *a, size_t at, const struct wave *b, size_t there, size_t samples)
{
    float ab = 0, aa = 1e-9F, bb = 1e-9F;
    if (there + samples > b->count)
        return 0;
    const float *x = a->pcm + at, *y = b->pcm + there;
    for (size_t i = 0; i < samples; i += STEP) {
        ab += x[i] * y[i];
        aa += x[i] * x[i];
        bb += y[i] * y[i];
    }
    return fmax(0, ab / sqrt((double)aa * bb));
}

/* How unlike: the share of energy that no gain explains. */
static double error(const struct wave *a, size_t at, const struct wave *b, size_t there)
{
    double c = likeness(a, at, b, there, PIECE);
    return 1 - c * c;
}

/* Through Opus; every LOSE_EVERY-th packet from `lose` on is concealed (negative: none). The result is late
 * by what *lag says. false: no codec or no memory. */
static bool through_opus(const int16_t *sent, size_t count, int lose, int16_t *out, size_t *lag)
{
    int wrong = 0;
    opus_int32 lookahead = 0;
    OpusEncoder *encoder = opus_encoder_create(RATE, 1, OPUS_APPLICATION_VOIP, &wrong);
    OpusDecoder *decoder = encoder ? opus_decoder_create(RATE, 1, &wrong) : NULL;
    bool ok = decoder && opus_encoder_ctl(encoder, OPUS_SET_BITRATE(RATE_BPS)) == OPUS_OK &&
              opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(5)) == OPUS_OK &&
              opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE)) == OPUS_OK &&
              opus_encoder_ctl(encoder, OPUS_GET_LOOKAHEAD(&lookahead)) == OPUS_OK;
    for (size_t n = 0; ok && (n + 1) * BLOCK <= count; n++) {
        unsigned char packet[1500];
        opus_int32 size = opus_encode(encoder, sent + n * BLOCK, BLOCK, packet, sizeof packet);
        bool lost = lose >= 0 && n % LOSE_EVERY == (size_t)lose;
        ok = size > 0 &&
             opus_decode(decoder, lost ? NULL : packet, lost ? 0 : size, out + n * BLOCK, BLOCK, 0) == BLOCK;
    }
    if (encoder)
        opus_encoder_destroy(encoder);
    if (decoder)
        opus_decoder_destroy(decoder);
    *lag = (size_t)lookahead;
    return ok;
}

/* Where in `in`, from `first` to `last`, the segment at `at` is most alike, and more than `least`; NO_LAG:
 * nowhere. */
static int64_t search(const struct wave *sent, size_t at, const struct wave *in, size_t first, size_t last,
                      double least)
{
    int64_t found = NO_LAG;
    for (size_t there = first / STEP * STEP; there <= last; there += STEP) {
        double like = likeness(sent, at, in, there, SEGMENT);
        if (like > least) {
            least = like;
            found = (int64_t)there;
        }
    }
    for (int64_t there = found - STEP + 1, end = found + STEP; in->step == 1 && found >= 0 && there < end;
         there++) {
        double like = there >= 0 ? likeness(sent, at, in, (size_t)there, SEGMENT) : 0;
        if (like > least) {
            least = like;
            found = there;
        }
    }
    return found;
}

/* Where each block's segment is found in `in`, as an offset into it; NO_LAG where it is not. */
static int64_t *find_segments(const struct wave *sent, const struct wave *in,
                              const struct kg_concealment_due *dues, size_t blocks)
{
    int64_t *found = g_new0(int64_t, blocks);
    for (size_t n = 0; n < blocks; n++) {
        size_t at = n * BLOCK, first = dues[n].first, last = dues[n].last;
        found[n] = NO_LAG;
        if (first == SIZE_MAX || first < WIDE || n + SEGMENT_BLOCKS > blocks ||
            power(sent, at, SEGMENT) < voice_power / 4)
            continue;
        size_t before = n > 0 && found[n - 1] != NO_LAG ? (size_t)found[n - 1] + BLOCK : SIZE_MAX - SEGMENT;
        if (before + WIDE >= first && before <= last + WIDE &&
            likeness(sent, at, in, before, SEGMENT) > sure_likeness) {
            found[n] = (int64_t)before; /* the delay seldom changes, and a search costs a hundred looks */
            continue;
        }
        found[n] = search(sent, at, in, first - SLACK, last + SLACK, least_likeness);
        if (found[n] == NO_LAG) /* a stall, and the buffer's way back from it */
            found[n] = search(sent, at, in, first - WIDE, last + WIDE, wide_likeness);
    }
    return found;
}

/* The least error of a piece at the delays of the segments it lies in: a playout buffer may change the delay
 * there. */
static double error_in(const struct wave *sent, size_t at, const struct wave *in, const int64_t *found)
{
    double least = 1;
    size_t block = at / BLOCK;
    for (size_t n = block >= SEGMENT_BLOCKS ? block - SEGMENT_BLOCKS + 1 : 0; n <= block; n++) {
        if (found[n] != NO_LAG)
            least = fmin(least, error(sent, at, in, (size_t)found[n] + at - n * BLOCK));
    }
    return least;
}

/* How many packets a run of unlike pieces stands for. One that is lost spoils its own two and up to three
 * after it, until the decoder has found its state again; how many depends on the sound, so a short run counts
 * once. */
static double packets_in(uint32_t run)
{
    return run == 0 ? 0 : run <= 5 ? 1 : (run - 3) / 2.0;
}

/* The share of a piece's energy that is not where it should be: no codec conceals a loss by silence at once.
 */
static double missing(const struct wave *sent, size_t at, const struct wave *in, const int64_t *found)
{
    size_t block = at / BLOCK;
    double most = 0, whole = power(sent, at, PIECE);
    for (size_t n = block >= SEGMENT_BLOCKS ? block - SEGMENT_BLOCKS + 1 : 0; n <= block; n++) {
        size_t there = (size_t)found[n] + at - n * BLOCK;
        if (found[n] != NO_LAG && there + PIECE <= in->count)
            most = fmax(most, 1 - power(in, there, PIECE) / whole);
    }
    return most;
}

/* What came as something else: in pieces; the packets that its runs stand for; and apart from them pieces of
 * silence, which are seen each, and so need no calibration. */
struct damage {
    uint32_t unlike;
    double packets;
    double silent;
};

/* limits: for every piece the error that coding alone explains; 0: not to be judged, and no end of a run. */
static void add_damage(const struct wave *sent, const struct wave *in, const struct kg_concealment_due *dues,
                       size_t blocks, const double *limits, struct damage *damage)
{
    uint32_t run = 0;
    double absent = 0;
    bool silent = false;
    int64_t *found = find_segments(sent, in, dues, blocks);
    for (size_t piece = 0; piece < blocks * BLOCK / PIECE; piece++) {
        size_t at = piece * PIECE;
        if (limits[piece] <= 0)
            continue;
        bool bad = error_in(sent, at, in, found) > limits[piece], after_silence = silent;
        double before = absent;
        damage->unlike += bad;
        absent = bad ? missing(sent, at, in, found) : 0;
        silent = absent > silence;
        if (bad && !silent && !after_silence) {
            run++;
            continue;
        }
        /* Silence begins and ends within pieces: its neighbours are no runs of their own. */
        bool edge = silent && run > 0;
        damage->silent += (bad ? absent : 0) + (edge ? before : 0);
        damage->packets += packets_in(edge ? run - 1 : run);
        run = 0;
    }
    damage->packets += packets_in(run);
    g_free(found);
}

static uint32_t find_limits(const struct wave *sent, const struct wave *coded, size_t lag,
                            const struct kg_concealment_due *dues, size_t blocks, double *limits)
{
    uint32_t pieces = 0;
    for (size_t piece = 0; piece < blocks * BLOCK / PIECE; piece++) {
        size_t at = piece * PIECE;
        limits[piece] = 0;
        if (dues[at / BLOCK].first == SIZE_MAX || dues[at / BLOCK].first < WIDE ||
            power(sent, at, PIECE) < voice_power)
            continue;
        double by_coding = error(sent, at, coded, at + lag);
        if (by_coding > most_by_coding)
            continue;
        limits[piece] = fmax(unlike_floor, unlike_factor * by_coding);
        pieces++;
    }
    return pieces;
}

void kg_concealment_measure(const int16_t *sent, size_t sent_count, const int16_t *heard, size_t heard_count,
                            const struct kg_concealment_due *dues, struct kg_concealment *out)
{
    size_t blocks = sent_count / BLOCK, lag = 0;
    double *limits = g_new0(double, blocks *BLOCK / PIECE + 1);
    int16_t *coded = g_new0(int16_t, sent_count + 1);
    struct kg_concealment_due *own = g_new(struct kg_concealment_due, blocks + 1);
    struct wave voice = filter(sent, sent_count, STEP);
    struct damage by_loss = {0}, by_line = {0};
    *out = (struct kg_concealment){.percent = -1};
    bool ok = through_opus(sent, sent_count, -1, coded, &lag) && lag % STEP == 0;
    if (ok) {
        struct wave whole = filter(coded, sent_count, STEP);
        out->pieces = find_limits(&voice, &whole, lag, dues, blocks, limits);
        g_free(whole.pcm);
    }
    for (size_t n = 0; n < blocks; n++) {
        bool judged = dues[n].first != SIZE_MAX;
        own[n] = judged ? (struct kg_concealment_due){n * BLOCK + lag, n * BLOCK + lag} : dues[n];
    }
    for (int trial = 0; ok && trial < TRIALS; trial++) {
        ok = through_opus(sent, sent_count, trial * LOSE_EVERY / TRIALS, coded, &lag);
        struct wave lossy = filter(coded, sent_count, STEP);
        add_damage(&voice, &lossy, own, blocks, limits, &by_loss);
        g_free(lossy.pcm);
    }
    if (ok && by_loss.packets > 0) {
        struct wave came = filter(heard, heard_count, 1);
        add_damage(&voice, &came, dues, blocks, limits, &by_line);
        out->unlike = by_line.unlike;
        double share = by_line.packets * TRIALS / by_loss.packets / LOSE_EVERY;
        out->percent = fmin(100, 100 * share + 100 * by_line.silent / out->pieces);
        g_free(came.pcm);
    }
    g_free(voice.pcm);
    g_free(own);
    g_free(coded);
    g_free(limits);
}

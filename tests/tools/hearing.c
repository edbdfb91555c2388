#include "tools/hearing.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

#include "tools/tap.h"

enum { RATIO = KG_VOICE_RATE / KG_CHIRP_RATE, MAX_CHIRPS = 4096, BLOCK = KG_CHIRP_RATE / 50 };

/* Sound at KG_CHIRP_RATE on one time line; the time of each 10 ms is kept, for clocks differ. */
struct sound {
    float *pcm;
    size_t count, capacity;
    int64_t *time_us; /* one for every KG_CHIRP_RATE / 100 samples */
};

enum { TICK = KG_CHIRP_RATE / 100 };

static void sound_free(struct sound *s)
{
    free(s->pcm);
    free(s->time_us);
}

/* Appends a record, averaging RATIO samples into one. */
static void append(struct sound *s, const struct kg_tap_record *r)
{
    size_t in = r->bytes / 2, out = in / RATIO;
    if (s->count + out + TICK > s->capacity) {
        s->capacity = (s->capacity + out + TICK) * 2;
        s->pcm = g_renew(float, s->pcm, s->capacity);
        s->time_us = g_renew(int64_t, s->time_us, s->capacity / TICK + 1);
    }
    for (size_t i = 0; i < out; i++) {
        int32_t sum = 0;
        for (size_t k = 0; k < RATIO; k++) {
            const uint8_t *p = r->payload + 2 * (i * RATIO + k);
            sum += (int16_t)(p[0] | p[1] << 8);
        }
        if (s->count % TICK == 0)
            s->time_us[s->count / TICK] = r->time_us + (int64_t)i * 1000000 / KG_CHIRP_RATE;
        s->pcm[s->count++] = (float)sum / (RATIO * 32768.0f);
    }
}

static bool read_sound(const char *dir, const char *name, struct sound *out)
{
    struct kg_tap tap;
    struct kg_tap_record r;
    *out = (struct sound){0};
    if (!kg_tap_open(&tap, dir, name))
        return false;
    while (kg_tap_next(&tap, &r)) {
        if (r.kind == KG_TAP_PCM)
            append(out, &r);
    }
    kg_tap_close(&tap);
    return true;
}

static int64_t time_at(const struct sound *s, size_t at)
{
    return s->time_us[at / TICK] + (int64_t)(at % TICK) * 1000000 / KG_CHIRP_RATE;
}

/* One chirp that came: the delay a playout buffer had at that moment. */
struct passage {
    int64_t sent_us;
    double delay_ms;
};
static struct passage passages[MAX_CHIRPS];

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_delay(const struct sound *sent, const struct sound *heard, enum kg_chirp chirp,
                          struct kg_hearing *out)
{
    static size_t from[MAX_CHIRPS], to[MAX_CHIRPS];
    static double delays[MAX_CHIRPS];
    size_t sent_count = kg_chirp_find(chirp, sent->pcm, sent->count, from, MAX_CHIRPS);
    size_t heard_count = kg_chirp_find(chirp, heard->pcm, heard->count, to, MAX_CHIRPS);
    int64_t begin_us = heard->time_us[0], end_us = time_at(heard, heard->count - 1);
    for (size_t i = 0; i < sent_count; i++) {
        int64_t at_us = time_at(sent, from[i]);
        if (at_us < begin_us || at_us + KG_CHIRP_PERIOD_US / 2 > end_us)
            continue;
        out->chirps_sent++;
        for (size_t k = 0; k < heard_count; k++) {
            int64_t delay_us = time_at(heard, to[k]) - at_us;
            if (delay_us >= 0 && delay_us < KG_CHIRP_PERIOD_US / 2) {
                passages[out->chirps_heard] = (struct passage){at_us, (double)delay_us / 1000};
                delays[out->chirps_heard++] = (double)delay_us / 1000;
                break;
            }
        }
    }
    qsort(delays, out->chirps_heard, sizeof *delays, compare);
    if (out->chirps_heard > 0)
        out->delay_ms = delays[out->chirps_heard / 2];
}

static double likeness(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 1e-9, bb = 1e-9;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return fabs(ab) / sqrt(aa * bb);
}

/* The sample of s nearest to a time; SIZE_MAX: outside. Ticks rise, so halving finds it. */
static size_t sample_at(const struct sound *s, int64_t time_us)
{
    size_t low = 0, high = s->count / TICK;
    if (high == 0 || time_us < s->time_us[0])
        return SIZE_MAX;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(s->time_us[middle] <= time_us ? &low : &high) = middle;
    }
    size_t at = low * TICK + (size_t)((time_us - s->time_us[low]) * KG_CHIRP_RATE / 1000000);
    return at < s->count ? at : SIZE_MAX;
}

/* Between which delays the chirps before and after came: a playout buffer may change it on the way. */
static void delays_around(int64_t at_us, uint32_t count, int64_t *least_us, int64_t *most_us)
{
    uint32_t next = 0;
    while (next < count && passages[next].sent_us <= at_us)
        next++;
    double before = passages[next > 0 ? next - 1 : 0].delay_ms,
           after = passages[next < count ? next : count - 1].delay_ms;
    *least_us = (int64_t)(fmin(before, after) * 1000);
    *most_us = (int64_t)(fmax(before, after) * 1000);
}

/* A block of voice that resembles nothing within 8 ms of when it was due was concealed, cut or never came.
 * The bounds are such that a block replaced by silence is found even where its neighbours reach into the
 * search.
 */
static void measure_concealed(const struct sound *sent, const struct sound *heard, struct kg_hearing *out)
{
    enum { SLACK = KG_CHIRP_RATE * 8 / 1000, WINDOW = BLOCK };
    const double alike = 0.75;
    uint32_t blocks = 0, bad = 0;
    int64_t start_us = heard->time_us[0] + 3000000; /* the join itself is not held against the line */
    for (size_t at = 0; at + WINDOW < sent->count; at += BLOCK) {
        double energy = 0;
        for (size_t i = 0; i < WINDOW; i++)
            energy += (double)sent->pcm[at + i] * sent->pcm[at + i];
        if (energy / WINDOW < 1e-4) /* under −40 dBFS: no voice */
            continue;
        int64_t sent_us = time_at(sent, at), least_us, most_us;
        delays_around(sent_us, out->chirps_heard, &least_us, &most_us);
        size_t first = sample_at(heard, sent_us + least_us), last = sample_at(heard, sent_us + most_us);
        if (sent_us + least_us < start_us || first == SIZE_MAX || last == SIZE_MAX || first < SLACK ||
            last + SLACK + WINDOW > heard->count)
            continue;
        double best = 0;
        for (size_t lag = first - SLACK; lag <= last + SLACK && best < alike; lag++)
            best = fmax(best, likeness(sent->pcm + at, heard->pcm + lag, WINDOW));
        blocks++;
        bad += best < alike;
    }
    out->blocks = blocks;
    out->blocks_heard = blocks - bad;
    out->concealed_percent = blocks ? 100.0 * bad / blocks : -1;
}

bool kg_hearing_measure(const char *sender_dir, const char *receiver_dir, enum kg_chirp chirp,
                        struct kg_hearing *out)
{
    struct sound sent = {0}, heard = {0};
    *out = (struct kg_hearing){.delay_ms = -1, .concealed_percent = -1};
    bool ok =
        read_sound(sender_dir, "microphone.tap", &sent) && read_sound(receiver_dir, "speaker.tap", &heard);
    if (ok && sent.count > 0 && heard.count > 0) {
        measure_delay(&sent, &heard, chirp, out);
        if (out->delay_ms >= 0)
            measure_concealed(&sent, &heard, out);
    }
    sound_free(&sent);
    sound_free(&heard);
    return ok;
}

#include "tools/hearing.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

#include "tools/concealment.h"
#include "tools/sound.h"

enum { RATIO = KG_VOICE_RATE / KG_CHIRP_RATE, MAX_CHIRPS = 4096 };

/* At KG_CHIRP_RATE, averaging RATIO samples into one; the caller's to free. */
static float *slow(const struct kg_sound *s)
{
    float *out = g_new(float, s->count / RATIO + 1);
    for (size_t i = 0; i < s->count / RATIO; i++) {
        int32_t sum = 0;
        for (size_t k = 0; k < RATIO; k++)
            sum += s->pcm[i * RATIO + k];
        out[i] = (float)sum / (RATIO * 32768.0f);
    }
    return out;
}

static size_t find_chirps(enum kg_chirp chirp, const struct kg_sound *s, size_t found[MAX_CHIRPS])
{
    float *pcm = slow(s);
    size_t count = kg_chirp_find(chirp, pcm, s->count / RATIO, found, MAX_CHIRPS);
    g_free(pcm);
    return count;
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

static void measure_delay(const struct kg_sound *sent, const struct kg_sound *heard, enum kg_chirp chirp,
                          struct kg_hearing *out)
{
    static size_t from[MAX_CHIRPS], to[MAX_CHIRPS];
    static double delays[MAX_CHIRPS];
    size_t sent_count = find_chirps(chirp, sent, from), heard_count = find_chirps(chirp, heard, to);
    int64_t begin_us = heard->time_us[0], end_us = kg_sound_time(heard, heard->count - 1);
    for (size_t i = 0; i < sent_count; i++) {
        int64_t at_us = kg_sound_time(sent, from[i] * RATIO);
        if (at_us < begin_us || at_us + KG_CHIRP_PERIOD_US / 2 > end_us)
            continue;
        out->chirps_sent++;
        for (size_t k = 0; k < heard_count; k++) {
            int64_t delay_us = kg_sound_time(heard, to[k] * RATIO) - at_us;
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

static void measure_concealed(const struct kg_sound *sent, const struct kg_sound *heard,
                              struct kg_hearing *out)
{
    struct kg_concealment result;
    size_t blocks = sent->count / KG_CONCEALMENT_BLOCK;
    struct kg_concealment_due *dues = g_new(struct kg_concealment_due, blocks + 1);
    int64_t start_us = heard->time_us[0] + 3000000; /* the join itself is not held against the line */
    for (size_t n = 0; n < blocks; n++) {
        int64_t sent_us = kg_sound_time(sent, n * KG_CONCEALMENT_BLOCK), least_us, most_us;
        delays_around(sent_us, out->chirps_heard, &least_us, &most_us);
        size_t first = kg_sound_at(heard, sent_us + least_us), last = kg_sound_at(heard, sent_us + most_us);
        bool judged = sent_us + least_us >= start_us && first != SIZE_MAX && last != SIZE_MAX &&
                      last + KG_VOICE_RATE / 10 < heard->count;
        dues[n] = judged ? (struct kg_concealment_due){first, last}
                         : (struct kg_concealment_due){SIZE_MAX, SIZE_MAX};
    }
    kg_concealment_measure(sent->pcm, sent->count, heard->pcm, heard->count, dues, &result);
    g_free(dues);
    out->blocks = result.pieces / 2;
    out->blocks_heard = (result.pieces - result.unlike) / 2;
    out->concealed_percent = result.percent;
}

bool kg_hearing_measure(const char *sender_dir, const char *receiver_dir, enum kg_chirp chirp,
                        struct kg_hearing *out)
{
    struct kg_sound sent = {0}, heard = {0};
    *out = (struct kg_hearing){.delay_ms = -1, .concealed_percent = -1};
    bool ok = kg_sound_read(&sent, sender_dir, "microphone.tap") &&
              kg_sound_read(&heard, receiver_dir, "speaker.tap");
    if (ok && sent.count > 0 && heard.count > 0) {
        measure_delay(&sent, &heard, chirp, out);
        if (out->delay_ms >= 0)
            measure_concealed(&sent, &heard, out);
    }
    kg_sound_finish(&sent);
    kg_sound_finish(&heard);
    return ok;
}

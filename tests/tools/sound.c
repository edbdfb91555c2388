#include "tools/sound.h"

#include <glib.h>

#include "tools/tap.h"

static void append(struct kg_sound *s, const struct kg_tap_record *r)
{
    size_t samples = r->bytes / 2;
    if (s->count + samples + KG_SOUND_TICK > s->capacity) {
        s->capacity = (s->capacity + samples + KG_SOUND_TICK) * 2;
        s->pcm = g_renew(int16_t, s->pcm, s->capacity);
        s->time_us = g_renew(int64_t, s->time_us, s->capacity / KG_SOUND_TICK + 1);
    }
    for (size_t i = 0; i < samples; i++) {
        const uint8_t *p = r->payload + 2 * i;
        if (s->count % KG_SOUND_TICK == 0)
            s->time_us[s->count / KG_SOUND_TICK] = r->time_us + (int64_t)i * 1000000 / KG_VOICE_RATE;
        s->pcm[s->count++] = (int16_t)(p[0] | p[1] << 8);
    }
}

bool kg_sound_read(struct kg_sound *sound, const char *dir, const char *name)
{
    struct kg_tap tap;
    struct kg_tap_record r;
    *sound = (struct kg_sound){0};
    if (!kg_tap_open(&tap, dir, name))
        return false;
    while (kg_tap_next(&tap, &r)) {
        if (r.kind == KG_TAP_PCM)
            append(sound, &r);
    }
    kg_tap_close(&tap);
    return true;
}

void kg_sound_finish(struct kg_sound *sound)
{
    g_free(sound->pcm);
    g_free(sound->time_us);
    *sound = (struct kg_sound){0};
}

int64_t kg_sound_time(const struct kg_sound *sound, size_t at)
{
    return sound->time_us[at / KG_SOUND_TICK] + (int64_t)(at % KG_SOUND_TICK) * 1000000 / KG_VOICE_RATE;
}

/* Ticks rise, so halving finds it. */
size_t kg_sound_at(const struct kg_sound *sound, int64_t time_us)
{
    size_t low = 0, high = sound->count / KG_SOUND_TICK;
    if (high == 0 || time_us < sound->time_us[0])
        return SIZE_MAX;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(sound->time_us[middle] <= time_us ? &low : &high) = middle;
    }
    size_t at = low * KG_SOUND_TICK + (size_t)((time_us - sound->time_us[low]) * KG_VOICE_RATE / 1000000);
    return at < sound->count ? at : SIZE_MAX;
}

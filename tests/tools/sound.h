/* A tap's sound on one time line: mono at KG_VOICE_RATE, with the time each 10 ms passed, for the clocks of
 * two rooms differ. Thread: the caller's; owns its samples. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/voice.h"

enum { KG_SOUND_TICK = KG_VOICE_RATE / 100 };

struct kg_sound {
    int16_t *pcm;
    size_t count, capacity;
    int64_t *time_us; /* one for every KG_SOUND_TICK samples */
};

/* false (said): no such tap. An empty tap is a sound of none. */
bool kg_sound_read(struct kg_sound *sound, const char *dir, const char *name);
void kg_sound_finish(struct kg_sound *sound);
/* at < count. */
int64_t kg_sound_time(const struct kg_sound *sound, size_t at);
/* The sample nearest to a time; SIZE_MAX: outside. */
size_t kg_sound_at(const struct kg_sound *sound, int64_t time_us);

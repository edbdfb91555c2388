/* A voice for tests where no recording is. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* count samples at KG_VOICE_RATE. Harder to continue than the generated hum of kg_voice_write: its pitch
 * wanders and its vowels change, so that what a codec conceals is told from what was said. */
void kg_made_voice(int16_t *pcm, size_t count);

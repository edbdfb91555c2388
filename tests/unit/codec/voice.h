/* A generated voice-like tone for codec tests: a gliding pitch with overtones and syllables. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* samples at 48 kHz; pitch_hz of the lowest overtone. */
void voice_fill(int16_t *pcm, size_t samples, double pitch_hz);

/* How much of a voice came concealed, told from what was said and what was heard.
 *
 * A codec's sound never equals what was said, least of all where it is noise; a bare threshold calls that
 * concealed. So the same voice goes through Opus here, once whole and several times with packets taken out
 * and concealed. What came whole says how unlike the voice each 10 ms may become by coding alone; what came
 * with known losses says how many pieces a loss makes more unlike than that, for this very voice. The share
 * heard is held against it. Pure but for memory; thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KG_CONCEALMENT_BLOCK = 960 }; /* 20 ms of 48 kHz: a packet's */

/* Where a block of the voice is to be looked for in what was heard; first SIZE_MAX: not to be judged. */
struct kg_concealment_due {
    size_t first, last;
};

struct kg_concealment {
    uint32_t pieces; /* of 10 ms, with voice, and such that coding leaves recognisable */
    uint32_t unlike; /* of them, those that came as something else */
    double percent;  /* of the packets; -1: too little voice to tell */
};

/* dues: one for every whole block of sent. */
void kg_concealment_measure(const int16_t *sent, size_t sent_count, const int16_t *heard, size_t heard_count,
                            const struct kg_concealment_due *dues, struct kg_concealment *out);

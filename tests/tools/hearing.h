/* What one room heard of the other: the chirps in what it played held against those its microphone gave. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/voice.h"

struct kg_hearing {
    uint32_t chirps_sent; /* while both rooms were recording */
    uint32_t chirps_heard;
    double delay_ms;          /* microphone → speaker, median; -1: nothing heard */
    double concealed_percent; /* of the packets with the sender's voice; -1: unknown */
    uint32_t blocks;          /* 20 ms blocks of voice compared */
    uint32_t blocks_heard;    /* of them, those that came as they were said */
};

/* chirp: the sender's. false (said): a tap is missing. */
bool kg_hearing_measure(const char *sender_dir, const char *receiver_dir, enum kg_chirp chirp,
                        struct kg_hearing *out);

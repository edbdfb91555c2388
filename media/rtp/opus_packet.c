#include "rtp/audio_jitter.h"

enum { MAX_SAMPLES = 5760 }; /* 120 ms */

/* RFC 6716 table 2: samples of one frame at 48 kHz by configuration number. */
static uint32_t frame_samples(uint8_t config)
{
    static const uint16_t silk[4] = {480, 960, 1920, 2880};
    static const uint16_t hybrid[2] = {480, 960};
    static const uint16_t celt[4] = {120, 240, 480, 960};

    if (config < 12) {
        return silk[config & 3];
    }
    return config < 16 ? hybrid[config & 1] : celt[config & 3];
}

uint32_t kg_opus_samples(const uint8_t *payload, uint32_t size)
{
    uint32_t frames;

    if (size < 1) {
        return 0;
    }
    switch (payload[0] & 3) {
    case 0:
        frames = 1;
        break;
    case 1:
    case 2:
        frames = 2;
        break;
    default:
        frames = size >= 2 ? payload[1] & 0x3f : 0;
        break;
    }
    uint32_t samples = frames * frame_samples(payload[0] >> 3);
    return samples <= MAX_SAMPLES ? samples : 0;
}

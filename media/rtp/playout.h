/* When each decoded picture of one stream goes on the screen: at once on a clean line, evenly when packets
 * jitter, and with its sound. Thread: the owner's. Owns nothing outside the struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtp.h"

enum { KG_PLAYOUT_BUCKETS = 6, KG_PLAYOUT_LATENESS = 64 };
#define KG_PLAYOUT_UNKNOWN INT64_MIN

struct kg_playout_params {
    int64_t max_delay_us; /* default 1 s */
    int64_t ahead_us;     /* decoding and drawing after a frame is due (default 5 ms); for lip sync only */
};
struct kg_playout_params kg_playout_params_default(void);

struct kg_playout {
    struct kg_playout_params params;
    struct kg_unwrapper unwrap;
    bool started;
    uint32_t source;
    int64_t bucket_us; /* least (arrival − timestamp), as a sliding window */
    int64_t least[KG_PLAYOUT_BUCKETS];
    int64_t base_us;
    int64_t lateness_us[KG_PLAYOUT_LATENESS]; /* of the last frames over base; ring */
    uint32_t lateness_count;                  /* ever */
    int64_t delay_us;                         /* in force */
    int64_t lag_us;                           /* capture → shown without delay_us, smoothed; UNKNOWN */
    int64_t audio_lag_us;                     /* capture → heard; UNKNOWN */
    int64_t audio_seen_us;                    /* when that was said */
    int64_t last_due_us;
    uint64_t frames, late; /* late: came after its time, shown at once */
};

void kg_playout_init(struct kg_playout *playout, const struct kg_playout_params *params);
/* The sound of the same speaker: how long after its capture a sample is heard, both in local time, with the
 * same kg_wall_offset as the pictures. Say it every 100 ms or so; forgotten after 2 s. */
void kg_playout_audio(struct kg_playout *playout, int64_t capture_to_ear_us, int64_t now_us);
/* A frame is whole. timestamp: 90 kHz. arrival_us: when its last packet came. capture_us: local capture time
 * (kg_time_map_local), or KG_PLAYOUT_UNKNOWN. source: CSRC; another one starts anew. Returns when to show it,
 * never before arrival_us and never more than max_delay_us after. */
int64_t kg_playout_frame(struct kg_playout *playout, uint32_t timestamp, uint32_t source, int64_t arrival_us,
                         int64_t capture_us);
/* The delay the sound's buffer should have at least because the pictures are later than it, beyond the 40 ms
 * nobody sees; audio_delay_us: what it has now (kg_audio_jitter_stats). For kg_audio_jitter_set_least; 0
 * mostly. */
int64_t kg_playout_audio_least_us(const struct kg_playout *playout, int64_t audio_delay_us, int64_t now_us);

/* RTP timestamp ↔ sender's wall time (from its sender reports, RFC 3550 §6.4.1) ↔ local monotonic time.
 * All sources of one sender share one kg_wall_offset, so that their sound and pictures map alike (lip sync).
 * Thread: the owner's. Owns nothing outside the structs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum { KG_WALL_OFFSET_BUCKETS = 4 };
#define KG_WALL_OFFSET_BUCKET_US 5000000

/* Least (local arrival − sender's wall) over the last 15 to 20 s: clock difference plus the shortest one-way
 * trip. Following the least of a window follows clock drift, and ignores queues. */
struct kg_wall_offset {
    bool started;
    int64_t bucket_us;                     /* start of the newest bucket */
    int64_t least[KG_WALL_OFFSET_BUCKETS]; /* newest first; INT64_MAX: none */
    int64_t offset_us;
    uint8_t far; /* samples in a row that contradict the rest: the sender's clock was set */
    uint32_t resets;
};
void kg_wall_offset_init(struct kg_wall_offset *offset);
/* A sender report with this NTP time arrived. A step of the sender's clock over 500 ms starts anew: at once
 * when trips seem shorter, at the third report in a row when they seem longer. */
void kg_wall_offset_sample(struct kg_wall_offset *offset, int64_t sender_wall_us, int64_t arrival_us);
/* false: no report yet. */
KG_MUST_CHECK bool kg_wall_offset_local(const struct kg_wall_offset *offset, int64_t sender_wall_us,
                                        int64_t *local_us);

struct kg_time_map {
    uint32_t clock_rate;
    bool started;
    uint32_t rtp;    /* of the newest report */
    int64_t wall_us; /* of it */
    uint32_t resets; /* jumps of timestamp against wall time over 1 s */
};
void kg_time_map_init(struct kg_time_map *map, uint32_t clock_rate);
/* A sender report: its NTP time and RTP timestamp. Older than the last one: ignored unless the source
 * restarted. Returns false when ignored. */
bool kg_time_map_report(struct kg_time_map *map, uint64_t ntp, uint32_t rtp_timestamp);
/* false: no report yet. Timestamps up to 2^31 ticks on either side of the newest report. */
KG_MUST_CHECK bool kg_time_map_wall(const struct kg_time_map *map, uint32_t rtp_timestamp, int64_t *wall_us);
KG_MUST_CHECK bool kg_time_map_rtp(const struct kg_time_map *map, int64_t wall_us, uint32_t *rtp_timestamp);
/* Both steps: local monotonic time at which this timestamp was captured, plus the shortest one-way trip. */
KG_MUST_CHECK bool kg_time_map_local(const struct kg_time_map *map, const struct kg_wall_offset *offset,
                                     uint32_t rtp_timestamp, int64_t *local_us);

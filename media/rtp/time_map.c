#include "rtp/time_map.h"

#include "rtp/rtcp.h"

/* Reports that contradict the rest by more than this mean that a clock was set, not that a line is slow. */
enum { JUMP_US = 500000, FAR_LIMIT = 3, RTP_JUMP_US = 1000000 };

static int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

void kg_wall_offset_init(struct kg_wall_offset *offset)
{
    *offset = (struct kg_wall_offset){.started = false};
}

static void start_at(struct kg_wall_offset *offset, int64_t sample_us, int64_t arrival_us)
{
    for (int i = 0; i < KG_WALL_OFFSET_BUCKETS; i++) {
        offset->least[i] = INT64_MAX;
    }
    offset->least[0] = sample_us;
    offset->bucket_us = arrival_us;
    offset->offset_us = sample_us;
    offset->far = 0;
    offset->started = true;
}

/* Moves the window on so that arrival_us falls into the newest bucket. */
static void advance(struct kg_wall_offset *offset, int64_t arrival_us)
{
    int moves = 0;

    while (arrival_us - offset->bucket_us >= KG_WALL_OFFSET_BUCKET_US && moves < KG_WALL_OFFSET_BUCKETS) {
        for (int i = KG_WALL_OFFSET_BUCKETS - 1; i > 0; i--) {
            offset->least[i] = offset->least[i - 1];
        }
        offset->least[0] = INT64_MAX;
        offset->bucket_us += KG_WALL_OFFSET_BUCKET_US;
        moves++;
    }
    if (arrival_us - offset->bucket_us >= KG_WALL_OFFSET_BUCKET_US) {
        offset->bucket_us = arrival_us; /* nothing came for longer than the window */
    }
}

void kg_wall_offset_sample(struct kg_wall_offset *offset, int64_t sender_wall_us, int64_t arrival_us)
{
    int64_t sample_us = arrival_us - sender_wall_us;

    if (!offset->started) {
        start_at(offset, sample_us, arrival_us);
        return;
    }
    int64_t over_us = sample_us - offset->offset_us;
    offset->far = over_us > JUMP_US ? (uint8_t)(offset->far + 1) : 0;
    if (over_us < -JUMP_US || offset->far >= FAR_LIMIT) {
        start_at(offset, sample_us, arrival_us);
        offset->resets++;
        return;
    }
    advance(offset, arrival_us);
    offset->least[0] = KG_MIN(offset->least[0], sample_us);
    offset->offset_us = INT64_MAX;
    for (int i = 0; i < KG_WALL_OFFSET_BUCKETS; i++) {
        offset->offset_us = KG_MIN(offset->offset_us, offset->least[i]);
    }
}

bool kg_wall_offset_local(const struct kg_wall_offset *offset, int64_t sender_wall_us, int64_t *local_us)
{
    if (!offset->started) {
        return false;
    }
    *local_us = sender_wall_us + offset->offset_us;
    return true;
}

void kg_time_map_init(struct kg_time_map *map, uint32_t clock_rate)
{
    *map = (struct kg_time_map){.clock_rate = clock_rate};
}

bool kg_time_map_report(struct kg_time_map *map, uint64_t ntp, uint32_t rtp_timestamp)
{
    int64_t wall_us = kg_ntp_to_wall_us(ntp);
    int64_t expected_us;

    if (ntp == 0) {
        return false; /* RFC 3550 §6.4.1: the sender has no clock */
    }
    if (kg_time_map_wall(map, rtp_timestamp, &expected_us)) {
        if (magnitude(wall_us - expected_us) > RTP_JUMP_US) {
            map->resets++; /* its timestamps, or its clock, began anew */
        } else if ((int32_t)(rtp_timestamp - map->rtp) < 0) {
            return false; /* overtaken on the way */
        }
    }
    map->rtp = rtp_timestamp;
    map->wall_us = wall_us;
    map->started = true;
    return true;
}

bool kg_time_map_wall(const struct kg_time_map *map, uint32_t rtp_timestamp, int64_t *wall_us)
{
    if (!map->started) {
        return false;
    }
    *wall_us = map->wall_us + (int64_t)(int32_t)(rtp_timestamp - map->rtp) * 1000000 / map->clock_rate;
    return true;
}

bool kg_time_map_rtp(const struct kg_time_map *map, int64_t wall_us, uint32_t *rtp_timestamp)
{
    if (!map->started) {
        return false;
    }
    int64_t ahead_us = wall_us - map->wall_us;
    int64_t ticks = ahead_us / 1000000 * map->clock_rate + ahead_us % 1000000 * map->clock_rate / 1000000;
    *rtp_timestamp = map->rtp + (uint32_t)ticks;
    return true;
}

bool kg_time_map_local(const struct kg_time_map *map, const struct kg_wall_offset *offset,
                       uint32_t rtp_timestamp, int64_t *local_us)
{
    int64_t wall_us;

    return kg_time_map_wall(map, rtp_timestamp, &wall_us) && kg_wall_offset_local(offset, wall_us, local_us);
}

#include "rtp/audio_jitter.h"

#include <stdlib.h>
#include <string.h>

#include "rtp/lateness.h"

enum {
    TICK_US = 10000,
    NEAR_US = 5000,      /* half a tick: near enough to its time to begin */
    JUMP_SAMPLES = 5760, /* a gap over 120 ms is not concealed but left out */
    FADE_US = 100000,    /* concealment lasts so long, then silence */
    EXCESS_US = 300000,  /* over the target by more: throw away instead of stretching */
    MAX_CONCEAL = 960,
    STRETCH_ON_US = 8000,  /* begin to stretch at this error, ... */
    STRETCH_OFF_US = 2000, /* ... and end at this */
    STRETCH_RANGE_US = 400000
};
#define SPEED_MOST  1.25
#define SPEED_LEAST 0.85
/* Redundancy comes one packet later: waiting for it pays above this loss, and no longer below that. */
#define LOSS_ON     0.02
#define LOSS_OFF    0.005
#define LOSS_WEIGHT 0.01

struct item {
    struct kg_packet *packet;
    const uint8_t *payload;
    uint32_t payload_size;
    uint32_t source;
    uint32_t samples;
    int64_t sequence;
    int64_t timestamp; /* unwrapped */
};

struct kg_audio_jitter {
    struct kg_audio_jitter_params params;
    struct kg_audio_jitter_stats stats;
    struct kg_lateness lateness;
    struct kg_unwrapper sequence, timestamp;
    int64_t newest_sequence, newest_timestamp; /* pushed */
    bool received;
    int64_t least_us;
    struct item item[KG_AUDIO_JITTER_PACKETS]; /* rising by timestamp */
    uint32_t count;
    bool playing;           /* else waiting for the first item's time */
    bool fresh;             /* the decoder's state is worthless */
    int64_t next_timestamp; /* of the sample after the last produced; valid once anything was played */
    int64_t next_sequence;
    bool has_next;
    uint32_t source;       /* of the last packet decoded */
    int64_t missing_us;    /* concealed or silent in a row */
    int stretching;        /* -1 slower, 0, 1 faster */
    double loss;           /* part of packets missing at their time, smoothed */
    int64_t redundancy_us; /* added to the target while loss is high */
};

struct kg_audio_jitter_params kg_audio_jitter_params_default(void)
{
    return (struct kg_audio_jitter_params){
        .min_target_us = 10000, .max_target_us = 500000, .stretcher_us = 31000};
}

struct kg_audio_jitter *kg_audio_jitter_create(const struct kg_audio_jitter_params *params)
{
    struct kg_audio_jitter *j = calloc(1, sizeof(*j));

    if (!j) {
        return NULL;
    }
    j->params = *params;
    j->fresh = true;
    kg_lateness_init(&j->lateness);
    return j;
}

static void remove_first(struct kg_audio_jitter *j)
{
    j->count--;
    memmove(&j->item[0], &j->item[1], j->count * sizeof(j->item[0]));
}

static void drop_first(struct kg_audio_jitter *j)
{
    kg_packet_unref(j->item[0].packet);
    remove_first(j);
}

void kg_audio_jitter_destroy(struct kg_audio_jitter *j)
{
    if (!j) {
        return;
    }
    while (j->count > 0) {
        drop_first(j);
    }
    free(j);
}

static int64_t media_us(int64_t timestamp)
{
    return timestamp * 1000 / (KG_AUDIO_CLOCK / 1000);
}

static int64_t target_us(const struct kg_audio_jitter *j)
{
    int64_t target = kg_lateness_quantile_us(&j->lateness) + TICK_US + j->redundancy_us;

    target = KG_MAX(target, j->params.min_target_us);
    return KG_MAX(KG_MIN(target, j->params.max_target_us), j->least_us);
}

/* How long after the quickest possible arrival a sample at `timestamp` is heard if it is next. */
static int64_t delay_us(const struct kg_audio_jitter *j, int64_t timestamp, int64_t pcm_us, int64_t now_us)
{
    return now_us + pcm_us - j->lateness.base_us - media_us(timestamp);
}

static void restart(struct kg_audio_jitter *j)
{
    while (j->count > 0) {
        drop_first(j);
    }
    kg_lateness_rebase(&j->lateness);
    j->playing = false;
    j->has_next = false;
    j->fresh = true;
}

/* Media time that runs back under rising sequence numbers is not the line's doing. */
static bool is_restart(const struct kg_audio_jitter *j, const struct item *item)
{
    return j->received && item->sequence > j->newest_sequence && item->timestamp < j->newest_timestamp;
}

/* false: it is there already. */
static bool insert(struct kg_audio_jitter *j, const struct item *item)
{
    uint32_t at = j->count;

    while (at > 0 && j->item[at - 1].timestamp > item->timestamp) {
        at--;
    }
    if (at > 0 && j->item[at - 1].timestamp == item->timestamp) {
        return false;
    }
    if (j->count == KG_AUDIO_JITTER_PACKETS) {
        drop_first(j);
        j->stats.overflow++;
        at = at > 0 ? at - 1 : 0;
    }
    memmove(&j->item[at + 1], &j->item[at], (j->count - at) * sizeof(j->item[0]));
    j->item[at] = *item;
    j->count++;
    return true;
}

bool kg_audio_jitter_push(struct kg_audio_jitter *j, struct kg_packet *packet,
                          const struct kg_rtp_packet *rtp)
{
    struct kg_unwrapper sequence = j->sequence, timestamp = j->timestamp;
    const struct kg_rtp_header *header = &rtp->header;
    struct item item = {.packet = packet,
                        .payload = rtp->payload,
                        .payload_size = (uint32_t)rtp->payload_size,
                        .source = header->csrc_count > 0 ? header->csrc[0] : header->ssrc,
                        .samples = kg_opus_samples(rtp->payload, (uint32_t)rtp->payload_size),
                        .sequence = kg_unwrap16(&sequence, header->sequence),
                        .timestamp = kg_unwrap32(&timestamp, header->timestamp)};

    if (item.samples == 0) {
        return false;
    }
    int64_t transit_us = packet->arrival_us - media_us(item.timestamp);
    if (is_restart(j, &item)) {
        restart(j);
    }
    if (!j->received || item.sequence > j->newest_sequence) {
        j->newest_sequence = item.sequence;
        j->newest_timestamp = item.timestamp;
        j->sequence = sequence;
        j->timestamp = timestamp;
        j->received = true;
    }
    j->stats.packets++;
    kg_lateness_add(&j->lateness, transit_us, packet->arrival_us);
    if (j->has_next && item.timestamp + item.samples <= j->next_timestamp) {
        j->stats.late++;
        return false;
    }
    if (!insert(j, &item)) {
        j->stats.duplicate++;
        return false;
    }
    kg_packet_ref(packet);
    return true;
}

/* Nothing to decode for this tick. */
static void fill_in(struct kg_audio_jitter *j, uint32_t samples, struct kg_audio_action *action)
{
    bool silent = j->fresh || j->missing_us >= FADE_US;

    action->what = silent ? KG_AUDIO_SILENCE : KG_AUDIO_CONCEAL;
    action->samples = samples;
    j->missing_us += media_us(samples);
    if (silent) {
        j->fresh = true;
        j->stats.silent_samples += samples;
    } else {
        j->stats.concealed_samples += samples;
    }
}

/* 1 near the target, else so much faster or slower that the error goes within a second or two. */
static float advise_speed(struct kg_audio_jitter *j, int64_t error_us)
{
    if (error_us > STRETCH_ON_US) {
        j->stretching = 1;
    } else if (error_us < -STRETCH_ON_US) {
        j->stretching = -1;
    } else if (j->stretching * error_us < STRETCH_OFF_US) {
        j->stretching = 0;
    }
    if (j->stretching == 0) {
        return 1.0F;
    }
    double speed = 1.0 + (double)error_us / STRETCH_RANGE_US;
    return (float)KG_MAX(SPEED_LEAST, KG_MIN(speed, SPEED_MOST));
}

/* Sound in hand, from the first packet to the last. */
static int64_t buffered_us(const struct kg_audio_jitter *j, int64_t pcm_us)
{
    const struct item *last = &j->item[j->count - 1];

    return pcm_us + media_us(last->timestamp + last->samples - j->item[0].timestamp);
}

static void note_loss(struct kg_audio_jitter *j, const struct item *item)
{
    int64_t lost = j->has_next && item->source == j->source ? item->sequence - j->next_sequence : 0;

    for (int64_t i = 0; i < KG_MIN(lost, (int64_t)10); i++) {
        j->loss += LOSS_WEIGHT * (1 - j->loss);
    }
    j->loss -= LOSS_WEIGHT * j->loss;
    if (j->loss > LOSS_ON) {
        j->redundancy_us = media_us(item->samples);
    } else if (j->loss < LOSS_OFF) {
        j->redundancy_us = 0;
    }
}

static void decode_first(struct kg_audio_jitter *j, int64_t pcm_us, int64_t now_us,
                         struct kg_audio_action *action)
{
    const struct item item = j->item[0];
    int64_t delay = delay_us(j, item.timestamp, pcm_us, now_us);
    int64_t excess = delay - target_us(j);
    /* On a line that has become slower for good there is nothing in hand that could be played faster; and the
     * stretcher needs some in hand to work with, or it starves the loudspeaker. */
    int64_t spare = delay - kg_lateness_recent_us(&j->lateness) - TICK_US;
    int64_t error = KG_MIN(excess, KG_MAX(spare - j->params.stretcher_us, INT64_C(0)));

    note_loss(j, &item);
    remove_first(j);
    action->what = KG_AUDIO_DECODE;
    action->packet = item.packet;
    action->payload = item.payload;
    action->payload_size = item.payload_size;
    action->timestamp = (uint32_t)item.timestamp;
    action->samples = item.samples;
    action->source = item.source;
    action->restart = j->fresh || item.source != j->source;
    action->speed = advise_speed(j, error);
    action->skip_quiet = KG_MIN(excess, spare) >= media_us(item.samples);
    j->fresh = false;
    j->source = item.source;
    j->playing = true;
    j->missing_us = 0;
    j->next_timestamp = item.timestamp + item.samples;
    j->next_sequence = item.sequence + 1;
    j->has_next = true;
    j->stats.decoded_samples += item.samples;
    j->stats.delay_us = j->stats.delay_us == 0 ? delay : j->stats.delay_us + (delay - j->stats.delay_us) / 8;
}

static void decode_redundancy(struct kg_audio_jitter *j, uint32_t samples, struct kg_audio_action *action)
{
    const struct item *item = &j->item[0];

    action->what = KG_AUDIO_DECODE_FEC;
    action->packet = kg_packet_ref(item->packet);
    action->payload = item->payload;
    action->payload_size = item->payload_size;
    action->timestamp = (uint32_t)j->next_timestamp;
    action->samples = samples;
    action->source = item->source;
    j->next_timestamp = item->timestamp;
    j->missing_us = 0;
    j->stats.fec_samples += samples;
}

/* The first packet is later in media time than what is due. */
static void bridge_gap(struct kg_audio_jitter *j, int64_t pcm_us, int64_t now_us,
                       struct kg_audio_action *action)
{
    const struct item *item = &j->item[0];
    int64_t gap = item->timestamp - j->next_timestamp;
    bool due = delay_us(j, item->timestamp, pcm_us, now_us) >= target_us(j) - NEAR_US;

    if (due) {
        decode_first(j, pcm_us, now_us, action); /* its time has come: concealment filled the gap already */
    } else if (gap > JUMP_SAMPLES) {
        j->playing = false; /* the speaker paused, or too much is missing: wait for its time */
        fill_in(j, KG_AUDIO_TICK_SAMPLES, action);
    } else if (gap <= item->samples && item->source == j->source) {
        decode_redundancy(j, (uint32_t)gap, action);
    } else {
        int64_t before = gap > item->samples ? gap - item->samples : gap;
        uint32_t samples = (uint32_t)KG_MIN(before, (int64_t)MAX_CONCEAL);
        action->timestamp = (uint32_t)j->next_timestamp;
        j->next_timestamp += samples;
        fill_in(j, samples, action);
    }
}

/* Too much sound has piled up (an outage ended in a burst): leave out what stretching could not catch up
 * with. */
static void catch_up(struct kg_audio_jitter *j, int64_t pcm_us)
{
    int64_t target = target_us(j);

    if (j->count == 0 || buffered_us(j, pcm_us) <= target + EXCESS_US) {
        return;
    }
    while (j->count > 1 && buffered_us(j, pcm_us) > target + TICK_US) {
        drop_first(j);
        j->stats.skipped++;
    }
    j->next_timestamp = j->item[0].timestamp;
    j->next_sequence = j->item[0].sequence; /* left out is not lost */
    j->has_next = true;
}

static bool first_is_due(const struct kg_audio_jitter *j, int64_t pcm_us, int64_t now_us)
{
    return j->count > 0 && delay_us(j, j->item[0].timestamp, pcm_us, now_us) >= target_us(j) - NEAR_US;
}

void kg_audio_jitter_pull(struct kg_audio_jitter *j, int64_t pcm_us, int64_t now_us,
                          struct kg_audio_action *action)
{
    *action = (struct kg_audio_action){.what = KG_AUDIO_ENOUGH, .speed = 1.0F};
    if (pcm_us >= TICK_US) {
        return;
    }
    catch_up(j, pcm_us);
    if (!j->playing) {
        if (first_is_due(j, pcm_us, now_us)) {
            decode_first(j, pcm_us, now_us, action);
        } else {
            fill_in(j, KG_AUDIO_TICK_SAMPLES, action);
        }
    } else if (j->count == 0) {
        /* Late rather than lost, as far as known: media time stands still, and the delay grows instead. */
        fill_in(j, KG_AUDIO_TICK_SAMPLES, action);
    } else if (j->item[0].timestamp > j->next_timestamp) {
        bridge_gap(j, pcm_us, now_us, action);
    } else {
        decode_first(j, pcm_us, now_us, action);
    }
}

void kg_audio_jitter_set_least(struct kg_audio_jitter *j, int64_t least_us)
{
    j->least_us = KG_MAX(INT64_C(0), KG_MIN(least_us, (int64_t)2 * j->params.max_target_us));
}

void kg_audio_jitter_stats(const struct kg_audio_jitter *j, struct kg_audio_jitter_stats *stats)
{
    *stats = j->stats;
    stats->target_us = target_us(j);
}

#include "rtp/pacer.h"

#include <stdlib.h>

struct waiting {
    struct kg_packet *packet;
    int64_t since_us;
};

struct queue {
    struct waiting *ring; /* params.max_packets */
    uint32_t first, count;
    uint64_t bytes;
};

/* budget_bytes goes below zero by what was sent ahead of the pace and is earned back with time. */
struct kg_pacer {
    struct kg_pacer_params params;
    double target_bps;
    double budget_bytes;
    int64_t earned_us; /* until when budget was earned */
    bool started;
    struct queue queue[KG_PACER_CLASSES];
};

struct kg_pacer_params kg_pacer_params_default(void)
{
    return (struct kg_pacer_params){
        .multiple = 2.5, .burst_us = 5000, .max_queue_us = 250000, .max_packets = 1024};
}

struct kg_pacer *kg_pacer_create(const struct kg_pacer_params *params)
{
    struct kg_pacer *pacer = calloc(1, sizeof(*pacer));

    if (!pacer) {
        return NULL;
    }
    pacer->params = *params;
    pacer->target_bps = 1000000;
    for (int i = 0; i < KG_PACER_CLASSES; i++) {
        pacer->queue[i].ring = calloc(params->max_packets, sizeof(struct waiting));
        if (!pacer->queue[i].ring) {
            kg_pacer_destroy(pacer);
            return NULL;
        }
    }
    return pacer;
}

static struct kg_packet *take_first(struct kg_pacer *pacer, enum kg_pacer_class from)
{
    struct queue *queue = &pacer->queue[from];
    struct kg_packet *packet = queue->ring[queue->first].packet;

    queue->first = (queue->first + 1) % pacer->params.max_packets;
    queue->count--;
    queue->bytes -= packet->size;
    return packet;
}

static void clear(struct kg_pacer *pacer, enum kg_pacer_class class_)
{
    while (pacer->queue[class_].count > 0) {
        kg_packet_unref(take_first(pacer, class_));
    }
}

void kg_pacer_destroy(struct kg_pacer *pacer)
{
    if (!pacer) {
        return;
    }
    for (int i = 0; i < KG_PACER_CLASSES; i++) {
        clear(pacer, (enum kg_pacer_class)i);
        free(pacer->queue[i].ring);
    }
    free(pacer);
}

void kg_pacer_set_target(struct kg_pacer *pacer, uint32_t target_bps)
{
    pacer->target_bps = target_bps > 0 ? target_bps : 1;
}

void kg_pacer_clear_video(struct kg_pacer *pacer)
{
    clear(pacer, KG_PACER_RESENT);
    clear(pacer, KG_PACER_VIDEO);
}

static uint64_t paced_bytes(const struct kg_pacer *pacer)
{
    return pacer->queue[KG_PACER_RESENT].bytes + pacer->queue[KG_PACER_VIDEO].bytes;
}

static int64_t oldest_us(const struct kg_pacer *pacer, int64_t now_us)
{
    int64_t oldest = now_us;

    for (int i = KG_PACER_RESENT; i < KG_PACER_CLASSES; i++) {
        const struct queue *queue = &pacer->queue[i];
        if (queue->count > 0) {
            oldest = KG_MIN(oldest, queue->ring[queue->first].since_us);
        }
    }
    return oldest;
}

/* Bytes a microsecond: the pace, or more so that what waits is gone within max_queue_us of the oldest's
 * arrival. */
static double pace(const struct kg_pacer *pacer, int64_t now_us)
{
    double normal = pacer->target_bps * pacer->params.multiple / 8e6;
    int64_t waited_us = now_us - oldest_us(pacer, now_us);
    int64_t left_us = KG_MAX(pacer->params.max_queue_us - waited_us, (int64_t)1000);
    double needed = (double)paced_bytes(pacer) / (double)left_us;

    return KG_MAX(normal, needed);
}

static void earn(struct kg_pacer *pacer, int64_t now_us)
{
    if (!pacer->started || now_us < pacer->earned_us) {
        pacer->started = true;
        pacer->earned_us = now_us;
        return;
    }
    double rate = pace(pacer, now_us);
    double most = rate * (double)pacer->params.burst_us;
    double earned = pacer->budget_bytes + rate * (double)(now_us - pacer->earned_us);
    pacer->budget_bytes = KG_MIN(earned, most);
    pacer->earned_us = now_us;
}

bool kg_pacer_push(struct kg_pacer *pacer, enum kg_pacer_class class_, struct kg_packet *packet,
                   int64_t now_us)
{
    struct queue *queue = &pacer->queue[class_];

    if (queue->count >= pacer->params.max_packets) {
        return false;
    }
    earn(pacer, now_us);
    queue->ring[(queue->first + queue->count) % pacer->params.max_packets] =
        (struct waiting){.packet = packet, .since_us = now_us};
    queue->count++;
    queue->bytes += packet->size;
    return true;
}

static struct kg_packet *spend(struct kg_pacer *pacer, enum kg_pacer_class from, enum kg_pacer_class *class_)
{
    struct kg_packet *packet = take_first(pacer, from);

    pacer->budget_bytes -= packet->size;
    *class_ = from;
    return packet;
}

struct kg_packet *kg_pacer_take(struct kg_pacer *pacer, int64_t now_us, enum kg_pacer_class *class_)
{
    earn(pacer, now_us);
    if (pacer->queue[KG_PACER_AUDIO].count > 0) {
        return spend(pacer, KG_PACER_AUDIO, class_);
    }
    /* Sent while any budget is left: the last packet of a burst may overdraw it. */
    if (paced_bytes(pacer) == 0 || pacer->budget_bytes < 0) {
        return NULL;
    }
    bool resent = pacer->queue[KG_PACER_RESENT].count > 0;
    return spend(pacer, resent ? KG_PACER_RESENT : KG_PACER_VIDEO, class_);
}

int64_t kg_pacer_next_us(const struct kg_pacer *pacer, int64_t now_us)
{
    if (pacer->queue[KG_PACER_AUDIO].count > 0) {
        return now_us;
    }
    if (paced_bytes(pacer) == 0) {
        return INT64_MAX;
    }
    double rate = pace(pacer, now_us);
    double budget = pacer->budget_bytes + rate * (double)(now_us - pacer->earned_us);
    if (budget >= 0) {
        return now_us;
    }
    /* Wake for a whole burst, not for each packet: it leaves as one segmented send. */
    double wanted = KG_MIN(rate * (double)pacer->params.burst_us, (double)paced_bytes(pacer));
    return now_us + (int64_t)((wanted - budget) / rate) + 1;
}

int64_t kg_pacer_queue_us(const struct kg_pacer *pacer)
{
    double bytes = (double)paced_bytes(pacer);

    return (int64_t)(bytes / (pacer->target_bps * pacer->params.multiple / 8e6));
}

/* Spreads video packets at a multiple of the target rate so that a large frame does not fill the line's
 * queue; audio never waits. Thread: the owner's. Owns: references to queued packets; bounded in number, and
 * in time, for it sends faster rather than hold a packet longer than max_queue_us. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/packet.h"

enum kg_pacer_class {
    KG_PACER_AUDIO,
    KG_PACER_RESENT,
    KG_PACER_VIDEO,
    KG_PACER_CLASSES
}; /* first goes first */

struct kg_pacer_params {
    double multiple; /* of the target rate (default 2.5) */
    int64_t
        burst_us; /* what may leave at one moment (default 5 ms at the pace): keeps segmented sends whole */
    int64_t max_queue_us; /* default 250 ms */
    uint32_t max_packets; /* default 1024 */
};
struct kg_pacer_params kg_pacer_params_default(void);

struct kg_pacer;
struct kg_pacer *kg_pacer_create(const struct kg_pacer_params *params);
void kg_pacer_destroy(struct kg_pacer *pacer);
void kg_pacer_set_target(struct kg_pacer *pacer, uint32_t target_bps);
/* Takes the caller's reference on true. false: full; the caller keeps it (video: then ask the encoder for a
 * keyframe, for the frame is broken). */
KG_MUST_CHECK bool kg_pacer_push(struct kg_pacer *pacer, enum kg_pacer_class class_, struct kg_packet *packet,
                                 int64_t now_us);
/* The next packet to send now, the caller's; NULL: nothing, or wait. Call until NULL. */
struct kg_packet *kg_pacer_take(struct kg_pacer *pacer, int64_t now_us, enum kg_pacer_class *class_);
/* When take may give something; INT64_MAX: empty. */
int64_t kg_pacer_next_us(const struct kg_pacer *pacer, int64_t now_us);
/* How long what is queued will take at the present pace: the encoder skips a frame when this is long. */
int64_t kg_pacer_queue_us(const struct kg_pacer *pacer);
/* Lets go of all queued video (camera off). */
void kg_pacer_clear_video(struct kg_pacer *pacer);

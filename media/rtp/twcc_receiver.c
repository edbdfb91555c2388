#include "rtp/twcc_receiver.h"

#include <string.h>

/* Wire units (draft §3.1): deltas in 250 µs, the reference time in 64 ms, a delta at most ±8.19 s. */
enum { DELTA_US = 250, REFERENCE_US = 64000, MAX_LEADING_LOSSES = 200 };
#define MAX_DELTA_US (INT64_C(32767) * DELTA_US)
#define NOT_ARRIVED  INT64_MIN

static int64_t *arrival_of(struct kg_twcc_receiver *receiver, int64_t number)
{
    return &receiver->arrival_us[(uint64_t)number % KG_TWCC_WINDOW];
}

void kg_twcc_receiver_init(struct kg_twcc_receiver *receiver, uint32_t sender_ssrc)
{
    memset(receiver, 0, sizeof(*receiver));
    receiver->sender_ssrc = sender_ssrc;
    for (size_t i = 0; i < KG_TWCC_WINDOW; i++) {
        receiver->arrival_us[i] = NOT_ARRIVED;
    }
}

static void restart_at(struct kg_twcc_receiver *receiver, int64_t number)
{
    for (size_t i = 0; i < KG_TWCC_WINDOW; i++) {
        receiver->arrival_us[i] = NOT_ARRIVED;
    }
    receiver->first = number;
    receiver->highest = number - 1;
    receiver->fresh = 0;
}

void kg_twcc_receiver_packet(struct kg_twcc_receiver *receiver, uint16_t number, uint32_t media_ssrc,
                             int64_t arrival_us)
{
    int64_t n = kg_unwrap16(&receiver->unwrap, number);

    receiver->media_ssrc = media_ssrc;
    if (!receiver->started) {
        receiver->started = true;
        receiver->last_feedback_us = arrival_us;
        restart_at(receiver, n);
    } else if (n - receiver->first >= KG_TWCC_WINDOW || receiver->first - n >= KG_TWCC_WINDOW) {
        /* So far off that the sender started anew, or half the window was lost: nothing between is
         * reportable. */
        restart_at(receiver, n);
    } else if (n < receiver->first) {
        /* Late, after its loss was reported: report it, and what was reported since, once more. */
        if (receiver->highest - n >= KG_TWCC_MAX_REPORTED) {
            return;
        }
        receiver->first = n;
    }
    for (int64_t k = receiver->highest + 1; k <= n; k++) {
        *arrival_of(receiver, k) = NOT_ARRIVED;
    }
    receiver->highest = n > receiver->highest ? n : receiver->highest;
    if (*arrival_of(receiver, n) == NOT_ARRIVED) {
        *arrival_of(receiver, n) = arrival_us;
        receiver->fresh++;
    }
}

int64_t kg_twcc_receiver_next_us(const struct kg_twcc_receiver *receiver)
{
    return receiver->fresh > 0 ? receiver->last_feedback_us + KG_TWCC_INTERVAL_US : INT64_MAX;
}

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;

    return value - rest - (rest < 0 ? unit : 0);
}

/* The first unreported number that arrived; highest + 1: none. */
static int64_t first_arrived(struct kg_twcc_receiver *receiver)
{
    int64_t number = receiver->first;

    while (number <= receiver->highest && *arrival_of(receiver, number) == NOT_ARRIVED) {
        number++;
    }
    return number;
}

bool kg_twcc_receiver_build(struct kg_twcc_receiver *receiver, int64_t now_us, struct kg_rtcp *out)
{
    int64_t number, previous_us;
    uint16_t count = 0, used = 0;

    if (now_us < kg_twcc_receiver_next_us(receiver)) {
        return false;
    }
    number = first_arrived(receiver);
    if (number > receiver->highest) {
        return false;
    }
    /* Losses in front are told too, but not a whole outage of them. */
    receiver->first = KG_MAX(receiver->first, number - MAX_LEADING_LOSSES);
    previous_us = floor_to(*arrival_of(receiver, number), REFERENCE_US);
    out->kind = KG_RTCP_TWCC;
    out->sender_ssrc = receiver->sender_ssrc;
    out->media_ssrc = receiver->media_ssrc;
    out->twcc.base_sequence = (uint16_t)receiver->first;
    out->twcc.reference_us = previous_us;
    out->twcc.feedback_count = receiver->feedback_count++;
    for (number = receiver->first; number <= receiver->highest && count < KG_TWCC_MAX_REPORTED; number++) {
        struct kg_rtcp_twcc_packet *packet = &out->twcc.packets[count++];
        int64_t arrival_us = *arrival_of(receiver, number);
        packet->received = arrival_us != NOT_ARRIVED;
        packet->delta_us = 0;
        if (!packet->received) {
            continue;
        }
        /* Rounded against the absolute time, so that rounding errors do not add up. */
        int64_t rounded_us = floor_to(arrival_us + DELTA_US / 2, DELTA_US);
        packet->delta_us = rounded_us - previous_us;
        if (packet->delta_us > MAX_DELTA_US || packet->delta_us < -MAX_DELTA_US) {
            count--;
            break; /* further apart than a delta can say: the next feedback's own reference time says it */
        }
        previous_us = rounded_us;
        used = count;
    }
    out->twcc.count = used;
    receiver->first += used;
    if (first_arrived(receiver) > receiver->highest) {
        receiver->fresh = 0;
        receiver->last_feedback_us = now_us;
    }
    return true;
}

/* Records arrivals of transport-wide sequence numbers and reports them (draft-holmer-rmcat-transport-wide-cc-
 * extensions-01). One per transport. Thread: the owner's. Owns nothing outside the struct (≈ 16 KB). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtcp.h"
#include "rtp/rtp.h"

enum {
    KG_TWCC_WINDOW = 2048,     /* numbers remembered, power of two */
    KG_TWCC_MAX_REPORTED = 400 /* in one feedback: always fits KG_RTCP_MAX_BYTES */
};
#define KG_TWCC_INTERVAL_US 50000

struct kg_twcc_receiver {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    struct kg_unwrapper unwrap;
    bool started;
    int64_t first;   /* oldest number not yet reported */
    int64_t highest; /* newest seen */
    uint32_t fresh;  /* arrivals not yet reported */
    int64_t last_feedback_us;
    uint8_t feedback_count;
    int64_t arrival_us[KG_TWCC_WINDOW]; /* by number; INT64_MIN: not arrived */
};

/* sender_ssrc: the reporter's own. */
void kg_twcc_receiver_init(struct kg_twcc_receiver *receiver, uint32_t sender_ssrc);
void kg_twcc_receiver_packet(struct kg_twcc_receiver *receiver, uint16_t number, uint32_t media_ssrc,
                             int64_t arrival_us);
/* When feedback is due; INT64_MAX: nothing arrived since the last. */
int64_t kg_twcc_receiver_next_us(const struct kg_twcc_receiver *receiver);
/* Fills *out with a KG_RTCP_TWCC when one is due; call until false. */
KG_MUST_CHECK bool kg_twcc_receiver_build(struct kg_twcc_receiver *receiver, int64_t now_us,
                                          struct kg_rtcp *out);

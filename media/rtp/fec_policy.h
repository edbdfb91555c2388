/* What loss to tell Opus to expect (OPUS_SET_PACKET_LOSS_PERC, in-band FEC, RFC 7587 §3.1.7): 0 on a clean
 * line, for redundancy costs quality there; fast up, slow down. Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kg_fec_policy {
    double loss; /* smoothed, 0..1 */
    uint8_t percent;
    int64_t last_us;
    bool started;
};
void kg_fec_policy_init(struct kg_fec_policy *policy);
/* fraction_lost (/256) of the report blocks about our audio. Returns true when the advice changed. */
bool kg_fec_policy_report(struct kg_fec_policy *policy, uint8_t fraction_lost, int64_t now_us);
/* 0: FEC off; else 3..30. */
uint8_t kg_fec_policy_percent(const struct kg_fec_policy *policy);

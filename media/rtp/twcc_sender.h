/* Gives every packet of a transport its transport-wide number and turns feedback back into what became of
 * each (draft-holmer-rmcat-transport-wide-cc-extensions-01). One per transport. Thread: the owner's. Owns
 * nothing outside the struct (≈ 48 KB). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/rtcp.h"

enum { KG_TWCC_HISTORY = 2048 }; /* power of two */

struct kg_twcc_sent {
    int64_t number; /* -1: none */
    int64_t send_us;
    uint16_t size;
    bool reported;  /* as received */
    bool lost_told; /* as lost */
};

struct kg_twcc_result {
    int64_t number;     /* unwrapped */
    int64_t send_us;    /* our clock */
    int64_t arrival_us; /* receiver's clock, made continuous over the 24-bit wrap; valid unless lost */
    uint32_t size;
    bool lost; /* not there when a newer one was: may still arrive, and is then reported again as received */
};

struct kg_twcc_sender {
    int64_t next;
    bool has_feedback;
    int64_t last_reference_us; /* unwrapped */
    int64_t last_feedback_us;  /* when feedback last came */
    struct kg_twcc_sent sent[KG_TWCC_HISTORY];
};

void kg_twcc_sender_init(struct kg_twcc_sender *sender);
/* The number for a packet being sent now; size: UDP payload bytes. Write it with kg_rtp_patch_extension. */
uint16_t kg_twcc_sender_packet(struct kg_twcc_sender *sender, uint32_t size, int64_t now_us);
/* feedback: a KG_RTCP_TWCC. Writes at most max results in sending order and returns their number. Packets
 * unknown or reported before are left out, but for a lost one that came after all. */
size_t kg_twcc_sender_feedback(struct kg_twcc_sender *sender, const struct kg_rtcp *feedback, int64_t now_us,
                               struct kg_twcc_result *results, size_t max);

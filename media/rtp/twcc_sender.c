#include "rtp/twcc_sender.h"

#include <string.h>

/* The 24-bit reference time counts 64 ms and so comes round after 12.4 days. */
#define REFERENCE_WRAP_US (INT64_C(64000) << 24)

void kg_twcc_sender_init(struct kg_twcc_sender *sender)
{
    memset(sender, 0, sizeof(*sender));
    for (size_t i = 0; i < KG_TWCC_HISTORY; i++) {
        sender->sent[i].number = -1;
    }
}

static struct kg_twcc_sent *sent_at(struct kg_twcc_sender *sender, int64_t number)
{
    return &sender->sent[(uint64_t)number % KG_TWCC_HISTORY];
}

uint16_t kg_twcc_sender_packet(struct kg_twcc_sender *sender, uint32_t size, int64_t now_us)
{
    int64_t number = sender->next++;

    *sent_at(sender, number) = (struct kg_twcc_sent){
        .number = number, .send_us = now_us, .size = (uint16_t)KG_MIN(size, (uint32_t)UINT16_MAX)};
    return (uint16_t)number;
}

/* The receiver's reference time without its wrap: the value nearest to the last one. */
static int64_t continuous_reference(const struct kg_twcc_sender *sender, int64_t reference_us)
{
    if (!sender->has_feedback) {
        return reference_us;
    }
    int64_t ahead_us = (reference_us - sender->last_reference_us) % REFERENCE_WRAP_US;

    if (ahead_us > REFERENCE_WRAP_US / 2) {
        ahead_us -= REFERENCE_WRAP_US;
    } else if (ahead_us < -REFERENCE_WRAP_US / 2) {
        ahead_us += REFERENCE_WRAP_US;
    }
    return sender->last_reference_us + ahead_us;
}

/* The 16-bit number as one of those sent: the newest that fits. */
static int64_t sent_number(const struct kg_twcc_sender *sender, uint16_t number)
{
    int64_t newest = sender->next - 1;

    return newest - (uint16_t)((uint16_t)newest - number);
}

size_t kg_twcc_sender_feedback(struct kg_twcc_sender *sender, const struct kg_rtcp *feedback, int64_t now_us,
                               struct kg_twcc_result *results, size_t max)
{
    size_t count = 0;

    if (feedback->kind != KG_RTCP_TWCC || sender->next == 0 || feedback->twcc.count == 0) {
        return 0;
    }
    int64_t arrival_us = continuous_reference(sender, feedback->twcc.reference_us);
    sender->last_reference_us = arrival_us;
    sender->has_feedback = true;
    sender->last_feedback_us = now_us;
    int64_t number = sent_number(sender, feedback->twcc.base_sequence);
    for (uint16_t i = 0; i < feedback->twcc.count; i++, number++) {
        const struct kg_rtcp_twcc_packet *packet = &feedback->twcc.packets[i];
        if (packet->received) {
            arrival_us += packet->delta_us;
        }
        if (number < 0 || number >= sender->next || count >= max) {
            continue;
        }
        struct kg_twcc_sent *sent = sent_at(sender, number);
        if (sent->number != number || sent->reported || (sent->lost_told && !packet->received)) {
            continue;
        }
        sent->reported = packet->received;
        sent->lost_told = !packet->received;
        results[count++] = (struct kg_twcc_result){.number = number,
                                                   .send_us = sent->send_us,
                                                   .arrival_us = packet->received ? arrival_us : 0,
                                                   .size = sent->size,
                                                   .lost = !packet->received};
    }
    return count;
}

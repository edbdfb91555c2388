#include "rtp/fec_policy.h"

#include "base/attr.h"

/* Below OFF the redundancy costs more than concealment; a new loss must exceed ON to start it. */
#define LOSS_ON    0.02
#define LOSS_OFF   0.01
#define RISE       0.5 /* weight of a report worse than the mean */
#define FALL_PER_S 0.1 /* and of a better one, per second since the last */
enum { LEAST_PERCENT = 3, MOST_PERCENT = 30 };

void kg_fec_policy_init(struct kg_fec_policy *policy)
{
    *policy = (struct kg_fec_policy){.started = false};
}

static uint8_t advice(const struct kg_fec_policy *policy)
{
    double limit = policy->percent > 0 ? LOSS_OFF : LOSS_ON;

    if (policy->loss < limit) {
        return 0;
    }
    double percent = policy->loss * 100 + 0.5;
    return (uint8_t)KG_MAX(KG_MIN(percent, (double)MOST_PERCENT), (double)LEAST_PERCENT);
}

bool kg_fec_policy_report(struct kg_fec_policy *policy, uint8_t fraction_lost, int64_t now_us)
{
    double loss = fraction_lost / 256.0;
    double elapsed_s = policy->started ? (double)(now_us - policy->last_us) / 1e6 : 0;
    double weight = loss > policy->loss ? RISE : KG_MIN(FALL_PER_S * KG_MAX(elapsed_s, 0.0), 1.0);
    uint8_t before = policy->percent;

    policy->started = true;
    policy->last_us = now_us;
    policy->loss += (loss - policy->loss) * weight;
    policy->percent = advice(policy);
    return policy->percent != before;
}

uint8_t kg_fec_policy_percent(const struct kg_fec_policy *policy)
{
    return policy->percent;
}

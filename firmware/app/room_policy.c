#include "app/room_policy.h"

void kg_room_policy_hear(struct kg_room_policy *policy, const struct kg_message *message)
{
    switch (message->type) {
    case KG_MESSAGE_WELCOME:
        policy->untold = true;
        break;
    case KG_MESSAGE_AGENDA:
        if (policy->untold)
            *policy = (struct kg_room_policy){0};
        break;
    case KG_MESSAGE_POLICY:
        *policy = (struct kg_room_policy){.said = message->policy};
        break;
    default:
        break;
    }
}

enum kg_media_path kg_room_policy_path(const struct kg_room_policy *policy, enum kg_media_path path)
{
    return policy->said.udp == KG_UDP_NEVER ? KG_MEDIA_PATH_TUNNEL : path;
}

uint32_t kg_room_policy_video_bps(const struct kg_room_policy *policy, uint32_t least_bps)
{
    uint64_t bps = (uint64_t)policy->said.video_kbps * 1000;
    if (bps == 0 || bps > UINT32_MAX)
        return UINT32_MAX;
    return (uint32_t)KG_MAX(bps, (uint64_t)least_bps);
}

void kg_room_policy_mute(const struct kg_room_policy *policy, struct kg_muted *muted)
{
    muted->microphone = muted->microphone || policy->said.microphone_muted == KG_SAY_YES;
    muted->camera = muted->camera || policy->said.camera_muted == KG_SAY_YES;
}

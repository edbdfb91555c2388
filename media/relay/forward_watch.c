/* Which pictures somebody watches: told to those who send them, so that nobody encodes for nobody. */
#include "relay/forward_internal.h"

/* In a conversation pictures come and go, and each one that begins anew costs a keyframe. */
#define UNWATCHED_US 2000000

/* A source that sends nothing yet counts as watched, or its first picture would never come. */
static bool is_watched(const struct kg_source *source)
{
    return !source->active || !LIST_EMPTY(&source->feeds) || !LIST_EMPTY(&source->awaited);
}

/* true: its party is to be told. */
static bool follow(struct kg_source *source, bool watched, int64_t now_us)
{
    if (watched || source->watched_us == 0)
        source->watched_us = now_us;
    bool idle = now_us - source->watched_us >= UNWATCHED_US;
    if (idle == source->idle)
        return false;
    source->idle = idle;
    if (!idle)
        source->heard_us = now_us; /* it may take its time to begin again */
    return true;
}

void kg_forward_tick_watch(struct kg_party *party, int64_t now_us)
{
    bool changed = false;
    bool watched[KG_SOURCE_KINDS] = {[KG_SOURCE_MICROPHONE] = true};
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        struct kg_source *source = &party->source[kind];
        if (!kg_source_is_video(source))
            continue;
        changed |= follow(source, is_watched(source), now_us);
        watched[kind] = !source->idle;
    }
    if (changed)
        party->forward->ops->on_watched(party->user, watched);
}

/* A party's slots as one row of numbers: 0..2 audio, 3..11 video, 12 presentation; and the kinds of source it
 * may send. Pure; thread: any. Names on the control wire are kg_role_format's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "signal/wire.h"

enum kg_source_kind { KG_SOURCE_MICROPHONE, KG_SOURCE_CAMERA, KG_SOURCE_PRESENTATION, KG_SOURCE_KINDS };

enum {
    KG_SLOT_AUDIO_0 = 0,
    KG_SLOT_VIDEO_0 = KG_SLOT_AUDIO_0 + KG_AUDIO_SLOTS,
    KG_SLOT_PRESENTATION_0 = KG_SLOT_VIDEO_0 + KG_VIDEO_SLOTS,
    KG_SLOTS = KG_SLOT_PRESENTATION_0 + KG_PRESENTATION_SLOTS
};

/* What kind of source a slot takes. slot < KG_SLOTS. */
static inline enum kg_source_kind kg_slot_kind(unsigned slot)
{
    if (slot < KG_SLOT_VIDEO_0)
        return KG_SOURCE_MICROPHONE;
    return slot < KG_SLOT_PRESENTATION_0 ? KG_SOURCE_CAMERA : KG_SOURCE_PRESENTATION;
}

static inline enum kg_role kg_slot_role(unsigned slot, uint8_t *index)
{
    static const enum kg_role roles[] = {KG_ROLE_AUDIO_SLOT, KG_ROLE_VIDEO_SLOT, KG_ROLE_PRESENTATION_SLOT};
    static const uint8_t first[] = {KG_SLOT_AUDIO_0, KG_SLOT_VIDEO_0, KG_SLOT_PRESENTATION_0};
    enum kg_source_kind kind = kg_slot_kind(slot);
    *index = (uint8_t)(slot - first[kind]);
    return roles[kind];
}

/* −1: not a slot. */
static inline int kg_slot_number(enum kg_role role, uint8_t index)
{
    switch (role) {
    case KG_ROLE_AUDIO_SLOT:
        return index < KG_AUDIO_SLOTS ? KG_SLOT_AUDIO_0 + index : -1;
    case KG_ROLE_VIDEO_SLOT:
        return index < KG_VIDEO_SLOTS ? KG_SLOT_VIDEO_0 + index : -1;
    case KG_ROLE_PRESENTATION_SLOT:
        return index < KG_PRESENTATION_SLOTS ? KG_SLOT_PRESENTATION_0 + index : -1;
    default:
        return -1;
    }
}

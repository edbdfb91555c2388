/* The fixed slots every party receives on, and the kinds of source it may send: the numbers used between
 * control and workers, and their names on the control wire. Pure; thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

enum kg_source_kind { KG_SOURCE_MICROPHONE, KG_SOURCE_CAMERA, KG_SOURCE_PRESENTATION, KG_SOURCE_KINDS };

enum {
    KG_SLOTS_AUDIO = 3,
    KG_SLOTS_VIDEO = 9,
    KG_SLOTS_PRESENTATION = 1,
    KG_SLOTS = KG_SLOTS_AUDIO + KG_SLOTS_VIDEO + KG_SLOTS_PRESENTATION,
    KG_SLOT_AUDIO_0 = 0,
    KG_SLOT_VIDEO_0 = KG_SLOTS_AUDIO,
    KG_SLOT_PRESENTATION_0 = KG_SLOTS_AUDIO + KG_SLOTS_VIDEO,
    KG_SLOT_NAME_SIZE = 16,
};

/* What kind of source a slot takes. slot < KG_SLOTS. */
static inline enum kg_source_kind kg_slot_kind(unsigned slot)
{
    if (slot < KG_SLOT_VIDEO_0)
        return KG_SOURCE_MICROPHONE;
    return slot < KG_SLOT_PRESENTATION_0 ? KG_SOURCE_CAMERA : KG_SOURCE_PRESENTATION;
}

/* "audio-0", "video-8", "presentation-0". slot < KG_SLOTS. */
void kg_slot_name(unsigned slot, char name[KG_SLOT_NAME_SIZE]);
/* The slot a name stands for, or −1. */
KG_MUST_CHECK int kg_slot_of(const char *name);

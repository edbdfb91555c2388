#include "relay/slot_names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *prefix;
    unsigned first;
    unsigned count;
} groups[KG_SOURCE_KINDS] = {
    [KG_SOURCE_MICROPHONE] = {"audio-", KG_SLOT_AUDIO_0, KG_SLOTS_AUDIO},
    [KG_SOURCE_CAMERA] = {"video-", KG_SLOT_VIDEO_0, KG_SLOTS_VIDEO},
    [KG_SOURCE_PRESENTATION] = {"presentation-", KG_SLOT_PRESENTATION_0, KG_SLOTS_PRESENTATION},
};

void kg_slot_name(unsigned slot, char name[KG_SLOT_NAME_SIZE])
{
    assert(slot < KG_SLOTS);
    enum kg_source_kind kind = kg_slot_kind(slot);
    snprintf(name, KG_SLOT_NAME_SIZE, "%s%u", groups[kind].prefix, slot - groups[kind].first);
}

int kg_slot_of(const char *name)
{
    for (size_t i = 0; i < KG_ARRAY_LEN(groups); i++) {
        size_t length = strlen(groups[i].prefix);
        if (strncmp(name, groups[i].prefix, length) != 0)
            continue;
        /* one digit: no group has more than nine */
        if (name[length] < '0' || name[length] > '9' || name[length + 1] != '\0')
            return -1;
        unsigned index = (unsigned)(name[length] - '0');
        return index < groups[i].count ? (int)(groups[i].first + index) : -1;
    }
    return -1;
}

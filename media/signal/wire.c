#include "signal/wire.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t count;
} roles[] = {
    [KG_ROLE_NONE] = {"none", 0},
    [KG_ROLE_MICROPHONE] = {"microphone", 1},
    [KG_ROLE_CAMERA] = {"camera", 1},
    [KG_ROLE_PRESENTATION] = {"presentation", 1},
    [KG_ROLE_AUDIO_SLOT] = {"audio", KG_AUDIO_SLOTS},
    [KG_ROLE_VIDEO_SLOT] = {"video", KG_VIDEO_SLOTS},
    [KG_ROLE_PRESENTATION_SLOT] = {"presentation", KG_PRESENTATION_SLOTS},
};

bool kg_role_parse(const char *text, enum kg_role *role, uint8_t *index)
{
    for (unsigned i = KG_ROLE_MICROPHONE; i < KG_ARRAY_LEN(roles); i++) {
        size_t length = strlen(roles[i].name);
        if (strncmp(text, roles[i].name, length) != 0)
            continue;
        const char *rest = text + length;
        bool slot = kg_role_is_slot((enum kg_role)i);
        if (!slot && *rest != '\0')
            continue;
        /* One digit is enough: no kind has more than nine slots. */
        if (slot && (rest[0] != '-' || rest[1] < '0' || rest[1] - '0' >= roles[i].count || rest[2] != '\0'))
            continue;
        *role = (enum kg_role)i;
        *index = slot ? (uint8_t)(rest[1] - '0') : 0;
        return true;
    }
    return false;
}

void kg_role_format(enum kg_role role, uint8_t index, char text[KG_ROLE_TEXT_BYTES])
{
    const char *name = roles[(unsigned)role < KG_ARRAY_LEN(roles) ? role : KG_ROLE_NONE].name;
    if (kg_role_is_slot(role))
        snprintf(text, KG_ROLE_TEXT_BYTES, "%s-%u", name, index);
    else
        snprintf(text, KG_ROLE_TEXT_BYTES, "%s", name);
}

uint8_t kg_role_count(enum kg_role role)
{
    return (unsigned)role < KG_ARRAY_LEN(roles) ? roles[role].count : 0;
}

const char *kg_extension_uri(enum kg_extension extension)
{
    switch (extension) {
    case KG_EXT_AUDIO_LEVEL:
        return "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    case KG_EXT_MID:
        return "urn:ietf:params:rtp-hdrext:sdes:mid";
    case KG_EXT_TRANSPORT_CC:
        return "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    case KG_EXT_ABS_SEND_TIME:
        return "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    case KG_EXT_COUNT:
        break;
    }
    return "";
}

const struct kg_wire_line *kg_wire_find(const struct kg_wire *wire, enum kg_role role, uint8_t index)
{
    for (uint8_t i = 0; i < wire->line_count; i++)
        if (wire->lines[i].role == role && wire->lines[i].index == index && role != KG_ROLE_NONE)
            return &wire->lines[i];
    return NULL;
}

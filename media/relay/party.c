#include "relay/party.h"

#include <string.h>

static const enum kg_role source_role[KG_SOURCE_KINDS] = {
    [KG_SOURCE_MICROPHONE] = KG_ROLE_MICROPHONE,
    [KG_SOURCE_CAMERA] = KG_ROLE_CAMERA,
    [KG_SOURCE_PRESENTATION] = KG_ROLE_PRESENTATION,
};

bool kg_party_init(struct kg_party *party, const struct kg_party_params *params)
{
    memset(party, 0, sizeof(*party));
    party->id = params->id;
    party->user = params->user;
    party->wire = *params->wire;
    kg_wall_offset_init(&party->wall_offset);
    kg_twcc_sender_init(&party->twcc_out);
    uint32_t reporter = 1; /* the relay's SSRC in reports: any slot's will do */
    for (unsigned i = 0; i < KG_SLOTS; i++) {
        uint8_t index;
        enum kg_role role = kg_slot_role(i, &index);
        kg_slot_init(&party->slot[i], party, i, kg_wire_find(&party->wire, role, index));
        if (party->slot[i].line && reporter == 1)
            reporter = party->slot[i].line->ssrc;
    }
    kg_twcc_receiver_init(&party->twcc_in, reporter);
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        const struct kg_wire_line *line = kg_wire_find(&party->wire, source_role[kind], 0);
        if (!kg_source_init(&party->source[kind], party, (enum kg_source_kind)kind, params->source[kind],
                            line, params->muted[kind])) {
            kg_party_finish(party);
            return false;
        }
    }
    return true;
}

void kg_party_finish(struct kg_party *party)
{
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++)
        kg_source_finish(&party->source[kind]);
}

struct kg_source *kg_party_source(struct kg_party *party, uint32_t ssrc)
{
    for (int kind = 0; ssrc && kind < KG_SOURCE_KINDS; kind++) {
        struct kg_source *source = &party->source[kind];
        if (source->line && (source->ssrc == ssrc || source->rtx_ssrc == ssrc))
            return source;
    }
    return NULL;
}

struct kg_slot *kg_party_slot(struct kg_party *party, uint32_t ssrc)
{
    for (unsigned i = 0; ssrc && i < KG_SLOTS; i++) {
        const struct kg_wire_line *line = party->slot[i].line;
        if (line && (line->ssrc == ssrc || line->rtx_ssrc == ssrc))
            return &party->slot[i];
    }
    return NULL;
}

struct kg_source *kg_party_route(struct kg_party *party, const struct kg_rtp_header *header, bool *rtx,
                                 bool *learnt)
{
    *learnt = false;
    struct kg_source *source = kg_party_source(party, header->ssrc);
    if (source) {
        *rtx = source->rtx_ssrc == header->ssrc;
        return header->payload_type == (*rtx ? source->line->rtx_payload_type : source->line->payload_type)
                   ? source
                   : NULL;
    }
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        source = &party->source[kind];
        if (!source->line)
            continue;
        const struct kg_rtp_extension *mid = kg_rtp_find(header, source->line->extension[KG_EXT_MID]);
        if (!mid || mid->size != strlen(source->line->mid) ||
            memcmp(mid->data, source->line->mid, mid->size) != 0)
            continue;
        *rtx = source->line->rtx_payload_type && header->payload_type == source->line->rtx_payload_type;
        if (!*rtx && header->payload_type != source->line->payload_type)
            return NULL;
        *learnt = true;
        return source;
    }
    return NULL;
}

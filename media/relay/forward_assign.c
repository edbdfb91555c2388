#include "relay/forward_internal.h"

static struct kg_source *source_of(struct kg_speaker *speaker)
{
    return speaker ? KG_CONTAINER_OF(speaker, struct kg_source, speaker) : NULL;
}

struct kg_source *kg_forward_find_source(struct kg_forward *forward, uint32_t id)
{
    struct kg_party *party;
    TAILQ_FOREACH(party, &forward->parties, link)
    {
        for (int kind = 0; id && kind < KG_SOURCE_KINDS; kind++) {
            if (party->source[kind].id == id)
                return &party->source[kind];
        }
    }
    return NULL;
}

static void fill_audio_slots(struct kg_party *party)
{
    /* two rounds: a slot must be left by its old source before another slot may take that source */
    for (unsigned i = 0; i < KG_AUDIO_SLOTS; i++) {
        if (party->slot[KG_SLOT_AUDIO_0 + i].current != source_of(party->heard[i]))
            kg_slot_assign(&party->slot[KG_SLOT_AUDIO_0 + i], NULL);
    }
    for (unsigned i = 0; i < KG_AUDIO_SLOTS; i++)
        kg_slot_assign(&party->slot[KG_SLOT_AUDIO_0 + i], source_of(party->heard[i]));
}

static void assign_audio_of(struct kg_party *party)
{
    const struct kg_speaker *own = &party->source[KG_SOURCE_MICROPHONE].speaker;
    if (kg_speakers_choose(&party->forward->speakers, own, party->heard))
        fill_audio_slots(party);
}

void kg_forward_lead_audio(struct kg_party *party)
{
    const struct kg_speaker *own = &party->source[KG_SOURCE_MICROPHONE].speaker;
    if (kg_speakers_lead(&party->forward->speakers, own, party->heard))
        fill_audio_slots(party);
}

/* Slots [first, first + count), all of one kind. lead: the source for the first slot of free choice, or 0. */
static void assign_pictures_of(struct kg_party *party, enum kg_source_kind kind, unsigned first,
                               unsigned count, uint32_t lead)
{
    uint32_t ids[KG_LAYOUT_MAX_SOURCES];
    size_t id_count = 0;
    struct kg_party *other;
    TAILQ_FOREACH(other, &party->forward->parties, link)
    {
        if (other != party && other->source[kind].active && id_count < KG_LAYOUT_MAX_SOURCES)
            ids[id_count++] = other->source[kind].id;
    }
    uint32_t want[KG_VIDEO_SLOTS];
    for (unsigned i = 0; i < count; i++) {
        const struct kg_slot *slot = &party->slot[first + i];
        const struct kg_source *now = slot->next ? slot->next : slot->current;
        want[i] = now ? now->id : 0;
    }
    struct kg_layout layout = {.sources = ids, .source_count = id_count, .first = lead};
    kg_layout_assign(&layout, &party->wish[first], want, count);
    for (unsigned i = 0; i < count; i++)
        kg_slot_assign(&party->slot[first + i], kg_forward_find_source(party->forward, want[i]));
}

static uint32_t lead_camera(struct kg_party *party)
{
    const struct kg_speaker *own = &party->source[KG_SOURCE_MICROPHONE].speaker;
    const struct kg_source *microphone = source_of(kg_speakers_loudest_other(&party->forward->speakers, own));
    return microphone ? microphone->party->source[KG_SOURCE_CAMERA].id : 0;
}

static void assign_all_pictures_of(struct kg_party *party)
{
    assign_pictures_of(party, KG_SOURCE_CAMERA, KG_SLOT_VIDEO_0, KG_VIDEO_SLOTS, lead_camera(party));
    assign_pictures_of(party, KG_SOURCE_PRESENTATION, KG_SLOT_PRESENTATION_0, KG_PRESENTATION_SLOTS,
                       party->forward->presenter);
}

void kg_forward_assign_party(struct kg_party *party)
{
    if (!party->connected)
        return;
    assign_audio_of(party);
    assign_all_pictures_of(party);
}

void kg_forward_assign_audio(struct kg_forward *forward)
{
    struct kg_party *party;
    TAILQ_FOREACH(party, &forward->parties, link)
    {
        if (party->connected)
            assign_audio_of(party);
    }
}

void kg_forward_assign_pictures(struct kg_forward *forward)
{
    struct kg_party *party;
    TAILQ_FOREACH(party, &forward->parties, link)
    {
        if (party->connected)
            assign_all_pictures_of(party);
    }
}

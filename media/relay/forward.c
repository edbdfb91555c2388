#include "relay/forward_internal.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

enum {
    TAG_BYTES = 16,        /* SRTP's, which the transport-wide number's size counts in */
    MAX_PLAIN = 1200 + 40, /* browsers fill 1,200 bytes; rewriting adds a CSRC and an extension or two */
    MAX_REPLAY = 250,
};

void kg_forward_init(struct kg_forward *forward, const struct kg_forward_ops *ops, void *user,
                     struct kg_packet_pool *pool, int64_t now_us, int64_t wall_us)
{
    memset(forward, 0, sizeof(*forward));
    forward->ops = ops;
    forward->user = user;
    forward->pool = pool;
    forward->wall_minus_now_us = wall_us - now_us;
    TAILQ_INIT(&forward->parties);
}

void kg_forward_join(struct kg_forward *forward, struct kg_party *party)
{
    assert(!party->forward);
    party->forward = forward;
    TAILQ_INSERT_TAIL(&forward->parties, party, link);
    forward->party_count++;
}

void kg_forward_connected(struct kg_party *party, int64_t now_us)
{
    party->connected = true;
    party->next_report_us = now_us;
    kg_forward_assign_party(party);
    struct kg_party *other;
    TAILQ_FOREACH(other, &party->forward->parties, link)
    {
        for (int kind = 0; kind < KG_SOURCE_KINDS; kind++)
            kg_forward_ask_keyframe(&other->source[kind], now_us);
        if (other->connected)
            kg_forward_tick_watch(other, now_us); /* the newcomer waits for it */
    }
}

void kg_forward_set_path(struct kg_party *party, bool reliable)
{
    party->reliable_path = reliable;
}

static void report_speaking(struct kg_forward *forward)
{
    const struct kg_speakers *speakers = &forward->speakers;
    uint32_t id = 0;
    if (speakers->speaking && speakers->dominant)
        id = KG_CONTAINER_OF(speakers->dominant, struct kg_source, speaker)->id;
    forward->ops->on_speaking(forward->user, id);
}

static void apply_speakers(struct kg_forward *forward, unsigned changed)
{
    if (changed & KG_SPEAKERS_PLACES)
        kg_forward_assign_audio(forward);
    if (changed & KG_SPEAKERS_DOMINANT) {
        kg_forward_assign_pictures(forward);
        report_speaking(forward);
    }
}

void kg_forward_stop_source(struct kg_source *source, int64_t now_us)
{
    struct kg_forward *forward = source->party->forward;
    struct kg_slot *slot;
    while ((slot = LIST_FIRST(&source->awaited)))
        kg_slot_detach(slot, source);
    while ((slot = LIST_FIRST(&source->feeds)))
        kg_slot_detach(slot, source);
    kg_source_forget(source, now_us);
    bool was_active = source->active;
    source->active = false;
    if (source->kind == KG_SOURCE_MICROPHONE)
        apply_speakers(forward, kg_speakers_remove(&forward->speakers, &source->speaker));
    else if (was_active)
        kg_forward_assign_pictures(forward);
    if (was_active)
        forward->ops->on_source(source->party->user, source->kind, false);
}

void kg_forward_leave(struct kg_party *party, int64_t now_us)
{
    struct kg_forward *forward = party->forward;
    if (!forward)
        return;
    party->connected = false;
    for (unsigned i = 0; i < KG_SLOTS; i++)
        kg_slot_assign(&party->slot[i], NULL);
    memset(party->heard, 0, sizeof(party->heard));
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++)
        kg_forward_stop_source(&party->source[kind], now_us);
    TAILQ_REMOVE(&forward->parties, party, link);
    forward->party_count--;
    party->forward = NULL;
}

void kg_forward_mute(struct kg_party *party, enum kg_source_kind kind, bool muted, int64_t now_us)
{
    struct kg_source *source = &party->source[kind];
    if (source->muted == muted)
        return;
    source->muted = muted;
    if (muted && party->forward)
        kg_forward_stop_source(source, now_us);
}

void kg_forward_want(struct kg_party *party, unsigned slot, enum kg_wish wish, uint32_t source)
{
    if (slot >= KG_SLOTS || kg_slot_kind(slot) == KG_SOURCE_MICROPHONE)
        return;
    party->wish[slot] = (struct kg_layout_wish){.wish = wish, .source = wish == KG_WISH_SOURCE ? source : 0};
    kg_forward_assign_party(party);
}

void kg_forward_emit(struct kg_slot *slot, uint8_t *packet, size_t size, size_t capacity, int64_t now_us)
{
    struct kg_party *party = slot->party;
    uint8_t id = slot->line->extension[KG_EXT_TRANSPORT_CC];
    if (id) {
        uint8_t number[2];
        kg_put_u16(number, kg_twcc_sender_packet(&party->twcc_out, (uint32_t)size + TAG_BYTES, now_us));
        if (!kg_rtp_patch_extension(packet, size, id, number, sizeof(number)))
            return;
    }
    if (!party->forward->ops->send_rtp(party->user, packet, size, capacity, kg_slot_kind(slot->number),
                                       now_us))
        return;
    party->stats.packets_out++;
    party->stats.bytes_out += size;
}

static void send_to(struct kg_slot *slot, const struct kg_rtp_packet *packet,
                    const struct kg_vp8_descriptor *vp8, int64_t now_us)
{
    uint8_t out[KG_PACKET_CAPACITY];
    size_t size = kg_slot_forward(slot, packet, vp8, now_us, out, MAX_PLAIN);
    if (size == 0)
        return;
    kg_forward_emit(slot, out, size, sizeof(out), now_us);
    /* the report that gives the stream its time goes with its first packet */
    struct kg_rtcp report;
    if (!slot->stats.reported &&
        kg_slot_report(slot, now_us, now_us + slot->party->forward->wall_minus_now_us, &report))
        kg_forward_send_report(slot->party, &report, now_us);
}

/* The keyframe's first packet may come last, by reordering or RTX: what followed it is in the cache. */
static void replay_after(struct kg_slot *slot, uint16_t sequence, int64_t now_us)
{
    struct kg_source *source = slot->current;
    uint16_t highest = (uint16_t)source->nack.highest;
    uint16_t behind = (uint16_t)(highest - sequence);
    for (uint16_t i = 1; i <= behind && behind < MAX_REPLAY; i++) {
        const struct kg_packet *cached = kg_sent_cache_find(source->cache, (uint16_t)(sequence + i), now_us);
        struct kg_rtp_packet packet;
        struct kg_vp8_descriptor vp8;
        if (cached && kg_rtp_parse(cached->data, cached->size, &packet) &&
            kg_vp8_parse(packet.payload, packet.payload_size, &vp8))
            send_to(slot, &packet, &vp8, now_us);
    }
}

/* Numbers a slot was not shown would lead it astray: say which are left out. */
static void leave_out(struct kg_source *source, const struct kg_rtp_packet *packet)
{
    struct kg_slot *slot;
    LIST_FOREACH(slot, &source->feeds, feeds_link)
    {
        kg_slot_skip(slot, packet);
    }
}

static void restart(struct kg_source *source)
{
    struct kg_slot *slot, *next;
    for (slot = LIST_FIRST(&source->feeds); slot; slot = next) {
        next = LIST_NEXT(slot, feeds_link);
        kg_slot_restart(slot);
    }
}

static void forward_video(struct kg_source *source, const struct kg_rtp_packet *packet, int64_t now_us)
{
    struct kg_vp8_descriptor vp8;
    struct kg_slot *slot;
    if (packet->payload_size == 0) { /* padding: a sender's probe */
        leave_out(source, packet);
        return;
    }
    if (!kg_vp8_parse(packet->payload, packet->payload_size, &vp8)) {
        source->party->forward->dropped++;
        leave_out(source, packet);
        return;
    }
    LIST_FOREACH(slot, &source->feeds, feeds_link)
    {
        send_to(slot, packet, &vp8, now_us);
    }
    if (!vp8.start || vp8.partition != 0 ||
        !kg_vp8_is_keyframe(packet->payload + vp8.size, packet->payload_size - vp8.size))
        return;
    kg_nack_keyframe(&source->nack, packet->header.sequence);
    source->keyframe_wanted = source->keyframe_newcomer = false;
    while ((slot = LIST_FIRST(&source->awaited))) {
        kg_slot_take_over(slot);
        send_to(slot, packet, &vp8, now_us);
        replay_after(slot, packet->header.sequence, now_us);
    }
}

static void forward_audio(struct kg_source *source, const struct kg_rtp_packet *packet, int64_t now_us)
{
    struct kg_forward *forward = source->party->forward;
    struct kg_audio_level level;
    const struct kg_rtp_extension *extension =
        kg_rtp_find(&packet->header, source->line->extension[KG_EXT_AUDIO_LEVEL]);
    bool known = extension && kg_audio_level_read(extension, &level);
    apply_speakers(forward,
                   kg_speakers_hear(&forward->speakers, &source->speaker, known ? level.level : -1, now_us));
    if (packet->payload_size == 0) {
        leave_out(source, packet);
        return;
    }
    struct kg_slot *slot;
    LIST_FOREACH(slot, &source->feeds, feeds_link)
    {
        send_to(slot, packet, NULL, now_us);
    }
}

/* Keeps a copy for retransmission: the transport's bytes last only as long as its call. */
static bool cache(struct kg_source *source, const uint8_t *data, size_t size, uint16_t sequence,
                  int64_t now_us)
{
    struct kg_packet *copy =
        size <= KG_PACKET_CAPACITY ? kg_packet_pool_get(source->party->forward->pool) : NULL;
    if (!copy)
        return false;
    memcpy(copy->data, data, size);
    copy->size = (uint32_t)size;
    copy->arrival_us = now_us;
    kg_sent_cache_put(source->cache, sequence, copy, now_us);
    kg_packet_unref(copy);
    return true;
}

static void activate(struct kg_source *source)
{
    struct kg_forward *forward = source->party->forward;
    source->active = true;
    forward->ops->on_source(source->party->user, source->kind, true);
    if (source->kind == KG_SOURCE_PRESENTATION)
        forward->presenter = source->id;
    if (kg_source_is_video(source))
        kg_forward_assign_pictures(forward);
}

/* A stream's SSRC was learnt, or changed in mid-meeting: its slots start anew with it at a keyframe. */
static void bind_stream(struct kg_source *source, uint32_t ssrc, bool rtx, int64_t now_us)
{
    if (rtx) {
        source->rtx_ssrc = ssrc;
        return;
    }
    if (source->ssrc)
        kg_forward_stop_source(source, now_us);
    kg_source_bind(source, ssrc);
}

void kg_forward_rtp(struct kg_party *party, uint8_t *data, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct kg_forward *forward = party->forward;
    struct kg_rtp_packet packet;
    bool rtx, learnt;
    if (!party->connected || !kg_rtp_parse(data, size, &packet)) {
        forward->dropped++;
        return;
    }
    party->stats.packets_in++;
    party->stats.bytes_in += size;
    struct kg_source *source = kg_party_route(party, &packet.header, &rtx, &learnt);
    if (!source) {
        forward->dropped++;
        return;
    }
    const struct kg_rtp_extension *number =
        kg_rtp_find(&packet.header, source->line->extension[KG_EXT_TRANSPORT_CC]);
    if (number && number->size == 2)
        kg_twcc_receiver_packet(&party->twcc_in, kg_get_u16(number->data), packet.header.ssrc, arrival_us);
    if (learnt)
        bind_stream(source, packet.header.ssrc, rtx, now_us);
    if (rtx) {
        if (!source->ssrc)
            return;
        size = kg_rtx_unwrap(data, size, source->ssrc, source->line->payload_type);
        if (size == 0 || !kg_rtp_parse(data, size, &packet)) /* a padding probe */
            return;
    }
    enum kg_source_verdict verdict = kg_source_receive(source, &packet, size, rtx, arrival_us, now_us);
    if (verdict == KG_SOURCE_RESTARTED)
        restart(source);
    if (verdict == KG_SOURCE_OLD || source->muted)
        return;
    if (!source->active)
        activate(source);
    if (source->cache && packet.payload_size && !cache(source, data, size, packet.header.sequence, now_us))
        forward->dropped++; /* forwarded all the same, only not to be asked for again */
    if (kg_source_is_video(source))
        forward_video(source, &packet, now_us);
    else
        forward_audio(source, &packet, now_us);
    kg_forward_ask_keyframe(source, now_us);
}

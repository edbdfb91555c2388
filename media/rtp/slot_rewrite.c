#include "rtp/slot_rewrite.h"

#include <string.h>

/* RFC 3550 A.1: a jump further than this is a restart of the source, not loss or reordering. */
enum { MAX_DROPOUT = 3000, MAX_MISORDER = 1000 };
enum { PICTURE_MASK = 0x7fff, SHORT_PICTURE_MASK = 0x7f };
/* Streams that meet in a slot are at least this far apart in its time: 1/100 s. */
enum { MIN_STEP_DIVISOR = 100 };

static struct kg_slot_span *span_at(struct kg_slot_rewrite *slot, uint32_t number)
{
    return &slot->spans[number % KG_SLOT_SPANS];
}

static struct kg_slot_span *newest_span(struct kg_slot_rewrite *slot)
{
    return span_at(slot, slot->span_count - 1);
}

/* How many spans, from the newest back, are still held. */
static uint32_t spans_held(const struct kg_slot_rewrite *slot)
{
    return KG_MIN(slot->span_count, (uint32_t)KG_SLOT_SPANS);
}

static int64_t slot_number(const struct kg_slot_span *span, int64_t source)
{
    return span->first_slot + (source - span->first_source);
}

static uint16_t picture_mask(const struct kg_slot_fields *fields)
{
    return fields->picture_id_long ? PICTURE_MASK : SHORT_PICTURE_MASK;
}

static bool picture_newer(uint16_t a, uint16_t b, uint16_t mask)
{
    uint16_t ahead = (uint16_t)(a - b) & mask;

    return ahead != 0 && ahead <= mask / 2;
}

void kg_slot_rewrite_init(struct kg_slot_rewrite *slot, uint32_t ssrc, uint32_t clock_rate, bool audio,
                          uint16_t first_sequence, uint32_t first_timestamp)
{
    memset(slot, 0, sizeof(*slot));
    slot->ssrc = ssrc;
    slot->clock_rate = clock_rate;
    slot->audio = audio;
    slot->next_slot = first_sequence;
    slot->last_timestamp = first_timestamp;
}

static void forget_source(struct kg_slot_rewrite *slot)
{
    slot->has_source = false;
    slot->anchored = false;
    slot->has_picture = false;
    slot->has_stray = false;
    memset(&slot->source_sequence, 0, sizeof(slot->source_sequence));
}

void kg_slot_rewrite_switch(struct kg_slot_rewrite *slot, uint32_t source_ssrc)
{
    if (slot->has_source && slot->source_ssrc == source_ssrc) {
        return;
    }
    forget_source(slot);
    slot->has_source = true;
    slot->source_ssrc = source_ssrc;
}

void kg_slot_rewrite_clear(struct kg_slot_rewrite *slot)
{
    forget_source(slot);
}

/* The slot timestamp for a first packet captured at time_us: the stream before it, continued in relay time.
 */
static uint32_t continued_timestamp(const struct kg_slot_rewrite *slot, int64_t time_us)
{
    if (!slot->has_sent) {
        return slot->last_timestamp;
    }
    int64_t least = slot->clock_rate / MIN_STEP_DIVISOR;
    int64_t elapsed_us = time_us - slot->last_time_us;
    int64_t whole_s = elapsed_us / 1000000;
    int64_t ticks = whole_s * slot->clock_rate + elapsed_us % 1000000 * slot->clock_rate / 1000000;

    return slot->last_timestamp + (uint32_t)KG_MAX(ticks, least);
}

/* Ties the source's numbering, beginning at this packet, to the slot's. */
static void anchor(struct kg_slot_rewrite *slot, const struct kg_slot_fields *fields, int64_t time_us)
{
    struct kg_slot_span span = {.ssrc = slot->source_ssrc};

    memset(&slot->source_sequence, 0, sizeof(slot->source_sequence));
    span.first_source = kg_unwrap16(&slot->source_sequence, fields->sequence);
    span.first_slot = slot->next_slot;
    span.end_slot = slot->next_slot;
    span.timestamp_offset = continued_timestamp(slot, time_us) - fields->timestamp;
    if (slot->has_sent) {
        span.picture_offset = (uint16_t)(slot->last_picture + 1 - fields->picture_id) & PICTURE_MASK;
        span.tl0_offset = (uint8_t)(slot->last_tl0 + 1 - fields->tl0_picture_index);
    }
    slot->highest_source = span.first_source - 1;
    slot->has_picture = false;
    slot->has_stray = false;
    slot->anchored = true;
    slot->anchor_span = slot->span_count++;
    *newest_span(slot) = span;
}

/* The span of the current source that gave `source` a number, or gives it one now; NULL: none. */
static struct kg_slot_span *span_of_source(struct kg_slot_rewrite *slot, int64_t source)
{
    uint32_t held = KG_MIN(spans_held(slot), slot->span_count - slot->anchor_span);

    for (uint32_t i = 1; i <= held; i++) {
        struct kg_slot_span *span = span_at(slot, slot->span_count - i);
        if (source >= span->first_source) {
            bool inside = i == 1 || slot_number(span, source) < span->end_slot;
            return inside ? span : NULL;
        }
    }
    return NULL;
}

static const struct kg_slot_span *span_of_slot(const struct kg_slot_rewrite *slot, uint16_t slot_sequence,
                                               int64_t *source)
{
    int64_t number = slot->next_slot + (int16_t)(slot_sequence - (uint16_t)slot->next_slot);

    for (uint32_t i = 1; i <= spans_held(slot); i++) {
        const struct kg_slot_span *span = &slot->spans[(slot->span_count - i) % KG_SLOT_SPANS];
        if (number >= span->first_slot && number < span->end_slot) {
            *source = span->first_source + (number - span->first_slot);
            return span;
        }
    }
    return NULL;
}

static void rewrite(const struct kg_slot_rewrite *slot, const struct kg_slot_span *span, int64_t number,
                    struct kg_slot_fields *fields)
{
    fields->ssrc = slot->ssrc;
    fields->sequence = (uint16_t)number;
    fields->timestamp += span->timestamp_offset;
    if (fields->has_picture_id) {
        fields->picture_id = (uint16_t)(fields->picture_id + span->picture_offset) & picture_mask(fields);
    }
    if (fields->has_tl0_picture_index) {
        fields->tl0_picture_index = (uint8_t)(fields->tl0_picture_index + span->tl0_offset);
    }
}

/* What the slot's decoder has now been shown, so that the next source continues after it. */
static void remember(struct kg_slot_rewrite *slot, const struct kg_slot_fields *out, int64_t time_us)
{
    slot->last_timestamp = out->timestamp;
    slot->last_time_us = time_us;
    slot->has_sent = true;
    if (out->has_picture_id) {
        slot->last_picture = out->picture_id;
    }
    if (out->has_tl0_picture_index) {
        slot->last_tl0 = out->tl0_picture_index;
    }
}

/* False for a number so far off that the source must have restarted, unless two in a row say so. */
static bool believable(struct kg_slot_rewrite *slot, uint16_t sequence, int64_t *source, bool *restart)
{
    struct kg_unwrapper peek = slot->source_sequence;
    int64_t ahead;

    *restart = false;
    *source = kg_unwrap16(&peek, sequence);
    ahead = *source - slot->highest_source;
    if (ahead <= MAX_DROPOUT && ahead >= -MAX_MISORDER) {
        slot->has_stray = false;
        return true;
    }
    *restart = slot->has_stray && sequence == (uint16_t)(slot->stray + 1);
    slot->stray = sequence;
    slot->has_stray = true;
    return *restart;
}

bool kg_slot_rewrite_packet(struct kg_slot_rewrite *slot, struct kg_slot_fields *fields, int64_t time_us)
{
    int64_t source;
    bool first = !slot->anchored;
    bool restart = false;

    if (!slot->has_source || fields->ssrc != slot->source_ssrc) {
        return false;
    }
    if (!first && !believable(slot, fields->sequence, &source, &restart)) {
        return false;
    }
    if (first || restart) {
        anchor(slot, fields, time_us);
        source = newest_span(slot)->first_source;
        fields->marker |= slot->audio;
    }
    struct kg_slot_span *span = span_of_source(slot, source);
    if (!span) {
        return false;
    }
    int64_t number = slot_number(span, source);
    uint16_t source_picture = fields->picture_id;
    rewrite(slot, span, number, fields);
    if (source > slot->highest_source) {
        slot->highest_source = source;
        slot->source_sequence.last = source;
        span->end_slot = number + 1;
        slot->next_slot = number + 1;
        if (fields->has_picture_id &&
            (!slot->has_picture ||
             picture_newer(source_picture, slot->highest_picture, picture_mask(fields)))) {
            slot->highest_picture = source_picture;
            slot->has_picture = true;
        }
        remember(slot, fields, time_us);
    }
    return true;
}

bool kg_slot_rewrite_drop(struct kg_slot_rewrite *slot, const struct kg_slot_fields *fields)
{
    struct kg_unwrapper peek = slot->source_sequence;

    if (!slot->has_source || fields->ssrc != slot->source_ssrc || !slot->anchored) {
        return true;
    }
    int64_t source = kg_unwrap16(&peek, fields->sequence);
    if (source <= slot->highest_source) {
        return !span_of_source(slot, source);
    }
    if (source - slot->highest_source > MAX_DROPOUT) {
        return true;
    }
    struct kg_slot_span next = *newest_span(slot);
    bool unused = source == next.first_source; /* a run of drops moves one span on instead of making many */
    next.first_slot = slot_number(&next, source);
    next.first_source = source + 1;
    newest_span(slot)->end_slot = next.first_slot;
    next.end_slot = next.first_slot;
    if (fields->has_picture_id &&
        (!slot->has_picture ||
         picture_newer(fields->picture_id, slot->highest_picture, picture_mask(fields)))) {
        next.picture_offset = (uint16_t)(next.picture_offset - 1) & PICTURE_MASK;
        slot->highest_picture = fields->picture_id;
        slot->has_picture = true;
    }
    slot->highest_source = source;
    slot->source_sequence.last = source;
    slot->next_slot = next.first_slot;
    if (!unused) {
        slot->span_count++;
    }
    *newest_span(slot) = next;
    return true;
}

bool kg_slot_rewrite_lookup(const struct kg_slot_rewrite *slot, uint16_t slot_sequence, uint32_t *source_ssrc,
                            uint16_t *source_sequence)
{
    int64_t source;
    const struct kg_slot_span *span = span_of_slot(slot, slot_sequence, &source);

    if (!span) {
        return false;
    }
    *source_ssrc = span->ssrc;
    *source_sequence = (uint16_t)source;
    return true;
}

bool kg_slot_rewrite_again(const struct kg_slot_rewrite *slot, uint16_t slot_sequence,
                           struct kg_slot_fields *fields)
{
    int64_t source;
    const struct kg_slot_span *span = span_of_slot(slot, slot_sequence, &source);

    if (!span || span->ssrc != fields->ssrc || (uint16_t)source != fields->sequence) {
        return false;
    }
    rewrite(slot, span, slot_number(span, source), fields);
    return true;
}

bool kg_slot_rewrite_timestamp(const struct kg_slot_rewrite *slot, uint32_t source_timestamp,
                               uint32_t *slot_timestamp)
{
    if (!slot->has_source || !slot->anchored) {
        return false;
    }
    *slot_timestamp = source_timestamp + slot->spans[(slot->span_count - 1) % KG_SLOT_SPANS].timestamp_offset;
    return true;
}

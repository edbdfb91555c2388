#include "rtp/vp8_assembler.h"

#include <stdlib.h>
#include <string.h>

#include "rtp/vp8.h"

/* For decoders that read whole words at the end. */
enum { TAIL_BYTES = 64, WINDOW = KG_VP8_ASSEMBLER_PACKETS };

struct cell {
    struct kg_packet *packet; /* NULL: not arrived, or already given out */
    const uint8_t *payload;   /* in packet, after the VP8 descriptor; size 0: padding only */
    size_t size;
    uint32_t timestamp;
    uint32_t source;
    bool start, marker, keyframe;
};

/* Cells hold the numbers highest - WINDOW + 1 … highest. */
struct kg_vp8_assembler {
    int64_t max_wait_us;
    struct kg_unwrapper unwrap;
    bool started;
    int64_t highest;
    int64_t floor;  /* everything below was given out or given up */
    bool decodable; /* a delta frame beginning at floor can be decoded */
    bool gap_final; /* it is waiting for a packet for too long: a keyframe is wanted, though the packet still
                       helps */
    bool blocked;
    int64_t blocked_since_us; /* since when a missing packet keeps the next frame back */
    uint32_t source;          /* of the last frame given out */
    uint32_t keyframe_cells;  /* cells that start a keyframe */
    struct cell cell[WINDOW];
};

void kg_vp8_frame_destroy(struct kg_vp8_frame *frame)
{
    if (frame) {
        free(frame->data);
        free(frame);
    }
}

struct kg_vp8_assembler *kg_vp8_assembler_create(int64_t max_wait_us)
{
    struct kg_vp8_assembler *a = calloc(1, sizeof(*a));

    if (a) {
        a->max_wait_us = max_wait_us;
    }
    return a;
}

static struct cell *cell_of(struct kg_vp8_assembler *a, int64_t number)
{
    return &a->cell[(uint64_t)number % WINDOW];
}

static void clear_cell(struct kg_vp8_assembler *a, struct cell *cell)
{
    if (cell->packet) {
        a->keyframe_cells -= cell->keyframe;
        kg_packet_unref(cell->packet);
        *cell = (struct cell){.packet = NULL};
    }
}

void kg_vp8_assembler_destroy(struct kg_vp8_assembler *a)
{
    if (!a) {
        return;
    }
    for (int i = 0; i < WINDOW; i++) {
        clear_cell(a, &a->cell[i]);
    }
    free(a);
}

void kg_vp8_assembler_require_keyframe(struct kg_vp8_assembler *a)
{
    a->decodable = false;
    a->gap_final = false;
    a->blocked = false;
}

bool kg_vp8_assembler_needs_keyframe(const struct kg_vp8_assembler *a)
{
    return !a->decodable || a->gap_final;
}

/* Makes number the newest of the window; what falls off the far end can no longer be waited for. */
static void advance(struct kg_vp8_assembler *a, int64_t number)
{
    if (number - a->highest >= WINDOW) {
        for (int i = 0; i < WINDOW; i++) {
            clear_cell(a, &a->cell[i]);
        }
    } else {
        for (int64_t n = a->highest + 1; n <= number; n++) {
            clear_cell(a, cell_of(a, n));
        }
    }
    a->highest = number;
    if (a->floor <= number - WINDOW) {
        a->floor = number - WINDOW + 1;
        kg_vp8_assembler_require_keyframe(a);
    }
}

/* false: not VP8. Padding-only packets take part in the numbering alone. */
static bool fill_cell(struct cell *cell, const struct kg_rtp_packet *rtp)
{
    struct kg_vp8_descriptor descriptor;

    cell->timestamp = rtp->header.timestamp;
    cell->source = rtp->header.csrc_count > 0 ? rtp->header.csrc[0] : rtp->header.ssrc;
    if (rtp->payload_size == 0) {
        return true;
    }
    if (!kg_vp8_parse(rtp->payload, rtp->payload_size, &descriptor)) {
        return false;
    }
    cell->payload = rtp->payload + descriptor.size;
    cell->size = rtp->payload_size - descriptor.size;
    cell->marker = rtp->header.marker;
    cell->start = descriptor.start && descriptor.partition == 0;
    cell->keyframe = cell->start && kg_vp8_is_keyframe(cell->payload, cell->size);
    return true;
}

bool kg_vp8_assembler_push(struct kg_vp8_assembler *a, struct kg_packet *packet,
                           const struct kg_rtp_packet *rtp)
{
    struct kg_unwrapper peek = a->unwrap;
    int64_t number = kg_unwrap16(&peek, rtp->header.sequence);
    struct cell fresh = {.packet = packet};

    if (!fill_cell(&fresh, rtp)) {
        return false;
    }
    if (!a->started) {
        a->started = true;
        a->highest = number;
        a->floor = number - WINDOW + 1; /* packets before the first may still come, reordered */
        a->unwrap = peek;
    } else if (number > a->highest) {
        advance(a, number);
        a->unwrap = peek;
    } else if (number < a->floor || cell_of(a, number)->packet) {
        return false;
    }
    *cell_of(a, number) = fresh;
    a->keyframe_cells += fresh.keyframe;
    kg_packet_ref(packet);
    return true;
}

enum scan { WHOLE, MISSING, BROKEN };

/* Follows the frame that starts at `first`. WHOLE: *end is one past its last packet. MISSING: *end is the
 * first number not there. A frame ends with the marker, or where the next one starts. */
static enum scan scan_frame(struct kg_vp8_assembler *a, int64_t first, int64_t *end)
{
    uint32_t timestamp = cell_of(a, first)->timestamp;

    for (int64_t n = first; n <= a->highest; n++) {
        const struct cell *cell = cell_of(a, n);
        *end = n;
        if (!cell->packet) {
            return MISSING;
        }
        if (!cell->payload) {
            continue;
        }
        if (cell->timestamp != timestamp) {
            return cell->start ? WHOLE : BROKEN;
        }
        if (cell->marker) {
            *end = n + 1;
            return WHOLE;
        }
    }
    *end = a->highest + 1;
    return MISSING;
}

static void discard_below(struct kg_vp8_assembler *a, int64_t number)
{
    for (int64_t n = a->floor; n < number; n++) {
        clear_cell(a, cell_of(a, n));
    }
    a->floor = number;
    a->blocked = false;
    a->gap_final = false;
}

static void copy_payload(struct kg_vp8_assembler *a, int64_t first, int64_t end, struct kg_vp8_frame *frame)
{
    size_t at = 0;

    frame->first_arrival_us = INT64_MAX;
    frame->complete_us = INT64_MIN;
    for (int64_t n = first; n < end; n++) {
        const struct cell *cell = cell_of(a, n);
        if (!cell->payload) {
            continue;
        }
        memcpy(frame->data + at, cell->payload, cell->size);
        at += cell->size;
        frame->first_arrival_us = KG_MIN(frame->first_arrival_us, cell->packet->arrival_us);
        frame->complete_us = KG_MAX(frame->complete_us, cell->packet->arrival_us);
    }
}

static struct kg_vp8_frame *build_frame(struct kg_vp8_assembler *a, int64_t first, int64_t end)
{
    const struct cell *head = cell_of(a, first);
    struct kg_vp8_frame *frame = calloc(1, sizeof(*frame));

    if (!frame) {
        return NULL;
    }
    for (int64_t n = first; n < end; n++) {
        frame->size += cell_of(a, n)->size;
    }
    frame->data = calloc(1, frame->size + TAIL_BYTES);
    if (!frame->data) {
        free(frame);
        return NULL;
    }
    frame->keyframe = head->keyframe;
    frame->timestamp = head->timestamp;
    frame->source = head->source;
    frame->first_sequence = (uint16_t)first;
    frame->last_sequence = (uint16_t)(end - 1);
    copy_payload(a, first, end, frame);
    if (frame->keyframe && !kg_vp8_keyframe_size(frame->data, frame->size, &frame->width, &frame->height)) {
        kg_vp8_frame_destroy(frame);
        return NULL;
    }
    return frame;
}

/* Gives out the frame first … end - 1; everything before it is over. NULL: it cannot be decoded after all. */
static struct kg_vp8_frame *give(struct kg_vp8_assembler *a, int64_t first, int64_t end)
{
    struct kg_vp8_frame *frame = build_frame(a, first, end);

    discard_below(a, end);
    if (!frame || (!frame->keyframe && frame->source != a->source)) {
        kg_vp8_frame_destroy(
            frame); /* short of memory, malformed, or another source's without its keyframe */
        kg_vp8_assembler_require_keyframe(a);
        return NULL;
    }
    a->decodable = true;
    a->source = frame->source;
    return frame;
}

/* The newest whole keyframe: nothing before it matters any more. */
static struct kg_vp8_frame *take_keyframe(struct kg_vp8_assembler *a)
{
    int64_t end;

    if (a->keyframe_cells == 0) {
        return NULL;
    }
    for (int64_t n = a->highest; n >= a->floor; n--) {
        const struct cell *cell = cell_of(a, n);
        if (cell->packet && cell->keyframe && scan_frame(a, n, &end) == WHOLE) {
            return give(a, n, end);
        }
    }
    return NULL;
}

static void note_gap(struct kg_vp8_assembler *a, int64_t missing, int64_t now_us)
{
    if (missing > a->highest) {
        a->blocked = false; /* not sent yet, as far as anybody knows */
        return;
    }
    if (!a->blocked) {
        a->blocked = true;
        a->blocked_since_us = now_us;
    } else if (now_us - a->blocked_since_us > a->max_wait_us) {
        a->gap_final = true;
    }
}

struct kg_vp8_frame *kg_vp8_assembler_take(struct kg_vp8_assembler *a, int64_t now_us)
{
    int64_t end;

    while (a->decodable) {
        const struct cell *cell = cell_of(a, a->floor);
        if (a->floor > a->highest || !cell->packet) {
            note_gap(a, a->floor, now_us);
            break;
        }
        if (!cell->payload) { /* padding between frames */
            discard_below(a, a->floor + 1);
            continue;
        }
        enum scan scan = cell->start ? scan_frame(a, a->floor, &end) : BROKEN;
        if (scan == MISSING) {
            note_gap(a, end, now_us);
            break;
        }
        if (scan == BROKEN) {
            kg_vp8_assembler_require_keyframe(a);
            break;
        }
        struct kg_vp8_frame *frame = give(a, a->floor, end);
        if (frame) {
            return frame;
        }
    }
    return a->started ? take_keyframe(a) : NULL;
}

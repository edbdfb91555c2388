/* One microphone, camera or presentation as the relay receives it: its stream's statistics, what is missing,
 * what may be asked for again, its clock, and which slots it feeds. Thread: the meeting's worker. Owns its
 * cache; slots and party are borrowed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "relay/slot_speakers.h"
#include "relay/slots.h"
#include "rtp/nack.h"
#include "rtp/receive_stats.h"
#include "rtp/rtp.h"
#include "rtp/sent_cache.h"
#include "rtp/time_map.h"

#define KG_SOURCE_SILENT_US       2000000 /* no packet for so long: it has stopped; */
#define KG_SOURCE_STILL_US        5000000 /* a presentation: a still page may send a frame a second or less */
#define KG_SOURCE_PLI_US          500000  /* between keyframe requests ... */
#define KG_SOURCE_PLI_NEWCOMER_US 100000  /* ... unless somebody new waits for the first picture */

enum {
    KG_SOURCE_SEEN_NUMBERS = 1024, /* packets by which numbers may jump, some 4 s of video */
    KG_SOURCE_MAX_LATE = 1000      /* and by which one may be late; slot_rewrite.h follows both */
};
enum kg_source_verdict {
    KG_SOURCE_OLD, /* came before, or is too old to tell: never forward it, for its number in a slot may have
                    * been used for other bytes (RFC 7714 §8.1) */
    KG_SOURCE_NEW,
    KG_SOURCE_RESTARTED /* new, and far from all before: its slots must begin with it anew */
};

struct kg_party;
struct kg_slot;

struct kg_source {
    uint32_t id; /* the meeting's, put as CSRC */
    enum kg_source_kind kind;
    struct kg_party *party;
    const struct kg_wire_line *line; /* in the party's wire; NULL: not negotiated */
    bool muted;
    bool active;             /* packets have come lately, and it is not muted; or they need not come: */
    bool idle;               /* its party was told that nobody watches it, so silence does not end it */
    int64_t watched_us;      /* video: when somebody did last */
    uint32_t ssrc, rtx_ssrc; /* 0: not learnt yet */

    struct kg_receive_stats stats;
    struct kg_nack nack;         /* video */
    struct kg_sent_cache *cache; /* video; NULL for microphones */
    struct kg_time_map time_map;
    struct kg_speaker speaker; /* microphone */
    struct kg_unwrapper unwrap;
    int64_t newest;                             /* highest sequence number, unwrapped */
    uint64_t seen[KG_SOURCE_SEEN_NUMBERS / 64]; /* which of the last numbers came, by number */
    int64_t heard_us;
    uint32_t last_timestamp; /* the newest packet's, and when it came: a clock until the first report */
    int64_t last_arrival_us;

    bool keyframe_wanted, keyframe_newcomer;
    int64_t keyframe_asked_us; /* 0: never */
    uint8_t fir_sequence;

    LIST_HEAD(, kg_slot) feeds;   /* slots that carry it */
    LIST_HEAD(, kg_slot) awaited; /* slots that will, at its next keyframe */
};

/* line: may be NULL. false: memory is short (logged). */
KG_MUST_CHECK bool kg_source_init(struct kg_source *source, struct kg_party *party, enum kg_source_kind kind,
                                  uint32_t id, const struct kg_wire_line *line, bool muted);
/* No slot may be linked to it any more. */
void kg_source_finish(struct kg_source *source);
static inline bool kg_source_is_video(const struct kg_source *source)
{
    return source->kind != KG_SOURCE_MICROPHONE;
}

/* The stream has this SSRC from now on: what was known of another is forgotten. */
void kg_source_bind(struct kg_source *source, uint32_t ssrc);
/* Notes a packet's arrival: off the line at arrival_us, taken at now_us. recovered: it came by RTX. */
KG_MUST_CHECK enum kg_source_verdict kg_source_receive(struct kg_source *source,
                                                       const struct kg_rtp_packet *packet, size_t size,
                                                       bool recovered, int64_t arrival_us, int64_t now_us);
bool kg_source_is_silent(const struct kg_source *source, int64_t now_us);
/* false: its times are not to be used (no clock, or overtaken on the way). */
KG_MUST_CHECK bool kg_source_sender_report(struct kg_source *source, const struct kg_rtcp *report,
                                           int64_t arrival_us);
/* Lets go of every cached packet and every gap: nothing said before a mute is sent after it. */
void kg_source_forget(struct kg_source *source, int64_t now_us);

/* Relay time of a timestamp of this source. Exact once its party has sent a report, else by arrival. */
int64_t kg_source_time(const struct kg_source *source, uint32_t timestamp);
/* The inverse: what the source's clock shows at a relay time. */
uint32_t kg_source_timestamp(const struct kg_source *source, int64_t time_us);

/* Somebody needs a keyframe; newcomer: has no picture of this source at all. */
void kg_source_want_keyframe(struct kg_source *source, bool newcomer);
/* true: ask for it now (and this counts as asked). */
KG_MUST_CHECK bool kg_source_take_keyframe_request(struct kg_source *source, int64_t now_us);

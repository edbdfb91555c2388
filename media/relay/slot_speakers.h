/* Who is heard in a meeting: the loudest microphones by RFC 6464 level, with hysteresis, and who speaks.
 *
 * KG_AUDIO_SLOTS places and one reserve are kept for the whole meeting. Nobody hears himself, so a holder of
 * a place hears the reserve instead of himself, and every party gets up to KG_AUDIO_SLOTS others from one
 * ranking. Thread: the meeting's worker. Owns nothing: speakers belong to the caller, who removes them before
 * they go. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/slots.h"

enum { KG_SPEAKER_PLACES = KG_AUDIO_SLOTS + 1 };

struct kg_speaker {
    int32_t loudness_256; /* smoothed, 0 (silence) .. 127, × 256 */
    int32_t now_256;      /* the last packet's alone */
    int64_t heard_us;     /* last packet */
    int64_t held_us;      /* since when it has its place */
};

struct kg_speakers {
    struct kg_speaker *place[KG_SPEAKER_PLACES]; /* the last is the reserve */
    struct kg_speaker *dominant; /* speaks now, or spoke last; may have lost its place since */
    struct kg_speaker *previous; /* was dominant before */
    int64_t dominant_since_us;
    int64_t spoken_us; /* when the dominant was last above the speaking level */
    bool speaking;
};

/* What kg_speakers_hear changed; may be both. */
enum { KG_SPEAKERS_PLACES = 1, KG_SPEAKERS_DOMINANT = 2 };

/* One unmuted audio packet of this speaker. level: −dBov, 0 (loudest) .. 127; negative: the party does not
 * say. Returns what changed. */
unsigned kg_speakers_hear(struct kg_speakers *speakers, struct kg_speaker *speaker, int level,
                          int64_t now_us);
/* The speaker is muted or leaves. Returns what changed. */
unsigned kg_speakers_remove(struct kg_speakers *speakers, struct kg_speaker *speaker);
/* Notices silence: call a few times a second. true: `speaking` changed. */
bool kg_speakers_tick(struct kg_speakers *speakers, int64_t now_us);

/* Who spoke last besides `own` (may be NULL); NULL: nobody yet. */
struct kg_speaker *kg_speakers_loudest_other(const struct kg_speakers *speakers,
                                             const struct kg_speaker *own);
/* Fills a party's slots in place: those still heard keep their slot, the others make room. true: slots
 * changed. */
KG_MUST_CHECK bool kg_speakers_choose(const struct kg_speakers *speakers, const struct kg_speaker *own,
                                      struct kg_speaker *slots[KG_AUDIO_SLOTS]);
/* Puts the loudest other's voice in slot 0, beside his picture, once he and whoever is there both pause: a
 * decoder that is handed a stranger's packets in mid-word crackles. true: slots changed. */
KG_MUST_CHECK bool kg_speakers_lead(const struct kg_speakers *speakers, const struct kg_speaker *own,
                                    struct kg_speaker *slots[KG_AUDIO_SLOTS]);

#include "relay/slot_speakers.h"

#include <stddef.h>

enum {
    LOUDNESS_MAX = 127,
    LOUDNESS_UNKNOWN = 60,        /* no level extension: as a quiet voice */
    LOUDNESS_SPEAKING = 127 - 50, /* −50 dBov: above a quiet room's noise */
    RISE_SHIFT = 2,               /* a quarter of the way each 20 ms: 100 ms to believe a voice */
    FALL_256 = 64,                /* at most 12.5 dB a second, so that pauses between words do not count */
    MARGIN = 6,                   /* dB a challenger must be louder */
    MIN_HOLD_US = 1500000,
    GONE_US = 2000000, /* no packet for so long: the place is anybody's */
    SILENT_US = 1000000,
};

static void smooth(struct kg_speaker *speaker, int level)
{
    int32_t loudness = level < 0 ? LOUDNESS_UNKNOWN : LOUDNESS_MAX - KG_MIN(level, LOUDNESS_MAX);
    int32_t step = loudness * 256 - speaker->loudness_256;
    speaker->now_256 = loudness * 256;
    speaker->loudness_256 += step > 0 ? step / (1 << RISE_SHIFT) : KG_MAX(step, -FALL_256);
}

static bool is_gone(const struct kg_speaker *speaker, int64_t now_us)
{
    return now_us - speaker->heard_us > GONE_US;
}

static bool may_displace(const struct kg_speaker *challenger, const struct kg_speaker *holder, int64_t now_us)
{
    if (is_gone(holder, now_us))
        return true;
    return now_us - holder->held_us >= MIN_HOLD_US &&
           challenger->loudness_256 >= holder->loudness_256 + MARGIN * 256;
}

/* The place of [first, end) a challenger should try for: a free one, one whose holder is gone, the quietest.
 */
static int weakest(const struct kg_speakers *speakers, int first, int end, int64_t now_us)
{
    int weakest_at = first;
    for (int i = first; i < end; i++) {
        const struct kg_speaker *holder = speakers->place[i], *best = speakers->place[weakest_at];
        if (!holder || is_gone(holder, now_us))
            return i;
        if (best && holder->loudness_256 < best->loudness_256)
            weakest_at = i;
    }
    return weakest_at;
}

static int place_of(const struct kg_speakers *speakers, const struct kg_speaker *speaker)
{
    for (int i = 0; i < KG_SPEAKER_PLACES; i++) {
        if (speakers->place[i] == speaker)
            return i;
    }
    return -1;
}

static bool compete_for_place(struct kg_speakers *speakers, struct kg_speaker *speaker, int64_t now_us)
{
    int at = place_of(speakers, speaker);
    if (at >= 0 && at < KG_AUDIO_SLOTS)
        return false;
    int target = weakest(speakers, 0, KG_AUDIO_SLOTS, now_us);
    if (speakers->place[target] && !may_displace(speaker, speakers->place[target], now_us)) {
        target = KG_AUDIO_SLOTS; /* then at least the reserve */
        if (at == target ||
            (speakers->place[target] && !may_displace(speaker, speakers->place[target], now_us)))
            return false;
    }
    struct kg_speaker *displaced = speakers->place[target];
    speakers->place[target] = speaker;
    speaker->held_us = now_us;
    if (target < KG_AUDIO_SLOTS) { /* the displaced becomes the reserve, or takes the one just left */
        bool keep = displaced && !is_gone(displaced, now_us);
        if (at >= 0 || keep)
            speakers->place[KG_AUDIO_SLOTS] = keep ? displaced : NULL;
    }
    return true;
}

static bool compete_for_floor(struct kg_speakers *speakers, struct kg_speaker *speaker, int64_t now_us)
{
    struct kg_speaker *dominant = speakers->dominant;
    bool speaks = speaker->loudness_256 >= LOUDNESS_SPEAKING * 256;
    if (speaker == dominant) {
        if (speaks)
            speakers->spoken_us = now_us;
        if (!speaks || speakers->speaking)
            return false;
        speakers->speaking = true;
        return true;
    }
    if (!speaks)
        return false;
    if (dominant && speakers->speaking &&
        (now_us - speakers->dominant_since_us < MIN_HOLD_US ||
         speaker->loudness_256 < dominant->loudness_256 + MARGIN * 256))
        return false;
    speakers->previous = dominant;
    speakers->dominant = speaker;
    speakers->dominant_since_us = speakers->spoken_us = now_us;
    speakers->speaking = true;
    return true;
}

unsigned kg_speakers_hear(struct kg_speakers *speakers, struct kg_speaker *speaker, int level, int64_t now_us)
{
    smooth(speaker, level);
    speaker->heard_us = now_us;
    unsigned changed = 0;
    if (compete_for_place(speakers, speaker, now_us))
        changed |= KG_SPEAKERS_PLACES;
    if (compete_for_floor(speakers, speaker, now_us))
        changed |= KG_SPEAKERS_DOMINANT;
    return changed;
}

unsigned kg_speakers_remove(struct kg_speakers *speakers, struct kg_speaker *speaker)
{
    unsigned changed = 0;
    int at = place_of(speakers, speaker);
    if (at >= 0) {
        speakers->place[at] = NULL;
        if (at < KG_AUDIO_SLOTS) { /* the reserve moves up */
            speakers->place[at] = speakers->place[KG_AUDIO_SLOTS];
            speakers->place[KG_AUDIO_SLOTS] = NULL;
        }
        changed |= KG_SPEAKERS_PLACES;
    }
    if (speakers->previous == speaker)
        speakers->previous = NULL;
    if (speakers->dominant == speaker) {
        speakers->dominant = speakers->previous;
        speakers->previous = NULL;
        speakers->speaking = false;
        changed |= KG_SPEAKERS_DOMINANT;
    }
    *speaker = (struct kg_speaker){0};
    return changed;
}

bool kg_speakers_tick(struct kg_speakers *speakers, int64_t now_us)
{
    if (!speakers->speaking || now_us - speakers->spoken_us < SILENT_US)
        return false;
    speakers->speaking = false;
    return true;
}

struct kg_speaker *kg_speakers_loudest_other(const struct kg_speakers *speakers, const struct kg_speaker *own)
{
    return speakers->dominant != own ? speakers->dominant : speakers->previous;
}

bool kg_speakers_choose(const struct kg_speakers *speakers, const struct kg_speaker *own,
                        struct kg_speaker *slots[KG_AUDIO_SLOTS])
{
    int end = own && place_of(speakers, own) >= 0 ? KG_SPEAKER_PLACES : KG_AUDIO_SLOTS;
    bool changed = false;
    for (int s = 0; s < KG_AUDIO_SLOTS; s++) {
        int at = slots[s] ? place_of(speakers, slots[s]) : -1;
        if (slots[s] && (at < 0 || at >= end || slots[s] == own)) {
            slots[s] = NULL;
            changed = true;
        }
    }
    for (int i = 0; i < end; i++) {
        struct kg_speaker *wanted = speakers->place[i];
        int free_at = -1;
        bool present = !wanted || wanted == own;
        for (int s = 0; s < KG_AUDIO_SLOTS; s++) {
            present = present || slots[s] == wanted;
            if (!slots[s] && free_at < 0)
                free_at = s;
        }
        if (!present && free_at >= 0) {
            slots[free_at] = wanted;
            changed = true;
        }
    }
    return changed;
}

/* Its last packet was no speech: taking it to another decoder now is not heard. */
static bool pauses(const struct kg_speaker *speaker)
{
    return speaker->now_256 < LOUDNESS_SPEAKING * 256;
}

bool kg_speakers_lead(const struct kg_speakers *speakers, const struct kg_speaker *own,
                      struct kg_speaker *slots[KG_AUDIO_SLOTS])
{
    struct kg_speaker *lead = kg_speakers_loudest_other(speakers, own);
    if (!lead || slots[0] == lead || !pauses(lead) || (slots[0] && !pauses(slots[0])))
        return false;
    for (int s = 1; s < KG_AUDIO_SLOTS; s++) {
        if (slots[s] != lead)
            continue;
        slots[s] = slots[0];
        slots[0] = lead;
        return true;
    }
    return false;
}

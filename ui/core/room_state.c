#include "core/room_state.h"

#include <string.h>

void kg_room_state_init(struct kg_room_state *state)
{
    memset(state, 0, sizeof(*state));
}

/* Bytes of the well-formed UTF-8 character at p, or 0 (RFC 3629 §4). */
static size_t character_size(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

void kg_room_text_set(char *text, size_t size, const char *utf8)
{
    const unsigned char *in = (const unsigned char *)utf8;
    size_t used = 0;
    while (*in) {
        size_t n = character_size(in);
        const char *out = (const char *)in;
        size_t out_size = n;
        if (n == 0) {
            out = "\xef\xbf\xbd";
            out_size = 3;
        } else if (*in < 0x20 || *in == 0x7f) {
            out = " ";
        }
        if (used + out_size >= size)
            break;
        memcpy(text + used, out, out_size);
        used += out_size;
        in += n ? n : 1;
    }
    /* To the end: states are compared byte by byte. */
    memset(text + used, 0, size - used);
}

uint32_t kg_room_sites_named(const struct kg_room_meeting *meeting)
{
    uint32_t named = 0;
    while (named < KG_ROOM_MAX_SITES && named < meeting->site_count &&
           (meeting->sites[named].organization[0] || meeting->sites[named].name[0]))
        named++;
    return named;
}

const struct kg_room_participant *kg_room_participant_of(const struct kg_room_in_meeting *meeting,
                                                         uint32_t source)
{
    for (uint32_t i = 0; source != 0 && i < meeting->participant_count && i < KG_ROOM_MAX_PARTICIPANTS; i++) {
        const struct kg_room_participant *p = &meeting->participants[i];
        if (p->camera == source || p->microphone == source || p->presentation == source)
            return p;
    }
    return NULL;
}

/* Of two joinable meetings: one that runs before one to come; then the one begun last, or first to begin. */
static bool offered_before(const struct kg_room_meeting *a, const struct kg_room_meeting *b)
{
    bool a_now = a->state == KG_MEETING_NOW, b_now = b->state == KG_MEETING_NOW;
    if (a_now != b_now)
        return a_now;
    return a_now ? a->start_us > b->start_us : a->start_us < b->start_us;
}

const struct kg_room_meeting *kg_room_meeting_offered(const struct kg_room_state *state)
{
    const struct kg_room_meeting *joinable = NULL, *next = NULL;
    for (uint32_t i = 0; i < state->meeting_count && i < KG_ROOM_MAX_MEETINGS; i++) {
        const struct kg_room_meeting *m = &state->meetings[i];
        if (m->joinable && (!joinable || offered_before(m, joinable)))
            joinable = m;
        bool ahead = m->state == KG_MEETING_UPCOMING || m->state == KG_MEETING_NOW;
        if (ahead && (!next || m->start_us < next->start_us))
            next = m;
    }
    return joinable ? joinable : next;
}

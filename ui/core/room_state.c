#include "core/room_state.h"

#include <string.h>

#include "base/utf8.h"

void kg_room_state_init(struct kg_room_state *state)
{
    memset(state, 0, sizeof(*state));
}

/* What stands where a character cannot be shown: a space for what parts words. */
static const char *instead_of(size_t taken, uint32_t character)
{
    if (taken == 0)
        return "\xef\xbf\xbd";
    bool parts = character < 0xa0 || character == 0x2028 || character == 0x2029;
    return parts ? " " : "";
}

void kg_room_text_set(char *text, size_t size, const char *utf8)
{
    size_t used = 0;
    for (size_t left = strlen(utf8), taken; left > 0; utf8 += taken, left -= taken) {
        uint32_t c = 0;
        taken = kg_utf8_take(utf8, left, &c);
        const char *out = utf8;
        size_t out_size = taken;
        if (taken == 0 || kg_utf8_is_treacherous(c)) {
            out = instead_of(taken, c);
            out_size = strlen(out);
        }
        if (used + out_size >= size)
            break;
        memcpy(text + used, out, out_size);
        used += out_size;
        taken = taken ? taken : 1;
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

#include "app/room_view.h"

#include <string.h>

#include "app/room_machine.h"

void kg_room_view_step(struct kg_room_joining *joining, enum kg_joining_step step)
{
    for (enum kg_joining_step i = 0; i < KG_JOINING_STEPS; i++)
        joining->steps[i] = i < step ? KG_STEP_DONE : i == step ? KG_STEP_DOING : KG_STEP_WAITING;
}

const struct kg_room_meeting *kg_room_view_find(const struct kg_room_state *state, const char *uid)
{
    for (uint32_t i = 0; i < state->meeting_count; i++) {
        if (strcmp(state->meetings[i].uid, uid) == 0)
            return &state->meetings[i];
    }
    return NULL;
}

void kg_room_view_title(struct kg_room_state *state, const char *uid)
{
    const struct kg_room_meeting *meeting = kg_room_view_find(state, uid);
    if (!meeting)
        return;
    memcpy(state->joining.title, meeting->title, sizeof state->joining.title);
    memcpy(state->meeting.title, meeting->title, sizeof state->meeting.title);
    state->meeting.start_us = meeting->start_us;
    state->meeting.end_us = meeting->end_us;
}

static void fill_participant(struct kg_room_participant *to, const struct kg_participant *from)
{
    memset(to, 0, sizeof *to);
    kg_room_text_set(to->name.organization, sizeof to->name.organization, from->organization);
    kg_room_text_set(to->name.department, sizeof to->name.department, from->department);
    kg_room_text_set(to->name.name, sizeof to->name.name, from->name);
    to->camera = from->sources.camera;
    to->microphone = from->sources.microphone;
    to->presentation = from->sources.presentation;
    to->microphone_muted = from->muted.microphone;
    to->camera_muted = from->muted.camera;
    to->away = from->away;
}

void kg_room_view_participants(struct kg_room_in_meeting *meeting, const struct kg_participant *participants,
                               uint32_t count, uint32_t own_party)
{
    memset(meeting->participants, 0, sizeof meeting->participants);
    meeting->participant_count = 0;
    for (uint32_t i = 0; i < count && meeting->participant_count < KG_ROOM_MAX_PARTICIPANTS; i++) {
        if (participants[i].party != own_party)
            fill_participant(&meeting->participants[meeting->participant_count++], &participants[i]);
    }
}

bool kg_room_view_expects_picture(const struct kg_room_in_meeting *meeting)
{
    for (uint32_t i = 0; i < meeting->participant_count; i++) {
        const struct kg_room_participant *other = &meeting->participants[i];
        if (!other->away && ((other->camera != 0 && !other->camera_muted) || other->presentation != 0))
            return true;
    }
    return false;
}

void kg_room_view_meeting(struct kg_room_meeting *meeting, const struct kg_agenda_entry *entry)
{
    memset(meeting, 0, sizeof *meeting);
    memcpy(meeting->uid, entry->uid, sizeof meeting->uid);
    kg_room_text_set(meeting->title, sizeof meeting->title, entry->title);
    meeting->start_us = entry->start_us;
    meeting->end_us = entry->end_us;
    meeting->state = entry->cancelled ? KG_MEETING_CANCELLED : KG_MEETING_UPCOMING;
    meeting->site_count = entry->site_count;
    for (uint32_t i = 0; i < KG_MIN((uint32_t)KG_AGENDA_DAY_SITES, (uint32_t)KG_ROOM_MAX_SITES); i++) {
        const struct kg_agenda_site *from = &entry->sites[i];
        struct kg_room_name *to = &meeting->sites[i];
        kg_room_text_set(to->organization, sizeof to->organization, from->organization);
        kg_room_text_set(to->department, sizeof to->department, from->department);
        kg_room_text_set(to->name, sizeof to->name, from->name);
    }
}

void kg_room_view_agenda(struct kg_room_state *state, const struct kg_room_meeting *meetings, uint32_t count)
{
    memset(state->meetings, 0, sizeof state->meetings);
    state->meeting_count = KG_MIN(count, (uint32_t)KG_ROOM_MAX_MEETINGS);
    memcpy(state->meetings, meetings, state->meeting_count * sizeof *meetings);
}

void kg_room_view_next(struct kg_room_state *state, const struct kg_agenda_day *next)
{
    memset(state->next, 0, sizeof state->next);
    state->next_count = (uint32_t)KG_MIN(next->count, (size_t)KG_ROOM_MAX_NEXT);
    for (uint32_t i = 0; i < state->next_count; i++) {
        kg_room_text_set(state->next[i].title, sizeof state->next[i].title, next->entries[i].title);
        state->next[i].start_us = next->entries[i].start_us;
        state->next[i].end_us = next->entries[i].end_us;
    }
}

void kg_room_view_time(struct kg_room_state *state)
{
    int64_t now_us = state->wall_us;
    for (uint32_t i = 0; i < state->meeting_count; i++) {
        struct kg_room_meeting *meeting = &state->meetings[i];
        bool open = now_us >= meeting->start_us - KG_ROOM_OPEN_BEFORE_US && now_us < meeting->end_us;
        if (meeting->state != KG_MEETING_CANCELLED)
            meeting->state = now_us >= meeting->end_us     ? KG_MEETING_ENDED
                             : now_us >= meeting->start_us ? KG_MEETING_NOW
                                                           : KG_MEETING_UPCOMING;
        meeting->joinable = open && meeting->state != KG_MEETING_CANCELLED;
    }
    int64_t end_us = state->meeting.end_us;
    state->notices[KG_NOTICE_MEETING_ENDING] =
        state->screen == KG_SCREEN_MEETING && end_us > now_us && end_us - now_us <= (int64_t)5 * 60 * 1000000;
}

/* The verbs of meetings. A meeting is the organization's whose calendar it came with, and its id begins with
 * that organization's: nobody replaces, calls off or probes another's by choosing its UID. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/agenda_read.h"
#include "relay/verb_internal.h"
#include "signal/agenda.h"

static void report(json_t *reports, bool left_out, unsigned line, const char *uid, const char *reason)
{
    json_array_append_new(reports, json_pack("{s:s, s:i, s:s, s:s}", "severity", left_out ? "bad" : "note",
                                             "line", (int)line, "uid", uid, "reason", reason));
}

/* Of the rooms listed, those that may be: into picked, whose rooms are m's. The others are reported in one
 * and the same words, whether they exist or not. What rests on a community ends with it, so an operator's
 * word is kept only where nothing else permits the room. */
static void pick_rooms(struct kg_call *call, const char *organization, const struct kg_meeting *m,
                       struct kg_meeting *picked, json_t *reports)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    for (uint16_t i = 0; i < m->room_count; i++) {
        char reason[250];
        bool permitted = kg_directory_may_invite(directory, organization, m->rooms[i]);
        if (!permitted && call->by.role == KG_ROLE_OPERATOR)
            kg_store_meeting_set_by_operator(picked, picked->room_count);
        if (permitted || call->by.role == KG_ROLE_OPERATOR)
            picked->rooms[picked->room_count++] = m->rooms[i];
        if (json_array_size(reports) >= KG_AGENDA_MAX_REPORTS)
            continue;
        if (!permitted && call->by.role != KG_ROLE_OPERATOR) {
            snprintf(reason, sizeof reason,
                     "room %s is not invited: no room of organization %s, nor of a community with it",
                     m->rooms[i], organization);
            report(reports, false, 0, m->uid, reason);
        } else if (!kg_directory_room(directory, m->rooms[i])) {
            /* It may be enrolled later: a slip of the hand should show all the same. */
            snprintf(reason, sizeof reason, "room %s is not enrolled (yet)", m->rooms[i]);
            report(reports, false, 0, m->uid, reason);
        } else if (!permitted) {
            snprintf(reason, sizeof reason,
                     "room %s is invited on the operator's word alone: no room of organization %s, nor of a "
                     "community with it",
                     m->rooms[i], organization);
            report(reports, false, 0, m->uid, reason);
        }
    }
}

/* What the organization has. */
struct plan {
    size_t meetings, invitations;
};

/* false: left out, which is reported. */
static bool has_place(const struct plan *plan, const struct kg_meeting *m, const struct kg_meeting *known,
                      json_t *reports)
{
    char reason[160];
    size_t listed = known ? known->room_count : 0;
    if (!known && plan->meetings >= KG_DIRECTORY_MAX_MEETINGS)
        snprintf(reason, sizeof reason, "the organization has %d meetings planned, the most there may be",
                 KG_DIRECTORY_MAX_MEETINGS);
    else if (m->room_count > listed &&
             plan->invitations + (m->room_count - listed) > KG_DIRECTORY_MAX_INVITATIONS)
        snprintf(reason, sizeof reason,
                 "the organization's meetings would list more than %d rooms, the most there may be together",
                 KG_DIRECTORY_MAX_INVITATIONS);
    else
        return true;
    report(reports, true, 0, m->uid, reason);
    return false;
}

/* known: as the relay has it, or NULL. false: left out, which is reported. */
static bool is_news(const struct kg_meeting *m, const struct kg_meeting *known, int id_size,
                    const struct plan *plan, json_t *reports)
{
    char reason[160];
    if (id_size > KG_CHECK_MEETING_BYTES) {
        report(reports, true, 0, m->uid, "its UID is too long together with the organization's id");
        return false;
    }
    if (!known || m->sequence >= known->sequence)
        return has_place(plan, m, known, reports);
    snprintf(reason, sizeof reason, "older than what the relay has (SEQUENCE %u, known %u)", m->sequence,
             known->sequence);
    report(reports, true, 0, m->uid, reason);
    return false;
}

void kg_verb_agenda_import(struct kg_call *call)
{
    const struct kg_agenda *agenda = call->calendar ? call->calendar->agenda : NULL;
    const struct kg_store_organization *organization = kg_call_organization(call);
    if (!organization)
        return;
    if (!agenda) {
        kg_call_fail(call, call->calendar ? call->calendar->problem.text : "the relay has no memory left");
        return;
    }
    json_t *reports = json_array();
    int imported = 0;
    struct plan plan = {kg_directory_meeting_count(call->verbs->params.directory, organization->id),
                        kg_directory_invitation_count(call->verbs->params.directory, organization->id)};
    for (size_t i = 0; i < agenda->report_count; i++)
        report(reports, agenda->reports[i].severity == KG_AGENDA_BAD, agenda->reports[i].line,
               agenda->reports[i].uid, agenda->reports[i].reason);
    for (size_t i = 0; i < agenda->meeting_count; i++) {
        struct kg_meeting meeting = agenda->meetings[i];
        char id[KG_CHECK_MEETING_BYTES + KG_CA_ID_BYTES + 2], *rooms[KG_AGENDA_MAX_ROOMS];
        int size = snprintf(id, sizeof id, "%s/%s", organization->id, meeting.uid);
        const struct kg_meeting *known = kg_directory_meeting(call->verbs->params.directory, id);
        if (!is_news(&meeting, known, size, &plan, reports))
            continue;
        meeting.room_count = 0;
        meeting.rooms = rooms;
        memset(meeting.by_operator, 0, sizeof meeting.by_operator); /* no calendar's to say */
        pick_rooms(call, organization->id, &agenda->meetings[i], &meeting, reports);
        plan.meetings += !known;
        plan.invitations += (size_t)meeting.room_count - (known ? known->room_count : 0);
        meeting.uid = id;
        kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_MEETING, .meeting = &meeting});
        imported++;
    }
    snprintf(call->object, sizeof call->object, "%s", organization->id);
    kg_call_note(call, "%d meetings", imported);
    kg_call_commit(call, json_pack("{s:b, s:s, s:i, s:o}", "ok", 1, "organization", organization->id,
                                   "imported", imported, "reports", reports));
}

void kg_verb_agenda_changed(struct kg_call *call)
{
    call->verbs->params.effects->agenda_changed(call->verbs->params.user);
}

static json_t *meeting_json(const struct kg_directory *directory, const struct kg_meeting *m,
                            const char *owner)
{
    static const char *const statuses[] = {[KG_MEETING_CONFIRMED] = "confirmed",
                                           [KG_MEETING_TENTATIVE] = "tentative",
                                           [KG_MEETING_CANCELLED] = "cancelled"};
    json_t *rooms = json_array(), *lapsed = json_array();
    for (uint16_t i = 0; i < m->room_count; i++)
        json_array_append_new(kg_directory_invites_place(directory, owner, m, i) ? rooms : lapsed,
                              json_string(m->rooms[i]));
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:o, s:o}", "meeting", m->uid, "organization",
                     owner, "title", m->title, "start", (json_int_t)(m->start_us / 1000000), "end",
                     (json_int_t)(m->end_us / 1000000), "status", statuses[m->status], "sequence",
                     (int)m->sequence, "rooms", rooms, "lapsed", lapsed);
}

void kg_verb_meeting_list(struct kg_call *call)
{
    const char *wanted = NULL;
    if (!kg_call_list_filter(call, &wanted))
        return;
    int64_t from_s = kg_call_number(call, "from");
    int64_t to_s = kg_call_has(call, "to") ? kg_call_number(call, "to") : INT64_MAX;
    size_t count;
    const struct kg_meeting **all = kg_directory_meetings(call->verbs->params.directory, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char owner[KG_CA_ID_BYTES];
        kg_directory_meeting_owner(all[i]->uid, owner);
        if ((!wanted || strcmp(owner, wanted) == 0) && all[i]->end_us / 1000000 >= from_s &&
            all[i]->start_us / 1000000 < to_s)
            json_array_append_new(list, meeting_json(call->verbs->params.directory, all[i], owner));
    }
    free(all);
    kg_call_reply(call, json_pack("{s:b, s:o}", "ok", 1, "meetings", list));
}

void kg_verb_meeting_cancel(struct kg_call *call)
{
    const struct kg_meeting *old = kg_call_find_meeting(call, "meeting");
    if (!old)
        return;
    if (old->status == KG_MEETING_CANCELLED) {
        kg_call_refuse(call, "meeting %s is cancelled already", old->uid);
        return;
    }
    struct kg_meeting cancelled = *old;
    cancelled.status = KG_MEETING_CANCELLED;
    /* The calendar it came from must not bring it back unless it has been changed since. */
    cancelled.sequence = old->sequence < INT32_MAX ? old->sequence + 1 : old->sequence;
    kg_call_put(call, &(struct kg_store_change){.kind = KG_STORE_PUT_MEETING, .meeting = &cancelled});
    kg_call_commit(call, json_pack("{s:b, s:s}", "ok", 1, "meeting", old->uid));
}

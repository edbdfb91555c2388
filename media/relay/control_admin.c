/* Control: what administrators ask, and what of it takes effect here: connections and seats that end,
 * agendas, names and settings that are sent anew. The verbs themselves are verb*.c's. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control_internal.h"
#include "signal/agenda.h"

static void room_shut_out(void *user, const struct kg_store_room *room)
{
    struct kg_control *c = user;
    kg_control_end_seats(c, room, KG_REASON_REVOKED);
    for (struct kg_session *s = c->sessions; s; s = s->next) {
        if (s->room == room)
            kg_session_close(s, KG_REASON_REVOKED, 60000);
    }
    kg_log(KG_LOG_WARN, "relay", "room.shut-out", "room %s: whoever is connected as it is sent away",
           room->id);
}

static void administrator_shut_out(void *user, const struct kg_store_administrator *administrator)
{
    struct kg_control *c = user;
    kg_admin_remote_check(c->admin_remote, kg_clock_now_us());
    kg_log(KG_LOG_WARN, "relay", "administrator.shut-out", "administrator %s: connections end",
           administrator->id);
}

static void names_changed(void *user)
{
    struct kg_control *c = user;
    kg_control_rename(c);
    /* Who works through a list of rooms is not felt in everybody's meetings. */
    for (struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        if (g->names != kg_hall_names(c->directory, g))
            kg_control_gather(c, g);
    }
}

static void agenda_changed(void *user)
{
    struct kg_control *c = user;
    kg_control_send_agendas(c);
    kg_control_enforce_agenda(c);
}

static void settings_changed(void *user)
{
    struct kg_control *c = user;
    for (struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next)
        g->keep_us = kg_control_keep_us(c, g->uid);
    for (struct kg_session *s = c->sessions; s; s = s->next) {
        if (s->greeted && !s->closing)
            kg_control_send_policy(c, s);
    }
}

static void connected(void *user, void (*tell)(void *to, const struct kg_store_room *room), void *to)
{
    const struct kg_control *c = user;
    for (const struct kg_session *s = c->sessions; s; s = s->next) {
        if (s->room && s->greeted && !s->closing)
            tell(to, s->room);
    }
}

static bool sign(void *user, uint64_t request, const struct kg_ca_subject *subject, const char *csr)
{
    struct kg_control *c = user;
    return kg_signing_ask(c->params.signing, request, subject, csr, strlen(csr));
}

static bool stands(void *user, const struct kg_principal *by)
{
    return kg_admin_remote_stands(user, by);
}

static void status(void *user, struct kg_call *call)
{
    kg_control_status(user, call);
}

struct kg_verbs *kg_control_make_verbs(struct kg_control *c)
{
    static const struct kg_verbs_effects effects = {
        .room_shut_out = room_shut_out,
        .administrator_shut_out = administrator_shut_out,
        .names_changed = names_changed,
        .agenda_changed = agenda_changed,
        .settings_changed = settings_changed,
        .connected = connected,
        .sign = sign,
        .stands = stands,
        .status = status,
    };
    const struct kg_verbs_params params = {.directory = c->directory,
                                           .store = c->params.store,
                                           .settings = c->params.settings,
                                           .enrolment = kg_est_server_enrolment(c->est),
                                           .effects = &effects,
                                           .user = c,
                                           .next_request = &c->next_request};
    return kg_verbs_create(&params);
}

void kg_control_request(struct kg_control *c, const struct kg_control_command *command)
{
    kg_verbs_ask(c->verbs, &command->by, command->request, command->calendar, c->stopping, command->replies);
}

void kg_control_store_result(struct kg_control *c, const struct kg_store_result *result)
{
    if (!kg_est_server_stored(c->est, result) && !kg_verbs_stored(c->verbs, result))
        kg_store_answer_destroy(result->answer);
}

void kg_control_signature(struct kg_control *c, struct kg_signing_answer *answer)
{
    if (!kg_est_server_signed(c->est, answer) && !kg_verbs_signed(c->verbs, answer))
        kg_log(KG_LOG_WARN, "relay", NULL, "a certificate comes that nobody waits for");
}

/* Settings in layers, where the relay itself acts by them. */

static int32_t meeting_setting(const struct kg_control *c, const char *meeting, enum kg_policy_key key)
{
    char owner[KG_CA_ID_BYTES];
    struct kg_policy_layer file;
    int32_t value = 0;
    kg_directory_meeting_owner(meeting, owner);
    kg_policy_of_file(c->params.settings->open_before_minutes, c->params.settings->seat_seconds, &file);
    kg_directory_setting(c->directory, &file, owner, "", key, &value);
    return value;
}

int64_t kg_control_keep_us(const struct kg_control *c, const char *meeting)
{
    return INT64_C(1000000) * meeting_setting(c, meeting, KG_POLICY_SEAT_SECONDS);
}

int64_t kg_control_open_before_us(const struct kg_control *c, const char *meeting)
{
    return INT64_C(60000000) * meeting_setting(c, meeting, KG_POLICY_OPEN_BEFORE_MINUTES);
}

static enum kg_say say(const struct kg_control *c, const struct kg_store_room *room, enum kg_policy_key key)
{
    int32_t value;
    if (kg_directory_setting(c->directory, NULL, room->organization_id, room->id, key, &value) < 0)
        return KG_SAY_NOTHING;
    return value ? KG_SAY_YES : KG_SAY_NO;
}

void kg_control_send_policy(struct kg_control *c, struct kg_session *s)
{
    int32_t kbps;
    const struct kg_store_room *room = s->room;
    struct kg_message message = {.type = KG_MESSAGE_POLICY};
    if (kg_directory_setting(c->directory, NULL, room->organization_id, room->id, KG_POLICY_VIDEO_KBPS,
                             &kbps) >= 0)
        message.policy.video_kbps = (uint32_t)kbps;
    enum kg_say never = say(c, room, KG_POLICY_UDP);
    if (never != KG_SAY_NOTHING)
        message.policy.udp = never == KG_SAY_YES ? KG_UDP_NEVER : KG_UDP_AUTO;
    message.policy.microphone_muted = say(c, room, KG_POLICY_MICROPHONE_MUTED);
    message.policy.camera_muted = say(c, room, KG_POLICY_CAMERA_MUTED);
    if (s->policy.video_kbps == message.policy.video_kbps && s->policy.udp == message.policy.udp &&
        s->policy.microphone_muted == message.policy.microphone_muted &&
        s->policy.camera_muted == message.policy.camera_muted)
        return; /* a connection begins with nothing said */
    s->policy = message.policy;
    kg_session_send(s, &message);
}

/* The trail of what rooms do. */

void kg_control_audit(struct kg_control *c, const struct kg_audit_entry *entry)
{
    uint64_t lost;
    bool was_well = kg_store_health(c->params.store, &lost) == KG_STORE_OK;
    if (!kg_store_write(c->params.store, 0, NULL, 0, entry) && was_well)
        kg_log(KG_LOG_WARN, "relay", "store.busy", "the event %s is not written down", entry->event_id);
}

void kg_control_note(struct kg_control *c, const char *event, enum kg_audit_result result,
                     const struct kg_store_room *room, const char *source, const char *meeting,
                     const char *detail)
{
    char owner[KG_CA_ID_BYTES];
    kg_directory_meeting_owner(meeting, owner);
    const struct kg_audit_entry entry = {.event_id = event,
                                         .actor = room ? room->id : "",
                                         .role = room ? "room" : "relay",
                                         .source = source,
                                         .organization = room ? room->organization_id : owner,
                                         .object = meeting,
                                         .detail = detail,
                                         .result = result,
                                         .wall_us = kg_clock_wall_us()};
    kg_control_audit(c, &entry);
}

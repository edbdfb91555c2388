/* Control: what rooms ask for while connected, what the workers tell, and when a seat ends. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control_internal.h"

/* Meetings overrun, but rooms also forget to leave: so long after its planned end a meeting is over. */
#define OVERRUN_US (INT64_C(12) * 3600 * 1000000)

static void welcome(struct kg_control *c, struct kg_session *s, const struct kg_message *hello)
{
    if (hello->hello.protocol != KG_PROTOCOL_VERSION) {
        kg_session_error(s, 0, KG_ERROR_UNSUPPORTED_PROTOCOL, "this relay speaks protocol 1");
        kg_session_close(s, KG_REASON_EXPELLED, 60000);
        return;
    }
    s->greeted = true;
    snprintf(s->software, sizeof s->software, "%s", hello->hello.software);
    kg_loop_timer_cancel(c->loop, &s->timer);
    struct kg_message message = {
        .type = KG_MESSAGE_WELCOME,
        .welcome = {.room_id = s->room->id,
                    .organization = kg_directory_organization_name(c->directory, s->room->organization_id),
                    .department = s->room->department,
                    .name = s->room->name,
                    .time_ms = kg_clock_wall_us() / 1000,
                    .software = "kaigi-relay " KAIGI_VERSION}};
    kg_session_send(s, &message);
    kg_control_send_agenda(c, s);
    kg_control_send_policy(c, s);
    kg_log(KG_LOG_INFO, "relay", "room.connected", "room %s from %s, %s", s->room->id, s->peer, s->software);
}

static void want(struct kg_control *c, struct kg_session *s, const struct kg_message *message)
{
    struct kg_hall_seat *seat = s->seat;
    for (unsigned i = 0; i < message->want.slot_count; i++) {
        const struct kg_message_want *wish = &message->want.slots[i];
        int slot = kg_slot_number(wish->role, wish->index);
        if (slot < KG_SLOT_VIDEO_0)
            continue; /* who is heard is the relay's choice */
        seat->wish[slot] = *wish;
        seat->wished[slot] = true;
        if (seat->worker_party &&
            !kg_worker_want(c->params.pool, seat->gathering->worker, seat->worker_party, wish))
            kg_session_error(s, 0, KG_ERROR_BUSY, "the relay is overloaded; ask for the slot again");
    }
}

static void mute(struct kg_control *c, struct kg_session *s, const struct kg_muted *muted)
{
    struct kg_hall_seat *seat = s->seat;
    const bool wanted[] = {[KG_SOURCE_MICROPHONE] = muted->microphone, [KG_SOURCE_CAMERA] = muted->camera};
    for (unsigned kind = 0; kind < KG_ARRAY_LEN(wanted); kind++) {
        if (seat->muted[kind] == wanted[kind])
            continue;
        seat->muted[kind] = wanted[kind];
        if (!seat->worker_party || kg_worker_mute(c->params.pool, seat->gathering->worker, seat->worker_party,
                                                  (enum kg_source_kind)kind, wanted[kind]))
            continue;
        /* Privacy fails closed: what cannot be muted must leave. */
        kg_log(KG_LOG_ERROR, "relay", "worker.full", "room %s cannot be muted: the worker's queue is full",
               seat->room->id);
        kg_control_seat_end(c, seat, KG_REASON_MEDIA_LOST);
        return;
    }
    kg_control_store_seat(c, seat);
    kg_control_gather(c, seat->gathering);
}

void kg_control_message(struct kg_control *c, struct kg_session *s, const struct kg_message *message)
{
    if (message->type == KG_MESSAGE_HELLO && !s->greeted) {
        welcome(c, s, message);
    } else if (!s->greeted || message->type == KG_MESSAGE_HELLO) {
        kg_session_error(s, message->type == KG_MESSAGE_JOIN ? message->join.request : 0, KG_ERROR_UNEXPECTED,
                         s->greeted ? "hello came already" : "say hello first");
    } else if (message->type == KG_MESSAGE_JOIN) {
        kg_control_join(c, s, message);
    } else if (!s->seat) {
        kg_session_error(s, 0, KG_ERROR_UNEXPECTED, "this room sits in no meeting");
    } else if (message->type == KG_MESSAGE_WANT) {
        want(c, s, message);
    } else if (message->type == KG_MESSAGE_MUTE) {
        mute(c, s, &message->mute);
    } else {
        kg_control_seat_end(c, s->seat, KG_REASON_REQUESTED);
    }
}

/* Seats. */

void kg_control_store_seat(struct kg_control *c, const struct kg_hall_seat *seat)
{
    struct kg_store_seat stored = {
        .meeting_uid = seat->gathering->uid, .room = seat->room->id, .party = seat->party};
    memcpy(stored.token_hash, seat->token_hash, sizeof stored.token_hash);
    memcpy(stored.source, seat->source, sizeof stored.source);
    memcpy(stored.muted, seat->muted, sizeof stored.muted);
    if (!kg_store_put_seat(c->params.store, 0, &stored))
        kg_log(KG_LOG_WARN, "relay", "store.busy", "room %s: its seat would not outlive a restart",
               seat->room->id);
}

void kg_control_end_media(struct kg_control *c, struct kg_hall_seat *seat)
{
    if (seat->worker_party &&
        !kg_worker_party_remove(c->params.pool, seat->gathering->worker, seat->worker_party))
        kg_log(KG_LOG_ERROR, "relay", "worker.full",
               "room %s: its media ends by time-out, the worker's queue is full", seat->room->id);
    seat->worker_party = 0;
    seat->path = KG_WORKER_PATH_NONE;
}

static void detach(struct kg_hall_seat *seat, int64_t now_us)
{
    if (seat->session)
        seat->session->seat = NULL;
    seat->session = NULL;
    seat->away_since_us = now_us;
}

static void say_left(struct kg_hall_seat *seat, enum kg_reason reason)
{
    struct kg_message message = {.type = KG_MESSAGE_LEFT, .left = {.reason = reason}};
    if (seat->session)
        kg_session_send(seat->session, &message);
}

void kg_control_seat_end(struct kg_control *c, struct kg_hall_seat *seat, enum kg_reason reason)
{
    struct kg_gathering *g = seat->gathering;
    const char *room = seat->room->id;
    say_left(seat, reason);
    kg_control_end_media(c, seat);
    detach(seat, kg_clock_now_us());
    kg_log(KG_LOG_INFO, "relay", "room.left", "room %s left meeting %s (%s)", room, g->uid,
           kg_reason_name(reason));
    kg_control_note(c, "room.left", KG_AUDIT_OK, seat->room, "", g->uid, kg_reason_name(reason));
    if (!kg_store_remove_seat(c->params.store, 0, g->uid, room))
        kg_log(KG_LOG_WARN, "relay", "store.busy", "room %s: its seat stays in the store", room);
    if (g->seat_count == 1) {
        kg_log(KG_LOG_INFO, "relay", "meeting.ended", "meeting %s is empty", g->uid);
        kg_control_note(c, "meeting.ended", KG_AUDIT_OK, NULL, "", g->uid, "");
    }
    if (!kg_hall_seat_remove(seat))
        kg_control_gather(c, g);
}

void kg_control_session_gone(struct kg_control *c, struct kg_session *s)
{
    struct kg_hall_seat *seat = s->seat;
    if (!seat)
        return;
    /* Media goes on: a broken control connection alone should be neither seen nor heard. */
    detach(seat, kg_clock_now_us());
    kg_log(KG_LOG_INFO, "relay", "room.away", "room %s lost its connection; its seat is kept %lld s",
           seat->room->id, (long long)(seat->gathering->keep_us / 1000000));
    kg_control_gather(c, seat->gathering);
}

void kg_control_expire_seats(struct kg_control *c, int64_t now_us)
{
    struct kg_hall_seat *seat;
    while ((seat = kg_hall_expired(c->hall, now_us)))
        kg_control_seat_end(c, seat, KG_REASON_IDLE);
}

static struct kg_hall_seat *uninvited(struct kg_control *c, enum kg_reason *reason)
{
    for (struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        const struct kg_meeting *meeting = kg_directory_meeting(c->directory, g->uid);
        *reason = KG_REASON_ENDED;
        if (!meeting || meeting->status == KG_MEETING_CANCELLED ||
            kg_clock_wall_us() > meeting->end_us + OVERRUN_US)
            return g->seats;
        *reason = KG_REASON_EXPELLED;
        for (struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            if (!kg_directory_still_invites(c->directory, meeting, seat->room->id))
                return seat;
        }
    }
    return NULL;
}

void kg_control_enforce_agenda(struct kg_control *c)
{
    enum kg_reason reason;
    struct kg_hall_seat *seat;
    while ((seat = uninvited(c, &reason)))
        kg_control_seat_end(c, seat, reason);
}

static struct kg_hall_seat *seat_of_room(struct kg_control *c, const struct kg_store_room *room)
{
    for (struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        struct kg_hall_seat *seat = kg_hall_seat_of(g, room);
        if (seat)
            return seat;
    }
    return NULL;
}

void kg_control_end_seats(struct kg_control *c, const struct kg_store_room *room, enum kg_reason reason)
{
    struct kg_hall_seat *seat;
    while ((seat = seat_of_room(c, room)))
        kg_control_seat_end(c, seat, reason);
}

void kg_control_restore_seats(struct kg_control *c, const struct kg_store_snapshot *snapshot)
{
    int64_t now_us = kg_clock_now_us(), wall_us = kg_clock_wall_us();
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        const struct kg_store_seat *stored = &snapshot->seats[i];
        const struct kg_store_room *room = kg_directory_room(c->directory, stored->room);
        const struct kg_meeting *meeting = kg_directory_meeting(c->directory, stored->meeting_uid);
        bool valid = room && !room->revoked_s && meeting && meeting->status != KG_MEETING_CANCELLED &&
                     kg_directory_still_invites(c->directory, meeting, room->id) &&
                     wall_us < meeting->end_us + OVERRUN_US;
        struct kg_gathering *g = valid ? kg_hall_find(c->hall, meeting->uid) : NULL;
        if (valid && !g)
            g = kg_hall_open(c->hall, meeting->uid, kg_worker_pool_assign(c->params.pool),
                             kg_control_keep_us(c, meeting->uid));
        bool restored = g && kg_hall_seat_restore(g, room, stored, now_us);
        if (g)
            kg_hall_close_if_empty(g);
        if (!restored && !kg_store_remove_seat(c->params.store, 0, stored->meeting_uid, stored->room))
            kg_log(KG_LOG_WARN, "relay", "store.busy", "an old seat stays in the store");
    }
}

/* Telling the parties. */

uint8_t kg_control_list_participants(const struct kg_control *c, const struct kg_gathering *g,
                                     struct kg_participant list[KG_MAX_PARTICIPANTS])
{
    uint8_t count = 0;
    for (const struct kg_hall_seat *seat = g->seats; seat && count < KG_MAX_PARTICIPANTS; seat = seat->next) {
        list[count++] = (struct kg_participant){
            .party = seat->party,
            .organization = kg_directory_organization_name(c->directory, seat->room->organization_id),
            .department = seat->room->department,
            .name = seat->room->name,
            .muted = {seat->muted[KG_SOURCE_MICROPHONE], seat->muted[KG_SOURCE_CAMERA]},
            .away = !seat->session,
            .sources = {seat->offered[KG_SOURCE_MICROPHONE] ? seat->source[KG_SOURCE_MICROPHONE] : 0,
                        seat->offered[KG_SOURCE_CAMERA] ? seat->source[KG_SOURCE_CAMERA] : 0,
                        seat->offered[KG_SOURCE_PRESENTATION] ? seat->source[KG_SOURCE_PRESENTATION] : 0},
        };
    }
    return count;
}

void kg_control_send_participants(struct kg_control *c, struct kg_gathering *g)
{
    struct kg_participant list[KG_MAX_PARTICIPANTS];
    struct kg_message message = {.type = KG_MESSAGE_PARTICIPANTS};
    g->changed = false;
    g->names = kg_hall_names(c->directory, g);
    message.participants.participant_count = kg_control_list_participants(c, g, list);
    message.participants.participants = list;
    for (struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
        if (seat->session)
            kg_session_send(seat->session, &message);
    }
}

static void tell_slots(struct kg_hall_seat *seat, const uint32_t source[KG_SLOTS])
{
    struct kg_message message = {.type = KG_MESSAGE_SLOTS};
    for (unsigned slot = 0; slot < KG_SLOTS; slot++) {
        if (seat->slot[slot] == source[slot])
            continue;
        seat->slot[slot] = source[slot];
        struct kg_message_slot *changed = &message.slots.slots[message.slots.slot_count++];
        changed->role = kg_slot_role(slot, &changed->index);
        changed->source = source[slot];
    }
    if (message.slots.slot_count && seat->session)
        kg_session_send(seat->session, &message);
}

static void tell_watched(const struct kg_hall_seat *seat, const bool watched[KG_SOURCE_KINDS])
{
    static const enum kg_source_kind pictures[] = {KG_SOURCE_CAMERA, KG_SOURCE_PRESENTATION};
    struct kg_message message = {.type = KG_MESSAGE_WATCHED};
    for (unsigned i = 0; i < KG_ARRAY_LEN(pictures); i++) {
        if (seat->offered[pictures[i]] && watched[pictures[i]])
            message.watched.sources[message.watched.source_count++] = seat->source[pictures[i]];
    }
    if (seat->session)
        kg_session_send(seat->session, &message);
}

static const char *close_text(enum kg_worker_close reason)
{
    static const char *const texts[] = {
        [KG_WORKER_CLOSED_REMOVED] = "as asked",
        [KG_WORKER_CLOSED_NO_ANSWER] = "no ICE check ever came: neither UDP nor the tunnel reaches the relay",
        [KG_WORKER_CLOSED_CONSENT] = "its consent ran out: the line is gone",
        [KG_WORKER_CLOSED_DTLS] = "DTLS failed",
        [KG_WORKER_CLOSED_BY_PEER] = "the terminal ended it",
        [KG_WORKER_CLOSED_OUT_OF_MEMORY] = "no memory",
    };
    return (unsigned)reason < KG_ARRAY_LEN(texts) ? texts[reason] : "?";
}

static void media_closed(struct kg_control *c, struct kg_hall_seat *seat, enum kg_worker_close reason)
{
    kg_log(KG_LOG_WARN, "relay", "media.lost", "room %s lost its media: %s", seat->room->id,
           close_text(reason));
    seat->worker_party = 0;
    seat->path = KG_WORKER_PATH_NONE;
    /* The seat waits for its room to come back with the token, as after a lost connection. */
    say_left(seat, KG_REASON_MEDIA_LOST);
    if (seat->session)
        detach(seat, kg_clock_now_us());
    kg_control_gather(c, seat->gathering);
}

void kg_control_worker_event(struct kg_control *c, const struct kg_worker_event *event)
{
    if (event->kind == KG_WORKER_EVENT_STATS || event->kind == KG_WORKER_EVENT_PARTY_STATS) {
        kg_control_count(c, event);
        kg_control_status_event(c, event);
        return;
    }
    /* An event of a party that has left or resumed anew finds nobody. */
    struct kg_hall_seat *seat = kg_hall_seat_of_party(c->hall, event->party);
    if (!seat)
        return;
    switch (event->kind) {
    case KG_WORKER_EVENT_CONNECTED:
    case KG_WORKER_EVENT_PATH_CHANGED:
        seat->path = event->connected.path;
        memcpy(seat->srtp_profile, event->connected.srtp_profile, sizeof seat->srtp_profile);
        kg_log(KG_LOG_INFO, "relay", "media.path", "room %s: %s, %s", seat->room->id,
               seat->path == KG_WORKER_PATH_UDP ? "udp" : "tunnel", seat->srtp_profile);
        break;
    case KG_WORKER_EVENT_CLOSED:
        if (event->closed.reason != KG_WORKER_CLOSED_REMOVED)
            media_closed(c, seat, event->closed.reason);
        break;
    case KG_WORKER_EVENT_SLOTS:
        tell_slots(seat, event->slots.source);
        break;
    case KG_WORKER_EVENT_WATCHED:
        tell_watched(seat, event->watched.kind);
        break;
    default:
        break;
    }
}

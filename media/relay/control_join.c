/* Control: admitting a room to a meeting, for the first time or back to its seat. */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "relay/control_internal.h"
#include "relay/pace.h"
#include "signal/answer.h"

/* RFC 8445 §5.1.2.1: type preference 126 (host), local preference, component 1. */
static uint32_t host_priority(unsigned place)
{
    return 126u << 24 | (65535u - place) << 8 | 255u;
}

static void add_candidate(struct kg_wire_end *end, const struct sockaddr_storage *address, uint16_t port,
                          bool tcp)
{
    struct kg_candidate *candidate = &end->candidates[end->candidate_count];
    *candidate = (struct kg_candidate){.address = *address, .tcp = tcp};
    candidate->priority = host_priority(end->candidate_count);
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&candidate->address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&candidate->address)->sin_port = htons(port);
    end->candidate_count++;
}

/* A room that came by IPv4 over a dual-stack socket is named by its plain address. */
static struct sockaddr_storage plain(const struct sockaddr_storage *address)
{
    struct sockaddr_storage out = *address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        struct sockaddr_in *four = (struct sockaddr_in *)&out;
        out = (struct sockaddr_storage){0};
        four->sin_family = AF_INET;
        memcpy(&four->sin_addr, six->sin6_addr.s6_addr + 12, 4);
    }
    return out;
}

static void fill_candidates(const struct kg_control *c, const struct kg_session *s, struct kg_wire_end *end)
{
    uint16_t udp = kg_worker_pool_port(c->params.pool);
    char *const *advertised = c->params.settings->advertised;
    for (; udp && advertised && *advertised; advertised++) {
        struct sockaddr_storage address = {.ss_family = AF_INET};
        if (inet_pton(AF_INET, *advertised, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
            address.ss_family = AF_INET6;
            if (inet_pton(AF_INET6, *advertised, &((struct sockaddr_in6 *)&address)->sin6_addr) != 1)
                continue;
        }
        add_candidate(end, &address, udp, false);
    }
    struct sockaddr_storage local = plain(&s->local);
    /* Without UDP the tunnel's own destination stands there, as a TCP candidate. */
    if (end->candidate_count == 0)
        add_candidate(end, &local, udp ? udp : c->params.port, udp == 0);
}

static void fill_slots(struct kg_slot_ssrc *slots, size_t count, bool rtx)
{
    for (size_t i = 0; i < count; i++) {
        slots[i].ssrc = kg_random_u32() | 1; /* never 0; a clash among 26 is a matter of 10^-7 */
        slots[i].rtx_ssrc = rtx ? kg_random_u32() | 1 : 0;
    }
}

/* NULL with *error. free() it. */
static char *make_answer(const struct kg_control *c, const struct kg_session *s,
                         const struct kg_message *message, unsigned worker, struct kg_wire *wire,
                         struct kg_message_error *error)
{
    struct kg_answer_params params = {0};
    char ufrag[KG_WORKER_UFRAG_SIZE], pwd[KG_WORKER_PWD_SIZE];
    kg_worker_credentials(worker, ufrag, pwd);
    memcpy(params.relay.ufrag, ufrag, sizeof ufrag);
    memcpy(params.relay.pwd, pwd, sizeof pwd);
    memcpy(params.relay.fingerprint, c->params.dtls_fingerprint, sizeof params.relay.fingerprint);
    params.session_id = (uint64_t)kg_random_u32() << 16 | (kg_random_u32() & 0xffff);
    fill_candidates(c, s, &params.relay);
    fill_slots(params.audio, KG_AUDIO_SLOTS, false);
    fill_slots(params.video, KG_VIDEO_SLOTS, true);
    fill_slots(params.presentation, KG_PRESENTATION_SLOTS, true);
    return kg_answer_make(message->join.offer, message->join.lines, message->join.line_count, &params, wire,
                          error);
}

/* Whoever is not invited must not learn which meetings other organizations have: to them there is none of
 * that id. The row of it is the room's own organization's to read: only the log keeps the true reason. */
static enum kg_error_code told_code(const struct kg_store_room *room, const char *meeting,
                                    enum kg_error_code code)
{
    char owner[KG_CA_ID_BYTES];
    if (code != KG_ERROR_NOT_INVITED)
        return code;
    kg_directory_meeting_owner(meeting, owner);
    return strcmp(owner, room->organization_id) == 0 ? code : KG_ERROR_UNKNOWN_MEETING;
}

static void refuse(struct kg_control *c, struct kg_session *s, const struct kg_message *message,
                   enum kg_error_code code)
{
    static const char *const texts[] = {
        [KG_ERROR_UNKNOWN_MEETING] = "there is no such meeting",
        [KG_ERROR_NOT_INVITED] = "this room is not invited to the meeting",
        [KG_ERROR_NOT_OPEN_YET] = "the meeting cannot be joined yet",
        [KG_ERROR_ENDED] = "the meeting has ended or was cancelled",
        [KG_ERROR_BAD_TOKEN] = "the resume token is not valid (any more); join without it",
        [KG_ERROR_TOO_MANY] = "the meeting or the relay is full",
        [KG_ERROR_SHUTTING_DOWN] = "the relay is shutting down",
    };
    const char *text = (unsigned)code < KG_ARRAY_LEN(texts) && texts[code] ? texts[code] : "the relay failed";
    enum kg_error_code told = told_code(s->room, message->join.meeting, code);
    if (code != KG_ERROR_SHUTTING_DOWN)
        kg_pace_use(c->joins, s->room->id, kg_clock_now_us());
    kg_log(KG_LOG_INFO, "relay", "room.refused", "room %s may not join %.80s: %s", s->room->id,
           message->join.meeting, text);
    kg_control_note(c, "room.refused", KG_AUDIT_REFUSED, s->room, s->peer, message->join.meeting,
                    kg_error_name(told));
    kg_session_error(s, message->join.request, told, told == code ? text : texts[told]);
}

/* The seat its token opens, or NULL with *code. */
static struct kg_hall_seat *resume(struct kg_control *c, struct kg_session *s,
                                   const struct kg_message *message, enum kg_error_code *code)
{
    struct kg_gathering *g = kg_hall_find(c->hall, message->join.meeting);
    struct kg_hall_seat *seat = g ? kg_hall_seat_of(g, s->room) : NULL;
    if (seat && kg_hall_token_check(seat, message->join.resume))
        return seat;
    *code = KG_ERROR_BAD_TOKEN;
    return NULL;
}

static struct kg_hall_seat *take_seat(struct kg_control *c, struct kg_session *s,
                                      const struct kg_message *message, unsigned worker)
{
    const char *uid = message->join.meeting;
    kg_control_end_seats(c, s->room, KG_REASON_REPLACED);
    struct kg_gathering *g = kg_hall_find(c->hall, uid);
    if (!g) {
        g = kg_hall_open(c->hall, uid, worker, kg_control_keep_us(c, uid));
        if (!g)
            return NULL;
        kg_log(KG_LOG_INFO, "relay", "meeting.started", "meeting %s, worker %u", uid, worker);
        kg_control_note(c, "meeting.started", KG_AUDIT_OK, NULL, "", uid, "");
    }
    struct kg_hall_seat *seat = kg_hall_seat_add(g, s->room, kg_clock_now_us());
    if (!seat)
        kg_hall_close_if_empty(g);
    return seat;
}

static bool start_media(struct kg_control *c, struct kg_hall_seat *seat, const struct kg_wire *wire)
{
    static const enum kg_role roles[KG_SOURCE_KINDS] = {
        [KG_SOURCE_MICROPHONE] = KG_ROLE_MICROPHONE,
        [KG_SOURCE_CAMERA] = KG_ROLE_CAMERA,
        [KG_SOURCE_PRESENTATION] = KG_ROLE_PRESENTATION,
    };
    struct kg_worker_party party = {.party = c->next_party++,
                                    .meeting = seat->gathering->number,
                                    .worker = seat->gathering->worker,
                                    .wire = wire};
    for (unsigned kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        const struct kg_wire_line *line = kg_wire_find(wire, roles[kind], 0);
        seat->offered[kind] = line && line->active;
        party.source[kind] = seat->source[kind];
        party.muted[kind] = seat->muted[kind];
    }
    kg_control_end_media(c, seat);
    memset(seat->slot, 0, sizeof seat->slot);
    if (!kg_worker_party_add(c->params.pool, &party))
        return false;
    seat->worker_party = party.party;
    for (unsigned slot = 0; slot < KG_SLOTS; slot++) {
        if (seat->wished[slot] &&
            !kg_worker_want(c->params.pool, party.worker, party.party, &seat->wish[slot]))
            kg_log(KG_LOG_WARN, "relay", "worker.full", "room %s: a wish for a slot is lost", seat->room->id);
    }
    return true;
}

static void say_joined(struct kg_control *c, struct kg_session *s, const struct kg_message *join,
                       const char *answer)
{
    struct kg_hall_seat *seat = s->seat;
    struct kg_participant list[KG_MAX_PARTICIPANTS];
    char token[KG_HALL_TOKEN_SIZE];
    kg_hall_token_issue(seat, token);
    kg_control_store_seat(c, seat);
    struct kg_message message = {.type = KG_MESSAGE_JOINED,
                                 .joined = {.request = join->join.request,
                                            .meeting = seat->gathering->uid,
                                            .answer = answer,
                                            .resume = token,
                                            .party = seat->party,
                                            .participants = list}};
    message.joined.participant_count = kg_control_list_participants(c, seat->gathering, list);
    kg_session_send(s, &message);
    memset(token, 0, sizeof token);
}

static void seat_session(struct kg_control *c, struct kg_session *s, struct kg_hall_seat *seat,
                         const struct kg_message *message, const struct kg_wire *wire, const char *answer)
{
    bool resumed = message->join.resume != NULL;
    /* Never unmuted by a resume: muted here or there is muted. */
    seat->muted[KG_SOURCE_MICROPHONE] =
        message->join.muted.microphone || (resumed && seat->muted[KG_SOURCE_MICROPHONE]);
    seat->muted[KG_SOURCE_CAMERA] = message->join.muted.camera || (resumed && seat->muted[KG_SOURCE_CAMERA]);
    seat->session = s;
    s->seat = seat;
    if (!start_media(c, seat, wire)) {
        kg_session_error(s, message->join.request, KG_ERROR_BUSY, "the relay is overloaded; try again");
        s->seat = NULL; /* it was never told of a seat: it must not be told that it left one */
        seat->session = NULL;
        kg_control_seat_end(c, seat, KG_REASON_MEDIA_LOST);
        return;
    }
    /* Before the seat is stored and the room is told: after a power cut no seat stands without its row. */
    kg_control_note(c, "room.joined", KG_AUDIT_OK, s->room, s->peer, seat->gathering->uid,
                    resumed ? "resumed" : "");
    say_joined(c, s, message, answer);
    kg_control_gather(c, seat->gathering);
    kg_log(KG_LOG_INFO, "relay", "room.joined", "room %s %s meeting %s", s->room->id,
           resumed ? "is back in" : "joined", seat->gathering->uid);
}

/* A room that goes on asking what was refused: each answer costs a row, and time that others wait. */
static bool is_slowed(const struct kg_control *c, struct kg_session *s, const struct kg_message *message)
{
    char text[100];
    int64_t wait_us = kg_pace_wait_us(c->joins, s->room->id, kg_clock_now_us());
    if (wait_us == 0)
        return false;
    snprintf(text, sizeof text, "too many joins of this room were refused; try again in %lld s",
             (long long)wait_us / 1000000 + 1);
    kg_session_error(s, message->join.request, KG_ERROR_BUSY, text);
    return true;
}

void kg_control_join(struct kg_control *c, struct kg_session *s, const struct kg_message *message)
{
    const char *uid = message->join.meeting;
    struct kg_hall_seat *seat = NULL;
    if (is_slowed(c, s, message))
        return;
    /* Whose media path alone was lost comes back over the same connection, by its token. */
    if (s->seat && !message->join.resume) {
        kg_session_error(s, message->join.request, KG_ERROR_UNEXPECTED,
                         "this room sits in a meeting; leave it first");
        return;
    }
    enum kg_error_code code =
        kg_hall_admits(c->directory, kg_directory_meeting(c->directory, uid), s->room->id, kg_clock_wall_us(),
                       kg_control_open_before_us(c, uid));
    /* A meeting may overrun: who has a seat comes back to it after the planned end. */
    if (message->join.resume && (code == KG_ERROR_NONE || code == KG_ERROR_ENDED)) {
        code = KG_ERROR_NONE;
        seat = resume(c, s, message, &code);
        /* A session has one seat: one it holds elsewhere would keep pointing at it. */
        if (seat && s->seat && s->seat != seat)
            kg_control_seat_end(c, s->seat, KG_REASON_REPLACED);
    }
    if (c->stopping)
        code = KG_ERROR_SHUTTING_DOWN;
    if (code != KG_ERROR_NONE) {
        refuse(c, s, message, code);
        return;
    }
    struct kg_gathering *g = kg_hall_find(c->hall, uid);
    unsigned worker = g ? g->worker : kg_worker_pool_assign(c->params.pool);
    struct kg_wire wire;
    struct kg_message_error error;
    char *answer = make_answer(c, s, message, worker, &wire, &error);
    if (!answer) {
        kg_pace_use(c->joins, s->room->id, kg_clock_now_us());
        kg_session_error(s, message->join.request, error.code, error.text);
        return;
    }
    if (!seat)
        seat = take_seat(c, s, message, worker);
    if (seat)
        seat_session(c, s, seat, message, &wire, answer);
    else
        refuse(c, s, message, KG_ERROR_TOO_MANY);
    free(answer);
}

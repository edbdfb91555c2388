/* Control: what kaigi-ctl asks. Changes are answered when the store has them, and take effect then; a
 * revocation takes effect before, whatever the store says. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/identity.h"
#include "relay/control_internal.h"

void kg_control_reply(struct kg_queue *replies, json_t *reply)
{
    /* Every request has exactly one reply, even if it could not be put together (text that is not UTF-8). */
    if (!reply)
        reply = json_pack("{s:b, s:s}", "ok", 0, "error", "the reply cannot be written as JSON");
    if (reply && kg_queue_push(replies, &reply))
        return;
    /* Nobody waits any more. */
    json_decref(reply);
}

KG_PRINTF(2, 3)
static void refuse(struct kg_queue *replies, const char *fmt, ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    kg_control_reply(replies, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void free_waiting(struct kg_waiting *w)
{
    if (w->room)
        kg_store_room_finish(w->room);
    free(w->room);
    kg_agenda_destroy(w->agenda);
    free(w->meetings);
    json_decref(w->reply);
    free(w);
}

/* Takes reply. NULL (answered): memory. */
static struct kg_waiting *wait_for_store(struct kg_control *c, struct kg_queue *replies, json_t *reply)
{
    struct kg_waiting *w = calloc(1, sizeof *w);
    if (!w || !reply) {
        free(w);
        json_decref(reply);
        refuse(replies, "the relay has no memory left");
        return NULL;
    }
    *w = (struct kg_waiting){
        .request = c->next_request++, .replies = replies, .reply = reply, .next = c->waiting};
    c->waiting = w;
    return w;
}

/* The first of the list is the one just added. */
static void store_busy(struct kg_control *c, const char *so)
{
    struct kg_waiting *w = c->waiting;
    c->waiting = w->next;
    refuse(w->replies, "the store is busy: %s", so);
    free_waiting(w);
}

static const char *text_of(const json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

/* One line of visible text that fits a name plate and a message. */
static bool check_name(const json_t *request, const char *key, struct kg_queue *replies)
{
    const char *text = text_of(request, key);
    size_t size = strlen(text);
    bool ok = size > 0 && size <= KG_MAX_NAME_BYTES;
    for (size_t i = 0; i < size && ok; i++)
        ok = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    if (!ok)
        refuse(replies, "%s must have 1 to %d bytes of text without control characters", key,
               KG_MAX_NAME_BYTES);
    return ok;
}

static void add_room(struct kg_control *c, const json_t *request, struct kg_queue *replies)
{
    const char *id = text_of(request, "id");
    if (!kg_room_id_valid(id)) {
        refuse(replies, "a room id has 1 to 63 characters of a-z, 0-9 and \"-\", not \"%.80s\"", id);
        return;
    }
    if (!check_name(request, "organization", replies) || !check_name(request, "department", replies) ||
        !check_name(request, "name", replies))
        return;
    const struct kg_store_room *old = kg_directory_room(c->directory, id);
    if (old && !old->revoked_s && !json_is_true(json_object_get(request, "replace"))) {
        refuse(replies, "room %s exists already; give --replace to sign a new certificate for it", id);
        return;
    }
    struct kg_store_room room = {.id = (char *)id,
                                 .organization = (char *)text_of(request, "organization"),
                                 .department = (char *)text_of(request, "department"),
                                 .name = (char *)text_of(request, "name")};
    const char *csr = text_of(request, "csr");
    const struct kg_ca_subject subject = {.kind = KG_CA_ROOM, .id = id};
    struct kg_waiting *w = wait_for_store(c, replies, json_object());
    if (!w)
        return;
    w->room = calloc(1, sizeof *w->room);
    if (!w->room || !kg_store_room_copy(w->room, &room))
        store_busy(c, "no memory; nothing was changed");
    else if (!kg_signing_ask(c->params.signing, w->request, &subject, csr, strlen(csr)))
        store_busy(c,
                   "the request cannot be sent to the signer, or too many wait for it; nothing was changed");
}

/* The certificate has come: now the room is written down. */
static bool take_certificate(struct kg_control *c, struct kg_waiting *w,
                             const struct kg_ca_certificate *certificate)
{
    char fingerprint[KG_FINGERPRINT_TEXT_BYTES];
    kg_fingerprint_text(certificate->fingerprint, fingerprint);
    memcpy(w->room->fingerprint, certificate->fingerprint, sizeof w->room->fingerprint);
    memcpy(w->room->serial, certificate->serial, sizeof w->room->serial);
    w->room->not_after_s = certificate->not_after_s;
    json_decref(w->reply);
    w->reply = json_pack("{s:b, s:s, s:s, s:s, s:s, s:I}", "ok", 1, "id", w->room->id, "certificate",
                         certificate->pem, "fingerprint", fingerprint, "serial", certificate->serial,
                         "not_after", (json_int_t)certificate->not_after_s);
    return w->reply && kg_store_put_room(c->params.store, w->request, w->room);
}

void kg_control_signature(struct kg_control *c, struct kg_signing_answer *answer)
{
    struct kg_waiting **at = &c->waiting;
    while (*at && (*at)->request != answer->request)
        at = &(*at)->next;
    struct kg_waiting *w = *at;
    if (!w || (answer->ok && take_certificate(c, w, &answer->certificate)))
        return;
    *at = w->next;
    if (answer->ok)
        refuse(w->replies, "the store is busy: nothing was changed, try again");
    else
        refuse(w->replies, "%s", answer->problem.text);
    free_waiting(w);
}

static json_t *room_json(const struct kg_store_room *room, const struct kg_control *c)
{
    char fingerprint[KG_FINGERPRINT_TEXT_BYTES];
    bool connected = false;
    for (const struct kg_session *s = c->sessions; s; s = s->next)
        connected = connected || (s->room == room && s->greeted && !s->closing);
    kg_fingerprint_text(room->fingerprint, fingerprint);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b}", "id", room->id, "organization",
                     room->organization, "department", room->department, "name", room->name, "fingerprint",
                     fingerprint, "serial", room->serial, "not_after", (json_int_t)room->not_after_s,
                     "revoked_at", (json_int_t)room->revoked_s, "connected", connected);
}

static void list_rooms(struct kg_control *c, struct kg_queue *replies)
{
    size_t count;
    const struct kg_store_room **rooms = kg_directory_rooms(c->directory, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, room_json(rooms[i], c));
    free(rooms);
    kg_control_reply(replies, json_pack("{s:b, s:o}", "ok", 1, "rooms", list));
}

static void revoke_room(struct kg_control *c, const json_t *request, struct kg_queue *replies)
{
    const char *id = text_of(request, "id");
    const struct kg_store_room *room = kg_directory_room(c->directory, id);
    if (!room) {
        refuse(replies, "there is no room \"%.80s\"; \"kaigi-ctl room list\" shows them", id);
        return;
    }
    if (room->revoked_s) {
        refuse(replies, "room %s is revoked already", id);
        return;
    }
    struct kg_store_room revoked;
    if (!kg_store_room_copy(&revoked, room)) {
        refuse(replies, "the relay has no memory left");
        return;
    }
    revoked.revoked_s = kg_clock_wall_us() / 1000000;
    if (!kg_directory_put_room(c->directory, &revoked))
        kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory to mark room %s as revoked", id);
    kg_control_enforce_room(c, room);
    kg_control_rename(c);
    kg_log(KG_LOG_WARN, "relay", "room.revoked", "room %s may not connect any more", id);
    struct kg_waiting *w = wait_for_store(c, replies, json_pack("{s:b, s:s}", "ok", 1, "id", id));
    if (w && !kg_store_put_room(c->params.store, w->request, &revoked))
        store_busy(c, "the room is shut out until the next restart only; revoke it again then");
    if (w)
        kg_control_note(c, "room.revoked", "", id, revoked.serial);
    kg_store_room_finish(&revoked);
}

static json_t *report_json(const struct kg_agenda_report *report)
{
    return json_pack("{s:s, s:i, s:s, s:s}", "severity", report->severity == KG_AGENDA_BAD ? "bad" : "note",
                     "line", (int)report->line, "uid", report->uid, "reason", report->reason);
}

/* The meetings that are not older than what is known; the others are said in the reports. NULL: memory. */
static struct kg_meeting *pick_news(struct kg_control *c, const struct kg_agenda *agenda, json_t *reports,
                                    size_t *count)
{
    *count = 0;
    struct kg_meeting *news = calloc(agenda->meeting_count + 1, sizeof *news);
    for (size_t i = 0; i < agenda->meeting_count && news; i++) {
        const struct kg_meeting *m = &agenda->meetings[i];
        const struct kg_meeting *known = kg_directory_meeting(c->directory, m->uid);
        if (!known || m->sequence >= known->sequence) {
            news[(*count)++] = *m;
            continue;
        }
        char reason[120];
        snprintf(reason, sizeof reason, "older than what the relay has (SEQUENCE %u, known %u)", m->sequence,
                 known->sequence);
        json_array_append_new(reports, json_pack("{s:s, s:i, s:s, s:s}", "severity", "bad", "line", 0, "uid",
                                                 m->uid, "reason", reason));
    }
    return news;
}

/* Rooms may be enrolled after their meetings are planned: a slip of the hand should show all the same. */
static void report_strangers(struct kg_control *c, const struct kg_meeting *meetings, size_t count,
                             json_t *reports)
{
    for (size_t i = 0; i < count; i++) {
        const struct kg_meeting *m = &meetings[i];
        for (uint16_t r = 0; r < m->room_count && json_array_size(reports) < KG_AGENDA_MAX_REPORTS; r++) {
            if (kg_directory_room(c->directory, m->rooms[r]))
                continue;
            char reason[120];
            snprintf(reason, sizeof reason, "room %s is not enrolled (yet)", m->rooms[r]);
            json_array_append_new(reports, json_pack("{s:s, s:i, s:s, s:s}", "severity", "note", "line", 0,
                                                     "uid", m->uid, "reason", reason));
        }
    }
}

void kg_control_take_agenda(struct kg_control *c, struct kg_agenda *agenda, struct kg_queue *replies)
{
    json_t *reports = json_array();
    size_t count = 0;
    struct kg_meeting *news = reports && !c->stopping ? pick_news(c, agenda, reports, &count) : NULL;
    if (!news) {
        kg_agenda_destroy(agenda);
        json_decref(reports);
        refuse(replies, c->stopping ? "the relay is shutting down" : "the relay has no memory left");
        return;
    }
    for (size_t i = 0; i < agenda->report_count; i++)
        json_array_append_new(reports, report_json(&agenda->reports[i]));
    report_strangers(c, news, count, reports);
    struct kg_waiting *w = wait_for_store(
        c, replies, json_pack("{s:b, s:i, s:o}", "ok", 1, "imported", (int)count, "reports", reports));
    if (!w) {
        kg_agenda_destroy(agenda);
        free(news);
        return;
    }
    w->agenda = agenda;
    w->meetings = news;
    w->meeting_count = count;
    if (!kg_store_put_meetings(c->params.store, w->request, news, count))
        store_busy(c, "nothing was changed, try again");
}

void kg_control_request(struct kg_control *c, json_t *request, struct kg_queue *replies)
{
    const char *command = text_of(request, "command");
    if (strcmp(command, "status") == 0)
        kg_control_status(c, replies);
    else if (strcmp(command, "room-list") == 0)
        list_rooms(c, replies);
    else if (c->stopping)
        refuse(replies, "the relay is shutting down");
    else if (strcmp(command, "room-add") == 0)
        add_room(c, request, replies);
    else if (strcmp(command, "room-revoke") == 0)
        revoke_room(c, request, replies);
    else
        refuse(replies, "this relay knows no command \"%.40s\"; kaigi-ctl and kaigi-relay differ in version",
               command);
    json_decref(request);
}

static void apply_room(struct kg_control *c, const struct kg_store_room *room)
{
    if (!kg_directory_put_room(c->directory, room))
        kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory: room %s is known after a restart only",
               room->id);
    kg_log(KG_LOG_INFO, "relay", "room.added", "room %s, certificate %s", room->id, room->serial);
    kg_control_note(c, "room.added", "", room->id, room->serial);
    kg_control_rename(c);
}

static void apply_agenda(struct kg_control *c, const struct kg_meeting *meetings, size_t count)
{
    char detail[40];
    for (size_t i = 0; i < count; i++) {
        if (!kg_directory_put_meeting(c->directory, &meetings[i]))
            kg_log(KG_LOG_ERROR, "relay", "relay.memory",
                   "no memory: meeting %s is known after a restart only", meetings[i].uid);
    }
    snprintf(detail, sizeof detail, "%zu meetings", count);
    kg_log(KG_LOG_INFO, "relay", "agenda.imported", "%s", detail);
    kg_control_note(c, "agenda.imported", "", "", detail);
    kg_control_send_agendas(c);
    kg_control_enforce_agenda(c);
}

void kg_control_store_result(struct kg_control *c, const struct kg_store_result *result)
{
    struct kg_waiting **at = &c->waiting;
    while (*at && (*at)->request != result->request)
        at = &(*at)->next;
    struct kg_waiting *w = *at;
    if (!w)
        return;
    *at = w->next;
    if (result->status != KG_STORE_OK) {
        refuse(w->replies, "%s: %s",
               w->room || w->agenda ? "nothing was changed, the store cannot be written"
                                    : "revoked only until the next restart, the store cannot be written",
               kg_store_status_text(result->status));
    } else {
        if (w->room)
            apply_room(c, w->room);
        if (w->agenda)
            apply_agenda(c, w->meetings, w->meeting_count);
        /* Moved, not shared: JSON values count their references without regard to threads. */
        kg_control_reply(w->replies, w->reply);
        w->reply = NULL;
    }
    free_waiting(w);
}

void kg_control_drop_waiting(struct kg_control *c)
{
    while (c->waiting) {
        struct kg_waiting *w = c->waiting;
        c->waiting = w->next;
        refuse(w->replies, "the relay stopped before this was written down; ask again");
        free_waiting(w);
    }
    while (c->statuses) {
        struct kg_status *status = c->statuses;
        c->statuses = status->next;
        json_decref(status->reply);
        free(status);
    }
}

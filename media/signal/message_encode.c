/* Struct to JSON tree. Limits are not looked at here: kg_message_encode reads its own output back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "signal/message_internal.h"

/* json_object_set_new fails on a NULL value, so a failed allocation or bad UTF-8 shows here. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool set_text(json_t *object, const char *key, const char *text)
{
    return text && set(object, key, json_string(text));
}

/* What people read: a character that no reader would take is left out, so that one name of old, or a
 * calendar's, does not cost the whole message. */
static bool set_label(json_t *object, const char *key, const char *text)
{
    char clean[KG_MAX_NAME_BYTES + 5]; /* a character more than is taken: too long stays too long */
    if (!text)
        return false;
    kg_utf8_clean(text, strlen(text), "", clean, sizeof clean);
    return set_text(object, key, clean);
}

static bool set_number(json_t *object, const char *key, uint64_t number)
{
    return set(object, key, json_integer((json_int_t)number));
}

/* An id as a decimal string; 0 as absent, or as the word given for it. */
static bool set_id(json_t *object, const char *key, uint32_t id, const char *zero)
{
    char text[16];
    if (id == 0)
        return !zero || set_text(object, key, zero);
    snprintf(text, sizeof(text), "%" PRIu32, id);
    return set_text(object, key, text);
}

static bool set_role(json_t *object, const char *key, enum kg_role role, uint8_t index)
{
    char text[KG_ROLE_TEXT_BYTES];
    kg_role_format(role, index, text);
    return set_text(object, key, text);
}

static bool set_muted(json_t *object, struct kg_muted muted)
{
    return set(object, "microphone", json_boolean(muted.microphone)) &&
           set(object, "camera", json_boolean(muted.camera));
}

/* A new object in the array, borrowed; NULL: memory is short. */
static json_t *append(json_t *array)
{
    json_t *entry = json_object();
    return json_array_append_new(array, entry) == 0 ? entry : NULL;
}

/* A new child, borrowed; NULL: memory is short. */
static json_t *child(json_t *object, const char *key, json_t *value)
{
    return set(object, key, value) ? value : NULL;
}

bool kg_encode_hello(const struct kg_message *m, json_t *object)
{
    return set_number(object, "protocol", m->hello.protocol) &&
           set_text(object, "software", m->hello.software);
}

bool kg_encode_join(const struct kg_message *m, json_t *object)
{
    if (m->join.line_count > KG_MAX_LINES || !set_number(object, "request", m->join.request) ||
        !set_text(object, "meeting", m->join.meeting) || !set_text(object, "offer", m->join.offer))
        return false;
    json_t *lines = child(object, "lines", json_array());
    for (uint8_t i = 0; i < m->join.line_count; i++) {
        const struct kg_message_line *line = &m->join.lines[i];
        json_t *entry = append(lines);
        if (!set_text(entry, "mid", line->mid) || !set_role(entry, "role", line->role, line->index))
            return false;
    }
    json_t *muted = child(object, "muted", json_object());
    return lines && set_muted(muted, m->join.muted) &&
           (!m->join.resume || set_text(object, "resume", m->join.resume));
}

bool kg_encode_want(const struct kg_message *m, json_t *object)
{
    json_t *slots = child(object, "slots", json_array());
    for (uint8_t i = 0; i < m->want.slot_count && i < KG_MAX_SLOTS; i++) {
        const struct kg_message_want *want = &m->want.slots[i];
        json_t *entry = append(slots);
        bool good = set_role(entry, "slot", want->role, want->index);
        if (want->wish == KG_WISH_SOURCE)
            good = good && set_id(entry, "source", want->source, "0");
        else
            good = good && set_text(entry, "source", want->wish == KG_WISH_AUTO ? "auto" : "none");
        if (!good || !set_number(entry, "height", want->height))
            return false;
    }
    return slots && m->want.slot_count <= KG_MAX_SLOTS;
}

bool kg_encode_mute(const struct kg_message *m, json_t *object)
{
    return set_muted(object, m->mute);
}

bool kg_encode_leave(const struct kg_message *m, json_t *object)
{
    (void)m;
    (void)object;
    return true;
}

bool kg_encode_welcome(const struct kg_message *m, json_t *object)
{
    json_t *room = child(object, "room", json_object());
    return set_text(room, "id", m->welcome.room_id) &&
           set_label(room, "organization", m->welcome.organization) &&
           set_label(room, "department", m->welcome.department) && set_label(room, "name", m->welcome.name) &&
           set(object, "time_ms", json_integer(m->welcome.time_ms)) &&
           set_text(object, "software", m->welcome.software);
}

bool kg_encode_agenda(const struct kg_message *m, json_t *object)
{
    return set_number(object, "revision", m->agenda.revision) &&
           set_text(object, "calendar", m->agenda.calendar);
}

static bool set_say(json_t *object, const char *key, enum kg_say say)
{
    return say == KG_SAY_NOTHING || json_object_set_new(object, key, json_boolean(say == KG_SAY_YES)) == 0;
}

bool kg_encode_policy(const struct kg_message *m, json_t *object)
{
    const struct kg_message_policy *p = &m->policy;
    return (p->video_kbps == 0 || set_number(object, "video_kbps", p->video_kbps)) &&
           (p->udp == KG_UDP_UNSAID || set_text(object, "udp", p->udp == KG_UDP_NEVER ? "never" : "auto")) &&
           set_say(object, "microphone_muted", p->microphone_muted) &&
           set_say(object, "camera_muted", p->camera_muted);
}

static bool set_participants(json_t *object, const struct kg_participant *participants, uint8_t count)
{
    json_t *list = child(object, "participants", json_array());
    for (uint8_t i = 0; i < count; i++) {
        const struct kg_participant *p = &participants[i];
        json_t *entry = append(list);
        if (!set_id(entry, "party", p->party, "0") || !set_label(entry, "organization", p->organization) ||
            !set_label(entry, "department", p->department) || !set_label(entry, "name", p->name) ||
            !set_muted(entry, p->muted) || !set_text(entry, "state", p->away ? "away" : "connected"))
            return false;
        json_t *sources = child(entry, "sources", json_object());
        if (!sources || !set_id(sources, "microphone", p->sources.microphone, NULL) ||
            !set_id(sources, "camera", p->sources.camera, NULL) ||
            !set_id(sources, "presentation", p->sources.presentation, NULL))
            return false;
    }
    return list != NULL;
}

bool kg_encode_joined(const struct kg_message *m, json_t *object)
{
    return set_number(object, "request", m->joined.request) &&
           set_text(object, "meeting", m->joined.meeting) && set_id(object, "party", m->joined.party, "0") &&
           set_text(object, "answer", m->joined.answer) && set_text(object, "resume", m->joined.resume) &&
           set_participants(object, m->joined.participants, m->joined.participant_count);
}

bool kg_encode_participants(const struct kg_message *m, json_t *object)
{
    return set_participants(object, m->participants.participants, m->participants.participant_count);
}

bool kg_encode_slots(const struct kg_message *m, json_t *object)
{
    json_t *slots = child(object, "slots", json_array());
    for (uint8_t i = 0; i < m->slots.slot_count && i < KG_MAX_SLOTS; i++) {
        const struct kg_message_slot *slot = &m->slots.slots[i];
        json_t *entry = append(slots);
        if (!set_role(entry, "slot", slot->role, slot->index) ||
            !set_id(entry, "source", slot->source, "none"))
            return false;
    }
    return slots && m->slots.slot_count <= KG_MAX_SLOTS;
}

bool kg_encode_watched(const struct kg_message *m, json_t *object)
{
    json_t *sources = child(object, "sources", json_array());
    for (uint8_t i = 0; i < m->watched.source_count && i < KG_MAX_WATCHED; i++)
        if (!set_id(append(sources), "source", m->watched.sources[i], "0"))
            return false;
    return sources && m->watched.source_count <= KG_MAX_WATCHED;
}

bool kg_encode_left(const struct kg_message *m, json_t *object)
{
    return m->left.reason < KG_REASON_OTHER && set_text(object, "reason", kg_reason_name(m->left.reason));
}

bool kg_encode_error(const struct kg_message *m, json_t *object)
{
    if (m->error.code == KG_ERROR_NONE || m->error.code >= KG_ERROR_OTHER)
        return false;
    return (m->error.request == 0 || set_number(object, "request", m->error.request)) &&
           set_text(object, "code", kg_error_name(m->error.code)) &&
           set_label(object, "message", m->error.message);
}

bool kg_encode_closing(const struct kg_message *m, json_t *object)
{
    return m->closing.reason < KG_REASON_OTHER &&
           set_text(object, "reason", kg_reason_name(m->closing.reason)) &&
           set_number(object, "retry_ms", m->closing.retry_ms);
}

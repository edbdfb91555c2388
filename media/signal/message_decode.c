#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "signal/message_internal.h"
#include "signal/sdp_text.h"

#define MAX_SAFE ((uint64_t)1 << 53) /* what every JSON reader holds exactly */

KG_PRINTF(3, 4)
static bool refuse(struct kg_message_reader *r, const char *key, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int used = snprintf(r->error->text, sizeof(r->error->text), "%s.%s: ", r->type, key);
    vsnprintf(r->error->text + used, sizeof(r->error->text) - (size_t)used, fmt, args);
    va_end(args);
    return false;
}

enum text_form {
    TEXT_NAME = 1,  /* not empty, one line */
    TEXT_LABEL = 0, /* may be empty, one line */
    TEXT_BODY = 2,  /* not empty, may have lines: SDP and iCalendar, whose own readers judge the rest */
};

static bool text_allowed(const char *text, size_t size, enum text_form form)
{
    if (form != TEXT_BODY)
        return kg_utf8_is_clean(text, size);
    for (const char *c = text; *c; c++) {
        bool control = (unsigned char)*c < 0x20 || *c == 0x7f;
        if (control && *c != '\r' && *c != '\n' && *c != '\t')
            return false;
    }
    return true;
}

/* The string stays the JSON tree's. UTF-8 has been checked by jansson, which refuses NUL too. */
static bool text(struct kg_message_reader *r, const json_t *object, const char *key, enum text_form form,
                 size_t max_bytes, const char **out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return refuse(r, key, value ? "must be a string" : "is missing");
    if (json_string_length(value) > max_bytes)
        return refuse(r, key, "is longer than %zu bytes", max_bytes);
    *out = json_string_value(value);
    if (form != TEXT_LABEL && !**out)
        return refuse(r, key, "is empty");
    return text_allowed(*out, json_string_length(value), form) ||
           refuse(r, key, "holds a control character or one that is hidden");
}

static bool boolean(struct kg_message_reader *r, const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value))
        return refuse(r, key, value ? "must be true or false" : "is missing");
    *out = json_is_true(value);
    return true;
}

static bool number(struct kg_message_reader *r, const json_t *object, const char *key, uint64_t min,
                   uint64_t max, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        return refuse(r, key, value ? "must be a whole number" : "is missing");
    json_int_t n = json_integer_value(value);
    if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
        return refuse(r, key, "is not between %llu and %llu", (unsigned long long)min,
                      (unsigned long long)max);
    *out = (uint64_t)n;
    return true;
}

static bool number32(struct kg_message_reader *r, const json_t *object, const char *key, uint32_t min,
                     uint32_t *out)
{
    uint64_t n = 0;
    if (!number(r, object, key, min, UINT32_MAX, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

/* Party and source ids: decimal strings, as a double or a 32-bit signed integer must not touch them. */
static bool id_text(const char *value, uint32_t *out)
{
    uint64_t id;
    if (value[0] == '0' || !kg_word_number(kg_word_of(value), UINT32_MAX, &id))
        return false;
    *out = (uint32_t)id;
    return true;
}

static bool id(struct kg_message_reader *r, const json_t *object, const char *key, uint32_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || !id_text(json_string_value(value), out))
        return refuse(r, key, "must be an id: a decimal string from \"1\" to \"4294967295\"");
    return true;
}

/* Absent or null leaves *out alone. */
static bool optional_id(struct kg_message_reader *r, const json_t *object, const char *key, uint32_t *out)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || id(r, object, key, out);
}

static bool role(struct kg_message_reader *r, const json_t *object, const char *key, enum kg_role *out,
                 uint8_t *index)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || !kg_role_parse(json_string_value(value), out, index))
        return refuse(r, key, "must be a role such as \"camera\" or \"video-0\"");
    return true;
}

static bool array(struct kg_message_reader *r, const json_t *object, const char *key, size_t max,
                  const json_t **out)
{
    *out = json_object_get(object, key);
    if (!json_is_array(*out))
        return refuse(r, key, *out ? "must be an array" : "is missing");
    if (json_array_size(*out) > max)
        return refuse(r, key, "has more than %zu entries", max);
    for (size_t i = 0; i < json_array_size(*out); i++)
        if (!json_is_object(json_array_get(*out, i)))
            return refuse(r, key, "entry %zu must be an object", i);
    return true;
}

static bool muted(struct kg_message_reader *r, const json_t *object, struct kg_muted *out)
{
    return boolean(r, object, "microphone", &out->microphone) && boolean(r, object, "camera", &out->camera);
}

bool kg_decode_hello(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    return number32(r, root, "protocol", 1, &m->hello.protocol) &&
           text(r, root, "software", TEXT_NAME, KG_MAX_NAME_BYTES, &m->hello.software);
}

static bool join_lines(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const json_t *list;
    if (!array(r, root, "lines", KG_MAX_LINES, &list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct kg_message_line *line = &m->join.lines[i];
        if (!text(r, entry, "mid", TEXT_NAME, KG_MAX_MID, &line->mid) ||
            !role(r, entry, "role", &line->role, &line->index))
            return false;
        for (size_t j = 0; j < i; j++) {
            const struct kg_message_line *other = &m->join.lines[j];
            if (strcmp(other->mid, line->mid) == 0 ||
                (other->role == line->role && other->index == line->index))
                return refuse(r, "lines", "entry %zu repeats a mid or a role", i);
        }
    }
    m->join.line_count = (uint8_t)json_array_size(list);
    return m->join.line_count > 0 || refuse(r, "lines", "is empty");
}

bool kg_decode_join(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    if (!number32(r, root, "request", 1, &m->join.request) ||
        !text(r, root, "meeting", TEXT_NAME, KG_MAX_NAME_BYTES, &m->join.meeting) ||
        !text(r, root, "offer", TEXT_BODY, KG_MESSAGE_MAX_BYTES, &m->join.offer) || !join_lines(r, root, m))
        return false;
    const json_t *state = json_object_get(root, "muted");
    if (!json_is_object(state))
        return refuse(r, "muted", "must be an object");
    if (!muted(r, state, &m->join.muted))
        return false;
    const json_t *resume = json_object_get(root, "resume");
    return !resume || json_is_null(resume) ||
           text(r, root, "resume", TEXT_NAME, KG_MAX_TOKEN_BYTES, &m->join.resume);
}

static bool want_slot(struct kg_message_reader *r, const json_t *entry, struct kg_message_want *want)
{
    uint64_t height = 0;
    const char *source;
    if (!role(r, entry, "slot", &want->role, &want->index) ||
        !text(r, entry, "source", TEXT_NAME, KG_MAX_NAME_BYTES, &source))
        return false;
    if (want->role != KG_ROLE_VIDEO_SLOT && want->role != KG_ROLE_PRESENTATION_SLOT)
        return refuse(r, "slot", "must be a video or presentation slot");
    const json_t *wished = json_object_get(entry, "height");
    if (wished && !json_is_null(wished) && !number(r, entry, "height", 0, 4320, &height))
        return false;
    want->height = (uint16_t)height;
    want->wish = KG_WISH_SOURCE;
    if (strcmp(source, "auto") == 0)
        want->wish = KG_WISH_AUTO;
    else if (strcmp(source, "none") == 0)
        want->wish = KG_WISH_NONE;
    else if (!id_text(source, &want->source))
        return refuse(r, "source", "must be \"auto\", \"none\" or a source id");
    return true;
}

bool kg_decode_want(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const json_t *list;
    if (!array(r, root, "slots", KG_MAX_SLOTS, &list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct kg_message_want *want = &m->want.slots[i];
        if (!want_slot(r, json_array_get(list, i), want))
            return false;
        for (size_t j = 0; j < i; j++)
            if (m->want.slots[j].role == want->role && m->want.slots[j].index == want->index)
                return refuse(r, "slots", "entry %zu repeats a slot", i);
    }
    m->want.slot_count = (uint8_t)json_array_size(list);
    return true;
}

bool kg_decode_mute(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    return muted(r, root, &m->mute);
}

bool kg_decode_leave(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    (void)r;
    (void)root;
    (void)m;
    return true;
}

bool kg_decode_welcome(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    uint64_t time_ms = 0;
    const json_t *room = json_object_get(root, "room");
    if (!json_is_object(room))
        return refuse(r, "room", "must be an object");
    if (!text(r, room, "id", TEXT_NAME, KG_MAX_NAME_BYTES, &m->welcome.room_id) ||
        !text(r, room, "organization", TEXT_LABEL, KG_MAX_NAME_BYTES, &m->welcome.organization) ||
        !text(r, room, "department", TEXT_LABEL, KG_MAX_NAME_BYTES, &m->welcome.department) ||
        !text(r, room, "name", TEXT_LABEL, KG_MAX_NAME_BYTES, &m->welcome.name) ||
        !number(r, root, "time_ms", 0, MAX_SAFE, &time_ms) ||
        !text(r, root, "software", TEXT_LABEL, KG_MAX_NAME_BYTES, &m->welcome.software))
        return false;
    m->welcome.time_ms = (int64_t)time_ms;
    return true;
}

bool kg_decode_agenda(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    return number(r, root, "revision", 0, MAX_SAFE, &m->agenda.revision) &&
           text(r, root, "calendar", TEXT_BODY, KG_MESSAGE_MAX_BYTES, &m->agenda.calendar);
}

static bool participant(struct kg_message_reader *r, const json_t *entry, struct kg_participant *p)
{
    const char *state;
    const json_t *sources = json_object_get(entry, "sources");
    if (!id(r, entry, "party", &p->party) ||
        !text(r, entry, "organization", TEXT_LABEL, KG_MAX_NAME_BYTES, &p->organization) ||
        !text(r, entry, "department", TEXT_LABEL, KG_MAX_NAME_BYTES, &p->department) ||
        !text(r, entry, "name", TEXT_LABEL, KG_MAX_NAME_BYTES, &p->name) || !muted(r, entry, &p->muted) ||
        !text(r, entry, "state", TEXT_NAME, KG_MAX_NAME_BYTES, &state))
        return false;
    p->away = strcmp(state, "away") == 0;
    if (!json_is_object(sources))
        return refuse(r, "sources", "must be an object");
    return optional_id(r, sources, "microphone", &p->sources.microphone) &&
           optional_id(r, sources, "camera", &p->sources.camera) &&
           optional_id(r, sources, "presentation", &p->sources.presentation);
}

/* The array is the storage's from here on. */
static bool participants(struct kg_message_reader *r, const json_t *root, uint8_t *count,
                         const struct kg_participant **out)
{
    const json_t *list;
    if (!array(r, root, "participants", KG_MAX_PARTICIPANTS, &list))
        return false;
    size_t size = json_array_size(list);
    struct kg_participant *all = calloc(KG_MAX(size, (size_t)1), sizeof(*all));
    r->storage->participants = all;
    if (!all) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: %zu participants", size);
        r->error->code = KG_ERROR_INTERNAL;
        return refuse(r, "participants", "memory is short");
    }
    for (size_t i = 0; i < size; i++) {
        if (!participant(r, json_array_get(list, i), &all[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (all[j].party == all[i].party)
                return refuse(r, "participants", "entry %zu repeats a party", i);
    }
    *count = (uint8_t)size;
    *out = all;
    return true;
}

/* Absent and null: nothing is said. */
static bool say(struct kg_message_reader *r, const json_t *object, const char *key, enum kg_say *out)
{
    const json_t *value = json_object_get(object, key);
    bool yes = false;
    if (!value || json_is_null(value))
        return true;
    if (!boolean(r, object, key, &yes))
        return false;
    *out = yes ? KG_SAY_YES : KG_SAY_NO;
    return true;
}

bool kg_decode_policy(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const json_t *kbps = json_object_get(root, "video_kbps"), *udp = json_object_get(root, "udp");
    const char *use = "";
    if (kbps && !json_is_null(kbps) && !number32(r, root, "video_kbps", 1, &m->policy.video_kbps))
        return false;
    if (udp && !json_is_null(udp)) {
        if (!text(r, root, "udp", TEXT_NAME, KG_MAX_NAME_BYTES, &use))
            return false;
        if (strcmp(use, "auto") != 0 && strcmp(use, "never") != 0)
            return refuse(r, "udp", "must be \"auto\" or \"never\"");
        m->policy.udp = strcmp(use, "never") == 0 ? KG_UDP_NEVER : KG_UDP_AUTO;
    }
    return say(r, root, "microphone_muted", &m->policy.microphone_muted) &&
           say(r, root, "camera_muted", &m->policy.camera_muted);
}

bool kg_decode_joined(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    return number32(r, root, "request", 1, &m->joined.request) &&
           text(r, root, "meeting", TEXT_NAME, KG_MAX_NAME_BYTES, &m->joined.meeting) &&
           id(r, root, "party", &m->joined.party) &&
           text(r, root, "answer", TEXT_BODY, KG_MESSAGE_MAX_BYTES, &m->joined.answer) &&
           text(r, root, "resume", TEXT_NAME, KG_MAX_TOKEN_BYTES, &m->joined.resume) &&
           participants(r, root, &m->joined.participant_count, &m->joined.participants);
}

bool kg_decode_participants(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    return participants(r, root, &m->participants.participant_count, &m->participants.participants);
}

bool kg_decode_slots(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const json_t *list;
    if (!array(r, root, "slots", KG_MAX_SLOTS, &list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct kg_message_slot *slot = &m->slots.slots[i];
        const char *source = "";
        if (!role(r, entry, "slot", &slot->role, &slot->index) ||
            !text(r, entry, "source", TEXT_NAME, KG_MAX_NAME_BYTES, &source))
            return false;
        if (!kg_role_is_slot(slot->role))
            return refuse(r, "slot", "must be a slot");
        if (strcmp(source, "none") != 0 && !id_text(source, &slot->source))
            return refuse(r, "source", "must be \"none\" or a source id");
        for (size_t j = 0; j < i; j++)
            if (m->slots.slots[j].role == slot->role && m->slots.slots[j].index == slot->index)
                return refuse(r, "slots", "entry %zu repeats a slot", i);
    }
    m->slots.slot_count = (uint8_t)json_array_size(list);
    return true;
}

bool kg_decode_watched(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const json_t *list;
    if (!array(r, root, "sources", KG_MAX_WATCHED, &list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint32_t *source = &m->watched.sources[i];
        if (!id(r, json_array_get(list, i), "source", source))
            return false;
        for (size_t j = 0; j < i; j++)
            if (m->watched.sources[j] == *source)
                return refuse(r, "sources", "entry %zu repeats a source", i);
    }
    m->watched.source_count = (uint8_t)json_array_size(list);
    return true;
}

bool kg_decode_left(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const char *name = "";
    if (!text(r, root, "reason", TEXT_NAME, KG_MAX_NAME_BYTES, &name))
        return false;
    m->left.reason = kg_reason_of(name);
    return true;
}

bool kg_decode_error(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const char *name = "";
    const json_t *request = json_object_get(root, "request");
    if (request && !json_is_null(request) && !number32(r, root, "request", 1, &m->error.request))
        return false;
    if (!text(r, root, "code", TEXT_NAME, KG_MAX_NAME_BYTES, &name) ||
        !text(r, root, "message", TEXT_LABEL, KG_MAX_NAME_BYTES, &m->error.message))
        return false;
    m->error.code = kg_error_of(name);
    return true;
}

bool kg_decode_closing(struct kg_message_reader *r, const json_t *root, struct kg_message *m)
{
    const char *name = "";
    if (!text(r, root, "reason", TEXT_NAME, KG_MAX_NAME_BYTES, &name) ||
        !number32(r, root, "retry_ms", 0, &m->closing.retry_ms))
        return false;
    m->closing.reason = kg_reason_of(name);
    return true;
}

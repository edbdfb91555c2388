#include "relay/agenda_wire.h"

#include <assert.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

static const uint8_t question_magic[4] = {'K', 'G', 'Q', '1'}, answer_magic[4] = {'K', 'G', 'A', '1'};

/* 2300-01-01: what can be written with four digits and no calendar reaches (agenda_event.c ends at 2199). */
static const int64_t end_of_time_us = INT64_C(10413792000) * 1000000;

enum {
    HEAD_BYTES = 4 + 1 + 4 + 4,
    TEXT_BYTES = 2, /* and the text's own */
    REPORT_BYTES = 1 + 4 + 2 * TEXT_BYTES,
    MEETING_BYTES = 5 * TEXT_BYTES + 8 + 8 + 4 + 1 + 2,
};

void kg_agenda_question_encode(const struct kg_agenda_question *question,
                               uint8_t out[KG_AGENDA_QUESTION_BYTES])
{
    struct kg_writer w = kg_writer_of(out, KG_AGENDA_QUESTION_BYTES);
    kg_write_bytes(&w, question_magic, sizeof question_magic);
    kg_write_u64(&w, (uint64_t)question->from_us);
    kg_write_u64(&w, (uint64_t)question->to_us);
    kg_write_u32(&w, question->size);
    assert(!w.failed && w.pos == KG_AGENDA_QUESTION_BYTES);
}

bool kg_agenda_question_decode(const uint8_t in[KG_AGENDA_QUESTION_BYTES],
                               struct kg_agenda_question *question)
{
    struct kg_reader r = kg_reader_of(in, KG_AGENDA_QUESTION_BYTES);
    const uint8_t *magic = kg_read_view(&r, sizeof question_magic);
    question->from_us = (int64_t)kg_read_u64(&r);
    question->to_us = (int64_t)kg_read_u64(&r);
    question->size = kg_read_u32(&r);
    return magic && memcmp(magic, question_magic, sizeof question_magic) == 0 &&
           question->size <= KG_AGENDA_MAX_BYTES;
}

/* --- the reader's side */

size_t kg_agenda_answer_bytes(const struct kg_agenda *agenda)
{
    size_t size = HEAD_BYTES;
    for (size_t i = 0; i < agenda->report_count; i++)
        size += REPORT_BYTES + strlen(agenda->reports[i].uid) + strlen(agenda->reports[i].reason);
    for (size_t i = 0; i < agenda->meeting_count; i++) {
        const struct kg_meeting *m = &agenda->meetings[i];
        size += MEETING_BYTES + strlen(m->uid) + strlen(m->title) + strlen(m->description) +
                strlen(m->organizer) + strlen(m->location);
        for (uint16_t room = 0; room < m->room_count; room++)
            size += TEXT_BYTES + strlen(m->rooms[room]);
    }
    return size;
}

static void write_text(struct kg_writer *w, const char *text)
{
    size_t size = strlen(text);
    assert(size <= UINT16_MAX); /* agenda.h bounds it far below */
    kg_write_u16(w, (uint16_t)size);
    kg_write_bytes(w, text, size);
}

static void write_meeting(struct kg_writer *w, const struct kg_meeting *m)
{
    write_text(w, m->uid);
    write_text(w, m->title);
    write_text(w, m->description);
    write_text(w, m->organizer);
    write_text(w, m->location);
    kg_write_u64(w, (uint64_t)m->start_us);
    kg_write_u64(w, (uint64_t)m->end_us);
    kg_write_u32(w, m->sequence);
    kg_write_u8(w, (uint8_t)m->status);
    kg_write_u16(w, m->room_count);
    for (uint16_t room = 0; room < m->room_count; room++)
        write_text(w, m->rooms[room]);
}

void kg_agenda_answer_encode(const struct kg_agenda *agenda, uint8_t *out)
{
    struct kg_writer w = kg_writer_of(out, kg_agenda_answer_bytes(agenda));
    kg_write_bytes(&w, answer_magic, sizeof answer_magic);
    kg_write_u8(&w, agenda->truncated);
    kg_write_u32(&w, (uint32_t)agenda->report_count);
    kg_write_u32(&w, (uint32_t)agenda->meeting_count);
    for (size_t i = 0; i < agenda->report_count; i++) {
        kg_write_u8(&w, (uint8_t)agenda->reports[i].severity);
        kg_write_u32(&w, agenda->reports[i].line);
        write_text(&w, agenda->reports[i].uid);
        write_text(&w, agenda->reports[i].reason);
    }
    for (size_t i = 0; i < agenda->meeting_count; i++)
        write_meeting(&w, &agenda->meetings[i]);
    assert(!w.failed && w.pos == w.size);
}

/* --- the relay's side */

struct decoder {
    struct kg_reader in;
    int64_t from_us, to_us;
    const char *wrong; /* the first that is wrong */
};

/* Always false, once something is wrong. */
static bool must(struct decoder *d, bool holds, const char *wrong)
{
    if (!d->wrong && !holds)
        d->wrong = wrong;
    return !d->wrong;
}

/* The next text, into the packet; NULL: wrong. `lines`: it may have several. */
static const char *view_text(struct decoder *d, size_t least, size_t most, bool lines, size_t *size)
{
    *size = kg_read_u16(&d->in);
    const char *text = (const char *)kg_read_view(&d->in, *size);
    if (!must(d, text != NULL, "it ends too early") ||
        !must(d, *size >= least && *size <= most, "a text is too short or too long") ||
        !must(d, g_utf8_validate(text, (gssize)*size, NULL), "a text is no UTF-8"))
        return NULL;
    for (size_t at = 0, end; at < *size && !d->wrong; at = end + 1) {
        const char *feed = lines ? memchr(text + at, '\n', *size - at) : NULL;
        end = feed ? (size_t)(feed - text) : *size;
        must(d, kg_utf8_is_clean(text + at, end - at), "a text holds a control character");
    }
    return d->wrong ? NULL : text;
}

static void copy_text(struct decoder *d, size_t least, size_t most, bool lines, char **out)
{
    size_t size;
    const char *text = d->wrong ? NULL : view_text(d, least, most, lines, &size);
    if (!text)
        return;
    *out = strndup(text, size);
    must(d, *out != NULL, "memory is short");
}

static void fill_text(struct decoder *d, size_t least, char *out, size_t room)
{
    size_t size;
    const char *text = d->wrong ? NULL : view_text(d, least, room - 1, false, &size);
    if (!text)
        return;
    memcpy(out, text, size);
    out[size] = '\0';
}

static void read_reports(struct decoder *d, struct kg_agenda *agenda, uint32_t count)
{
    agenda->reports = calloc(count + 1u, sizeof *agenda->reports);
    must(d, agenda->reports != NULL, "memory is short");
    uint32_t last_line = 0;
    for (uint32_t i = 0; i < count && !d->wrong; i++) {
        struct kg_agenda_report *report = &agenda->reports[i];
        uint8_t severity = kg_read_u8(&d->in);
        report->line = kg_read_u32(&d->in);
        must(d, severity <= KG_AGENDA_NOTE, "a remark has no severity there is");
        must(d, report->line >= last_line, "remarks are out of order");
        report->severity = (enum kg_agenda_severity)severity;
        last_line = report->line;
        fill_text(d, 0, report->uid, sizeof report->uid);
        fill_text(d, 1, report->reason, sizeof report->reason);
        agenda->report_count++;
    }
}

static void read_rooms(struct decoder *d, struct kg_meeting *m)
{
    uint16_t count = kg_read_u16(&d->in);
    if (!must(d, count <= KG_AGENDA_MAX_ROOMS, "a meeting has too many rooms"))
        return;
    m->rooms = calloc(count + 1u, sizeof *m->rooms);
    must(d, m->rooms != NULL, "memory is short");
    for (uint16_t i = 0; i < count && !d->wrong; i++) {
        char *room = NULL;
        copy_text(d, 1, KG_ROOM_ID_MAX, false, &room);
        if (!room)
            return;
        m->rooms[m->room_count++] = room;
        must(d, kg_room_id_valid(room), "a room's id is none");
        for (uint16_t k = 0; k < i; k++)
            must(d, strcmp(m->rooms[k], room) != 0, "a room stands twice in a meeting");
    }
}

static void read_meeting(struct decoder *d, struct kg_meeting *m)
{
    copy_text(d, 1, KG_AGENDA_MAX_UID_BYTES, false, &m->uid);
    copy_text(d, 0, KG_AGENDA_MAX_TEXT_BYTES, false, &m->title);
    copy_text(d, 0, KG_AGENDA_MAX_TEXT_BYTES, true, &m->description);
    copy_text(d, 0, KG_AGENDA_MAX_TEXT_BYTES, false, &m->organizer);
    copy_text(d, 0, KG_AGENDA_MAX_TEXT_BYTES, false, &m->location);
    m->start_us = (int64_t)kg_read_u64(&d->in);
    m->end_us = (int64_t)kg_read_u64(&d->in);
    m->sequence = kg_read_u32(&d->in);
    uint8_t status = kg_read_u8(&d->in);
    must(d, !d->in.failed, "it ends too early");
    must(d, m->start_us >= 0 && m->start_us < m->end_us && m->end_us < end_of_time_us,
         "a meeting's times are none");
    must(d, m->end_us > d->from_us && m->start_us < d->to_us, "a meeting is not in the window");
    must(d, m->sequence <= INT32_MAX, "a meeting's sequence is out of range");
    must(d, status <= KG_MEETING_CANCELLED, "a meeting has no status there is");
    m->status = (enum kg_meeting_status)status;
    if (!d->wrong)
        read_rooms(d, m);
}

static void read_meetings(struct decoder *d, struct kg_agenda *agenda, uint32_t count)
{
    agenda->meetings = calloc(count + 1u, sizeof *agenda->meetings);
    must(d, agenda->meetings != NULL, "memory is short");
    for (uint32_t i = 0; i < count && !d->wrong; i++) {
        struct kg_meeting *m = &agenda->meetings[i];
        agenda->meeting_count++;
        read_meeting(d, m);
        if (d->wrong || i == 0)
            continue;
        const struct kg_meeting *before = m - 1;
        must(d,
             before->start_us < m->start_us ||
                 (before->start_us == m->start_us && strcmp(before->uid, m->uid) < 0),
             "meetings are out of order");
    }
}

struct kg_agenda *kg_agenda_answer_decode(const uint8_t *bytes, size_t size, int64_t from_us, int64_t to_us,
                                          const char **wrong)
{
    struct decoder d = {.in = kg_reader_of(bytes, size), .from_us = from_us, .to_us = to_us};
    struct kg_agenda *agenda = calloc(1, sizeof *agenda);
    const uint8_t *magic = kg_read_view(&d.in, sizeof answer_magic);
    uint8_t truncated = kg_read_u8(&d.in);
    uint32_t reports = kg_read_u32(&d.in), meetings = kg_read_u32(&d.in);
    must(&d, agenda != NULL, "memory is short");
    must(&d, !d.in.failed, "it ends too early");
    must(&d, magic && memcmp(magic, answer_magic, sizeof answer_magic) == 0, "it does not begin as one");
    must(&d, truncated <= 1, "it is neither whole nor cut");
    must(&d, reports <= KG_AGENDA_MAX_REPORTS && meetings <= KG_AGENDA_MAX_MEETINGS,
         "it has too many remarks or meetings");
    if (!d.wrong) {
        agenda->truncated = truncated;
        read_reports(&d, agenda, reports);
    }
    if (!d.wrong)
        read_meetings(&d, agenda, meetings);
    must(&d, !d.in.failed, "it ends too early");
    must(&d, kg_reader_left(&d.in) == 0, "it goes on behind its end");
    if (!d.wrong)
        return agenda;
    *wrong = d.wrong;
    kg_agenda_destroy(agenda);
    return NULL;
}

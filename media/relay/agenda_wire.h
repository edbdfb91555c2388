/* What the relay and kaigi-agenda-reader say to each other, over the reader's stdin and stdout: one question,
 * one answer, then the reader ends. Numbers are big-endian.
 *
 *   question  "KGQ1", i64 from_us, i64 to_us, u32 size, then the iCalendar text of that many bytes
 *   answer    "KGA1", u8 truncated, u32 reports, u32 meetings, the reports, the meetings; nothing more
 *   report    u8 severity, u32 line, text uid, text reason
 *   meeting   texts uid, title, description, organizer, location; i64 start_us, end_us; u32 sequence;
 *             u8 status; u16 rooms, a text each
 *   text      u16 size, so many bytes of UTF-8 without NUL
 *
 * Sites are not carried: the relay names other rooms out of its own directory. Both programs come from one
 * build, so there is no negotiation. The answer was made beside a hostile calendar, and is taken for hostile.
 * Thread: any; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "signal/agenda.h"

enum {
    KG_AGENDA_QUESTION_BYTES = 24, /* without the text */
    KG_AGENDA_MAX_ANSWER_BYTES = 32 * 1024 * 1024,
    KG_AGENDA_READER_CPU_S = 8, /* then SIGXCPU ends it */
};

/* How the reader ends. 1 is what a sanitizer or a library ends with, 127 a loader that lacks a library. */
enum kg_agenda_reader_status {
    KG_AGENDA_READER_DONE = 0,
    KG_AGENDA_READER_UNCONFINED = 3, /* it could not shut itself in, and read nothing */
    KG_AGENDA_READER_NO_QUESTION = 4,
    KG_AGENDA_READER_NO_MEMORY = 5,
    KG_AGENDA_READER_TOO_MUCH = 6, /* the answer would be longer than KG_AGENDA_MAX_ANSWER_BYTES */
};

struct kg_agenda_question {
    int64_t from_us, to_us;
    uint32_t size;
};
void kg_agenda_question_encode(const struct kg_agenda_question *question,
                               uint8_t out[KG_AGENDA_QUESTION_BYTES]);
/* false: no question, or of more than KG_AGENDA_MAX_BYTES. */
KG_MUST_CHECK bool kg_agenda_question_decode(const uint8_t in[KG_AGENDA_QUESTION_BYTES],
                                             struct kg_agenda_question *question);

/* What kg_agenda_answer_encode takes; more than KG_AGENDA_MAX_ANSWER_BYTES: it is not to be sent. */
size_t kg_agenda_answer_bytes(const struct kg_agenda *agenda);
/* out has kg_agenda_answer_bytes. */
void kg_agenda_answer_encode(const struct kg_agenda *agenda, uint8_t *out);
/* An agenda whose every value is within the bounds of agenda.h and fit to be stored and written again:
 * counts, UTF-8 with nothing treacherous (base/utf8.h), room ids, start < end, meetings in their order and in
 * the window. NULL: it is none, or memory is short; *wrong says where, in words of ours only. */
KG_MUST_CHECK struct kg_agenda *kg_agenda_answer_decode(const uint8_t *bytes, size_t size, int64_t from_us,
                                                        int64_t to_us, const char **wrong);

/* Calendars: what is read must be writable, be read again without a remark as the same meetings, and be taken
 * by the relay when kaigi-agenda-reader answers it. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "relay/agenda_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void carry(const struct kg_agenda *a, int64_t from_us, int64_t to_us)
{
    const char *wrong;
    size_t size = kg_agenda_answer_bytes(a);
    uint8_t *answer = malloc(size);
    must(answer != NULL);
    kg_agenda_answer_encode(a, answer);
    struct kg_agenda *taken = kg_agenda_answer_decode(answer, size, from_us, to_us, &wrong);
    must(taken && taken->meeting_count == a->meeting_count && taken->report_count == a->report_count);
    kg_agenda_destroy(taken);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t from_us = (int64_t)1072915200 * 1000000, to_us = (int64_t)1830297600 * 1000000;
    struct kg_agenda *a = kg_agenda_parse((const char *)data, size, from_us, to_us);
    must(a && (a->report_count || a->meeting_count || size));
    carry(a, from_us, to_us);
    char *text = kg_agenda_format(a->meetings, a->meeting_count, NULL);
    must(text != NULL);
    struct kg_agenda *b = kg_agenda_parse(text, strlen(text), from_us, to_us);
    must(b && b->meeting_count == a->meeting_count);
    for (size_t i = 0; i < a->meeting_count; i++) {
        const struct kg_meeting *x = &a->meetings[i], *y = &b->meetings[i];
        must(kg_utf8_is_clean(x->uid, strlen(x->uid)) && kg_utf8_is_clean(x->title, strlen(x->title)) &&
             kg_utf8_is_clean(x->organizer, strlen(x->organizer)) &&
             kg_utf8_is_clean(x->location, strlen(x->location)));
        must(strcmp(x->uid, y->uid) == 0 && strcmp(x->title, y->title) == 0 &&
             strcmp(x->description, y->description) == 0 && strcmp(x->organizer, y->organizer) == 0);
        must(x->site_count == y->site_count && x->site_total == y->site_total);
        for (uint16_t s = 0; s < x->site_count; s++)
            must(strcmp(x->sites[s].organization, y->sites[s].organization) == 0 &&
                 strcmp(x->sites[s].department, y->sites[s].department) == 0 &&
                 strcmp(x->sites[s].name, y->sites[s].name) == 0);
        must(x->start_us == y->start_us && x->end_us == y->end_us && x->room_count == y->room_count);
    }
    free(text);
    kg_agenda_destroy(b);
    kg_agenda_destroy(a);
    return 0;
}

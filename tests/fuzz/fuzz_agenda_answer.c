/* What kaigi-agenda-reader may answer, made up: whatever is taken is exactly what was said, and can be
 * written as a room's agenda. */
#include <stdlib.h>
#include <string.h>

#include "relay/agenda_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t from_us = INT64_C(1072915200) * 1000000, to_us = INT64_C(1830297600) * 1000000;

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *wrong = NULL;
    struct kg_agenda *agenda = kg_agenda_answer_decode(data, size, from_us, to_us, &wrong);
    must((agenda != NULL) == (wrong == NULL));
    if (!agenda)
        return 0;
    must(kg_agenda_answer_bytes(agenda) == size);
    uint8_t *again = malloc(size);
    must(again != NULL);
    kg_agenda_answer_encode(agenda, again);
    must(memcmp(again, data, size) == 0);
    char *text = kg_agenda_format(agenda->meetings, agenda->meeting_count, NULL);
    must(text != NULL);
    free(text);
    free(again);
    kg_agenda_destroy(agenda);
    return 0;
}

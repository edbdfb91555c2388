/* Control messages of both directions: what decodes must encode, and then decode to the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "signal/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Names of later versions are read as "other", which is never written. */
static bool from_the_future(const struct kg_message *m)
{
    return (m->type == KG_MESSAGE_LEFT && m->left.reason == KG_REASON_OTHER) ||
           (m->type == KG_MESSAGE_CLOSING && m->closing.reason == KG_REASON_OTHER) ||
           (m->type == KG_MESSAGE_ERROR && m->error.code == KG_ERROR_OTHER);
}

/* What goes on other rooms' screens neither steers nor hides nor turns anything. */
static void check_names(const struct kg_participant *participants, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct kg_participant *p = &participants[i];
        must(kg_utf8_is_clean(p->organization, strlen(p->organization)) &&
             kg_utf8_is_clean(p->department, strlen(p->department)) &&
             kg_utf8_is_clean(p->name, strlen(p->name)));
    }
}

static void try_from(enum kg_message_from from, const uint8_t *data, size_t size)
{
    struct kg_message_error error;
    struct kg_message *m = kg_message_decode(from, (const char *)data, size, &error);
    if (!m) {
        must(error.code != KG_ERROR_NONE && memchr(error.text, '\0', sizeof error.text));
        /* Whatever was said to us, our refusal can be said back. */
        struct kg_message refusal = {.type = KG_MESSAGE_ERROR,
                                     .error = {error.request, error.code, error.text}};
        size_t length;
        char *text = kg_message_encode(&refusal, &length);
        must(text != NULL);
        free(text);
        return;
    }
    if (m->type == KG_MESSAGE_JOINED)
        check_names(m->joined.participants, m->joined.participant_count);
    if (m->type == KG_MESSAGE_PARTICIPANTS)
        check_names(m->participants.participants, m->participants.participant_count);
    size_t length;
    char *text = kg_message_encode(m, &length);
    if (!from_the_future(m) && text) {
        struct kg_message *again = kg_message_decode(from, text, length, &error);
        must(again != NULL);
        char *second = kg_message_encode(again, &length);
        must(second && strcmp(text, second) == 0);
        free(second);
        kg_message_destroy(again);
    } else {
        must(from_the_future(m) || size > KG_MESSAGE_MAX_BYTES / 2);
    }
    free(text);
    kg_message_destroy(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_from(KG_FROM_CLIENT, data, size);
    try_from(KG_FROM_RELAY, data, size);
    return 0;
}

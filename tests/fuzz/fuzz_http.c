/* What a server, or whoever sits in its place, answers to a POST. An answer that is whole stays whole, the
 * same, when more bytes follow it; and its limits hold. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct kg_http_answer *answer)
{
    if (answer->status < 200 || answer->status > 599 || answer->body_size > KG_HTTP_BODY_MAX ||
        answer->body[answer->body_size] != '\0' || answer->retry_after_s < -1 ||
        answer->retry_after_s > KG_HTTP_RETRY_MAX_S)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct kg_http_answer whole, half, head;
    enum kg_http_state state = kg_http_answer_read(text, size, true, &whole);
    if (state == KG_HTTP_MORE)
        abort(); /* nothing more will come */
    if (state == KG_HTTP_WHOLE) {
        check(&whole);
        if (kg_http_head_read(text, size, &head) != KG_HTTP_WHOLE || head.status != whole.status)
            abort();
    }
    if (kg_http_answer_read(text, size / 2, false, &half) == KG_HTTP_WHOLE) {
        check(&half);
        if (state != KG_HTTP_WHOLE || half.body_size != whole.body_size ||
            memcmp(half.body, whole.body, half.body_size) != 0)
            abort();
        kg_http_answer_finish(&half);
    }
    if (state == KG_HTTP_WHOLE)
        kg_http_answer_finish(&whole);
    return 0;
}

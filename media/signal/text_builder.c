#include "signal/text_builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct kg_text kg_text_init(size_t limit)
{
    return (struct kg_text){.limit = limit};
}

void kg_text_finish(struct kg_text *text)
{
    free(text->data);
    *text = (struct kg_text){.failed = true};
}

static bool make_room(struct kg_text *text, size_t more)
{
    if (text->failed || more > text->limit || text->size > text->limit - more) {
        text->failed = true;
        return false;
    }
    size_t need = text->size + more + 1;
    if (need <= text->room)
        return true;
    size_t room = KG_MAX(need, text->room * 2 + 256);
    char *data = realloc(text->data, room);
    if (!data) {
        kg_log(KG_LOG_ERROR, "signal", NULL, "memory is short: %zu bytes of text", room);
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void kg_text_add_bytes(struct kg_text *text, const char *bytes, size_t size)
{
    if (!make_room(text, size))
        return;
    memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void kg_text_add(struct kg_text *text, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (size < 0)
        text->failed = true;
    else if (make_room(text, (size_t)size)) {
        vsnprintf(text->data + text->size, (size_t)size + 1, fmt, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

char *kg_text_take(struct kg_text *text)
{
    char *data = text->failed ? NULL : text->data;
    if (data)
        text->data = NULL;
    kg_text_finish(text);
    return data;
}

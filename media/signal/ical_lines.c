#include <string.h>
#include <strings.h>

#include "signal/agenda_parse.h"

/* The next physical line without its end. */
static bool physical(struct kg_ical_reader *r, const char **at, size_t *size)
{
    if (r->pos >= r->size)
        return false;
    const char *start = r->text + r->pos;
    const char *end = memchr(start, '\n', r->size - r->pos);
    size_t length = end ? (size_t)(end - start) : r->size - r->pos;
    r->pos += length + (end ? 1 : 0);
    r->number++;
    if (length > 0 && start[length - 1] == '\r')
        length--;
    *at = start;
    *size = length;
    return true;
}

bool kg_ical_next(struct kg_ical_reader *r, struct kg_ical_line *line)
{
    const char *at;
    size_t size;
    if (!physical(r, &at, &size))
        return false;
    *line = (struct kg_ical_line){.text = r->buffer, .number = r->number};
    for (;;) {
        size_t take = KG_MIN(size, KG_AGENDA_MAX_LINE_BYTES - line->size);
        memcpy(r->buffer + line->size, at, take);
        line->size += take;
        if (take < size)
            line->too_long = true;
        bool folded = r->pos < r->size && (r->text[r->pos] == ' ' || r->text[r->pos] == '\t');
        if (!folded || !physical(r, &at, &size))
            break;
        at++;
        size--;
    }
    r->buffer[line->size] = '\0';
    return true;
}

bool kg_ical_line_is(const struct kg_ical_line *line, const char *word)
{
    size_t length = strlen(word);
    if (strncasecmp(line->text, word, length) != 0)
        return false;
    char next = line->text[length];
    return next == '\0' || next == ';' || next == ':';
}

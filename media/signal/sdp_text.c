#include "signal/sdp_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "signal/sdp.h"

struct kg_word kg_word_of(const char *text)
{
    return (struct kg_word){text, text ? strlen(text) : 0};
}

bool kg_word_next(const char **at, struct kg_word *out)
{
    if (!*at)
        return false;
    const char *start = *at + strspn(*at, " ");
    size_t size = strcspn(start, " ");
    *at = start + size;
    *out = (struct kg_word){start, size};
    return size > 0;
}

bool kg_word_is(struct kg_word word, const char *text)
{
    return strlen(text) == word.size && memcmp(word.at, text, word.size) == 0;
}

bool kg_word_is_nocase(struct kg_word word, const char *text)
{
    return strlen(text) == word.size && strncasecmp(word.at, text, word.size) == 0;
}

bool kg_word_number(struct kg_word word, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (word.size == 0 || word.size > 20)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(word.at[i] - '0');
        if (value > (max - KG_MIN(digit, max)) / 10 || value * 10 + digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool kg_word_copy(struct kg_word word, char *out, size_t size)
{
    if (word.size >= size)
        return false;
    memcpy(out, word.at, word.size);
    out[word.size] = '\0';
    return true;
}

bool kg_word_chars(struct kg_word word, const char *extra)
{
    for (size_t i = 0; i < word.size; i++) {
        char c = word.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr(extra, c)))
            return false;
    }
    return true;
}

/* Steps over lines ended by CRLF or LF (RFC 8866 §5 asks readers to take both). */
struct line {
    const char *at;
    size_t size;
    uint32_t number;
};

static bool next_line(const char *text, size_t size, size_t *pos, struct line *line)
{
    if (*pos >= size)
        return false;
    const char *start = text + *pos;
    const char *end = memchr(start, '\n', size - *pos);
    size_t length = end ? (size_t)(end - start) : size - *pos;
    *pos += length + (end ? 1 : 0);
    if (length > 0 && start[length - 1] == '\r')
        length--;
    line->at = start;
    line->size = length;
    line->number++;
    return true;
}

static bool refuse(struct kg_sdp_error *error, uint32_t line, const char *text)
{
    error->line = line;
    snprintf(error->text, sizeof(error->text), "%s", text);
    return false;
}

bool kg_sdp_text_check(const char *text, size_t size, struct kg_sdp_error *error)
{
    if (!text || size == 0)
        return refuse(error, 0, "the description is empty");
    if (size > KG_SDP_MAX_BYTES)
        return refuse(error, 0, "the description is longer than 256 kB");
    if (memchr(text, '\0', size))
        return refuse(error, 0, "the description holds a NUL character");
    size_t pos = 0;
    size_t media = 0;
    struct line line = {0};
    while (next_line(text, size, &pos, &line)) {
        if (line.number > KG_SDP_MAX_LINES)
            return refuse(error, line.number, "more than 12000 lines");
        if (line.size > KG_SDP_MAX_LINE_BYTES)
            return refuse(error, line.number, "the line is longer than 4096 bytes");
        for (size_t i = 0; i < line.size; i++)
            if ((unsigned char)line.at[i] < 0x20 || line.at[i] == 0x7f)
                return refuse(error, line.number, "a control character in the line");
        if (line.size == 0 && pos >= size)
            break; /* one empty line at the end is common */
        if (line.size < 2 || line.at[0] < 'a' || line.at[0] > 'z' || line.at[1] != '=')
            return refuse(error, line.number, "not of the form x=value");
        if (line.number == 1 && !(line.size == 3 && memcmp(line.at, "v=0", 3) == 0))
            return refuse(error, line.number, "the first line is not v=0");
        if (line.at[0] == 'm' && ++media > KG_MAX_LINES)
            return refuse(error, line.number, "more than 24 m= lines");
    }
    return true;
}

uint32_t kg_sdp_text_line(const char *text, size_t size, size_t section, int attribute)
{
    size_t pos = 0;
    size_t at = 0;
    int seen = 0;
    struct line line = {0};
    while (next_line(text, size, &pos, &line)) {
        if (line.size > 0 && line.at[0] == 'm') {
            at++;
            seen = 0;
        }
        if (at < section)
            continue;
        if (at > section)
            return 0;
        if (attribute < 0 || (line.size > 0 && line.at[0] == 'a' && seen++ == attribute))
            return line.number;
    }
    return 0;
}

#include "net/http_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STATUS_LINE_MIN = 12 /* "HTTP/1.1 200" */ };

struct head {
    int status;
    int64_t retry_after_s;
    int64_t length; /* -1: not said */
    bool chunked;
    char type[64];
    size_t size; /* with the empty line */
};

struct text {
    const char *at;
    size_t size;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits and nothing else, at most `most`; larger values are `most`. -1: not that. */
static int64_t read_number(struct text text, int64_t most)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.at[i]))
            return -1;
        if (value < most)
            value = value * 10 + (text.at[i] - '0');
    }
    return text.size == 0 ? -1 : KG_MIN(value, most);
}

static struct text trim(struct text text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = (struct text){text.at + 1, text.size - 1};
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool same(struct text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.at, word, text.size) == 0;
}

static bool read_status(struct text line, int *status)
{
    if (line.size < STATUS_LINE_MIN || strncmp(line.at, "HTTP/1.", 7) != 0 || !is_digit(line.at[7]) ||
        line.at[8] != ' ' || (line.size > STATUS_LINE_MIN && line.at[STATUS_LINE_MIN] != ' '))
        return false;
    *status = (int)read_number((struct text){line.at + 9, 3}, 999);
    return *status >= 100 && *status < 600;
}

static void read_type(struct text value, char type[64])
{
    const char *end = memchr(value.at, ';', value.size);
    if (end)
        value = trim((struct text){value.at, (size_t)(end - value.at)});
    if (value.size >= 64)
        return;
    for (size_t i = 0; i < value.size; i++) {
        char c = value.at[i];
        type[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c > ' ' && c < 0x7f ? c : '?';
    }
    type[value.size] = '\0';
}

/* RFC 9112 §5: no space before the colon, no folded lines. */
static bool read_field(struct text line, struct head *head)
{
    const char *colon = memchr(line.at, ':', line.size);
    if (!colon || colon == line.at || line.at[0] == ' ' || line.at[0] == '\t')
        return false;
    struct text name = {line.at, (size_t)(colon - line.at)};
    struct text value = trim((struct text){colon + 1, line.size - name.size - 1});
    if (same(name, "content-length")) {
        int64_t length = read_number(value, KG_HTTP_BODY_MAX + 1);
        if (length < 0 || length > KG_HTTP_BODY_MAX || (head->length >= 0 && head->length != length))
            return false;
        head->length = length;
    } else if (same(name, "transfer-encoding")) {
        if (head->chunked || !same(value, "chunked"))
            return false;
        head->chunked = true;
    } else if (same(name, "retry-after")) {
        head->retry_after_s = read_number(value, KG_HTTP_RETRY_MAX_S);
    } else if (same(name, "content-type")) {
        read_type(value, head->type);
    }
    return name.at[name.size - 1] != ' ' && name.at[name.size - 1] != '\t';
}

/* The line at `from`, without its end (LF alone is borne, RFC 9112 §2.2); false: it is not all there. */
static bool next_line(struct text bytes, size_t *from, struct text *line)
{
    const char *start = bytes.at + *from;
    const char *end = *from < bytes.size ? memchr(start, '\n', bytes.size - *from) : NULL;
    if (!end)
        return false;
    *line = (struct text){start, (size_t)(end - start)};
    if (line->size > 0 && line->at[line->size - 1] == '\r')
        line->size--;
    *from += (size_t)(end - start) + 1;
    return true;
}

static enum kg_http_state read_one_head(struct text bytes, struct head *head)
{
    *head = (struct head){.retry_after_s = -1, .length = -1};
    size_t at = 0;
    for (struct text line; next_line(bytes, &at, &line);) {
        if (at > KG_HTTP_HEAD_MAX || memchr(line.at, '\0', line.size))
            return KG_HTTP_BAD;
        if (head->status == 0) {
            if (!read_status(line, &head->status))
                return KG_HTTP_BAD;
        } else if (line.size == 0) {
            head->size = at;
            /* RFC 9112 §6.3: two lengths are one too many. */
            return head->chunked && head->length >= 0 ? KG_HTTP_BAD : KG_HTTP_WHOLE;
        } else if (!read_field(line, head)) {
            return KG_HTTP_BAD;
        }
    }
    bool begins = bytes.size < 5 || memcmp(bytes.at, "HTTP/", 5) == 0;
    return begins && bytes.size <= KG_HTTP_HEAD_MAX ? KG_HTTP_MORE : KG_HTTP_BAD;
}

/* RFC 9110 §15.2: interim answers come before the one that counts. head->size: up to the body. */
static enum kg_http_state read_head(struct text bytes, struct head *head)
{
    size_t before = 0;
    enum kg_http_state state;
    do {
        if (before > KG_HTTP_HEAD_MAX)
            return KG_HTTP_BAD;
        state = read_one_head((struct text){bytes.at + before, bytes.size - before}, head);
        before += head->size;
    } while (state == KG_HTTP_WHOLE && head->status < 200);
    head->size = before;
    return state;
}

/* RFC 9112 §7.1. body has place for all that comes. */
static enum kg_http_state read_chunks(struct text bytes, char *body, size_t *body_size)
{
    size_t at = 0;
    *body_size = 0;
    for (struct text line; next_line(bytes, &at, &line);) {
        size_t chunk = 0, digits = 0;
        for (; digits < line.size && digits < 6 && memchr("0123456789abcdefABCDEF", line.at[digits], 22);
             digits++) {
            char c = line.at[digits];
            chunk = chunk * 16 + (size_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        if (digits == 0 || (digits < line.size && line.at[digits] != ';' && line.at[digits] != ' ') ||
            chunk > KG_HTTP_BODY_MAX - *body_size)
            return KG_HTTP_BAD;
        if (chunk == 0) { /* trailers, which nobody reads, up to an empty line */
            while (next_line(bytes, &at, &line)) {
                if (line.size == 0)
                    return KG_HTTP_WHOLE;
            }
            return KG_HTTP_MORE;
        }
        if (bytes.size - at < chunk)
            return KG_HTTP_MORE;
        memcpy(body + *body_size, bytes.at + at, chunk);
        *body_size += chunk;
        at += chunk;
        if (!next_line(bytes, &at, &line))
            return KG_HTTP_MORE;
        if (line.size != 0)
            return KG_HTTP_BAD;
    }
    return KG_HTTP_MORE;
}

static enum kg_http_state read_body(struct text bytes, const struct head *head, bool ended, char *body,
                                    size_t *size)
{
    if (head->status == 204 || head->status == 304)
        return KG_HTTP_WHOLE;
    if (head->chunked)
        return read_chunks(bytes, body, size);
    if (head->length >= 0) {
        *size = (size_t)head->length;
        if (bytes.size < *size)
            return KG_HTTP_MORE;
    } else {
        *size = bytes.size;
        if (*size > KG_HTTP_BODY_MAX)
            return KG_HTTP_BAD;
        if (!ended)
            return KG_HTTP_MORE;
    }
    if (*size > 0)
        memcpy(body, bytes.at, *size);
    return KG_HTTP_WHOLE;
}

static struct kg_http_answer answer_of(const struct head *head)
{
    struct kg_http_answer answer = {.status = head->status, .retry_after_s = head->retry_after_s};
    memcpy(answer.type, head->type, sizeof answer.type);
    return answer;
}

enum kg_http_state kg_http_answer_read(const char *bytes, size_t size, bool ended,
                                       struct kg_http_answer *answer)
{
    struct head head;
    size_t body_size = 0;
    if (size > KG_HTTP_ANSWER_MAX)
        return KG_HTTP_BAD;
    enum kg_http_state state = read_head((struct text){bytes, size}, &head);
    if (state != KG_HTTP_WHOLE)
        return state == KG_HTTP_MORE && ended ? KG_HTTP_BAD : state;
    struct text rest = {bytes + head.size, size - head.size};
    char *body = malloc(rest.size + 1);
    if (!body)
        return KG_HTTP_BAD;
    state = read_body(rest, &head, ended, body, &body_size);
    if (state != KG_HTTP_WHOLE) {
        free(body);
        return state == KG_HTTP_MORE && ended ? KG_HTTP_BAD : state;
    }
    body[body_size] = '\0';
    *answer = answer_of(&head);
    answer->body = body;
    answer->body_size = body_size;
    return KG_HTTP_WHOLE;
}

enum kg_http_state kg_http_head_read(const char *bytes, size_t size, struct kg_http_answer *answer)
{
    struct head head;
    enum kg_http_state state = read_head((struct text){bytes, size}, &head);
    if (state == KG_HTTP_WHOLE)
        *answer = answer_of(&head);
    return state;
}

void kg_http_answer_finish(struct kg_http_answer *answer)
{
    free(answer->body);
    *answer = (struct kg_http_answer){0};
}

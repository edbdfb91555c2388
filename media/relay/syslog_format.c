/* An audit row as one RFC 5424 message. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "relay/syslog.h"

/* 32473 is the enterprise number for examples (RFC 5612): the project has none of its own. */
#define STRUCTURED_ID "audit@32473"

enum { FACILITY_AUDIT = 13, SEVERITY_WARNING = 4, SEVERITY_NOTICE = 5, HEADER_TEXT = 128 };

struct out {
    char *at, *end; /* end: the byte for the NUL */
};

static bool put(struct out *out, const char *text, size_t size)
{
    if (size > (size_t)(out->end - out->at))
        return false;
    memcpy(out->at, text, size);
    out->at += size;
    return true;
}

/* Stops at a character when there is no room for more; what is no text, or would steer the reader's screen,
 * is a space. quoted: inside a parameter's value. */
static void put_text(struct out *out, const char *text, bool quoted)
{
    for (size_t size = strlen(text), taken; size > 0; text += taken, size -= taken) {
        uint32_t c;
        bool fits;
        taken = kg_utf8_take(text, size, &c);
        if (taken == 0 || kg_utf8_is_treacherous(c))
            fits = put(out, " ", 1);
        else if (quoted && (c == '"' || c == '\\' || c == ']'))
            fits = put(out, (const char[]){'\\', (char)c}, 2);
        else
            fits = put(out, text, taken);
        if (!fits)
            return;
        taken = KG_MAX(taken, (size_t)1);
    }
}

/* Room for the values is kept by their bound: at worst all of each is escaped. */
static void put_parameter(struct out *out, const char *name, const char *value, size_t max)
{
    struct out part = *out;
    /* What follows must still fit: the quote, and the caller's reserve. */
    if (!put(&part, " ", 1) || !put(&part, name, strlen(name)) || !put(&part, "=\"", 2) ||
        part.at == part.end)
        return;
    struct out inside = {part.at, part.end - 1};
    if ((size_t)(inside.end - inside.at) > max)
        inside.end = inside.at + max;
    put_text(&inside, value, true);
    part.at = inside.at;
    if (put(&part, "\"", 1))
        out->at = part.at;
}

/* PRINTUSASCII without spaces, at most max bytes; "-" for nothing (§6). */
static void put_word(struct out *out, const char *text, size_t max)
{
    size_t size = 0;
    for (; text[size] > ' ' && text[size] < 0x7f && size < max; size++)
        ;
    if (size)
        put(out, text, size);
    else
        put(out, "-", 1);
}

static void put_header(struct out *out, const struct kg_audit_row *row, const char *hostname, long pid)
{
    const struct kg_audit_entry *e = &row->entry;
    char text[HEADER_TEXT];
    time_t seconds = (time_t)(e->wall_us / 1000000);
    struct tm tm;
    int priority = FACILITY_AUDIT * 8 + (e->result == KG_AUDIT_OK ? SEVERITY_NOTICE : SEVERITY_WARNING);
    size_t size = (size_t)snprintf(text, sizeof text, "<%d>1 ", priority);
    /* NILVALUE when the time is none RFC 3339 can write. */
    if (e->wall_us >= 0 && gmtime_r(&seconds, &tm) && tm.tm_year < 8100) {
        size += strftime(text + size, sizeof text - size, "%Y-%m-%dT%H:%M:%S", &tm);
        size += (size_t)snprintf(text + size, sizeof text - size, ".%06dZ ", (int)(e->wall_us % 1000000));
    } else {
        size += (size_t)snprintf(text + size, sizeof text - size, "- ");
    }
    put(out, text, size);
    put_word(out, hostname, 255);
    size = (size_t)snprintf(text, sizeof text, " kaigi-relay %ld ", pid);
    put(out, text, size);
    put_word(out, e->event_id ? e->event_id : "", 32);
    put(out, " ", 1);
}

size_t kg_syslog_format(const struct kg_audit_row *row, const char *hostname, long pid, char *out,
                        size_t size)
{
    const struct kg_audit_entry *e = &row->entry;
    struct out whole = {out, out + size - 1};
    char number[32], hash[KG_AUDIT_HASH_TEXT];
    put_header(&whole, row, hostname, pid);
    put(&whole, "[" STRUCTURED_ID, sizeof "[" STRUCTURED_ID - 1);
    /* Of what is left, the closing bracket and a short message are kept free; each text gets its share. */
    struct out data = {whole.at, whole.end - 160};
    size_t share = (size_t)(data.end - data.at) / 8;
    snprintf(number, sizeof number, "%lld", (long long)row->seq);
    kg_audit_hash_text(row->hash, hash);
    put_parameter(&data, "seq", number, sizeof number);
    put_parameter(&data, "result", kg_audit_result_name(e->result), share);
    put_parameter(&data, "hash", hash, sizeof hash);
    put_parameter(&data, "role", e->role ? e->role : "", 32);
    put_parameter(&data, "organization", e->organization ? e->organization : "", 128);
    put_parameter(&data, "actor", e->actor ? e->actor : "", share);
    put_parameter(&data, "source", e->source ? e->source : "", share);
    put_parameter(&data, "object", e->object ? e->object : "", share);
    put_parameter(&data, "detail", e->detail ? e->detail : "", 8 * share);
    whole.at = data.at;
    put(&whole, "] \xef\xbb\xbf", 5);
    put_text(&whole, e->event_id ? e->event_id : "", false);
    put(&whole, " ", 1);
    put_text(&whole, kg_audit_result_name(e->result), false);
    *whole.at = '\0';
    return (size_t)(whole.at - out);
}

#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { LINE_MAX_BYTES = 2048 };

/* Atomic: a reload changes them while threads write. */
static _Atomic enum kg_log_level max_level_seen = KG_LOG_INFO;
static _Atomic enum kg_log_format format_seen = KG_LOG_TEXT;
static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int level_priorities[] = {3, 4, 6, 7}; /* syslog's */

void kg_log_setup(enum kg_log_level max_level, enum kg_log_format format)
{
    max_level_seen = max_level;
    format_seen = format;
}

/* The character as people read it in text, or as JSON writes it (RFC 8259 §7). */
static int escape_character(char *out, size_t size, uint32_t c, bool json)
{
    if (json && c > 0xffff)
        return snprintf(out, size, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    if (json)
        return snprintf(out, size, "\\u%04x", c);
    return snprintf(out, size, c <= 0xff ? "\\x%02x" : c <= 0xffff ? "\\u%04x" : "\\U%06x", c);
}

/* Copies src as one line that is what it looks like: whatever breaks lines, steers a terminal or turns the
 * direction of writing is escaped, and so is each byte that is no UTF-8. For JSON, quotes and backslashes
 * too. */
static void escape(char *out, size_t out_size, const char *src, size_t size, bool json)
{
    size_t n = 0;
    while (size > 0 && n + 13 < out_size) { /* two \uNNNN and the NUL */
        uint32_t c = 0;
        size_t taken = kg_utf8_take(src, size, &c);
        if (taken == 0) {
            n += (size_t)snprintf(out + n, out_size - n, json ? "\\\\x%02x" : "\\x%02x", (uint8_t)*src);
            taken = 1;
        } else if (kg_utf8_is_treacherous(c)) {
            n += (size_t)escape_character(out + n, out_size - n, c, json);
        } else {
            if (json && (c == '"' || c == '\\'))
                out[n++] = '\\';
            memcpy(out + n, src, taken);
            n += taken;
        }
        src += taken;
        size -= taken;
    }
    out[n] = '\0';
}

/* Whether standard error is the journal's own socket, as systemd told this process (systemd.exec(5)). */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

void kg_log(enum kg_log_level level, const char *module, const char *event, const char *fmt, ...)
{
    if (level > max_level_seen)
        return;
    char raw[LINE_MAX_BYTES], text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 260], stamp[40];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    /* A character that vsnprintf cut at the end is never reached: text is cut before. */
    size_t size = KG_MIN((size_t)KG_MAX(length, 0), sizeof raw - 1);
    escape(text, sizeof text, raw, size, format_seen == KG_LOG_JSON);

    int64_t wall_us = kg_clock_wall_us();
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + used, sizeof stamp - used, ".%03dZ", (int)(wall_us / 1000 % 1000));

    const char *id = event ? event : "";
    /* The journal takes it off again: without it, all it shows is of one priority. */
    int n = is_journal() ? snprintf(line, sizeof line, "<%d>", level_priorities[level]) : 0;
    size_t left = sizeof line - (size_t)n;
    if (format_seen == KG_LOG_JSON)
        n += snprintf(
            line + n, left,
            "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"event\":\"%s\",\"message\":\"%s\"}\n",
            stamp, level_names[level], module, id, text);
    else
        n += snprintf(line + n, left, "%s %-5s %s: %s%s%s%s\n", stamp, level_names[level], module, text,
                      event ? " [" : "", id, event ? "]" : "");
    if (n > (int)sizeof line - 1)
        n = (int)sizeof line - 1;
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
    (void)ignored;
}

bool kg_log_allow(struct kg_log_limit *limit, int64_t now_us, uint32_t *suppressed)
{
    if (limit->used < limit->burst) {
        limit->used++;
        limit->next_us = now_us + limit->interval_us;
        *suppressed = 0;
        return true;
    }
    if (now_us < limit->next_us) {
        limit->suppressed++;
        return false;
    }
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    limit->next_us = now_us + limit->interval_us;
    return true;
}

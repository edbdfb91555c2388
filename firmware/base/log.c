#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 2048 };

/* Atomic: a reload changes them while threads write. */
static _Atomic enum kg_log_level max_level_seen = KG_LOG_INFO;
static _Atomic enum kg_log_format format_seen = KG_LOG_TEXT;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void kg_log_setup(enum kg_log_level max_level, enum kg_log_format format)
{
    max_level_seen = max_level;
    format_seen = format;
}

/* Copies src as one line: control characters become \xNN, and for JSON, quotes and backslashes are escaped.
 */
static size_t escape(char *out, size_t size, const char *src, bool json)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)src; *p && n + 7 < size; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, json ? "\\u00%c%c" : "\\x%c%c", hex[*p >> 4],
                                  hex[*p & 15]);
        } else {
            if (json && (*p == '"' || *p == '\\'))
                out[n++] = '\\';
            out[n++] = (char)*p;
        }
    }
    out[n] = '\0';
    return n;
}

void kg_log(enum kg_log_level level, const char *module, const char *event, const char *fmt, ...)
{
    if (level > max_level_seen)
        return;
    char raw[LINE_MAX_BYTES], text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 256], stamp[40];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    escape(text, sizeof text, raw, format_seen == KG_LOG_JSON);

    int64_t wall_us = kg_clock_wall_us();
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + used, sizeof stamp - used, ".%03dZ", (int)(wall_us / 1000 % 1000));

    const char *id = event ? event : "";
    int n;
    if (format_seen == KG_LOG_JSON)
        n = snprintf(
            line, sizeof line,
            "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"event\":\"%s\",\"message\":\"%s\"}\n",
            stamp, level_names[level], module, id, text);
    else
        n = snprintf(line, sizeof line, "%s %-5s %s: %s%s%s%s\n", stamp, level_names[level], module, text,
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

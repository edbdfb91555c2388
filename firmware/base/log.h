/* One line per event to stderr: text for people, JSON for machines; the journal gets its priority too.
 * Thread: any; a line is written whole. Never pass keys, tokens, passcodes or speech. English only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum kg_log_level { KG_LOG_ERROR, KG_LOG_WARN, KG_LOG_INFO, KG_LOG_DEBUG };
enum kg_log_format { KG_LOG_TEXT, KG_LOG_JSON };

/* Before threads start, and again whenever settings are reloaded; the default is INFO, TEXT. */
void kg_log_setup(enum kg_log_level max_level, enum kg_log_format format);

/* module: the folder ("net", "relay"). event: a stable id an operator may search for ("relay.started"), or
 * NULL for a passing remark. The message is one line of at most 2 kB; what
 * kg_utf8_is_treacherous, and what is no UTF-8, is escaped: \x0a, \u202e, \U0e0041. */
void kg_log(enum kg_log_level level, const char *module, const char *event, const char *fmt, ...)
    KG_PRINTF(4, 5);

/* For what a stranger can cause per packet: at most `burst` lines, then one per `interval_us`, which says how
 * many were left out (*suppressed). Owned by one thread. */
struct kg_log_limit {
    uint32_t burst;
    int64_t interval_us;
    uint32_t used;
    uint32_t suppressed;
    int64_t next_us;
};
bool kg_log_allow(struct kg_log_limit *limit, int64_t now_us, uint32_t *suppressed);

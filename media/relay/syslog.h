/* Forwards audit rows to a syslog collector: RFC 5424 over UDP (RFC 5426), TCP with octet counting (RFC 6587
 * §3.4.1) or the local /dev/log. A copy of the trail, not the trail: rows that find the bounded queue full
 * while the collector is away are lost there, counted, and said in the log and to the collector when it is
 * back. Thread: created and destroyed by one, posted to by any; owns its thread and socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/audit.h"
#include "relay/problem.h"

struct kg_syslog;

enum {
    KG_SYSLOG_QUEUE = 4096,
    KG_SYSLOG_MESSAGE_BYTES = 16 * 1024, /* a whole message, its structured data cut to fit */
    KG_SYSLOG_UDP_BYTES = 2048,          /* RFC 5424 §6.1: every receiver should take so much */
};

enum kg_syslog_transport { KG_SYSLOG_NONE, KG_SYSLOG_UDP, KG_SYSLOG_TCP, KG_SYSLOG_UNIX };
struct kg_syslog_target {
    enum kg_syslog_transport transport;
    char address[108]; /* numeric IPv4 or IPv6; a path for UNIX */
    uint16_t port;
};
/* "udp:192.0.2.1:514", "tcp:[2001:db8::1]:601", "unix:/dev/log"; NULL or "": NONE. */
KG_MUST_CHECK bool kg_syslog_target_parse(const char *text, struct kg_syslog_target *target);
/* What a target looks like, when text is none; for settings. NULL: it is one. */
const char *kg_syslog_target_expected(const char *text);

/* NULL: memory or no thread (logged). That the collector cannot be reached now is no error. */
struct kg_syslog *kg_syslog_create(const struct kg_syslog_target *target, const char *hostname);
/* Sends what waits, for at most a second. */
void kg_syslog_destroy(struct kg_syslog *syslog);
/* Copies. Never blocks. */
void kg_syslog_post(struct kg_syslog *syslog, const struct kg_audit_row *row);
/* Rows that did not reach a socket since start. Thread: any. */
uint64_t kg_syslog_lost(const struct kg_syslog *syslog);

/* One message without framing: PRI 13 (log audit) with severity notice, or warning for what was refused or
 * failed; MSGID is the event id; the fields are structured data "audit@PEN", texts in UTF-8 escaped as
 * §6.3.3 asks, what kg_utf8_is_treacherous as spaces; MSG is the BOM and one line. Returns its length, at
 * most size - 1; NUL-terminated. size ≥ 1024. */
size_t kg_syslog_format(const struct kg_audit_row *row, const char *hostname, long pid, char *out,
                        size_t size);

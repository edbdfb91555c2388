/* The audit trail's rows: who did what, when, with which result, each bound to the one before it by SHA-256,
 * so that a changed, missing or moved row shows. Pure: no I/O, no clock. Thread: any. Owns: nothing; texts
 * are borrowed. Never put speech, tokens, passcodes, keys, requests for certificates or calendar texts in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_AUDIT_HASH_BYTES = 32,
    KG_AUDIT_HASH_TEXT = 65,        /* hexadecimal with NUL */
    KG_AUDIT_MAX_TEXT_BYTES = 1000, /* of each text; the store cuts longer ones at a character */
};

enum kg_audit_result { KG_AUDIT_OK, KG_AUDIT_REFUSED, KG_AUDIT_FAILED };
/* "ok", "refused", "failed". */
const char *kg_audit_result_name(enum kg_audit_result result);
bool kg_audit_result_parse(const char *name, enum kg_audit_result *result);

/* What a writer says. A NULL text counts as "". */
struct kg_audit_entry {
    const char *event_id;     /* stable: "room.revoked" */
    const char *actor;        /* administrator's or room's id, "local:1000" on the admin socket */
    const char *role;         /* "operator", "administrator", "auditor", "room", "relay" */
    const char *source;       /* address it came from */
    const char *organization; /* whose row this is; "": the relay's own */
    const char *object;       /* what it was done to: an id */
    const char *detail;
    enum kg_audit_result result;
    int64_t wall_us; /* 0: the store's time of writing */
};

struct kg_audit_row {
    int64_t seq; /* from 1, without gaps */
    struct kg_audit_entry entry;
    uint8_t prev[KG_AUDIT_HASH_BYTES]; /* the row before's hash; of row 1: zeros */
    uint8_t hash[KG_AUDIT_HASH_BYTES];
};

/* What an export ends with and what shall be kept elsewhere: up to here the trail said this. */
struct kg_audit_anchor {
    int64_t seq; /* 0: no row yet */
    uint8_t hash[KG_AUDIT_HASH_BYTES];
    int64_t count;   /* rows of the export */
    int64_t wall_us; /* when it was made */
};

/* hash = SHA-256(prev ‖ fields): seq and wall_us as 8 bytes big-endian, result as 1, each text after its
 * length in 4 bytes big-endian; in the order seq, event_id, wall_us, actor, role, source, organization,
 * object, result, detail. false: OpenSSL has no SHA-256 (memory). */
KG_MUST_CHECK bool kg_audit_hash(const struct kg_audit_row *row, uint8_t hash[KG_AUDIT_HASH_BYTES]);
void kg_audit_hash_text(const uint8_t hash[KG_AUDIT_HASH_BYTES], char text[KG_AUDIT_HASH_TEXT]);
KG_MUST_CHECK bool kg_audit_hash_parse(const char *text, uint8_t hash[KG_AUDIT_HASH_BYTES]);

enum kg_audit_fault {
    KG_AUDIT_SOUND,
    KG_AUDIT_ALTERED,    /* the row's hash is not that of its fields */
    KG_AUDIT_BROKEN,     /* prev is not the hash of the row before */
    KG_AUDIT_MISSING,    /* rows before this one are not there, or it stands out of order */
    KG_AUDIT_TRUNCATED,  /* the newest rows are not there: an anchor, or the store's own note, says more */
    KG_AUDIT_FORKED,     /* the row of an anchor has another hash: history was rewritten */
    KG_AUDIT_UNREADABLE, /* a row or line that cannot be read at all */
};
/* Whether an anchor was compared: without one, nothing tells of rows that were taken away or rewritten by
 * somebody who made all the rest fit. */
enum kg_audit_compared {
    KG_AUDIT_NO_ANCHOR,
    KG_AUDIT_ANCHOR_MET,
    KG_AUDIT_ANCHOR_TOO_OLD, /* not compared: it speaks of a row whose time is over */
};
struct kg_audit_verdict {
    enum kg_audit_fault fault;
    int64_t seq; /* the first wrong row; SOUND: the last row */
    int64_t first_seq;
    int64_t count;                     /* rows that were in order */
    uint8_t hash[KG_AUDIT_HASH_BYTES]; /* of the last row in order */
    enum kg_audit_compared compared;   /* when SOUND */
    char text[240];                    /* one English line */
};

/* Walks rows in order. `partial`: rows of other 団体 are left out, so gaps in seq are no fault. */
struct kg_audit_check {
    bool partial, started;
    int64_t next_seq;
    int64_t gap_seq; /* partial: the first row left out after the first one read; 0: none */
    uint8_t next_prev[KG_AUDIT_HASH_BYTES];
    struct kg_audit_anchor anchor; /* to be met on the way; seq 0: none */
    bool anchor_met;
    struct kg_audit_verdict verdict;
};
/* first_prev NULL: whatever the first row says (an export that begins in the middle). */
void kg_audit_check_begin(struct kg_audit_check *check, bool partial, int64_t first_seq,
                          const uint8_t *first_prev, const struct kg_audit_anchor *anchor);
/* false from the first fault on. */
KG_MUST_CHECK bool kg_audit_check_row(struct kg_audit_check *check, const struct kg_audit_row *row);
/* head_seq and head_hash: where the trail must end (NULL: wherever it does). Says the verdict. */
const struct kg_audit_verdict *kg_audit_check_end(struct kg_audit_check *check, int64_t head_seq,
                                                  const uint8_t *head_hash);
/* One line about it for people; "met", "none" or "too-old" for programs. */
const char *kg_audit_compared_text(enum kg_audit_compared compared);
const char *kg_audit_compared_name(enum kg_audit_compared compared);
/* Marks a fault found by the caller. Always false. */
bool kg_audit_check_fail(struct kg_audit_check *check, enum kg_audit_fault fault, int64_t seq,
                         const char *why);

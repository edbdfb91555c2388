/* The relay's memory on disk: who may meet, what is planned and the audit trail, in one SQLite database (WAL,
 * every acknowledged write synced). The control thread posts copies of what to write; the store's writing
 * thread writes them in order and answers in a queue; its reading thread lists, exports, verifies and copies
 * meanwhile. The tables are read once, at start, into a snapshot: control's own tables are the truth while
 * the relay runs. A store that fails refuses writes and says so; it never stops the relay.
 * Thread: opened, posted to and closed by control; owns its threads and connections. */
#pragma once

#include <jansson.h>

#include "relay/audit.h"
#include "relay/problem.h"
#include "relay/store_rows.h"

struct kg_store;
struct kg_queue;
struct kg_syslog;

enum { KG_STORE_QUEUE = 1024, KG_STORE_LIST_ROWS = 1000, KG_STORE_EXPORT_ROWS = 5000 };

enum kg_store_status {
    KG_STORE_OK,
    KG_STORE_FULL,    /* disk or quota */
    KG_STORE_LOCKED,  /* another program holds it */
    KG_STORE_CORRUPT, /* not a database any more */
    KG_STORE_FAILED,  /* anything else: read-only, I/O error */
    KG_STORE_REFUSED, /* the change contradicts what is stored, e.g. a room of an unknown organization */
};
/* One English line with the remedy: "the store's disk is full; ...". */
const char *kg_store_status_text(enum kg_store_status status);

/* What a read found. The receiver of the result frees it. */
struct kg_store_answer {
    json_t *rows; /* list: an array of kg_audit_row_json */
    char *text;   /* export: lines, each with its '\n'; the last page ends with the anchor */
    int64_t row_count;
    int64_t next_seq;                /* list, export: after_seq of the next page; 0: this was the last */
    int64_t until_seq;               /* export: to be given with the next page */
    struct kg_audit_anchor anchor;   /* export: on the last page; backup: the copy's */
    struct kg_audit_verdict verdict; /* verify, backup */
    struct kg_problem problem;       /* when the status is not OK */
};
void kg_store_answer_destroy(struct kg_store_answer *answer);

struct kg_store_result {
    uint64_t request;
    enum kg_store_status status;
    struct kg_store_answer
        *answer; /* of reads, also of failed ones; NULL of writes or when memory is short */
};

struct kg_store_params {
    const char *path;
    struct kg_queue *results; /* of struct kg_store_result; borrowed */
    int64_t retention_days;   /* of audit rows; 0: for ever */
    struct kg_syslog *syslog; /* takes a copy of each audit row once written; NULL: none; borrowed */
    int64_t copy_retry_us;    /* after a good copy that failed; 0: a minute */
};
/* Opens (makes) the database, brings it to the newest version, reads *snapshot and starts the threads.
 * NULL: cannot start so: *problem. A corrupt file is put aside as PATH.corrupt-SECONDS and the newest good
 * copy (PATH.backup) takes its place, which is logged. */
struct kg_store *kg_store_open(const struct kg_store_params *params, struct kg_store_snapshot *snapshot,
                               struct kg_problem *problem);
/* Writes what is queued (at most 2 s), then ends. Reads under way are given up. */
void kg_store_close(struct kg_store *store);

enum kg_store_change_kind {
    KG_STORE_PUT_ORGANIZATION,
    KG_STORE_REMOVE_ORGANIZATION, /* id. Its meetings, settings and places in communities go too; rooms or
                                     administrators that are left: KG_STORE_REFUSED */
    KG_STORE_PUT_ROOM,            /* with its certificate, unless serial is "" */
    KG_STORE_PUT_ADMINISTRATOR,   /* with its certificate */
    KG_STORE_PUT_CERTIFICATE,     /* one more of its owner */
    KG_STORE_TAKE_CERTIFICATE,    /* a room's: its present one from now on, and those that end no later are
                                     retired as of its retired_s; nothing else of the room. Revoked or retired
                                     meanwhile: nothing */
    KG_STORE_PUT_COMMUNITY,       /* with its organizations; rooms of others leave it */
    KG_STORE_REMOVE_COMMUNITY,    /* id */
    KG_STORE_JOIN_COMMUNITY,      /* id and member, a room's id */
    KG_STORE_LEAVE_COMMUNITY,     /* the same */
    KG_STORE_PUT_SETTING,
    KG_STORE_REMOVE_SETTING, /* scope, scope_id and key of it */
    KG_STORE_PUT_MEETING,    /* one of the same uid is replaced */
    KG_STORE_PUT_SEAT,       /* one of the same meeting and room is replaced */
    KG_STORE_REMOVE_SEAT,    /* meeting_uid and room of it */
};
struct kg_store_change {
    enum kg_store_change_kind kind;
    union {
        const struct kg_store_organization *organization;
        const struct kg_store_room *room;
        const struct kg_store_administrator *administrator;
        const struct kg_store_certificate *certificate;
        const struct kg_store_community *community;
        const struct kg_store_setting *setting;
        const struct kg_meeting *meeting;
        const struct kg_store_seat *seat;
        const char *id;
    };
    const char *member;
};

/* All changes (any number, none too) and the audit row in ONE transaction: neither without the other. Copies
 * everything. audit NULL: only for seats. false: the queue is full or memory is short; nothing is written.
 * With request 0 no result is sent, and a failure is logged and counted; otherwise exactly one comes. */
KG_MUST_CHECK bool kg_store_write(struct kg_store *store, uint64_t request,
                                  const struct kg_store_change *changes, size_t count,
                                  const struct kg_audit_entry *audit);

struct kg_audit_filter {
    const char *organization; /* NULL: all; "": the relay's own */
    const char *event_id;     /* NULL: all; "room." with its dot: all that begin so */
    int64_t from_us, to_us;   /* wall clock, from ≤ t < to; to 0: no end */
    int64_t after_seq;        /* paging: from the answer before; 0: from the start */
    int64_t until_seq;        /* export: from the answer before; 0: up to now */
    int64_t rows_before;      /* export: rows of the earlier pages */
    uint32_t limit;           /* 0, or more than the page's maximum: that maximum */
    bool newest_first;        /* list */
};
/* Reads: each is answered by one result with an answer. false: too many wait already, or memory. */
KG_MUST_CHECK bool kg_store_audit_list(struct kg_store *store, uint64_t request,
                                       const struct kg_audit_filter *filter);
/* A page of the export; its anchor is remembered by the store. */
KG_MUST_CHECK bool kg_store_audit_export(struct kg_store *store, uint64_t request,
                                         const struct kg_audit_filter *filter);
/* The whole trail; against an anchor that was kept elsewhere too, unless NULL. */
KG_MUST_CHECK bool kg_store_audit_verify(struct kg_store *store, uint64_t request,
                                         const struct kg_audit_anchor *anchor);
/* A whole, checked and synced copy at `path`, which appears under that name only when it is right. */
KG_MUST_CHECK bool kg_store_backup(struct kg_store *store, uint64_t request, const char *path);

/* The last write's fate and how many were lost since start. Thread: any. */
enum kg_store_status kg_store_health(struct kg_store *store, uint64_t *lost);

/* A write of one seat, without an audit row. */
KG_MUST_CHECK bool kg_store_put_seat(struct kg_store *store, uint64_t request,
                                     const struct kg_store_seat *seat);
KG_MUST_CHECK bool kg_store_remove_seat(struct kg_store *store, uint64_t request, const char *meeting_uid,
                                        const char *room);

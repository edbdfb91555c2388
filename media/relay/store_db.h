/* The store's SQL: what its writing thread does with its one connection. Thread: one at a time. */
#pragma once

#include <sqlite3.h>

#include "relay/store.h"

/* A change that owns what it changes. */
struct kg_store_item {
    enum kg_store_change_kind kind;
    union {
        struct kg_store_organization organization;
        struct kg_store_room room;
        struct kg_store_administrator administrator;
        struct kg_store_certificate certificate;
        struct kg_store_community community;
        struct kg_store_setting setting;
        struct kg_meeting meeting;
        struct kg_store_seat seat;
    };
    char *id, *member;
};
struct kg_store_job {
    uint64_t request;
    struct kg_store_item *items;
    size_t count;
    bool audited;
    struct kg_audit_entry audit;   /* texts owned */
    struct kg_audit_anchor anchor; /* seq > 0: remember it */
    uint64_t lost_rows;            /* > 0: a row of the trail tells of so many, before the job's own */
    int64_t lost_since_us;
};
/* store_job.c. NULL: memory. */
struct kg_store_job *kg_store_job_create(uint64_t request, const struct kg_store_change *changes,
                                         size_t count, const struct kg_audit_entry *audit);
void kg_store_job_destroy(struct kg_store_job *job);

/* Opens, makes or migrates. NULL with *status and *problem. */
sqlite3 *kg_store_db_open(const char *path, enum kg_store_status *status, struct kg_problem *problem);
/* For reading alone, beside the one that writes. NULL: *status. */
sqlite3 *kg_store_db_open_reader(const char *path, enum kg_store_status *status);
void kg_store_db_close(sqlite3 *db);
/* The write-ahead log is emptied into the file only once a good copy holds as much (store_recover.h): never
 * by this connection on its own, nor at its end. */
void kg_store_db_keep_log(sqlite3 *db);
enum kg_store_status kg_store_db_status(int sqlite_code);

/* store_load.c. false with *status: nothing of *snapshot is left allocated. */
KG_MUST_CHECK bool kg_store_db_load(sqlite3 *db, struct kg_store_snapshot *snapshot,
                                    enum kg_store_status *status);

/* store_write.c. One transaction, whole or not at all. row: the audit row as written (seq 0: none); its texts
 * are the job's; may be NULL. */
enum kg_store_status kg_store_db_run(sqlite3 *db, const struct kg_store_job *job, struct kg_audit_row *row);

/* The store's SQL: what the store thread does with its one connection. Thread: one at a time. */
#pragma once

#include <sqlite3.h>

#include "relay/store.h"

enum kg_store_job_kind {
    KG_STORE_JOB_ROOM,
    KG_STORE_JOB_MEETINGS,
    KG_STORE_JOB_SEAT,
    KG_STORE_JOB_REMOVE_SEAT,
    KG_STORE_JOB_EVENT,
};
struct kg_store_job {
    enum kg_store_job_kind kind;
    uint64_t request;
    struct kg_store_room room;
    struct kg_meeting *meetings;
    size_t meeting_count;
    struct kg_store_seat seat; /* REMOVE_SEAT: meeting_uid and room */
    int64_t wall_us;
    char *text[4]; /* EVENT: kind, meeting, room, detail */
};

/* Opens, makes or migrates. NULL with *status and *problem. */
sqlite3 *kg_store_db_open(const char *path, enum kg_store_status *status, struct kg_problem *problem);
void kg_store_db_close(sqlite3 *db);
/* false with *status: nothing of *snapshot is left allocated. */
KG_MUST_CHECK bool kg_store_db_load(sqlite3 *db, struct kg_store_snapshot *snapshot,
                                    enum kg_store_status *status);
/* One transaction, whole or not at all. */
enum kg_store_status kg_store_db_run(sqlite3 *db, const struct kg_store_job *job);
/* A whole copy at `path`, replaced at once. false: not possible now (logged). */
bool kg_store_db_backup(sqlite3 *db, const char *path);
enum kg_store_status kg_store_db_status(int sqlite_code);

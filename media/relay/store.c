#include "relay/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/store_db.h"

enum { CLOSE_WAIT_US = 2000000 };

struct kg_store {
    struct kg_queue *jobs;    /* of struct kg_store_job *; each its own heap block */
    struct kg_queue *results; /* borrowed */
    struct kg_thread thread;
    sqlite3 *db; /* the store thread's after start */
    char *backup_path;
    atomic_int health;
    _Atomic uint64_t lost;
    _Atomic int64_t give_up_us; /* closing: jobs after this are dropped */
};

const char *kg_store_status_text(enum kg_store_status status)
{
    switch (status) {
    case KG_STORE_OK:
        return "in order";
    case KG_STORE_FULL:
        return "the disk is full; free space in the state folder";
    case KG_STORE_LOCKED:
        return "another program holds the store; close whatever has opened it";
    case KG_STORE_CORRUPT:
        return "the file is damaged; restart the relay to go back to its last good copy";
    case KG_STORE_FAILED:
        break;
    case KG_STORE_REFUSED:
        return "the change contradicts what is stored; list what there is and try again";
    }
    return "it cannot be written; check the state folder's disk and permissions";
}

/* The old write-ahead log belongs to the old file. */
static void remove_log(const char *path)
{
    char extra[4096 + 8];
    snprintf(extra, sizeof extra, "%s-wal", path);
    unlink(extra);
    snprintf(extra, sizeof extra, "%s-shm", path);
    unlink(extra);
}

static void restore_missing(const char *path, const char *backup_path)
{
    if (access(path, F_OK) == 0 || errno != ENOENT || access(backup_path, F_OK) != 0)
        return;
    remove_log(path);
    if (rename(backup_path, path) == 0)
        kg_log(KG_LOG_ERROR, "relay", "store.restored",
               "the store %s was gone: continuing with the last good copy", path);
}

/* Puts a damaged database aside (never deleted: somebody may rescue it) and the last good copy in its place.
 */
static bool put_aside(const char *path, const char *backup_path, struct kg_problem *problem)
{
    char aside[4096 + 40];
    int taken = -1;
    for (long long number = (long long)time(NULL); taken != 0; number++) {
        snprintf(aside, sizeof aside, "%s.corrupt-%lld", path, number);
        taken = renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE);
        if (taken != 0 && errno != EEXIST)
            break;
    }
    if (taken != 0)
        return kg_problem_set(problem, "the store %s is damaged and cannot be put aside: %s", path,
                              strerror(errno));
    remove_log(path);
    bool restored = rename(backup_path, path) == 0;
    kg_log(KG_LOG_ERROR, "relay", restored ? "store.restored" : "store.lost",
           restored
               ? "the store was damaged: kept as %s, continuing with the last good copy"
               : "the store was damaged: kept as %s; there is no good copy, so rooms must be added and the "
                 "agenda imported again",
           aside);
    return true;
}

static sqlite3 *open_or_restore(const char *path, const char *backup_path, struct kg_store_snapshot *snapshot,
                                struct kg_problem *problem)
{
    restore_missing(path, backup_path);
    /* The file, then its backup, then an empty one. */
    for (int attempt = 0; attempt < 3; attempt++) {
        enum kg_store_status status;
        sqlite3 *db = kg_store_db_open(path, &status, problem);
        if (db && kg_store_db_load(db, snapshot, &status))
            return db;
        if (db)
            kg_problem_set(problem, "cannot read the store %s: %s", path, kg_store_status_text(status));
        kg_store_db_close(db);
        if (status != KG_STORE_CORRUPT || !put_aside(path, backup_path, problem))
            break;
    }
    return NULL;
}

static void free_job(struct kg_store_job *job)
{
    if (!job)
        return;
    kg_store_room_finish(&job->room);
    for (size_t i = 0; i < job->meeting_count; i++)
        kg_store_meeting_finish(&job->meetings[i]);
    free(job->meetings);
    kg_store_seat_finish(&job->seat);
    for (size_t i = 0; i < KG_ARRAY_LEN(job->text); i++)
        free(job->text[i]);
    free(job);
}

static void note_health(struct kg_store *store, const struct kg_store_job *job, enum kg_store_status status)
{
    enum kg_store_status before = (enum kg_store_status)atomic_exchange(&store->health, (int)status);
    if (status != KG_STORE_OK && job->request == 0)
        atomic_fetch_add(&store->lost, 1);
    if (status != before && status != KG_STORE_OK)
        kg_log(KG_LOG_ERROR, "relay", "store.failed", "nothing more is written down: %s. Meetings go on",
               kg_store_status_text(status));
    else if (status != before)
        kg_log(KG_LOG_WARN, "relay", "store.recovered", "the store works again; %llu records were lost",
               (unsigned long long)atomic_load(&store->lost));
}

static void run_store(void *arg)
{
    struct kg_store *store = arg;
    struct kg_store_job *job;
    while (kg_queue_pop_wait(store->jobs, &job, INT64_MAX)) {
        enum kg_store_status status = KG_STORE_FAILED;
        if (kg_clock_now_us() < atomic_load(&store->give_up_us))
            status = kg_store_db_run(store->db, job);
        note_health(store, job, status);
        if (status == KG_STORE_OK && (job->kind == KG_STORE_JOB_ROOM || job->kind == KG_STORE_JOB_MEETINGS))
            kg_store_db_backup(store->db, store->backup_path);
        struct kg_store_result result = {.request = job->request, .status = status};
        if (job->request && !kg_queue_push(store->results, &result))
            kg_log(KG_LOG_ERROR, "relay", NULL, "an answer of the store finds its reader's queue full");
        free_job(job);
    }
}

struct kg_store *kg_store_open(const struct kg_store_params *params, struct kg_store_snapshot *snapshot,
                               struct kg_problem *problem)
{
    const char *path = params->path;
    char backup[4096];
    struct kg_store *store = calloc(1, sizeof *store);
    snprintf(backup, sizeof backup, "%s.backup", path);
    if (!store || !(store->backup_path = strdup(backup)) ||
        !(store->jobs = kg_queue_create(KG_STORE_QUEUE, sizeof(struct kg_store_job *)))) {
        kg_problem_set(problem, "no memory for the store");
        goto free_store;
    }
    store->results = params->results;
    atomic_store(&store->give_up_us, INT64_MAX);
    store->db = open_or_restore(path, store->backup_path, snapshot, problem);
    if (!store->db)
        goto free_store;
    /* After a restoration, or a first start: the next damage shall find a copy too. */
    if (access(store->backup_path, F_OK) != 0)
        kg_store_db_backup(store->db, store->backup_path);
    if (!kg_thread_start(&store->thread, "store", run_store, store)) {
        kg_problem_set(problem, "cannot start the store's thread");
        goto close_db;
    }
    return store;

close_db:
    kg_store_snapshot_finish(snapshot);
    kg_store_db_close(store->db);
free_store:
    if (store) {
        kg_queue_destroy(store->jobs);
        free(store->backup_path);
    }
    free(store);
    return NULL;
}

void kg_store_close(struct kg_store *store)
{
    if (!store)
        return;
    atomic_store(&store->give_up_us, kg_clock_now_us() + CLOSE_WAIT_US);
    kg_queue_close(store->jobs);
    kg_thread_join(&store->thread);
    kg_store_db_close(store->db);
    kg_queue_destroy(store->jobs);
    free(store->backup_path);
    free(store);
}

/* complete: every copy in it succeeded. */
static bool post(struct kg_store *store, struct kg_store_job *job, bool complete)
{
    if (job && complete && kg_queue_push(store->jobs, &job))
        return true;
    atomic_fetch_add(&store->lost, 1);
    free_job(job);
    return false;
}

static struct kg_store_job *new_job(enum kg_store_job_kind kind, uint64_t request)
{
    struct kg_store_job *job = calloc(1, sizeof *job);
    if (job) {
        job->kind = kind;
        job->request = request;
    }
    return job;
}

bool kg_store_put_room(struct kg_store *store, uint64_t request, const struct kg_store_room *room)
{
    struct kg_store_job *job = new_job(KG_STORE_JOB_ROOM, request);
    return post(store, job, job && kg_store_room_copy(&job->room, room));
}

bool kg_store_put_meetings(struct kg_store *store, uint64_t request, const struct kg_meeting *meetings,
                           size_t count)
{
    struct kg_store_job *job = new_job(KG_STORE_JOB_MEETINGS, request);
    bool ok = job && (job->meetings = calloc(count ? count : 1, sizeof *job->meetings)) != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        ok = kg_store_meeting_copy(&job->meetings[i], &meetings[i]);
        job->meeting_count += ok;
    }
    return post(store, job, ok);
}

bool kg_store_put_seat(struct kg_store *store, uint64_t request, const struct kg_store_seat *seat)
{
    struct kg_store_job *job = new_job(KG_STORE_JOB_SEAT, request);
    if (job) {
        job->seat = *seat;
        job->seat.meeting_uid = strdup(seat->meeting_uid);
        job->seat.room = strdup(seat->room);
    }
    return post(store, job, job && job->seat.meeting_uid && job->seat.room);
}

bool kg_store_remove_seat(struct kg_store *store, uint64_t request, const char *meeting_uid, const char *room)
{
    struct kg_store_job *job = new_job(KG_STORE_JOB_REMOVE_SEAT, request);
    if (job) {
        job->seat.meeting_uid = strdup(meeting_uid);
        job->seat.room = strdup(room);
    }
    return post(store, job, job && job->seat.meeting_uid && job->seat.room);
}

bool kg_store_put_event(struct kg_store *store, int64_t wall_us, const char *kind, const char *meeting_uid,
                        const char *room, const char *detail)
{
    const char *text[] = {kind, meeting_uid, room, detail};
    struct kg_store_job *job = new_job(KG_STORE_JOB_EVENT, 0);
    bool ok = job != NULL;
    for (size_t i = 0; i < KG_ARRAY_LEN(text) && ok; i++) {
        job->text[i] = strdup(text[i]);
        ok = job->text[i] != NULL;
    }
    if (job)
        job->wall_us = wall_us;
    return post(store, job, ok);
}

enum kg_store_status kg_store_health(struct kg_store *store, uint64_t *lost)
{
    *lost = atomic_load(&store->lost);
    return (enum kg_store_status)atomic_load(&store->health);
}

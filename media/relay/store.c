#include "relay/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/store_audit.h"
#include "relay/store_backup.h"
#include "relay/store_db.h"
#include "relay/store_reader.h"
#include "relay/store_recover.h"
#include "relay/store_sql.h"
#include "relay/syslog.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)

enum {
    PRUNE_ROWS = 2000,     /* a transaction: some 20 ms */
    COPY_LOG_PAGES = 1000, /* of write-ahead log, or a quarter of the file: time for a new good copy */
    LONGEST_LOG = 16,      /* times as much: writing waits for the copy, that the log may begin anew */
    COPY_REST = 4,         /* times as long as the last one took, before the next */
};
static const int64_t close_wait_us = 2 * SECOND_US, first_prune_us = 60 * SECOND_US,
                     default_retry_us = 60 * SECOND_US;

struct kg_store {
    struct kg_queue *jobs;    /* of struct kg_store_job *; each its own heap block */
    struct kg_queue *results; /* borrowed */
    struct kg_syslog *syslog; /* borrowed */
    struct kg_store_reader *reader;
    struct kg_thread thread;
    sqlite3 *db; /* the writing thread's after start, like the rest of this block */
    char *copy_path;
    int64_t retention_us, prune_at_us, copy_retry_us;
    int log_pages;
    bool copy_wanted;
    int64_t copy_began_us;
    atomic_bool copying;     /* the reading thread does */
    atomic_bool copy_failed; /* and it did not succeed */
    _Atomic int64_t next_copy_us;

    atomic_int health;
    _Atomic uint64_t lost;
    _Atomic uint64_t lost_rows;    /* of them, rows of the audit trail */
    _Atomic int64_t lost_since_us; /* wall clock, of the first that no row tells of yet; 0: none */
    uint64_t told_rows;            /* the writing thread's */
    _Atomic int64_t give_up_us;    /* closing: jobs after this are dropped */
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

static void note_lost(struct kg_store *store, bool audited)
{
    int64_t none = 0;
    atomic_fetch_add(&store->lost, 1);
    if (!audited)
        return;
    atomic_compare_exchange_strong(&store->lost_since_us, &none, kg_clock_wall_us());
    atomic_fetch_add(&store->lost_rows, 1);
}

static void note_health(struct kg_store *store, const struct kg_store_job *job, enum kg_store_status status)
{
    if (status != KG_STORE_OK && job->request == 0)
        note_lost(store, job->audited);
    /* A store that refuses a contradiction is in order. */
    if (status == KG_STORE_REFUSED)
        status = KG_STORE_OK;
    enum kg_store_status before = (enum kg_store_status)atomic_exchange(&store->health, (int)status);
    if (status != before && status != KG_STORE_OK)
        kg_log(KG_LOG_ERROR, "relay", "store.failed", "nothing more is written down: %s. Meetings go on",
               kg_store_status_text(status));
    else if (status != before)
        kg_log(KG_LOG_WARN, "relay", "store.recovered", "the store works again; %llu records were lost",
               (unsigned long long)atomic_load(&store->lost));
}

static bool is_by_hand(const struct kg_store_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        if (job->items[i].kind != KG_STORE_PUT_SEAT && job->items[i].kind != KG_STORE_REMOVE_SEAT)
            return true;
    }
    return false;
}

static void run_job(struct kg_store *store, struct kg_store_job *job)
{
    struct kg_audit_row row = {0};
    enum kg_store_status status = KG_STORE_FAILED;
    uint64_t lost_rows = atomic_load(&store->lost_rows);
    job->lost_rows = lost_rows - store->told_rows;
    job->lost_since_us = atomic_load(&store->lost_since_us);
    if (kg_clock_now_us() < atomic_load(&store->give_up_us))
        status = kg_store_db_run(store->db, job, &row);
    if (status == KG_STORE_OK && job->lost_rows > 0) {
        store->told_rows = lost_rows;
        /* One lost meanwhile has no time of its own, but the next row tells of it. */
        atomic_store(&store->lost_since_us,
                     atomic_load(&store->lost_rows) > lost_rows ? kg_clock_wall_us() : 0);
    }
    note_health(store, job, status);
    if (status == KG_STORE_OK && is_by_hand(job))
        store->copy_wanted = true;
    if (row.seq > 0 && store->syslog)
        kg_syslog_post(store->syslog, &row);
    struct kg_store_result result = {.request = job->request, .status = status};
    if (job->request && !kg_queue_push(store->results, &result))
        kg_log(KG_LOG_ERROR, "relay", NULL, "an answer of the store finds its reader's queue full");
}

static int note_log(void *user, sqlite3 *db, const char *name, int pages)
{
    struct kg_store *store = user;
    (void)db;
    (void)name;
    store->log_pages = pages;
    return SQLITE_OK;
}

/* The writing thread itself, everything else waiting. */
static void copy_now(struct kg_store *store)
{
    struct kg_problem problem;
    struct kg_store_copy copy = {.path = store->copy_path, .replace = true};
    store->copy_wanted = kg_store_copy(store->db, &copy, NULL, &problem) != KG_STORE_OK;
    if (store->copy_wanted)
        kg_log(KG_LOG_WARN, "relay", "store.backup-failed", "%s", problem.text);
    else if (sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
             SQLITE_OK)
        store->log_pages = 0;
    atomic_store(&store->next_copy_us, kg_clock_now_us() + store->copy_retry_us);
}

/* In the reading thread. */
static void copy_made(void *user, bool made)
{
    struct kg_store *store = user;
    int64_t now_us = kg_clock_now_us(), took_us = now_us - store->copy_began_us;
    atomic_store(&store->next_copy_us, now_us + (made ? COPY_REST * took_us : store->copy_retry_us));
    atomic_store(&store->copy_failed, !made);
    atomic_store(&store->copying, false);
}

/* File and log together are the store; the good copy and the log as well. So the log may only be emptied as
 * far as a good copy goes, and it grows until one is made. Changes by hand are copied soon, for the log may
 * be damaged too; rows of the audit trail once they are many. */
static void keep_good_copy(struct kg_store *store)
{
    int64_t now_us = kg_clock_now_us(), pages = COPY_LOG_PAGES;
    if (atomic_load(&store->copying))
        return;
    if (atomic_exchange(&store->copy_failed, false))
        store->copy_wanted = true;
    if (now_us < atomic_load(&store->next_copy_us) ||
        (!store->copy_wanted && store->log_pages < COPY_LOG_PAGES))
        return;
    if (kg_sql_integer(store->db, "PRAGMA page_count", &pages) != SQLITE_OK) {
        atomic_store(&store->next_copy_us, now_us + store->copy_retry_us);
        return;
    }
    pages = KG_MAX(COPY_LOG_PAGES, pages / 4);
    if (store->log_pages > LONGEST_LOG * pages) {
        copy_now(store);
    } else if (store->copy_wanted || store->log_pages >= pages) {
        struct kg_store_read read = {.kind = KG_STORE_READ_GOOD_COPY, .path = store->copy_path};
        store->copy_began_us = now_us;
        atomic_store(&store->copying, true);
        store->copy_wanted = !kg_store_reader_post(store->reader, &read);
        if (store->copy_wanted)
            copy_made(store, false);
    }
}

/* When there is something to do besides jobs. */
static int64_t next_turn_us(struct kg_store *store)
{
    static const int64_t look_again_us = 200000;
    bool copying = atomic_load(&store->copying);
    if (!copying && !store->copy_wanted && !atomic_load(&store->copy_failed))
        return store->prune_at_us;
    int64_t copy_us = copying ? kg_clock_now_us() + look_again_us : atomic_load(&store->next_copy_us);
    return KG_MIN(copy_us, store->prune_at_us);
}

/* A batch at a time, so that writes in between wait for one short transaction only. */
static void prune(struct kg_store *store)
{
    int64_t now_us = kg_clock_wall_us(), pruned = 0;
    int code = kg_store_audit_prune(store->db, now_us - store->retention_us, now_us, PRUNE_ROWS, &pruned);
    store->prune_at_us = kg_clock_now_us() + (pruned == PRUNE_ROWS ? SECOND_US : DAY_US);
    if (code != SQLITE_OK)
        kg_log(KG_LOG_WARN, "relay", "audit.prune-failed", "rows past their time stay for now: %s",
               kg_store_status_text(kg_store_db_status(code)));
    else if (pruned > 0)
        kg_log(KG_LOG_INFO, "relay", "audit.pruned", "%lld rows past their time are gone", (long long)pruned);
}

static void run_store(void *arg)
{
    struct kg_store *store = arg;
    for (;;) {
        struct kg_store_job *job;
        bool closing = atomic_load(&store->give_up_us) != INT64_MAX;
        if (kg_queue_pop_wait(store->jobs, &job, closing ? INT64_MAX : next_turn_us(store))) {
            run_job(store, job);
            kg_store_job_destroy(job);
        } else if (atomic_load(&store->give_up_us) != INT64_MAX) {
            return;
        }
        if (atomic_load(&store->give_up_us) == INT64_MAX)
            keep_good_copy(store);
        if (kg_clock_now_us() >= store->prune_at_us)
            prune(store);
    }
}

/* In the reading thread. */
static void remember_anchor(void *user, const struct kg_audit_anchor *anchor)
{
    struct kg_store *store = user;
    struct kg_store_job *job = kg_store_job_create(0, NULL, 0, NULL);
    if (job)
        job->anchor = *anchor;
    if (job && kg_queue_push(store->jobs, &job))
        return;
    kg_store_job_destroy(job);
    kg_log(KG_LOG_WARN, "relay", "store.busy", "the anchor of an export is not remembered");
}

struct kg_store *kg_store_open(const struct kg_store_params *params, struct kg_store_snapshot *snapshot,
                               struct kg_problem *problem)
{
    char copy_path[4096];
    struct kg_store *store = calloc(1, sizeof *store);
    snprintf(copy_path, sizeof copy_path, "%s.backup", params->path);
    if (!store || !(store->copy_path = strdup(copy_path)) ||
        !(store->jobs = kg_queue_create(KG_STORE_QUEUE, sizeof(struct kg_store_job *)))) {
        kg_problem_set(problem, "no memory for the store");
        goto free_store;
    }
    store->results = params->results;
    store->syslog = params->syslog;
    store->copy_retry_us = params->copy_retry_us ? params->copy_retry_us : default_retry_us;
    store->retention_us = params->retention_days * DAY_US;
    store->prune_at_us = params->retention_days ? kg_clock_now_us() + first_prune_us : INT64_MAX;
    atomic_store(&store->give_up_us, INT64_MAX);
    store->db = kg_store_open_or_recover(params->path, copy_path, snapshot, problem);
    if (!store->db)
        goto free_store;
    kg_store_copy_sweep(copy_path);
    /* After a restoration, or a first start: the next damage shall find a copy too. */
    if (access(copy_path, F_OK) != 0)
        copy_now(store);
    atomic_store(&store->next_copy_us, 0);
    store->copy_wanted = true;
    sqlite3_wal_hook(store->db, note_log, store);
    struct kg_store_reader_calls calls = {.on_anchor = remember_anchor, .on_copy = copy_made, .user = store};
    store->reader = kg_store_reader_create(params->path, params->results, &calls);
    if (!store->reader || !kg_thread_start(&store->thread, "store", run_store, store)) {
        kg_problem_set(problem, "cannot start the store's threads");
        goto close_db;
    }
    return store;

close_db:
    kg_store_reader_destroy(store->reader);
    kg_store_snapshot_finish(snapshot);
    kg_store_db_close(store->db);
free_store:
    if (store) {
        kg_queue_destroy(store->jobs);
        free(store->copy_path);
    }
    free(store);
    return NULL;
}

void kg_store_close(struct kg_store *store)
{
    if (!store)
        return;
    atomic_store(&store->give_up_us, kg_clock_now_us() + close_wait_us);
    kg_queue_close(store->jobs);
    kg_thread_join(&store->thread);
    /* After the writing thread, which posts to it. */
    kg_store_reader_destroy(store->reader);
    kg_store_db_close(store->db);
    kg_queue_destroy(store->jobs);
    free(store->copy_path);
    free(store);
}

static bool post(struct kg_store *store, struct kg_store_job *job, bool audited)
{
    if (job && kg_queue_push(store->jobs, &job))
        return true;
    note_lost(store, audited);
    kg_store_job_destroy(job);
    return false;
}

bool kg_store_write(struct kg_store *store, uint64_t request, const struct kg_store_change *changes,
                    size_t count, const struct kg_audit_entry *audit)
{
    struct kg_store_job *job = kg_store_job_create(request, changes, count, audit);
    if (job && job->audited && !job->audit.wall_us)
        job->audit.wall_us = kg_clock_wall_us();
    return post(store, job, audit != NULL);
}

bool kg_store_audit_list(struct kg_store *store, uint64_t request, const struct kg_audit_filter *filter)
{
    struct kg_store_read read = {.kind = KG_STORE_READ_LIST, .request = request, .filter = *filter};
    return kg_store_reader_post(store->reader, &read);
}

bool kg_store_audit_export(struct kg_store *store, uint64_t request, const struct kg_audit_filter *filter)
{
    struct kg_store_read read = {.kind = KG_STORE_READ_EXPORT, .request = request, .filter = *filter};
    return kg_store_reader_post(store->reader, &read);
}

bool kg_store_audit_verify(struct kg_store *store, uint64_t request, const struct kg_audit_anchor *anchor)
{
    struct kg_store_read read = {
        .kind = KG_STORE_READ_VERIFY, .request = request, .anchored = anchor != NULL};
    if (anchor)
        read.anchor = *anchor;
    if (store->retention_us > 0)
        read.kept_us = kg_clock_wall_us() - store->retention_us;
    return kg_store_reader_post(store->reader, &read);
}

bool kg_store_backup(struct kg_store *store, uint64_t request, const char *path)
{
    struct kg_store_read read = {.kind = KG_STORE_READ_BACKUP, .request = request, .path = path};
    return kg_store_reader_post(store->reader, &read);
}

enum kg_store_status kg_store_health(struct kg_store *store, uint64_t *lost)
{
    *lost = atomic_load(&store->lost);
    return (enum kg_store_status)atomic_load(&store->health);
}

bool kg_store_put_seat(struct kg_store *store, uint64_t request, const struct kg_store_seat *seat)
{
    struct kg_store_change change = {.kind = KG_STORE_PUT_SEAT, .seat = seat};
    return kg_store_write(store, request, &change, 1, NULL);
}

bool kg_store_remove_seat(struct kg_store *store, uint64_t request, const char *meeting_uid, const char *room)
{
    struct kg_store_seat seat = {.meeting_uid = (char *)meeting_uid, .room = (char *)room};
    struct kg_store_change change = {.kind = KG_STORE_REMOVE_SEAT, .seat = &seat};
    return kg_store_write(store, request, &change, 1, NULL);
}

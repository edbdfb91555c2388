#include "relay/store_reader.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/store_audit.h"
#include "relay/store_backup.h"
#include "relay/store_db.h"

enum { MAX_WAITING = 64 };

struct job {
    struct kg_store_read read;
    char *organization, *event_id, *path;
};

struct kg_store_reader {
    struct kg_queue *jobs; /* of struct job * */
    struct kg_queue *results;
    struct kg_thread thread;
    struct kg_store_reader_calls calls;
    sqlite3 *db, *emptier; /* the reading thread's while it runs; as the next */
    bool copy_failing;     /* said already */
    atomic_bool stop;
};

static void free_job(struct job *job)
{
    if (!job)
        return;
    free(job->organization);
    free(job->event_id);
    free(job->path);
    free(job);
}

void kg_store_answer_destroy(struct kg_store_answer *answer)
{
    if (!answer)
        return;
    json_decref(answer->rows);
    free(answer->text);
    free(answer);
}

static enum kg_store_status run_read(struct kg_store_reader *r, const struct kg_store_read *read,
                                     struct kg_store_answer *answer)
{
    struct kg_store_copy copy = {.path = read->path, .stop = &r->stop};
    int code = SQLITE_INTERRUPT;
    if (atomic_load(&r->stop))
        return kg_store_db_status(code);
    switch (read->kind) {
    case KG_STORE_READ_LIST:
        code = kg_store_audit_rows(r->db, &read->filter, answer);
        break;
    case KG_STORE_READ_EXPORT:
        code = kg_store_audit_lines(r->db, &read->filter, kg_clock_wall_us(), answer);
        if (code == SQLITE_OK && answer->anchor.seq > 0)
            r->calls.on_anchor(r->calls.user, &answer->anchor);
        break;
    case KG_STORE_READ_VERIFY:
        code = kg_store_audit_check(r->db, read->anchored ? &read->anchor : NULL, read->kept_us,
                                    &answer->verdict);
        break;
    case KG_STORE_READ_BACKUP: {
        enum kg_store_status status = kg_store_copy(r->db, &copy, &answer->verdict, &answer->problem);
        answer->anchor.seq = answer->verdict.seq;
        answer->anchor.count = answer->verdict.count;
        answer->anchor.wall_us = kg_clock_wall_us();
        memcpy(answer->anchor.hash, answer->verdict.hash, sizeof answer->anchor.hash);
        return status;
    }
    case KG_STORE_READ_GOOD_COPY:
        break;
    }
    return kg_store_db_status(code);
}

static void answer_job(struct kg_store_reader *r, const struct job *job)
{
    struct kg_store_result result = {.request = job->read.request, .status = KG_STORE_FAILED};
    result.answer = calloc(1, sizeof *result.answer);
    if (result.answer)
        result.status = run_read(r, &job->read, result.answer);
    if (result.answer && result.status != KG_STORE_OK && !result.answer->problem.text[0])
        kg_problem_set(&result.answer->problem, "the store cannot be read: %s",
                       atomic_load(&r->stop) ? "the relay is shutting down"
                                             : kg_store_status_text(result.status));
    if (!kg_queue_push(r->results, &result)) {
        kg_log(KG_LOG_ERROR, "relay", NULL, "an answer of the store finds its reader's queue full");
        kg_store_answer_destroy(result.answer);
    }
}

static void make_good_copy(struct kg_store_reader *r, const char *path)
{
    struct kg_problem problem;
    struct kg_store_copy copy = {.path = path, .replace = true, .stop = &r->stop, .empty = r->emptier};
    bool made = kg_store_copy(r->db, &copy, NULL, &problem) == KG_STORE_OK;
    if (!made && !r->copy_failing && !atomic_load(&r->stop))
        kg_log(KG_LOG_WARN, "relay", "store.backup-failed", "%s; tried again until it succeeds",
               problem.text);
    else if (made && r->copy_failing)
        kg_log(KG_LOG_INFO, "relay", "store.backup-made", "the store's good copy is made again");
    r->copy_failing = !made;
    r->calls.on_copy(r->calls.user, made);
}

static void run_reader(void *arg)
{
    struct kg_store_reader *r = arg;
    struct job *job;
    while (kg_queue_pop_wait(r->jobs, &job, INT64_MAX)) {
        if (job->read.kind == KG_STORE_READ_GOOD_COPY)
            make_good_copy(r, job->path);
        else
            answer_job(r, job);
        free_job(job);
    }
}

struct kg_store_reader *kg_store_reader_create(const char *path, struct kg_queue *results,
                                               const struct kg_store_reader_calls *calls)
{
    enum kg_store_status status;
    struct kg_store_reader *r = calloc(1, sizeof *r);
    if (!r || !(r->jobs = kg_queue_create(MAX_WAITING, sizeof(struct job *))))
        goto fail;
    r->results = results;
    r->calls = *calls;
    r->db = kg_store_db_open_reader(path, &status);
    r->emptier = kg_store_db_open_reader(path, &status);
    if (r->db && r->emptier && kg_thread_start(&r->thread, "store-read", run_reader, r))
        return r;
fail:
    kg_log(KG_LOG_ERROR, "relay", "store.failed", "the store cannot be read beside writing it");
    if (r) {
        kg_store_db_close(r->db);
        kg_store_db_close(r->emptier);
        kg_queue_destroy(r->jobs);
    }
    free(r);
    return NULL;
}

void kg_store_reader_destroy(struct kg_store_reader *r)
{
    if (!r)
        return;
    atomic_store(&r->stop, true);
    /* Any statement under way ends at once; one that begins after this does not, but looks at stop first. */
    sqlite3_interrupt(r->db);
    kg_queue_close(r->jobs);
    kg_thread_join(&r->thread);
    kg_store_db_close(r->db);
    kg_store_db_close(r->emptier);
    kg_queue_destroy(r->jobs);
    free(r);
}

static bool copy_text(const char **text, char **owned)
{
    if (!*text)
        return true;
    *text = *owned = strdup(*text);
    return *owned != NULL;
}

bool kg_store_reader_post(struct kg_store_reader *r, const struct kg_store_read *read)
{
    struct job *job = calloc(1, sizeof *job);
    if (job)
        job->read = *read;
    bool ok = job && copy_text(&job->read.filter.organization, &job->organization) &&
              copy_text(&job->read.filter.event_id, &job->event_id) && copy_text(&job->read.path, &job->path);
    if (ok && kg_queue_push(r->jobs, &job))
        return true;
    free_job(job);
    return false;
}

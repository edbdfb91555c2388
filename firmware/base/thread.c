#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

struct start {
    void (*run)(void *);
    void *arg;
};

static void *trampoline(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    start.run(start.arg);
    return NULL;
}

bool kg_thread_start(struct kg_thread *thread, const char *name, void (*run)(void *), void *arg)
{
    struct start *start = malloc(sizeof *start);
    if (!start)
        return false;
    *start = (struct start){.run = run, .arg = arg};
    int error = pthread_create(&thread->id, NULL, trampoline, start);
    if (error) {
        kg_log(KG_LOG_ERROR, "base", NULL, "cannot start thread %s: %s", name, strerror(error));
        free(start);
        return false;
    }
    pthread_setname_np(thread->id, name);
    return true;
}

void kg_thread_join(struct kg_thread *thread)
{
    pthread_join(thread->id, NULL);
}

void kg_mutex_init(struct kg_mutex *m)
{
    *m = (struct kg_mutex){0};
    pthread_mutex_init(&m->mutex, NULL);
}

void kg_mutex_finish(struct kg_mutex *m)
{
    assert(!m->held);
    pthread_mutex_destroy(&m->mutex);
}

void kg_mutex_lock(struct kg_mutex *m)
{
    pthread_mutex_lock(&m->mutex);
    m->holder = pthread_self();
    m->held = true;
}

void kg_mutex_unlock(struct kg_mutex *m)
{
    kg_mutex_assert_held(m);
    m->held = false;
    pthread_mutex_unlock(&m->mutex);
}

void kg_mutex_assert_held(const struct kg_mutex *m)
{
    assert(m->held && pthread_equal(m->holder, pthread_self()));
    (void)m;
}

void kg_cond_init(struct kg_cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void kg_cond_finish(struct kg_cond *c)
{
    pthread_cond_destroy(&c->cond);
}

void kg_cond_signal(struct kg_cond *c)
{
    pthread_cond_signal(&c->cond);
}

void kg_cond_broadcast(struct kg_cond *c)
{
    pthread_cond_broadcast(&c->cond);
}

static void retake(struct kg_mutex *m)
{
    m->holder = pthread_self();
    m->held = true;
}

void kg_cond_wait(struct kg_cond *c, struct kg_mutex *m)
{
    kg_mutex_assert_held(m);
    m->held = false;
    pthread_cond_wait(&c->cond, &m->mutex);
    retake(m);
}

bool kg_cond_wait_until(struct kg_cond *c, struct kg_mutex *m, int64_t deadline_us)
{
    kg_mutex_assert_held(m);
    struct timespec ts = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    m->held = false;
    int error = pthread_cond_timedwait(&c->cond, &m->mutex, &ts);
    retake(m);
    return error == 0;
}

void kg_owner_check(struct kg_owner *owner)
{
    if (!owner->bound) {
        owner->id = pthread_self();
        owner->bound = true;
    }
    assert(pthread_equal(owner->id, pthread_self()));
}

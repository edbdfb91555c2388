/* Threads, and a mutex that knows its holder. Teardown order everywhere: stop → join → destroy. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_thread {
    pthread_t id;
};
/* name: at most 15 characters, shown by ps and gdb. false (logged): the system refused. */
KG_MUST_CHECK bool kg_thread_start(struct kg_thread *thread, const char *name, void (*run)(void *),
                                   void *arg);
void kg_thread_join(struct kg_thread *thread);

struct kg_mutex {
    pthread_mutex_t mutex;
    pthread_t holder;
    bool held;
};
void kg_mutex_init(struct kg_mutex *m);
void kg_mutex_finish(struct kg_mutex *m);
void kg_mutex_lock(struct kg_mutex *m);
void kg_mutex_unlock(struct kg_mutex *m);
/* The caller must hold m: for the start of every *_locked function. */
void kg_mutex_assert_held(const struct kg_mutex *m);

struct kg_cond {
    pthread_cond_t cond;
};
void kg_cond_init(struct kg_cond *c);
void kg_cond_finish(struct kg_cond *c);
void kg_cond_signal(struct kg_cond *c);
void kg_cond_broadcast(struct kg_cond *c);
void kg_cond_wait(struct kg_cond *c, struct kg_mutex *m);
/* false when deadline_us (kg_clock_now_us) has passed. */
bool kg_cond_wait_until(struct kg_cond *c, struct kg_mutex *m, int64_t deadline_us);

/* Asserts that one object is used by one thread: bind at creation or first use, check at every entry. */
struct kg_owner {
    pthread_t id;
    bool bound;
};
void kg_owner_check(struct kg_owner *owner);

/* One thread's event loop: descriptors, timers and libwebsockets connections.
 * Thread: everything but kg_loop_stop belongs to the thread that runs the loop (before run and after it: to
 * the creator). Owns: its watches, its libwebsockets context. Borrows: the descriptors watched and the timers
 * set. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_loop;
struct kg_loop_watch;
struct lws_context;

/* Embedded in its owner, zeroed before first use. */
struct kg_loop_timer {
    void (*fire)(void *user, int64_t now_us);
    void *user;
    int64_t due_us; /* kg_clock_now_us */
    struct kg_loop_timer *next;
    bool set;
};

/* NULL when the system refuses (logged). */
KG_MUST_CHECK struct kg_loop *kg_loop_create(void);
/* Every timer must be cancelled and every connection of this loop destroyed before. */
void kg_loop_destroy(struct kg_loop *loop);

/* Runs until kg_loop_stop. */
void kg_loop_run(struct kg_loop *loop);
/* Any thread, also before kg_loop_run, which then returns at once. */
void kg_loop_stop(struct kg_loop *loop);

/* Calls readable while fd is readable or has an error to be read. NULL when the system refuses (logged). */
KG_MUST_CHECK struct kg_loop_watch *kg_loop_watch(struct kg_loop *loop, int fd, void (*readable)(void *user),
                                                  void *user);
/* Also from inside a callback; readable is not called again. Before fd is closed. */
void kg_loop_unwatch(struct kg_loop_watch *watch);

/* (Re)sets the timer to fire once, at due_us or as soon after as the loop gets there. */
void kg_loop_timer_set(struct kg_loop *loop, struct kg_loop_timer *timer, int64_t due_us);
void kg_loop_timer_cancel(struct kg_loop *loop, struct kg_loop_timer *timer);

/* For ws_client: where its connections live. */
struct lws_context *kg_loop_lws(struct kg_loop *loop);

#include "base/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

struct kg_queue {
    struct kg_mutex mutex; /* guards all below but fd, capacity and element_size, which never change */
    struct kg_cond changed;
    size_t head;
    size_t count;
    bool closed;
    bool polled;    /* somebody has asked for fd: else it costs two system calls an element for nobody */
    bool signalled; /* fd is readable */
    int fd;
    size_t capacity;
    size_t element_size;
    unsigned char storage[];
};

struct kg_queue *kg_queue_create(size_t capacity, size_t element_size)
{
    struct kg_queue *q = calloc(1, sizeof *q + capacity * element_size);
    if (!q)
        return NULL;
    q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->fd < 0) {
        kg_log(KG_LOG_ERROR, "base", NULL, "cannot make an eventfd: %m");
        free(q);
        return NULL;
    }
    q->capacity = capacity;
    q->element_size = element_size;
    kg_mutex_init(&q->mutex);
    kg_cond_init(&q->changed);
    return q;
}

void kg_queue_destroy(struct kg_queue *q)
{
    if (!q)
        return;
    close(q->fd);
    kg_cond_finish(&q->changed);
    kg_mutex_finish(&q->mutex);
    free(q);
}

/* Keeps the descriptor readable exactly while something waits (or the queue is closed). */
static void update_fd_locked(struct kg_queue *q)
{
    kg_mutex_assert_held(&q->mutex);
    bool wanted = q->polled && (q->count > 0 || q->closed);
    uint64_t value = 1;
    ssize_t ignored = 0;
    if (wanted && !q->signalled)
        ignored = write(q->fd, &value, sizeof value);
    else if (!wanted && q->signalled)
        ignored = read(q->fd, &value, sizeof value);
    (void)ignored;
    q->signalled = wanted;
}

bool kg_queue_push(struct kg_queue *q, const void *element)
{
    kg_mutex_lock(&q->mutex);
    bool ok = !q->closed && q->count < q->capacity;
    if (ok) {
        size_t at = (q->head + q->count) % q->capacity;
        memcpy(q->storage + at * q->element_size, element, q->element_size);
        q->count++;
        update_fd_locked(q);
        kg_cond_signal(&q->changed);
    }
    kg_mutex_unlock(&q->mutex);
    return ok;
}

static bool pop_locked(struct kg_queue *q, void *element)
{
    if (q->count == 0)
        return false;
    memcpy(element, q->storage + q->head * q->element_size, q->element_size);
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    update_fd_locked(q);
    return true;
}

bool kg_queue_pop(struct kg_queue *q, void *element)
{
    kg_mutex_lock(&q->mutex);
    bool ok = pop_locked(q, element);
    kg_mutex_unlock(&q->mutex);
    return ok;
}

bool kg_queue_pop_wait(struct kg_queue *q, void *element, int64_t deadline_us)
{
    kg_mutex_lock(&q->mutex);
    bool in_time = true;
    while (q->count == 0 && !q->closed && in_time) {
        if (deadline_us == INT64_MAX)
            kg_cond_wait(&q->changed, &q->mutex);
        else
            in_time = kg_cond_wait_until(&q->changed, &q->mutex, deadline_us);
    }
    bool ok = pop_locked(q, element);
    kg_mutex_unlock(&q->mutex);
    return ok;
}

void kg_queue_close(struct kg_queue *q)
{
    kg_mutex_lock(&q->mutex);
    q->closed = true;
    update_fd_locked(q);
    kg_cond_broadcast(&q->changed);
    kg_mutex_unlock(&q->mutex);
}

size_t kg_queue_count(struct kg_queue *q)
{
    kg_mutex_lock(&q->mutex);
    size_t n = q->count;
    kg_mutex_unlock(&q->mutex);
    return n;
}

int kg_queue_fd(struct kg_queue *q)
{
    kg_mutex_lock(&q->mutex);
    q->polled = true;
    update_fd_locked(q);
    kg_mutex_unlock(&q->mutex);
    return q->fd;
}

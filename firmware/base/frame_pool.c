#include "base/frame_pool.h"

#include <stdlib.h>

#include "base/thread.h"

/* More than these wait only after a rush: they are given back to the system. */
enum { MOST_IDLE = 2 };

struct pooled {
    struct kg_frame frame;
    struct kg_frame *memory; /* what frame's planes are */
    struct kg_frame_pool *pool;
};

struct kg_frame_pool {
    struct kg_mutex mutex; /* guards all below */
    struct pooled *idle[MOST_IDLE];
    unsigned idle_count;
    unsigned out; /* frames not released */
    bool destroyed;
};

struct kg_frame_pool *kg_frame_pool_create(void)
{
    struct kg_frame_pool *pool = calloc(1, sizeof *pool);
    if (pool)
        kg_mutex_init(&pool->mutex);
    return pool;
}

static void free_pooled(struct pooled *pooled)
{
    kg_frame_unref(pooled->memory);
    free(pooled);
}

static void free_pool(struct kg_frame_pool *pool)
{
    kg_mutex_finish(&pool->mutex);
    free(pool);
}

void kg_frame_pool_destroy(struct kg_frame_pool *pool)
{
    if (!pool)
        return;
    kg_mutex_lock(&pool->mutex);
    while (pool->idle_count > 0)
        free_pooled(pool->idle[--pool->idle_count]);
    pool->destroyed = true;
    bool last = pool->out == 0;
    kg_mutex_unlock(&pool->mutex);
    if (last)
        free_pool(pool);
}

static void release(struct kg_frame *frame, void *user)
{
    struct pooled *pooled = user;
    struct kg_frame_pool *pool = pooled->pool;
    (void)frame; /* is pooled->frame */
    kg_mutex_lock(&pool->mutex);
    pool->out--;
    if (!pool->destroyed && pool->idle_count < MOST_IDLE) {
        pool->idle[pool->idle_count++] = pooled;
        pooled = NULL;
    }
    bool last = pool->destroyed && pool->out == 0;
    kg_mutex_unlock(&pool->mutex);
    if (pooled)
        free_pooled(pooled);
    if (last)
        free_pool(pool);
}

static struct pooled *make(struct kg_frame_pool *pool, uint32_t width, uint32_t height)
{
    struct pooled *pooled = calloc(1, sizeof *pooled);
    if (!pooled)
        return NULL;
    pooled->pool = pool;
    pooled->memory = kg_frame_create(width, height);
    if (!pooled->memory) {
        free(pooled);
        return NULL;
    }
    return pooled;
}

/* One of another size is of no use any more: the stream has changed. */
static struct pooled *take_idle_locked(struct kg_frame_pool *pool, uint32_t width, uint32_t height)
{
    kg_mutex_assert_held(&pool->mutex);
    while (pool->idle_count > 0) {
        struct pooled *pooled = pool->idle[--pool->idle_count];
        if (pooled->memory->width == width && pooled->memory->height == height)
            return pooled;
        free_pooled(pooled);
    }
    return NULL;
}

struct kg_frame *kg_frame_pool_take(struct kg_frame_pool *pool, uint32_t width, uint32_t height)
{
    kg_mutex_lock(&pool->mutex);
    struct pooled *pooled = take_idle_locked(pool, width, height);
    if (!pooled)
        pooled = make(pool, width, height);
    pool->out += pooled != NULL;
    kg_mutex_unlock(&pool->mutex);
    if (!pooled)
        return NULL;
    const struct kg_frame *memory = pooled->memory;
    pooled->frame = (struct kg_frame){.width = width, .height = height, .release = release, .user = pooled};
    for (int i = 0; i < 3; i++) {
        pooled->frame.plane[i] = memory->plane[i];
        pooled->frame.stride[i] = memory->stride[i];
    }
    atomic_init(&pooled->frame.refs, 1);
    return &pooled->frame;
}

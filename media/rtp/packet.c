#include "rtp/packet.h"

#include <stdbool.h>
#include <stdlib.h>

/* Packets come back from any thread onto `returned`, which only ever has packets pushed on one by one or all
 * taken off at once, so that a plain compare-and-swap is safe (no ABA). `mine` is the owner's alone. */
struct kg_packet_pool {
    atomic_uint refs; /* the owner, and every packet outside */
    _Atomic(struct kg_packet *) returned;
    struct kg_packet *mine;
    uint32_t made;
    uint32_t capacity;
};

struct kg_packet *kg_packet_create(void)
{
    struct kg_packet *packet = malloc(sizeof(*packet));

    if (!packet) {
        return NULL;
    }
    atomic_init(&packet->refs, 1);
    packet->size = 0;
    packet->arrival_us = 0;
    packet->pool = NULL;
    packet->next = NULL;
    return packet;
}

struct kg_packet *kg_packet_ref(struct kg_packet *packet)
{
    atomic_fetch_add_explicit(&packet->refs, 1, memory_order_relaxed);
    return packet;
}

static void free_list(struct kg_packet *packet)
{
    while (packet) {
        struct kg_packet *next = packet->next;
        free(packet);
        packet = next;
    }
}

static void pool_unref(struct kg_packet_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) == 1) {
        free_list(pool->mine);
        free_list(atomic_load(&pool->returned));
        free(pool);
    }
}

void kg_packet_unref(struct kg_packet *packet)
{
    if (!packet || atomic_fetch_sub_explicit(&packet->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct kg_packet_pool *pool = packet->pool;
    if (!pool) {
        free(packet);
        return;
    }
    struct kg_packet *head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    do {
        packet->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, packet, memory_order_release,
                                                    memory_order_relaxed));
    pool_unref(pool);
}

struct kg_packet_pool *kg_packet_pool_create(uint32_t capacity)
{
    struct kg_packet_pool *pool = calloc(1, sizeof(*pool));

    if (!pool) {
        return NULL;
    }
    atomic_init(&pool->refs, 1);
    atomic_init(&pool->returned, NULL);
    pool->capacity = capacity;
    return pool;
}

void kg_packet_pool_destroy(struct kg_packet_pool *pool)
{
    if (pool) {
        pool_unref(pool);
    }
}

struct kg_packet *kg_packet_pool_get(struct kg_packet_pool *pool)
{
    struct kg_packet *packet;

    if (!pool->mine) {
        pool->mine = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    }
    packet = pool->mine;
    if (packet) {
        pool->mine = packet->next;
    } else if (pool->made < pool->capacity) {
        packet = kg_packet_create();
        if (!packet) {
            return NULL;
        }
        pool->made++;
    } else {
        return NULL;
    }
    packet->size = 0;
    packet->arrival_us = 0;
    packet->next = NULL;
    packet->pool = pool;
    atomic_store_explicit(&packet->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
    return packet;
}

/* A reference-counted datagram of fixed capacity: read into, decrypted in place, queued, cached, sent.
 * Thread: any may hold a reference; bytes are written only while there is one holder. A pool is used (get) by
 * one thread; the last unref may happen on any thread, and gives the memory back to the pool. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { KG_PACKET_CAPACITY = 1500 };

struct kg_packet_pool;

struct kg_packet {
    atomic_uint refs;
    uint32_t size;
    int64_t arrival_us;          /* received: when it was read; to be sent: when it was made */
    struct kg_packet_pool *pool; /* NULL: heap */
    struct kg_packet *next;      /* the pool's while free; else for whoever is the only holder */
    uint8_t data[KG_PACKET_CAPACITY];
};

/* size 0. NULL when memory is short. */
struct kg_packet *kg_packet_create(void);
struct kg_packet *kg_packet_ref(struct kg_packet *packet);
void kg_packet_unref(struct kg_packet *packet); /* NULL: nothing */

/* At most `capacity` packets outside and inside together, made on first need and then used again. NULL when
 * memory is short. Destroying gives up the owner's hold: memory goes when the last packet comes back. */
struct kg_packet_pool *kg_packet_pool_create(uint32_t capacity);
void kg_packet_pool_destroy(struct kg_packet_pool *pool);
/* NULL: all are outside, or memory is short. */
struct kg_packet *kg_packet_pool_get(struct kg_packet_pool *pool);

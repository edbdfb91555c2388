#include "rtp/sent_cache.h"

#include <stdlib.h>
#include <string.h>

/* More than fit in 512 KB, so that memory is the limit and not the ring. */
enum { RING = 1024, MIN_RESEND_US = 10000 };

struct entry {
    struct kg_packet *packet; /* NULL: none */
    int64_t put_us;
    int64_t resent_us; /* INT64_MIN: never */
    uint16_t sequence;
};

/* order[] remembers in which order numbers were put: the oldest goes first, whatever its number. */
struct kg_sent_cache {
    struct entry entry[RING];
    uint16_t order[RING];
    uint32_t order_first, order_count;
    uint32_t count;
};

struct kg_sent_cache *kg_sent_cache_create(void)
{
    return calloc(1, sizeof(struct kg_sent_cache));
}

static size_t bytes_held(const struct kg_sent_cache *cache)
{
    return cache->count * sizeof(struct kg_packet);
}

static void clear_entry(struct kg_sent_cache *cache, struct entry *entry)
{
    if (entry->packet) {
        kg_packet_unref(entry->packet);
        entry->packet = NULL;
        cache->count--;
    }
}

void kg_sent_cache_destroy(struct kg_sent_cache *cache)
{
    if (!cache) {
        return;
    }
    for (uint32_t i = 0; i < RING; i++) {
        clear_entry(cache, &cache->entry[i]);
    }
    free(cache);
}

static void drop_oldest(struct kg_sent_cache *cache)
{
    clear_entry(cache, &cache->entry[cache->order[cache->order_first]]);
    cache->order_first = (cache->order_first + 1) % RING;
    cache->order_count--;
}

static bool too_old(const struct entry *entry, int64_t now_us)
{
    return now_us - entry->put_us > KG_SENT_CACHE_MAX_AGE_US;
}

void kg_sent_cache_trim(struct kg_sent_cache *cache, int64_t now_us)
{
    while (cache->order_count > 0) {
        const struct entry *oldest = &cache->entry[cache->order[cache->order_first]];
        if (oldest->packet && !too_old(oldest, now_us)) {
            return;
        }
        drop_oldest(cache);
    }
}

/* Takes a number out of the order list: a packet put in its place starts its time anew. */
static void forget_order(struct kg_sent_cache *cache, uint16_t slot)
{
    for (uint32_t i = 0; i < cache->order_count; i++) {
        if (cache->order[(cache->order_first + i) % RING] == slot) {
            for (uint32_t k = i; k + 1 < cache->order_count; k++) {
                cache->order[(cache->order_first + k) % RING] =
                    cache->order[(cache->order_first + k + 1) % RING];
            }
            cache->order_count--;
            return;
        }
    }
}

void kg_sent_cache_put(struct kg_sent_cache *cache, uint16_t sequence, struct kg_packet *packet,
                       int64_t now_us)
{
    uint16_t slot = sequence % RING;
    struct entry *entry = &cache->entry[slot];

    kg_packet_ref(packet);
    if (entry->packet) {
        clear_entry(cache, entry);
        forget_order(cache, slot);
    }
    kg_sent_cache_trim(cache, now_us);
    while (bytes_held(cache) + sizeof(struct kg_packet) > KG_SENT_CACHE_MAX_BYTES) {
        drop_oldest(cache);
    }
    *entry = (struct entry){.packet = packet, .put_us = now_us, .resent_us = INT64_MIN, .sequence = sequence};
    cache->order[(cache->order_first + cache->order_count) % RING] = slot;
    cache->order_count++;
    cache->count++;
}

static struct entry *find(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us)
{
    struct entry *entry = &cache->entry[sequence % RING];

    if (!entry->packet || entry->sequence != sequence || too_old(entry, now_us)) {
        return NULL;
    }
    return entry;
}

struct kg_packet *kg_sent_cache_find(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us)
{
    struct entry *entry = find(cache, sequence, now_us);

    return entry ? entry->packet : NULL;
}

static bool resent_lately(int64_t resent_us, int64_t now_us, int64_t rtt_us)
{
    return now_us - resent_us < KG_MAX(rtt_us, (int64_t)MIN_RESEND_US);
}

struct kg_packet *kg_sent_cache_resend(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us,
                                       int64_t rtt_us)
{
    struct entry *entry = find(cache, sequence, now_us);

    if (!entry || (entry->resent_us != INT64_MIN && resent_lately(entry->resent_us, now_us, rtt_us))) {
        return NULL;
    }
    entry->resent_us = now_us;
    return entry->packet;
}

uint32_t kg_sent_cache_count(const struct kg_sent_cache *cache, size_t *bytes)
{
    *bytes = bytes_held(cache);
    return cache->count;
}

void kg_resend_limit_init(struct kg_resend_limit *limit)
{
    memset(limit, 0, sizeof(*limit));
}

bool kg_resend_limit_allow(struct kg_resend_limit *limit, uint16_t sequence, int64_t now_us, int64_t rtt_us)
{
    uint32_t at = sequence % KG_RESEND_LIMIT_ENTRIES;

    if (limit->entry[at].used && limit->entry[at].sequence == sequence &&
        resent_lately(limit->entry[at].sent_us, now_us, rtt_us)) {
        return false;
    }
    limit->entry[at].sequence = sequence;
    limit->entry[at].used = true;
    limit->entry[at].sent_us = now_us;
    return true;
}

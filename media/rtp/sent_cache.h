/* Packets sent (or, in the relay, received from a source) lately, by sequence number, for retransmission
 * (RFC 4588, RFC 4585 §6.2.1). Thread: the owner's. Owns: references to the packets, at most 1 s old and 512
 * KB of memory. Packets are plain (before SRTP) and must not be written to any more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "rtp/packet.h"

enum { KG_SENT_CACHE_MAX_BYTES = 512 * 1024, KG_SENT_CACHE_MAX_AGE_US = 1000000 };

struct kg_sent_cache;

/* NULL when memory is short. */
struct kg_sent_cache *kg_sent_cache_create(void);
void kg_sent_cache_destroy(struct kg_sent_cache *cache);
/* Keeps its own reference under sequence, in place of an older packet of that number. */
void kg_sent_cache_put(struct kg_sent_cache *cache, uint16_t sequence, struct kg_packet *packet,
                       int64_t now_us);
/* Borrowed until the next put or trim. NULL: not there, or too old. */
struct kg_packet *kg_sent_cache_find(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us);
/* As find, for the only receiver: NULL also when it was resent less than rtt_us (at least 10 ms) ago, for the
 * first resend may still be on its way. */
struct kg_packet *kg_sent_cache_resend(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us,
                                       int64_t rtt_us);
/* Lets go of what is too old; put does so too. */
void kg_sent_cache_trim(struct kg_sent_cache *cache, int64_t now_us);
/* What it holds: packets, and bytes of memory. */
uint32_t kg_sent_cache_count(const struct kg_sent_cache *cache, size_t *bytes);

/* The same throttle apart from the cache: one per receiver where many share a source's cache (the relay). */
enum { KG_RESEND_LIMIT_ENTRIES = 128 };
struct kg_resend_limit {
    struct {
        uint16_t sequence;
        bool used;
        int64_t sent_us;
    } entry[KG_RESEND_LIMIT_ENTRIES];
};
void kg_resend_limit_init(struct kg_resend_limit *limit);
/* true: resend now (and remember it). */
KG_MUST_CHECK bool kg_resend_limit_allow(struct kg_resend_limit *limit, uint16_t sequence, int64_t now_us,
                                         int64_t rtt_us);

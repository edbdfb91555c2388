/* STUN messages (RFC 8489) with the attributes ICE uses (RFC 8445 §7). Pure; thread: any. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"

enum { KG_STUN_MAX_BYTES = 1200, KG_STUN_ID_BYTES = 12, KG_STUN_MAX_USERNAME = 513 };
enum kg_stun_class { KG_STUN_REQUEST = 0, KG_STUN_INDICATION = 1, KG_STUN_SUCCESS = 2, KG_STUN_ERROR = 3 };
enum { KG_STUN_BINDING = 1 };

struct kg_stun {
    enum kg_stun_class class_;
    uint16_t method;
    uint8_t id[KG_STUN_ID_BYTES];
    char username[KG_STUN_MAX_USERNAME + 1]; /* "" : absent */
    bool has_mapped;
    struct sockaddr_storage mapped; /* XOR-MAPPED-ADDRESS */
    bool has_priority;
    uint32_t priority;
    bool use_candidate;
    bool has_controlling, has_controlled;
    uint64_t tie_breaker;
    uint16_t error_code; /* 0: absent; 300..699 */
    uint16_t unknown;    /* first unknown comprehension-required attribute, 0: none */
    bool has_integrity;
    bool has_fingerprint; /* already verified: a wrong one makes the parse fail */
    size_t integrity_at;  /* offset of MESSAGE-INTEGRITY, for kg_stun_check */
};

/* First byte 0..3 and the magic cookie: RFC 7983 demultiplexing. */
bool kg_stun_is(const void *data, size_t size);
/* false: malformed, or FINGERPRINT is wrong. Integrity is not checked yet. */
KG_MUST_CHECK bool kg_stun_parse(const void *data, size_t size, struct kg_stun *out);
/* MESSAGE-INTEGRITY (HMAC-SHA1) over the very bytes parsed, with the short-term password. Constant time. */
KG_MUST_CHECK bool kg_stun_check(const void *data, size_t size, const struct kg_stun *message,
                                 const char *password);
/* Writes message with MESSAGE-INTEGRITY (password not NULL) and FINGERPRINT. Returns the size; 0: does not
 * fit. */
size_t kg_stun_write(const struct kg_stun *message, const char *password, void *data, size_t size);

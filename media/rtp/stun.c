#include "rtp/stun.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* RFC 8489 §14, §18.3; RFC 8445 §16.1. */
enum {
    HEADER = 20,
    COOKIE = 0x2112A442,
    ATTR_MAPPED = 0x0001,
    ATTR_USERNAME = 0x0006,
    ATTR_INTEGRITY = 0x0008,
    ATTR_ERROR = 0x0009,
    ATTR_UNKNOWN = 0x000A,
    ATTR_XOR_MAPPED = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_FINGERPRINT = 0x8028,
    ATTR_CONTROLLED = 0x8029,
    ATTR_CONTROLLING = 0x802A,
    COMPREHENSION_OPTIONAL = 0x8000,
    HMAC_BYTES = 20,
    INTEGRITY_BYTES = 4 + HMAC_BYTES,
    FINGERPRINT_BYTES = 8,
    FAMILY_V4 = 1,
    FAMILY_V6 = 2,
};
static const uint32_t fingerprint_xor = 0x5354554e;

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

bool kg_stun_is(const void *data, size_t size)
{
    const uint8_t *p = data;
    return size >= HEADER && p[0] < 4 && kg_get_u32(p + 4) == COOKIE;
}

/* Class and method share 14 bits, interleaved (RFC 8489 §5). */
static uint16_t type_of(enum kg_stun_class class_, uint16_t method)
{
    return (uint16_t)((method & 0x0f) | (class_ & 1) << 4 | (method & 0x70) << 1 | (class_ & 2) << 7 |
                      (method & 0xf80) << 2);
}

static void split_type(uint16_t type, struct kg_stun *m)
{
    m->class_ = (enum kg_stun_class)((type >> 4 & 1) | (type >> 7 & 2));
    m->method = (uint16_t)((type & 0x0f) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

/* RFC 8489 §14.2: the port and address are XORed with the cookie, and for IPv6 with the transaction id too.
 */
static bool read_xor_mapped(struct kg_reader r, struct kg_stun *m)
{
    kg_read_skip(&r, 1);
    uint8_t family = kg_read_u8(&r);
    uint16_t port = kg_read_u16(&r) ^ (uint16_t)((uint32_t)COOKIE >> 16);
    memset(&m->mapped, 0, sizeof m->mapped);
    if (family == FAMILY_V4) {
        struct sockaddr_in *a = (struct sockaddr_in *)&m->mapped;
        a->sin_family = AF_INET;
        a->sin_port = htons(port);
        a->sin_addr.s_addr = htonl(kg_read_u32(&r) ^ (uint32_t)COOKIE);
    } else if (family == FAMILY_V6) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)&m->mapped;
        const uint8_t *x = kg_read_view(&r, 16);
        uint8_t mask[16];
        kg_put_u32(mask, COOKIE);
        memcpy(mask + 4, m->id, KG_STUN_ID_BYTES);
        a->sin6_family = AF_INET6;
        a->sin6_port = htons(port);
        for (int i = 0; x && i < 16; i++)
            a->sin6_addr.s6_addr[i] = x[i] ^ mask[i];
    } else {
        return false;
    }
    return !r.failed && kg_reader_left(&r) == 0;
}

static void write_xor_mapped(struct kg_writer *w, const struct kg_stun *m)
{
    bool v6 = m->mapped.ss_family == AF_INET6;
    kg_write_u16(w, ATTR_XOR_MAPPED);
    kg_write_u16(w, v6 ? 20 : 8);
    kg_write_u8(w, 0);
    kg_write_u8(w, v6 ? FAMILY_V6 : FAMILY_V4);
    if (v6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&m->mapped;
        uint8_t mask[16];
        kg_put_u32(mask, COOKIE);
        memcpy(mask + 4, m->id, KG_STUN_ID_BYTES);
        kg_write_u16(w, ntohs(a->sin6_port) ^ (uint16_t)((uint32_t)COOKIE >> 16));
        for (int i = 0; i < 16; i++)
            kg_write_u8(w, a->sin6_addr.s6_addr[i] ^ mask[i]);
    } else {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&m->mapped;
        kg_write_u16(w, ntohs(a->sin_port) ^ (uint16_t)((uint32_t)COOKIE >> 16));
        kg_write_u32(w, ntohl(a->sin_addr.s_addr) ^ (uint32_t)COOKIE);
    }
}

static bool read_attribute(uint16_t type, struct kg_reader a, size_t at, struct kg_stun *m)
{
    switch (type) {
    case ATTR_USERNAME:
        if (a.size > KG_STUN_MAX_USERNAME || memchr(a.data, 0, a.size))
            return false;
        memcpy(m->username, a.data, a.size);
        m->username[a.size] = '\0';
        return true;
    case ATTR_XOR_MAPPED:
        m->has_mapped = read_xor_mapped(a, m);
        return m->has_mapped;
    case ATTR_PRIORITY:
        m->has_priority = true;
        m->priority = kg_read_u32(&a);
        return a.size == 4;
    case ATTR_USE_CANDIDATE:
        m->use_candidate = true;
        return a.size == 0;
    case ATTR_CONTROLLING:
    case ATTR_CONTROLLED:
        m->has_controlling |= type == ATTR_CONTROLLING;
        m->has_controlled |= type == ATTR_CONTROLLED;
        m->tie_breaker = kg_read_u64(&a);
        return a.size == 8;
    case ATTR_ERROR:
        kg_read_skip(&a, 2);
        m->error_code = (uint16_t)((kg_read_u8(&a) & 7) * 100);
        m->error_code = (uint16_t)(m->error_code + kg_read_u8(&a));
        return !a.failed && m->error_code >= 300 && m->error_code < 700;
    case ATTR_INTEGRITY:
        m->has_integrity = true;
        m->integrity_at = at;
        return a.size == HMAC_BYTES;
    case ATTR_MAPPED:
    case ATTR_UNKNOWN:
        return true;
    default:
        if (type < COMPREHENSION_OPTIONAL && m->unknown == 0)
            m->unknown = type;
        return true;
    }
}

bool kg_stun_parse(const void *data, size_t size, struct kg_stun *out)
{
    if (!kg_stun_is(data, size) || size > KG_STUN_MAX_BYTES)
        return false;
    struct kg_reader r = kg_reader_of(data, size);
    struct kg_stun m = {0};
    split_type(kg_read_u16(&r), &m);
    if (kg_read_u16(&r) != size - HEADER || size % 4 != 0)
        return false;
    kg_read_skip(&r, 4);
    memcpy(m.id, kg_read_view(&r, KG_STUN_ID_BYTES), KG_STUN_ID_BYTES);
    while (kg_reader_left(&r) > 0) {
        size_t at = r.pos;
        uint16_t type = kg_read_u16(&r), length = kg_read_u16(&r);
        const uint8_t *value = kg_read_view(&r, length);
        kg_read_skip(&r, (4u - length % 4u) % 4u);
        if (r.failed || m.has_fingerprint)
            return false; /* FINGERPRINT is the last attribute (§14.7) */
        if (type == ATTR_FINGERPRINT) {
            uint32_t want = crc32_of(data, at) ^ fingerprint_xor;
            if (length != 4 || kg_get_u32(value) != want)
                return false;
            m.has_fingerprint = true;
        } else if (!m.has_integrity && !read_attribute(type, kg_reader_of(value, length), at, &m)) {
            return false; /* what follows MESSAGE-INTEGRITY is not protected by it and is ignored (§14.5) */
        }
    }
    *out = m;
    return true;
}

/* HMAC-SHA1 over the message up to `at`, its length field saying that MESSAGE-INTEGRITY is the last (§14.5).
 */
static bool integrity_of(const uint8_t *data, size_t at, const char *password, uint8_t mac[HMAC_BYTES])
{
    uint8_t copy[KG_STUN_MAX_BYTES];
    memcpy(copy, data, at);
    kg_put_u16(copy + 2, (uint16_t)(at - HEADER + INTEGRITY_BYTES));
    unsigned mac_size = 0;
    return HMAC(EVP_sha1(), password, (int)strlen(password), copy, at, mac, &mac_size) &&
           mac_size == HMAC_BYTES;
}

bool kg_stun_check(const void *data, size_t size, const struct kg_stun *m, const char *password)
{
    uint8_t mac[HMAC_BYTES];
    if (!m->has_integrity || size > KG_STUN_MAX_BYTES || m->integrity_at + INTEGRITY_BYTES > size)
        return false;
    return integrity_of(data, m->integrity_at, password, mac) &&
           CRYPTO_memcmp(mac, (const uint8_t *)data + m->integrity_at + 4, HMAC_BYTES) == 0;
}

static void write_attribute(struct kg_writer *w, uint16_t type, const void *value, size_t size)
{
    kg_write_u16(w, type);
    kg_write_u16(w, (uint16_t)size);
    kg_write_bytes(w, value, size);
    kg_write_zeros(w, (4 - size % 4) % 4);
}

static void write_error(struct kg_writer *w, const struct kg_stun *m)
{
    uint8_t error[4] = {0, 0, (uint8_t)(m->error_code / 100), (uint8_t)(m->error_code % 100)};
    write_attribute(w, ATTR_ERROR, error, sizeof error);
    if (m->unknown) {
        uint8_t unknown[2];
        kg_put_u16(unknown, m->unknown);
        write_attribute(w, ATTR_UNKNOWN, unknown, sizeof unknown);
    }
}

size_t kg_stun_write(const struct kg_stun *m, const char *password, void *data, size_t size)
{
    struct kg_writer w = kg_writer_of(data, KG_MIN(size, (size_t)KG_STUN_MAX_BYTES));
    uint8_t number[8];
    kg_write_u16(&w, type_of(m->class_, m->method));
    kg_write_u16(&w, 0);
    kg_write_u32(&w, COOKIE);
    kg_write_bytes(&w, m->id, KG_STUN_ID_BYTES);
    if (m->error_code)
        write_error(&w, m);
    if (m->username[0])
        write_attribute(&w, ATTR_USERNAME, m->username, strlen(m->username));
    if (m->has_mapped)
        write_xor_mapped(&w, m);
    if (m->has_priority) {
        kg_put_u32(number, m->priority);
        write_attribute(&w, ATTR_PRIORITY, number, 4);
    }
    if (m->use_candidate)
        write_attribute(&w, ATTR_USE_CANDIDATE, NULL, 0);
    if (m->has_controlling || m->has_controlled) {
        kg_put_u32(number, (uint32_t)(m->tie_breaker >> 32));
        kg_put_u32(number + 4, (uint32_t)m->tie_breaker);
        write_attribute(&w, m->has_controlling ? ATTR_CONTROLLING : ATTR_CONTROLLED, number, 8);
    }
    if (w.failed || w.pos + INTEGRITY_BYTES + FINGERPRINT_BYTES > w.size)
        return 0;
    if (password) {
        uint8_t mac[HMAC_BYTES];
        if (!integrity_of(w.data, w.pos, password, mac))
            return 0;
        write_attribute(&w, ATTR_INTEGRITY, mac, sizeof mac);
    }
    kg_put_u16(w.data + 2, (uint16_t)(w.pos - HEADER + FINGERPRINT_BYTES));
    kg_put_u32(number, crc32_of(w.data, w.pos) ^ fingerprint_xor);
    write_attribute(&w, ATTR_FINGERPRINT, number, 4);
    return w.failed ? 0 : w.pos;
}

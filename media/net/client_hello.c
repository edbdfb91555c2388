#include "net/client_hello.h"

#include <string.h>

#include "base/bytes.h"

/* RFC 8446 §4.1.2, §5.1; RFC 7301 §3.1. */
enum {
    RECORD_HEADER = 5,
    RECORD_HANDSHAKE = 22,
    RECORD_MAX = 16384,
    HANDSHAKE_HEADER = 4,
    CLIENT_HELLO = 1,
    RANDOM_BYTES = 32,
    SESSION_ID_MAX = 32,
    EXTENSION_ALPN = 16,
};

/* Joins the handshake bytes of the records in r: a hello may be cut into several (§5.1). MORE: all records so
 * far are fine but the last is incomplete or the hello goes on; YES: *got bytes hold the whole hello. */
static enum kg_client_hello join_records(struct kg_reader *r, uint8_t *hello, size_t *got)
{
    size_t need = HANDSHAKE_HEADER;
    *got = 0;
    while (*got < need) {
        /* Refuse at the first wrong byte, or a plain-text client would be waited for. */
        size_t left = kg_reader_left(r);
        if (left > 0 && r->data[r->pos] != RECORD_HANDSHAKE)
            return KG_CLIENT_HELLO_NO;
        if (left > 1 && r->data[r->pos + 1] != 3)
            return KG_CLIENT_HELLO_NO;
        if (left < RECORD_HEADER)
            return KG_CLIENT_HELLO_MORE;
        kg_read_skip(r, 3);
        size_t length = kg_read_u16(r);
        if (length == 0 || length > RECORD_MAX)
            return KG_CLIENT_HELLO_NO;
        size_t take = KG_MIN(length, kg_reader_left(r));
        take = KG_MIN(take, (size_t)KG_CLIENT_HELLO_MAX_BYTES - *got);
        memcpy(hello + *got, r->data + r->pos, take);
        *got += take;
        if (*got > 0 && hello[0] != CLIENT_HELLO)
            return KG_CLIENT_HELLO_NO;
        if (*got >= HANDSHAKE_HEADER)
            need = HANDSHAKE_HEADER + ((size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3]);
        if (need > KG_CLIENT_HELLO_MAX_BYTES)
            return KG_CLIENT_HELLO_NO;
        if (*got < need && length > kg_reader_left(r))
            return KG_CLIENT_HELLO_MORE;
        kg_read_skip(r, KG_MIN(length, kg_reader_left(r)));
    }
    *got = need;
    return KG_CLIENT_HELLO_YES;
}

static bool list_has(struct kg_reader list, const char *alpn, size_t alpn_size)
{
    while (kg_reader_left(&list) > 0) {
        uint8_t size = kg_read_u8(&list);
        const uint8_t *name = kg_read_view(&list, size);
        if (list.failed || size == 0)
            return false;
        if (size == alpn_size && memcmp(name, alpn, size) == 0)
            return true;
    }
    return false;
}

static bool hello_offers(const uint8_t *hello, size_t size, const char *alpn, size_t alpn_size)
{
    struct kg_reader r = kg_reader_of(hello, size);
    kg_read_skip(&r, HANDSHAKE_HEADER + 2 + RANDOM_BYTES);
    uint8_t session = kg_read_u8(&r);
    if (session > SESSION_ID_MAX)
        return false;
    kg_read_skip(&r, session);
    kg_read_skip(&r, kg_read_u16(&r)); /* cipher suites */
    kg_read_skip(&r, kg_read_u8(&r));  /* compression methods */
    uint16_t total = kg_read_u16(&r);
    if (r.failed || total != kg_reader_left(&r))
        return false;
    while (kg_reader_left(&r) > 0) {
        uint16_t type = kg_read_u16(&r);
        uint16_t length = kg_read_u16(&r);
        const uint8_t *value = kg_read_view(&r, length);
        if (r.failed)
            return false;
        if (type != EXTENSION_ALPN)
            continue;
        struct kg_reader e = kg_reader_of(value, length);
        uint16_t list = kg_read_u16(&e);
        if (e.failed || list != kg_reader_left(&e))
            return false;
        return list_has(e, alpn, alpn_size);
    }
    return false;
}

enum kg_client_hello kg_client_hello_offers(const void *data, size_t size, const char *alpn)
{
    uint8_t hello[KG_CLIENT_HELLO_MAX_BYTES];
    size_t got;
    struct kg_reader r = kg_reader_of(data, KG_MIN(size, (size_t)KG_CLIENT_HELLO_MAX_BYTES));
    enum kg_client_hello whole = join_records(&r, hello, &got);
    if (whole == KG_CLIENT_HELLO_MORE && size >= KG_CLIENT_HELLO_MAX_BYTES)
        return KG_CLIENT_HELLO_NO;
    if (whole != KG_CLIENT_HELLO_YES)
        return whole;
    return hello_offers(hello, got, alpn, strlen(alpn)) ? KG_CLIENT_HELLO_YES : KG_CLIENT_HELLO_NO;
}

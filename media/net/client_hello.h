/* Looks into the first bytes of a TCP connection for the protocol (ALPN, RFC 7301) its TLS ClientHello
 * offers, so that an acceptor can hand the untouched socket to the right thread after MSG_PEEK. Pure; thread:
 * any. */
#pragma once

#include <stddef.h>

enum {
    /* Peek at most this much: a hello that has not ended by then is answered NO. RFC 8446 lets one be longer,
     * but real ones are below 3 kB, post-quantum key shares included. */
    KG_CLIENT_HELLO_MAX_BYTES = 8192
};

enum kg_client_hello {
    KG_CLIENT_HELLO_MORE, /* a prefix of a ClientHello: ask again with more bytes */
    KG_CLIENT_HELLO_NO,   /* not TLS, malformed, too long, or without this protocol */
    KG_CLIENT_HELLO_YES
};

/* data: the connection's first bytes. alpn: the protocol's name, 1..255 bytes. */
enum kg_client_hello kg_client_hello_offers(const void *data, size_t size, const char *alpn);

/* Where a datagram came from or goes to: a UDP peer address or one tunnel connection. Plain values; thread:
 * any. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"

enum kg_path_kind { KG_PATH_NONE, KG_PATH_UDP, KG_PATH_TUNNEL };

struct kg_path {
    enum kg_path_kind kind;
    uint32_t tunnel_id;             /* TUNNEL: names the connection in its process; UDP: 0 */
    struct sockaddr_storage remote; /* UDP: the peer, never IPv4-mapped IPv6. TUNNEL: ignored */
};

enum { KG_PATH_TEXT_BYTES = 72 };

/* ::ffff:a.b.c.d becomes a.b.c.d, so that one peer has one path whatever the socket's family.
 * KG_PATH_NONE when the address is neither IPv4 nor IPv6. */
struct kg_path kg_path_udp(const struct sockaddr *remote);
struct kg_path kg_path_tunnel(uint32_t tunnel_id);
bool kg_path_equal(const struct kg_path *a, const struct kg_path *b);
uint32_t kg_path_hash(const struct kg_path *path);
/* "udp 192.0.2.1:5000", "udp [2001:db8::1]:5000", "tunnel 7": for logs. Returns text. */
const char *kg_path_text(const struct kg_path *path, char text[KG_PATH_TEXT_BYTES]);

#include "net/path.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct kg_path kg_path_udp(const struct sockaddr *remote)
{
    struct kg_path path = {.kind = KG_PATH_NONE};
    if (remote->sa_family == AF_INET) {
        const struct sockaddr_in *from = (const struct sockaddr_in *)remote;
        struct sockaddr_in *to = (struct sockaddr_in *)&path.remote;
        path.kind = KG_PATH_UDP;
        to->sin_family = AF_INET;
        to->sin_port = from->sin_port;
        to->sin_addr = from->sin_addr;
    } else if (remote->sa_family == AF_INET6) {
        const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)remote;
        path.kind = KG_PATH_UDP;
        if (memcmp(&from->sin6_addr, mapped_prefix, sizeof mapped_prefix) == 0) {
            struct sockaddr_in *to = (struct sockaddr_in *)&path.remote;
            to->sin_family = AF_INET;
            to->sin_port = from->sin6_port;
            memcpy(&to->sin_addr, from->sin6_addr.s6_addr + 12, 4);
        } else {
            struct sockaddr_in6 *to = (struct sockaddr_in6 *)&path.remote;
            to->sin6_family = AF_INET6;
            to->sin6_port = from->sin6_port;
            to->sin6_addr = from->sin6_addr;
            to->sin6_scope_id = from->sin6_scope_id; /* link-local peers on two interfaces are two peers */
        }
    }
    return path;
}

struct kg_path kg_path_tunnel(uint32_t tunnel_id)
{
    return (struct kg_path){.kind = KG_PATH_TUNNEL, .tunnel_id = tunnel_id};
}

bool kg_path_equal(const struct kg_path *a, const struct kg_path *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind != KG_PATH_UDP)
        return a->kind == KG_PATH_NONE || a->tunnel_id == b->tunnel_id;
    if (a->remote.ss_family != b->remote.ss_family)
        return false;
    if (a->remote.ss_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)&a->remote;
        const struct sockaddr_in *y = (const struct sockaddr_in *)&b->remote;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->remote;
    const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)&b->remote;
    return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

/* FNV-1a: peers cannot choose a table's size, and routing tables are bounded, so no keyed hash is needed. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

uint32_t kg_path_hash(const struct kg_path *path)
{
    uint32_t hash = 2166136261u ^ (uint32_t)path->kind;
    if (path->kind != KG_PATH_UDP)
        return hash_bytes(hash, &path->tunnel_id, path->kind == KG_PATH_NONE ? 0 : sizeof path->tunnel_id);
    if (path->remote.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&path->remote;
        hash = hash_bytes(hash, &a->sin_port, sizeof a->sin_port);
        return hash_bytes(hash, &a->sin_addr, sizeof a->sin_addr);
    }
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&path->remote;
    hash = hash_bytes(hash, &a->sin6_port, sizeof a->sin6_port);
    return hash_bytes(hash, &a->sin6_addr, sizeof a->sin6_addr);
}

const char *kg_path_text(const struct kg_path *path, char text[KG_PATH_TEXT_BYTES])
{
    char address[INET6_ADDRSTRLEN] = "?";
    if (path->kind == KG_PATH_TUNNEL) {
        snprintf(text, KG_PATH_TEXT_BYTES, "tunnel %u", path->tunnel_id);
    } else if (path->kind == KG_PATH_NONE) {
        snprintf(text, KG_PATH_TEXT_BYTES, "none");
    } else if (path->remote.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&path->remote;
        inet_ntop(AF_INET, &a->sin_addr, address, sizeof address);
        snprintf(text, KG_PATH_TEXT_BYTES, "udp %s:%u", address, ntohs(a->sin_port));
    } else {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&path->remote;
        inet_ntop(AF_INET6, &a->sin6_addr, address, sizeof address);
        snprintf(text, KG_PATH_TEXT_BYTES, "udp [%s]:%u", address, ntohs(a->sin6_port));
    }
    return text;
}

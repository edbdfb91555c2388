#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "relay/worker_internal.h"
#include "rtp/stun.h"

enum { SOCKET_BYTES = 2 * 1024 * 1024 }; /* half a second of 30 Mbps while a worker is busy */

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

static bool watch(struct kg_worker *worker, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = what}};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    kg_log(KG_LOG_ERROR, "relay", NULL, "epoll_ctl: %s", strerror(errno));
    return false;
}

static bool open_sockets(struct kg_worker_pool *pool, struct kg_worker *worker,
                         const struct kg_worker_params *params)
{
    for (size_t i = 0; i < params->listen_count; i++) {
        struct kg_udp_params udp = {.bind = params->listen[i],
                                    .reuse_port = true,
                                    .receive_bytes = SOCKET_BYTES,
                                    .send_bytes = SOCKET_BYTES};
        size_t at = udp.bind.ss_family == AF_INET6;
        if (worker->udp[at]) {
            kg_log(KG_LOG_ERROR, "relay", "relay.listen-twice", "more than one media address of one family");
            return false;
        }
        if (pool->port)
            set_port(&udp.bind, pool->port);
        worker->udp[at] = kg_udp_open(&udp);
        if (!worker->udp[at] || !watch(worker, kg_udp_fd(worker->udp[at]), worker->udp[at]))
            return false;
        struct sockaddr_storage bound;
        kg_udp_address(worker->udp[at], &bound);
        pool->port = port_of(&bound);
    }
    return true;
}

static bool open_worker(struct kg_worker_pool *pool, unsigned index, const struct kg_worker_params *params)
{
    struct kg_worker *worker = &pool->worker[index];
    worker->pool = pool;
    worker->index = index;
    worker->via = (uint8_t)index;
    worker->stranger_log = (struct kg_log_limit){.burst = 10, .interval_us = 10000000};
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->commands = kg_queue_create(KG_WORKER_COMMANDS, sizeof(struct kg_command));
    worker->inbox = kg_queue_create(KG_WORKER_INBOX, sizeof(struct kg_inbox_item));
    worker->routes = kg_routes_create(KG_WORKER_ROUTES);
    worker->packets = kg_packet_pool_create(KG_WORKER_PACKETS);
    if (worker->epoll < 0 || !worker->commands || !worker->inbox || !worker->routes || !worker->packets) {
        kg_log(KG_LOG_ERROR, "relay", NULL, "no memory for worker %u", index);
        return false;
    }
    return watch(worker, kg_queue_fd(worker->commands), worker->commands) &&
           watch(worker, kg_queue_fd(worker->inbox), worker->inbox) && open_sockets(pool, worker, params);
}

static void close_worker(struct kg_worker *worker)
{
    struct kg_command command;
    while (worker->commands && kg_queue_pop(worker->commands, &command)) {
        if (command.kind == KG_COMMAND_ADD)
            free(command.add);
    }
    kg_queue_destroy(worker->commands);
    kg_queue_destroy(worker->inbox);
    kg_routes_destroy(worker->routes);
    if (worker->packets)
        kg_packet_pool_destroy(worker->packets);
    for (size_t i = 0; i < KG_ARRAY_LEN(worker->udp); i++)
        kg_udp_close(worker->udp[i]);
    if (worker->epoll > 0)
        close(worker->epoll);
}

struct kg_worker_pool *kg_worker_pool_create(const struct kg_worker_params *params)
{
    assert(params->workers >= 1 && params->workers <= KG_WORKER_MAX);
    assert(params->events && params->identity && params->tunnel_threads <= KG_WORKER_MAX_TUNNEL_THREADS);
    assert(params->tunnel_threads == 0 || params->tunnel_capacity >= 16);
    struct kg_worker_pool *pool = calloc(1, sizeof(*pool) + params->workers * sizeof(pool->worker[0]));
    if (!pool) {
        kg_log(KG_LOG_ERROR, "relay", NULL, "no memory for the workers");
        return NULL;
    }
    pool->params = *params;
    pool->params.listen = NULL;
    pool->count = params->workers;
    for (unsigned i = 0; i < pool->count; i++) {
        if (!open_worker(pool, i, params))
            goto destroy_pool;
    }
    /* only now: workers reach each other's inboxes from their first datagram on */
    for (unsigned i = 0; i < pool->count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "worker-%u", (unsigned char)i);
        if (!kg_thread_start(&pool->worker[i].thread, name, kg_worker_run, &pool->worker[i]))
            goto destroy_pool;
        pool->worker[i].started = true;
    }
    return pool;
destroy_pool:
    kg_worker_pool_destroy(pool);
    return NULL;
}

void kg_worker_pool_destroy(struct kg_worker_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->worker[i].commands)
            kg_queue_close(pool->worker[i].commands);
    }
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->worker[i].started)
            kg_thread_join(&pool->worker[i].thread);
    }
    for (unsigned i = 0; i < pool->count; i++)
        close_worker(&pool->worker[i]);
    free(pool);
}

uint16_t kg_worker_pool_port(const struct kg_worker_pool *pool)
{
    return pool->port;
}

unsigned kg_worker_pool_assign(struct kg_worker_pool *pool)
{
    unsigned best = 0;
    for (unsigned i = 1; i < pool->count; i++) {
        if (atomic_load(&pool->worker[i].load) < atomic_load(&pool->worker[best].load))
            best = i;
    }
    return best;
}

void kg_worker_credentials(unsigned worker, char ufrag[KG_WORKER_UFRAG_SIZE], char pwd[KG_WORKER_PWD_SIZE])
{
    assert(worker < KG_WORKER_MAX);
    snprintf(ufrag, KG_WORKER_UFRAG_SIZE, "%02x", worker);
    kg_random_text(ufrag + KG_WORKER_UFRAG_PREFIX, KG_WORKER_UFRAG_SIZE - KG_WORKER_UFRAG_PREFIX);
    kg_random_text(pwd, KG_WORKER_PWD_SIZE);
}

static bool post(struct kg_worker_pool *pool, unsigned worker, const struct kg_command *command)
{
    assert(worker < pool->count);
    if (kg_queue_push(pool->worker[worker].commands, command))
        return true;
    kg_log(KG_LOG_WARN, "relay", "relay.commands-full", "worker %u takes no more commands", worker);
    return false;
}

bool kg_worker_party_add(struct kg_worker_pool *pool, const struct kg_worker_party *party)
{
    assert(party->worker < pool->count && party->party && party->meeting);
    struct kg_command command = {.kind = KG_COMMAND_ADD, .party = party->party};
    command.add = malloc(sizeof(*command.add));
    if (!command.add) {
        kg_log(KG_LOG_ERROR, "relay", NULL, "no memory for a party");
        return false;
    }
    command.add->wire = *party->wire;
    command.add->party = *party;
    command.add->party.wire = NULL;
    struct kg_add *add = command.add;
    atomic_fetch_add(&pool->worker[party->worker].load, 1);
    if (post(pool, party->worker, &command))
        return true;
    atomic_fetch_sub(&pool->worker[party->worker].load, 1);
    free(add);
    return false;
}

bool kg_worker_party_remove(struct kg_worker_pool *pool, unsigned worker, uint64_t party)
{
    return post(pool, worker, &(struct kg_command){.kind = KG_COMMAND_REMOVE, .party = party});
}

bool kg_worker_mute(struct kg_worker_pool *pool, unsigned worker, uint64_t party, enum kg_source_kind kind,
                    bool muted)
{
    assert(kind < KG_SOURCE_KINDS);
    return post(pool, worker,
                &(struct kg_command){
                    .kind = KG_COMMAND_MUTE, .party = party, .mute = {.kind = kind, .muted = muted}});
}

bool kg_worker_want(struct kg_worker_pool *pool, unsigned worker, uint64_t party,
                    const struct kg_message_want *want)
{
    return post(pool, worker, &(struct kg_command){.kind = KG_COMMAND_WANT, .party = party, .want = *want});
}

bool kg_worker_request_stats(struct kg_worker_pool *pool, uint64_t request)
{
    bool all = true;
    for (unsigned i = 0; i < pool->count; i++)
        all = post(pool, i, &(struct kg_command){.kind = KG_COMMAND_STATS, .party = request}) && all;
    return all;
}

bool kg_worker_post_datagram(struct kg_worker_pool *pool, struct kg_tunnel_route *route, const void *data,
                             size_t size)
{
    struct kg_inbox_item item = {
        .kind = KG_INBOX_DATAGRAM, .tunnel = true, .size = (uint16_t)size, .arrival_us = kg_clock_now_us()};
    char ufrag[KG_WORKER_UFRAG_SIZE];
    if (size == 0 || size > sizeof(item.data))
        return false;
    if (kg_stun_is(data, size)) {
        int to = kg_worker_of_stun(data, size, pool->count, ufrag);
        if (to >= 0)
            route->worker_plus_1 = to + 1;
    }
    if (route->worker_plus_1 == 0)
        return false;
    item.path = kg_path_tunnel(route->tunnel);
    memcpy(item.data, data, size);
    return kg_queue_push(pool->worker[route->worker_plus_1 - 1].inbox, &item);
}

void kg_worker_post_tunnel_closed(struct kg_worker_pool *pool, const struct kg_tunnel_route *route)
{
    if (route->worker_plus_1 == 0)
        return;
    struct kg_inbox_item item = {
        .kind = KG_INBOX_TUNNEL_CLOSED, .tunnel = true, .path = kg_path_tunnel(route->tunnel)};
    /* full: the party's consent for that path runs out by itself */
    if (!kg_queue_push(pool->worker[route->worker_plus_1 - 1].inbox, &item))
        kg_log(KG_LOG_WARN, "relay", NULL, "worker %d has no room for a closed tunnel",
               route->worker_plus_1 - 1);
}

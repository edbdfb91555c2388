#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "net/ice.h"
#include "relay/worker_internal.h"
#include "rtp/stun.h"

enum { MAX_ROUNDS = 4 }; /* batches from one socket before the others have a turn */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int kg_worker_of_stun(const void *data, size_t size, unsigned workers, char ufrag[KG_WORKER_UFRAG_SIZE])
{
    struct kg_stun message;
    if (!kg_stun_parse(data, size, &message) || message.class_ != KG_STUN_REQUEST ||
        !kg_ice_receiver_ufrag(&message, ufrag, KG_WORKER_UFRAG_SIZE) ||
        strlen(ufrag) <= KG_WORKER_UFRAG_PREFIX)
        return -1;
    int high = hex_digit(ufrag[0]), low = hex_digit(ufrag[1]);
    if (high < 0 || low < 0 || (unsigned)(high * 16 + low) >= workers)
        return -1;
    return high * 16 + low;
}

bool kg_worker_push_event(struct kg_worker *worker, const struct kg_worker_event *event)
{
    struct kg_worker_event sent = *event;
    sent.worker = worker->index;
    return kg_queue_push(worker->pool->params.events, &sent);
}

void kg_worker_tell_other(struct kg_worker *worker, uint8_t other, enum kg_inbox_kind kind,
                          const struct kg_path *path)
{
    worker->scratch.kind = kind;
    worker->scratch.from = (uint8_t)worker->index;
    worker->scratch.tunnel = false;
    worker->scratch.size = 0;
    worker->scratch.path = *path;
    /* full: the next check or stray datagram of that path tells again */
    if (!kg_queue_push(worker->pool->worker[other].inbox, &worker->scratch))
        worker->totals.dropped++;
}

static bool send_by_tunnel(struct kg_worker *worker, uint32_t tunnel, const void *data, size_t size,
                           bool video)
{
    const struct kg_worker_params *params = &worker->pool->params;
    unsigned thread = tunnel >> 28;
    struct kg_tunnel_datagram out = {.tunnel = tunnel, .size = (uint16_t)size, .video = video};
    if (thread >= params->tunnel_threads || size > sizeof(out.data))
        return false;
    struct kg_queue *queue = params->tunnel_out[thread];
    if (video && kg_queue_count(queue) >= params->tunnel_capacity / 4 * 3)
        return false;
    memcpy(out.data, data, size);
    return kg_queue_push(queue, &out);
}

bool kg_worker_send(struct kg_worker *worker, const struct kg_path *path, const void *data, size_t size,
                    uint8_t dscp, bool video)
{
    bool sent = false;
    if (path->kind == KG_PATH_TUNNEL) {
        sent = send_by_tunnel(worker, path->tunnel_id, data, size, video);
    } else if (path->kind == KG_PATH_UDP) {
        struct kg_udp *udp = worker->udp[path->remote.ss_family == AF_INET6];
        sent = udp && kg_udp_send(udp, (const struct sockaddr *)&path->remote, dscp, data, size);
    }
    if (!sent) {
        worker->totals.dropped++;
        return false;
    }
    worker->totals.packets_out++;
    worker->totals.bytes_out += size;
    return true;
}

/* Passes a datagram to the worker it belongs to. */
static void cross(struct kg_worker *worker, unsigned to, const struct kg_path *path, const void *data,
                  size_t size, int64_t arrival_us)
{
    struct kg_inbox_item *item = &worker->scratch;
    item->kind = KG_INBOX_DATAGRAM;
    item->from = (uint8_t)worker->index;
    item->tunnel = false;
    item->path = *path;
    item->size = (uint16_t)size;
    item->arrival_us = arrival_us;
    memcpy(item->data, data, size);
    if (kg_queue_push(worker->pool->worker[to].inbox, item))
        worker->totals.crossed++;
    else
        worker->totals.dropped++;
}

static void note_stranger(struct kg_worker *worker, const struct kg_path *path)
{
    uint32_t suppressed = 0;
    char text[KG_PATH_TEXT_BYTES];
    worker->totals.dropped++;
    if (kg_log_allow(&worker->stranger_log, worker->now_us, &suppressed))
        kg_log(KG_LOG_DEBUG, "relay", NULL, "datagram from unknown %s dropped (%u more not logged)",
               kg_path_text(path, text), suppressed);
}

static void handle_stun(struct kg_worker *worker, const struct kg_path *path, void *data, size_t size,
                        int64_t arrival_us)
{
    char ufrag[KG_WORKER_UFRAG_SIZE];
    int to = kg_worker_of_stun(data, size, worker->pool->count, ufrag);
    if (to >= 0 && (unsigned)to != worker->index) {
        if (worker->via == worker->index)
            cross(worker, (unsigned)to, path, data, size, arrival_us);
        return;
    }
    struct kg_seat *seat = to < 0 ? NULL : kg_seat_by_ufrag(worker, ufrag);
    if (!seat || seat->closing) {
        note_stranger(worker, path);
        return;
    }
    const struct kg_route *route = kg_routes_find(worker->routes, path);
    bool known = route && route->seat == seat; /* not by its word alone: this check may be forged */
    kg_transport_receive(seat->transport, path, data, size, arrival_us, worker->now_us);
    if (known && worker->via != worker->index) /* in case our first word did not reach it */
        kg_worker_tell_other(worker, worker->via, KG_INBOX_LEARN, path);
}

/* A datagram for any of our parties, or for another worker's. */
static void handle_datagram(struct kg_worker *worker, const struct kg_path *path, void *data, size_t size,
                            int64_t arrival_us)
{
    if (kg_stun_is(data, size)) {
        handle_stun(worker, path, data, size, arrival_us);
        return;
    }
    const struct kg_route *route = kg_routes_find(worker->routes, path);
    if (route && route->seat) {
        if (!route->seat->closing)
            kg_transport_receive(route->seat->transport, path, data, size, arrival_us, worker->now_us);
    } else if (route && worker->via == worker->index) {
        cross(worker, route->worker, path, data, size, arrival_us);
    } else {
        note_stranger(worker, path);
        if (worker->via != worker->index)
            kg_worker_tell_other(worker, worker->via, KG_INBOX_FORGET, path);
    }
}

static void read_socket(struct kg_worker *worker, struct kg_udp *udp)
{
    for (int round = 0; round < MAX_ROUNDS; round++) {
        const struct kg_udp_datagram *datagrams;
        size_t count;
        if (kg_udp_receive(udp, &datagrams, &count) == KG_UDP_FAILED || count == 0)
            return;
        worker->via = (uint8_t)worker->index;
        worker->now_us = kg_clock_now_us();
        for (size_t i = 0; i < count; i++) {
            struct kg_path path = kg_path_udp((const struct sockaddr *)datagrams[i].from);
            worker->totals.packets_in++;
            worker->totals.bytes_in += datagrams[i].size;
            handle_datagram(worker, &path, datagrams[i].data, datagrams[i].size, datagrams[i].arrival_us);
        }
        if (count < KG_UDP_BATCH)
            return;
    }
}

static void forget_foreign(struct kg_worker *worker, const struct kg_inbox_item *item)
{
    const struct kg_route *route = kg_routes_find(worker->routes, &item->path);
    if (route && !route->seat && route->worker == item->from)
        kg_routes_remove(worker->routes, &item->path);
}

static void handle_inbox(struct kg_worker *worker)
{
    struct kg_inbox_item item;
    for (int i = 0; i < KG_WORKER_INBOX && kg_queue_pop(worker->inbox, &item); i++) {
        struct kg_route learnt = {.path = item.path, .worker = item.from};
        const struct kg_route *known;
        worker->via = item.from;
        /* Read after the item was taken: no arrival is later than now. */
        worker->now_us = kg_clock_now_us();
        switch (item.kind) {
        case KG_INBOX_DATAGRAM:
            if (item.tunnel) {
                worker->via = (uint8_t)worker->index;
                worker->totals.packets_in++;
                worker->totals.bytes_in += item.size;
            }
            handle_datagram(worker, &item.path, item.data, item.size, item.arrival_us);
            break;
        case KG_INBOX_LEARN:
            known = kg_routes_find(worker->routes, &item.path);
            if ((!known || !known->seat) && !kg_routes_put(worker->routes, &learnt))
                worker->totals.dropped++;
            break;
        case KG_INBOX_FORGET:
            forget_foreign(worker, &item);
            break;
        case KG_INBOX_TUNNEL_CLOSED:
            kg_routes_remove(worker->routes, &item.path);
            break;
        }
        worker->via = (uint8_t)worker->index;
    }
}

static void handle_stats(struct kg_worker *worker, uint64_t request)
{
    struct kg_seat *seat;
    struct kg_worker_event event = {.kind = KG_WORKER_EVENT_STATS,
                                    .stats = {.request = request, .totals = worker->totals}};
    struct kg_room *room;
    LIST_FOREACH(room, &worker->rooms, link)
    {
        event.stats.totals.dropped += room->forward.dropped;
    }
    LIST_FOREACH(seat, &worker->seats, link)
    {
        event.stats.totals.rtx_out += seat->party.stats.rtx_out;
        event.stats.totals.pli_out += seat->party.stats.pli_out;
        event.stats.totals.nacks_in += seat->party.stats.nacks_in;
        kg_seat_stats(seat, request);
    }
    kg_worker_push_event(worker, &event);
}

static void handle_command(struct kg_worker *worker, const struct kg_command *command)
{
    if (command->kind == KG_COMMAND_ADD) {
        kg_seat_add(worker, command->add);
        return;
    }
    if (command->kind == KG_COMMAND_STATS) {
        handle_stats(worker, command->party);
        return;
    }
    struct kg_seat *seat = kg_seat_find(worker, command->party);
    if (!seat || seat->closing)
        return;
    switch (command->kind) {
    case KG_COMMAND_REMOVE:
        kg_transport_close(seat->transport, worker->now_us);
        kg_seat_close(seat, KG_WORKER_CLOSED_REMOVED);
        break;
    case KG_COMMAND_MUTE:
        kg_forward_mute(&seat->party, command->mute.kind, command->mute.muted, worker->now_us);
        break;
    case KG_COMMAND_WANT: {
        int slot = kg_slot_number(command->want.role, command->want.index);
        if (slot >= 0)
            kg_forward_want(&seat->party, (unsigned)slot, command->want.wish, command->want.source);
        break;
    }
    default:
        break;
    }
}

static void tick(struct kg_worker *worker)
{
    struct kg_seat *seat;
    struct kg_room *room;
    LIST_FOREACH(seat, &worker->seats, link)
    {
        if (!seat->closing && kg_transport_next_us(seat->transport) <= worker->now_us)
            kg_transport_tick(seat->transport, worker->now_us);
    }
    LIST_FOREACH(room, &worker->rooms, link)
    {
        kg_forward_tick(&room->forward, worker->now_us, kg_clock_wall_us());
    }
    worker->next_tick_us = worker->now_us + KG_FORWARD_TICK_US;
}

static void flush(struct kg_worker *worker)
{
    for (size_t i = 0; i < KG_ARRAY_LEN(worker->udp); i++) {
        if (worker->udp[i])
            (void)!kg_udp_flush(worker->udp[i]);
    }
}

/* Milliseconds until the next tick; −1 while nobody is here. */
static int pause_ms(const struct kg_worker *worker)
{
    if (LIST_EMPTY(&worker->seats) && SLIST_EMPTY(&worker->refused))
        return -1;
    int64_t left_us = worker->next_tick_us - kg_clock_now_us();
    return left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
}

/* Transports end on the thread that used them. */
static void say_goodbye(struct kg_worker *worker)
{
    struct kg_seat *seat;
    worker->now_us = kg_clock_now_us();
    LIST_FOREACH(seat, &worker->seats, link)
    {
        if (!seat->closing)
            kg_transport_close(seat->transport, worker->now_us);
    }
    flush(worker);
    while ((seat = LIST_FIRST(&worker->seats)))
        kg_seat_destroy(seat);
    kg_seat_drop_refused(worker);
}

void kg_worker_run(void *arg)
{
    struct kg_worker *worker = arg;
    struct epoll_event ready[8];
    while (!atomic_load(&worker->pool->stop)) {
        int count = epoll_wait(worker->epoll, ready, KG_ARRAY_LEN(ready), pause_ms(worker));
        if (count < 0 && errno != EINTR) {
            kg_log(KG_LOG_ERROR, "relay", "relay.worker-failed", "worker %u: epoll: %s", worker->index,
                   strerror(errno));
            break;
        }
        worker->now_us = kg_clock_now_us();
        struct kg_command command;
        for (int i = 0; i < KG_WORKER_COMMANDS && kg_queue_pop(worker->commands, &command); i++)
            handle_command(worker, &command);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.ptr != worker->commands && ready[i].data.ptr != worker->inbox)
                read_socket(worker, ready[i].data.ptr);
        }
        handle_inbox(worker);
        if (worker->now_us >= worker->next_tick_us)
            tick(worker);
        kg_seat_sweep(worker);
        flush(worker);
    }
    say_goodbye(worker);
}

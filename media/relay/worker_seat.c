#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/worker_internal.h"

static unsigned bucket_of(const char *ufrag)
{
    unsigned hash = 5381;
    for (; *ufrag; ufrag++)
        hash = hash * 33 + (unsigned char)*ufrag;
    return hash % KG_WORKER_UFRAG_BUCKETS;
}

struct kg_seat *kg_seat_find(struct kg_worker *worker, uint64_t party)
{
    struct kg_seat *seat;
    LIST_FOREACH(seat, &worker->seats, link)
    {
        if (seat->party.id == party)
            return seat;
    }
    return NULL;
}

struct kg_seat *kg_seat_by_ufrag(struct kg_worker *worker, const char *ufrag)
{
    struct kg_seat *seat;
    LIST_FOREACH(seat, &worker->ufrags[bucket_of(ufrag)], ufrag_link)
    {
        if (strcmp(seat->party.wire.relay.ufrag, ufrag) == 0)
            return seat;
    }
    return NULL;
}

static enum kg_worker_path path_kind(const struct kg_seat *seat)
{
    const struct kg_path *path = seat->transport ? kg_transport_path(seat->transport) : NULL;
    if (!path || path->kind == KG_PATH_NONE)
        return KG_WORKER_PATH_NONE;
    return path->kind == KG_PATH_TUNNEL ? KG_WORKER_PATH_TUNNEL : KG_WORKER_PATH_UDP;
}

static void tell(struct kg_seat *seat);

/* --- what the transport says --- */

static void on_datagram_out(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct kg_seat *seat = user;
    /* checks, handshakes and reports are small and must not be late: with the sound */
    kg_worker_send(seat->worker, path, data, size, seat->worker->pool->params.dscp_audio, false);
}

static void on_rtp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct kg_seat *seat = user;
    kg_forward_rtp(&seat->party, packet, size, arrival_us, now_us);
}

static void on_rtcp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct kg_seat *seat = user;
    kg_forward_rtcp(&seat->party, packet, size, arrival_us, now_us);
}

static enum kg_worker_close close_reason(enum kg_transport_reason reason)
{
    switch (reason) {
    case KG_TRANSPORT_NO_PATH:
        return KG_WORKER_CLOSED_NO_ANSWER;
    case KG_TRANSPORT_CONSENT_LOST:
        return KG_WORKER_CLOSED_CONSENT;
    case KG_TRANSPORT_PEER_CLOSED:
        return KG_WORKER_CLOSED_BY_PEER;
    case KG_TRANSPORT_OPEN:
    case KG_TRANSPORT_LOCAL_CLOSED:
        return KG_WORKER_CLOSED_REMOVED;
    default:
        return KG_WORKER_CLOSED_DTLS;
    }
}

static void add_route(struct kg_seat *seat, const struct kg_path *path)
{
    struct kg_worker *worker = seat->worker;
    struct kg_route route = {
        .path = *path, .seat = seat, .worker = (uint8_t)worker->index, .via = worker->via};
    if (!kg_routes_put(worker->routes, &route))
        kg_log(KG_LOG_WARN, "relay", "relay.routes-full", "worker %u: too many paths", worker->index);
    else if (worker->via != worker->index)
        kg_worker_tell_other(worker, worker->via, KG_INBOX_LEARN, path);
}

static void remove_route(struct kg_seat *seat, const struct kg_path *path)
{
    struct kg_worker *worker = seat->worker;
    const struct kg_route *route = kg_routes_find(worker->routes, path);
    if (!route || route->seat != seat)
        return;
    if (route->via != worker->index)
        kg_worker_tell_other(worker, route->via, KG_INBOX_FORGET, path);
    kg_routes_remove(worker->routes, path);
}

static void on_event(void *user, const struct kg_transport_event *event)
{
    struct kg_seat *seat = user;
    switch (event->kind) {
    case KG_TRANSPORT_EVENT_CONNECTED:
        seat->tell |= KG_TELL_CONNECTED;
        kg_forward_set_path(&seat->party, path_kind(seat) == KG_WORKER_PATH_TUNNEL);
        kg_forward_connected(&seat->party, seat->worker->now_us);
        tell(seat);
        break;
    case KG_TRANSPORT_EVENT_PATH_ADDED:
        add_route(seat, &event->path);
        break;
    case KG_TRANSPORT_EVENT_PATH_REMOVED:
        remove_route(seat, &event->path);
        break;
    case KG_TRANSPORT_EVENT_PATH_CHANGED:
        kg_forward_set_path(&seat->party, event->path.kind == KG_PATH_TUNNEL);
        if (seat->party.connected)
            seat->tell |= KG_TELL_PATH;
        tell(seat);
        break;
    case KG_TRANSPORT_EVENT_CLOSED:
        kg_log(KG_LOG_INFO, "relay", NULL, "party %llu: transport closed: %s",
               (unsigned long long)seat->party.id, kg_transport_reason_name(event->reason));
        kg_seat_close(seat, close_reason(event->reason));
        break;
    }
}

static const struct kg_transport_ops transport_ops = {
    .send = on_datagram_out, .on_rtp = on_rtp, .on_rtcp = on_rtcp, .on_event = on_event};

/* --- what the forwarding core says --- */

static bool send_rtp(void *party_user, uint8_t *packet, size_t size, size_t capacity,
                     enum kg_source_kind kind, int64_t now_us)
{
    (void)now_us;
    struct kg_seat *seat = party_user;
    const struct kg_worker_params *params = &seat->worker->pool->params;
    const struct kg_path *path = seat->transport ? kg_transport_path(seat->transport) : NULL;
    if (!path || path->kind == KG_PATH_NONE)
        return false;
    size_t sealed = kg_transport_protect_rtp(seat->transport, packet, size, capacity);
    bool video = kind != KG_SOURCE_MICROPHONE;
    return sealed && kg_worker_send(seat->worker, path, packet, sealed,
                                    video ? params->dscp_video : params->dscp_audio, video);
}

static void send_rtcp(void *party_user, uint8_t *packet, size_t size, size_t capacity, int64_t now_us)
{
    struct kg_seat *seat = party_user;
    if (seat->transport)
        (void)!kg_transport_send_rtcp(seat->transport, packet, size, capacity, now_us);
}

static void on_slots(void *party_user, const uint32_t source[KG_SLOTS])
{
    struct kg_seat *seat = party_user;
    memcpy(seat->carried, source, sizeof(seat->carried));
    seat->tell |= KG_TELL_SLOTS;
    tell(seat);
}

static void on_source(void *party_user, enum kg_source_kind kind, bool active)
{
    struct kg_seat *seat = party_user;
    struct kg_worker_event event = {
        .kind = KG_WORKER_EVENT_SOURCE,
        .party = seat->party.id,
        .meeting = seat->room->key,
        .source = {.kind = kind, .source = seat->party.source[kind].id, .active = active}};
    kg_worker_push_event(seat->worker, &event);
}

static void on_speaking(void *user, uint32_t source)
{
    struct kg_room *room = user;
    struct kg_worker_event event = {
        .kind = KG_WORKER_EVENT_SPEAKING, .meeting = room->key, .speaking = {.source = source}};
    kg_worker_push_event(room->worker, &event);
}

static void on_watched(void *party_user, const bool watched[KG_SOURCE_KINDS])
{
    struct kg_seat *seat = party_user;
    memcpy(seat->watched, watched, sizeof(seat->watched));
    seat->tell |= KG_TELL_WATCHED;
    tell(seat);
}

static const struct kg_forward_ops forward_ops = {.send_rtp = send_rtp,
                                                  .send_rtcp = send_rtcp,
                                                  .on_slots = on_slots,
                                                  .on_source = on_source,
                                                  .on_speaking = on_speaking,
                                                  .on_watched = on_watched};

/* --- telling control --- */

static bool tell_one(struct kg_seat *seat, unsigned what)
{
    struct kg_worker_event event = {.party = seat->party.id, .meeting = seat->room->key};
    const struct kg_path *path = seat->transport ? kg_transport_path(seat->transport) : NULL;
    switch (what) {
    case KG_TELL_CONNECTED:
    case KG_TELL_PATH:
        event.kind = what == KG_TELL_PATH ? KG_WORKER_EVENT_PATH_CHANGED : KG_WORKER_EVENT_CONNECTED;
        event.connected.path = path_kind(seat);
        if (path && path->kind == KG_PATH_UDP)
            event.connected.peer = path->remote;
        if (seat->transport)
            strncpy(event.connected.srtp_profile, kg_srtp_profile_name(kg_transport_profile(seat->transport)),
                    sizeof(event.connected.srtp_profile) - 1);
        break;
    case KG_TELL_SLOTS:
        event.kind = KG_WORKER_EVENT_SLOTS;
        memcpy(event.slots.source, seat->carried, sizeof(seat->carried));
        break;
    case KG_TELL_WATCHED:
        event.kind = KG_WORKER_EVENT_WATCHED;
        memcpy(event.watched.kind, seat->watched, sizeof(seat->watched));
        break;
    default:
        event.kind = KG_WORKER_EVENT_CLOSED;
        event.closed.reason = seat->reason;
        break;
    }
    return kg_worker_push_event(seat->worker, &event);
}

static void tell(struct kg_seat *seat)
{
    static const unsigned order[] = {KG_TELL_CONNECTED, KG_TELL_PATH, KG_TELL_SLOTS, KG_TELL_WATCHED,
                                     KG_TELL_CLOSED};
    for (size_t i = 0; seat->tell && i < KG_ARRAY_LEN(order); i++) {
        if (!(seat->tell & order[i]))
            continue;
        if (!tell_one(seat, order[i]))
            return;
        seat->tell &= ~order[i];
    }
}

void kg_seat_stats(struct kg_seat *seat, uint64_t request)
{
    const struct kg_party *party = &seat->party;
    struct kg_worker_event event = {.kind = KG_WORKER_EVENT_PARTY_STATS,
                                    .party = party->id,
                                    .meeting = seat->room->key,
                                    .party_stats = {
                                        .request = request,
                                        .path = path_kind(seat),
                                        .packets_in = party->stats.packets_in,
                                        .bytes_in = party->stats.bytes_in,
                                        .packets_out = party->stats.packets_out,
                                        .bytes_out = party->stats.bytes_out,
                                        .rtt_us = (uint32_t)KG_MIN(party->rtt_us, UINT32_MAX),
                                    }};
    for (int kind = 0; kind < KG_SOURCE_KINDS; kind++) {
        int64_t lost = kg_receive_stats_lost(&party->source[kind].stats);
        event.party_stats.lost_in += (uint32_t)KG_MAX(lost, 0);
    }
    for (unsigned i = 0; i < KG_SLOTS; i++) {
        if (party->slot[i].current)
            event.party_stats.loss_out_256 =
                KG_MAX(event.party_stats.loss_out_256, party->slot[i].stats.fraction_lost);
    }
    kg_worker_push_event(seat->worker, &event);
}

/* --- coming and going --- */

static struct kg_room *enter_room(struct kg_worker *worker, uint64_t key)
{
    struct kg_room *room;
    LIST_FOREACH(room, &worker->rooms, link)
    {
        if (room->key == key)
            return room;
    }
    room = calloc(1, sizeof(*room));
    if (!room)
        return NULL;
    room->key = key;
    room->worker = worker;
    kg_forward_init(&room->forward, &forward_ops, room, worker->packets, worker->now_us, kg_clock_wall_us());
    LIST_INSERT_HEAD(&worker->rooms, room, link);
    worker->totals.meetings++;
    return room;
}

static void leave_room(struct kg_room *room)
{
    if (room->seats > 0)
        return;
    LIST_REMOVE(room, link);
    room->worker->totals.meetings--;
    free(room);
}

static struct kg_transport *make_transport(struct kg_seat *seat)
{
    const struct kg_wire *wire = &seat->party.wire;
    struct kg_transport_params params = {
        .role = KG_TRANSPORT_RELAY,
        .local_ufrag = wire->relay.ufrag,
        .local_password = wire->relay.pwd,
        .remote_ufrag = wire->party.ufrag,
        .remote_password = wire->party.pwd,
        .identity = seat->worker->pool->params.identity,
        .ops = &transport_ops,
        .user = seat,
    };
    memcpy(params.remote_fingerprint, wire->party.fingerprint, sizeof(params.remote_fingerprint));
    return kg_transport_create(&params, seat->worker->now_us);
}

/* Control would keep a seat whose media never comes: it is told as soon as its queue has room. Of the refused
 * there is only what was asked, which costs no memory more. */
static void tell_refused(struct kg_worker *worker)
{
    struct kg_add *add;
    while ((add = SLIST_FIRST(&worker->refused))) {
        struct kg_worker_event event = {.kind = KG_WORKER_EVENT_CLOSED,
                                        .party = add->party.party,
                                        .meeting = add->party.meeting,
                                        .closed = {.reason = KG_WORKER_CLOSED_OUT_OF_MEMORY}};
        if (!kg_worker_push_event(worker, &event))
            return;
        SLIST_REMOVE_HEAD(&worker->refused, link);
        atomic_fetch_sub(&worker->load, 1);
        free(add);
    }
}

void kg_seat_drop_refused(struct kg_worker *worker)
{
    struct kg_add *add;
    while ((add = SLIST_FIRST(&worker->refused))) {
        SLIST_REMOVE_HEAD(&worker->refused, link);
        free(add);
    }
}

void kg_seat_add(struct kg_worker *worker, struct kg_add *add)
{
    const struct kg_worker_party *asked = &add->party;
    struct kg_party_params params = {.id = asked->party, .wire = &add->wire};
    memcpy(params.source, asked->source, sizeof(params.source));
    memcpy(params.muted, asked->muted, sizeof(params.muted));
    struct kg_seat *seat = calloc(1, sizeof(*seat));
    struct kg_room *room = seat ? enter_room(worker, asked->meeting) : NULL;
    if (!room)
        goto free_seat;
    params.user = seat;
    seat->worker = worker;
    seat->room = room;
    if (!kg_party_init(&seat->party, &params))
        goto leave_room;
    seat->transport = make_transport(seat);
    if (!seat->transport)
        goto finish_party;
    kg_forward_join(&room->forward, &seat->party);
    room->seats++;
    worker->totals.parties++;
    LIST_INSERT_HEAD(&worker->seats, seat, link);
    LIST_INSERT_HEAD(&worker->ufrags[bucket_of(seat->party.wire.relay.ufrag)], seat, ufrag_link);
    free(add);
    return;
finish_party:
    kg_party_finish(&seat->party);
leave_room:
    leave_room(room);
free_seat:
    kg_log(KG_LOG_ERROR, "relay", "relay.party-refused", "party %llu cannot be set up",
           (unsigned long long)asked->party);
    SLIST_INSERT_HEAD(&worker->refused, add, link);
    tell_refused(worker);
    free(seat);
}

void kg_seat_close(struct kg_seat *seat, enum kg_worker_close reason)
{
    if (seat->closing)
        return;
    seat->closing = true;
    seat->reason = reason;
    seat->tell |= KG_TELL_CLOSED;
}

/* Takes everything down but the seat itself, which waits until control can be told. */
static void dismantle(struct kg_seat *seat)
{
    struct kg_worker *worker = seat->worker;
    const struct kg_route *route;
    kg_forward_leave(&seat->party, worker->now_us);
    while ((route = kg_routes_of(worker->routes, seat))) {
        struct kg_path path = route->path;
        remove_route(seat, &path);
    }
    LIST_REMOVE(seat, ufrag_link);
    kg_transport_destroy(seat->transport);
    seat->transport = NULL;
}

void kg_seat_destroy(struct kg_seat *seat)
{
    struct kg_worker *worker = seat->worker;
    if (seat->transport)
        dismantle(seat);
    LIST_REMOVE(seat, link);
    seat->room->seats--;
    leave_room(seat->room);
    kg_party_finish(&seat->party);
    worker->totals.parties--;
    atomic_fetch_sub(&worker->load, 1);
    free(seat);
}

void kg_seat_sweep(struct kg_worker *worker)
{
    tell_refused(worker);
    struct kg_seat *seat = LIST_FIRST(&worker->seats);
    while (seat) {
        struct kg_seat *next = LIST_NEXT(seat, link);
        if (seat->closing && seat->transport)
            dismantle(seat);
        tell(seat);
        if (seat->closing && !(seat->tell & KG_TELL_CLOSED))
            kg_seat_destroy(seat);
        seat = next;
    }
}

/* Two workers on one port: real sockets and keys over loopback, datagrams that land on the wrong worker, the
 * tunnel's queues, and what control is told. */
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/random.h"
#include "net/transport.h"
#include "net/udp.h"
#include "relay/worker_internal.h"
#include "rtp/rtp.h"
#include "unit/cmocka_all.h"

enum { CLIENTS = 8, WORKERS = 2, DEADLINE_US = 20000000 };

struct client {
    uint64_t party, meeting;
    unsigned worker;
    struct kg_wire wire;
    struct kg_identity *identity;
    struct kg_transport *transport;
    struct kg_udp *udp;
    struct kg_tunnel_route route;
    bool by_tunnel;
    struct kg_worker_pool *pool;
    bool connected, told_connected, told_closed;
    enum kg_worker_path told_path;
    enum kg_worker_close reason;
    uint32_t slots[KG_SLOTS];
    uint16_t sequence;
    unsigned heard; /* audio packets of the other party of its meeting */
    uint32_t heard_source;
};

struct hall {
    struct kg_identity *identity;
    struct kg_queue *events, *tunnel;
    struct kg_worker_pool *pool;
    struct client clients[CLIENTS];
    unsigned count;
    struct kg_worker_totals totals[WORKERS];
    unsigned stats;
};

static void client_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct client *c = user;
    if (path->kind == KG_PATH_TUNNEL)
        kg_worker_post_datagram(c->pool, &c->route, data, size);
    else
        kg_udp_send(c->udp, NULL, 0, data, size);
}

static void client_rtp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    assert_true(arrival_us <= now_us);
    struct client *c = user;
    struct kg_rtp_packet p;
    assert_true(kg_rtp_parse(packet, size, &p));
    assert_int_equal(p.header.csrc_count, 1);
    c->heard++;
    c->heard_source = p.header.csrc[0];
}

static void client_rtcp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    (void)user, (void)packet, (void)size, (void)arrival_us, (void)now_us;
}

static void client_event(void *user, const struct kg_transport_event *event)
{
    struct client *c = user;
    if (event->kind == KG_TRANSPORT_EVENT_CONNECTED)
        c->connected = true;
}

static void client_needs_tunnel(void *user)
{
    (void)user; /* brought up by the test */
}

static const struct kg_transport_ops client_ops = {client_send, client_rtp, client_rtcp, client_event,
                                                   client_needs_tunnel};

static void make_lines(struct kg_wire *wire)
{
    wire->lines[0] = (struct kg_wire_line){.role = KG_ROLE_MICROPHONE,
                                           .active = true,
                                           .mid = "0",
                                           .ssrc = 77,
                                           .payload_type = 111,
                                           .extension = {1, 2, 3, 0}};
    wire->lines[1] = (struct kg_wire_line){.role = KG_ROLE_AUDIO_SLOT,
                                           .active = true,
                                           .mid = "1",
                                           .ssrc = 88,
                                           .payload_type = 111,
                                           .extension = {1, 2, 3, 0}};
    wire->line_count = 2;
}

static struct sockaddr_storage loopback(int family, uint16_t port)
{
    struct sockaddr_storage s = {.ss_family = (sa_family_t)family};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&s, family == AF_INET6 ? (void *)&v6 : (void *)&v4, family == AF_INET6 ? sizeof(v6) : sizeof(v4));
    return s;
}

/* family: AF_INET, AF_INET6, or AF_UNSPEC for the tunnel. */
static void join(struct hall *h, uint64_t meeting, unsigned worker, int family)
{
    bool by_tunnel = family == AF_UNSPEC;
    struct client *c = &h->clients[h->count++];
    c->party = h->count;
    c->meeting = meeting;
    c->worker = worker;
    c->pool = h->pool;
    c->by_tunnel = by_tunnel;
    c->identity = kg_identity_create();
    assert_non_null(c->identity);
    make_lines(&c->wire);
    kg_worker_credentials(worker, c->wire.relay.ufrag, c->wire.relay.pwd);
    kg_random_text(c->wire.party.ufrag, 9);
    kg_random_text(c->wire.party.pwd, 25);
    memcpy(c->wire.party.fingerprint, kg_identity_fingerprint(c->identity), KG_FINGERPRINT_BYTES);
    struct kg_worker_party party = {
        .party = c->party, .meeting = meeting, .worker = worker, .wire = &c->wire};
    for (int k = 0; k < KG_SOURCE_KINDS; k++)
        party.source[k] = (uint32_t)(c->party * 10 + (unsigned)k);
    assert_true(kg_worker_party_add(h->pool, &party));
    struct kg_transport_params params = {.role = KG_TRANSPORT_TERMINAL,
                                         .local_ufrag = c->wire.party.ufrag,
                                         .local_password = c->wire.party.pwd,
                                         .remote_ufrag = c->wire.relay.ufrag,
                                         .remote_password = c->wire.relay.pwd,
                                         .identity = c->identity,
                                         .ops = &client_ops,
                                         .user = c};
    memcpy(params.remote_fingerprint, kg_identity_fingerprint(h->identity), KG_FINGERPRINT_BYTES);
    if (!by_tunnel) {
        struct sockaddr_storage relay = loopback(family, kg_worker_pool_port(h->pool));
        struct kg_udp_params udp = {.bind = loopback(family, 0), .peer = (struct sockaddr *)&relay};
        c->udp = kg_udp_open(&udp);
        assert_non_null(c->udp);
        params.remotes[params.remote_count++] = kg_path_udp((struct sockaddr *)&relay);
    }
    c->transport = kg_transport_create(&params, kg_clock_now_us());
    assert_non_null(c->transport);
    if (by_tunnel) {
        c->route.tunnel = kg_tunnel_id(0, h->count);
        kg_transport_tick(c->transport, kg_clock_now_us());
        kg_transport_tunnel_up(c->transport, c->route.tunnel, kg_clock_now_us());
    }
}

static struct client *client_of(struct hall *h, uint64_t party)
{
    assert_in_range(party, 1, h->count);
    return &h->clients[party - 1];
}

static void take_events(struct hall *h)
{
    struct kg_worker_event e;
    while (kg_queue_pop(h->events, &e)) {
        switch (e.kind) {
        case KG_WORKER_EVENT_CONNECTED:
            assert_false(client_of(h, e.party)->told_connected);
            assert_int_equal(e.worker, client_of(h, e.party)->worker);
            assert_string_equal(e.connected.srtp_profile, "AEAD_AES_128_GCM");
            client_of(h, e.party)->told_connected = true;
            client_of(h, e.party)->told_path = e.connected.path;
            break;
        case KG_WORKER_EVENT_CLOSED:
            client_of(h, e.party)->told_closed = true;
            client_of(h, e.party)->reason = e.closed.reason;
            break;
        case KG_WORKER_EVENT_SLOTS:
            memcpy(client_of(h, e.party)->slots, e.slots.source, sizeof(e.slots.source));
            break;
        case KG_WORKER_EVENT_STATS:
            h->totals[e.worker] = e.stats.totals;
            h->stats++;
            break;
        default:
            break;
        }
    }
}

static void take_tunnel(struct hall *h)
{
    struct kg_tunnel_datagram d;
    while (kg_queue_pop(h->tunnel, &d)) {
        struct client *c = client_of(h, d.tunnel & 0xfffffff);
        struct kg_path path = kg_path_tunnel(d.tunnel);
        int64_t now_us = kg_clock_now_us();
        kg_transport_receive(c->transport, &path, d.data, d.size, now_us, now_us);
    }
}

/* One turn of every client; waits up to 5 ms for something to arrive. */
static void turn(struct hall *h)
{
    struct pollfd wait[CLIENTS + 2];
    nfds_t fds = 0;
    int64_t now_us = kg_clock_now_us();
    for (unsigned i = 0; i < h->count; i++) {
        struct client *c = &h->clients[i];
        if (kg_transport_next_us(c->transport) <= now_us)
            kg_transport_tick(c->transport, now_us);
        if (c->udp) {
            (void)kg_udp_flush(c->udp);
            wait[fds++] = (struct pollfd){.fd = kg_udp_fd(c->udp), .events = POLLIN};
        }
    }
    wait[fds++] = (struct pollfd){.fd = kg_queue_fd(h->events), .events = POLLIN};
    wait[fds++] = (struct pollfd){.fd = kg_queue_fd(h->tunnel), .events = POLLIN};
    (void)poll(wait, fds, 5);
    for (unsigned i = 0; i < h->count; i++) {
        struct client *c = &h->clients[i];
        const struct kg_udp_datagram *d;
        size_t count = 0;
        if (!c->udp || kg_udp_receive(c->udp, &d, &count) != KG_UDP_OK)
            continue;
        for (size_t k = 0; k < count; k++) {
            struct kg_path path = kg_path_udp((const struct sockaddr *)d[k].from);
            kg_transport_receive(c->transport, &path, d[k].data, d[k].size, d[k].arrival_us,
                                 kg_clock_now_us());
        }
        (void)kg_udp_flush(c->udp);
    }
    take_tunnel(h);
    take_events(h);
}

static void say(struct client *c)
{
    uint8_t packet[256];
    uint8_t level = 20;
    struct kg_rtp_header header = {.payload_type = 111,
                                   .sequence = c->sequence,
                                   .timestamp = 960u * c->sequence,
                                   .ssrc = 77,
                                   .extension_count = 1};
    header.extensions[0] = (struct kg_rtp_extension){1, 1, &level};
    size_t size = kg_rtp_write_header(&header, packet, sizeof(packet));
    memset(packet + size, 0x42, 60);
    c->sequence++;
    (void)!kg_transport_send_rtp(c->transport, packet, size + 60, sizeof(packet), kg_clock_now_us());
}

static bool all_connected(const struct hall *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        if (!h->clients[i].connected || !h->clients[i].told_connected)
            return false;
    }
    return true;
}

static bool all_heard(const struct hall *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        if (h->clients[i].heard < 5)
            return false;
    }
    return true;
}

static bool ipv6_is_here(void)
{
    struct sockaddr_storage any = loopback(AF_INET6, 0);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool here = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(struct sockaddr_in6)) == 0;
    if (fd >= 0)
        close(fd);
    return here;
}

static void open_hall(struct hall *h)
{
    memset(h, 0, sizeof(*h));
    h->identity = kg_identity_create();
    h->events = kg_queue_create(256, sizeof(struct kg_worker_event));
    h->tunnel = kg_queue_create(64, sizeof(struct kg_tunnel_datagram));
    assert_true(h->identity && h->events && h->tunnel);
    struct sockaddr_storage listen[2] = {loopback(AF_INET, 0), loopback(AF_INET6, 0)};
    struct kg_worker_params params = {.workers = WORKERS,
                                      .listen = listen,
                                      .listen_count = ipv6_is_here() ? 2 : 1,
                                      .identity = h->identity,
                                      .events = h->events,
                                      .tunnel_out = &h->tunnel,
                                      .tunnel_capacity = 64,
                                      .tunnel_threads = 1,
                                      .dscp_audio = 46,
                                      .dscp_video = 34};
    h->pool = kg_worker_pool_create(&params);
    assert_non_null(h->pool);
}

static void close_hall(struct hall *h)
{
    kg_worker_pool_destroy(h->pool);
    for (unsigned i = 0; i < h->count; i++) {
        kg_transport_destroy(h->clients[i].transport);
        kg_udp_close(h->clients[i].udp);
        kg_identity_destroy(h->clients[i].identity);
    }
    kg_queue_destroy(h->events);
    kg_queue_destroy(h->tunnel);
    kg_identity_destroy(h->identity);
}

static void meet(struct hall *h)
{
    int64_t end_us = kg_clock_now_us() + DEADLINE_US;
    while (!all_connected(h) && kg_clock_now_us() < end_us)
        turn(h);
    assert_true(all_connected(h));
    int64_t next_us = 0;
    while (!all_heard(h) && kg_clock_now_us() < end_us) {
        if (kg_clock_now_us() >= next_us) {
            for (unsigned i = 0; i < h->count; i++)
                say(&h->clients[i]);
            next_us = kg_clock_now_us() + 20000;
        }
        turn(h);
    }
    assert_true(all_heard(h));
}

/* Eight parties, each from its own port: the kernel spreads them over both sockets as it likes. */
static void misdirected_datagrams_reach_their_worker(void **state)
{
    (void)state;
    static struct hall h;
    open_hall(&h);
    for (unsigned i = 0; i < CLIENTS; i++)
        join(&h, 1 + i / 2, i / 2 % WORKERS, AF_INET);
    meet(&h);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *other = &h.clients[i ^ 1u];
        assert_int_equal(h.clients[i].heard_source, other->party * 10 + KG_SOURCE_MICROPHONE);
        assert_int_equal(h.clients[i].slots[KG_SLOT_AUDIO_0], h.clients[i].heard_source);
        assert_int_equal(h.clients[i].told_path, KG_WORKER_PATH_UDP);
    }
    assert_true(kg_worker_request_stats(h.pool, 1));
    int64_t end_us = kg_clock_now_us() + DEADLINE_US;
    while (h.stats < WORKERS && kg_clock_now_us() < end_us)
        turn(&h);
    uint64_t crossed = h.totals[0].crossed + h.totals[1].crossed;
    assert_true(crossed > 0); /* all eight right by luck: once in 256 runs */
    assert_int_equal(h.totals[0].parties + h.totals[1].parties, CLIENTS);
    assert_int_equal(h.totals[0].meetings + h.totals[1].meetings, CLIENTS / 2);
    close_hall(&h);
}

static void a_tunnel_meets_udp(void **state)
{
    (void)state;
    static struct hall h;
    open_hall(&h);
    join(&h, 1, 1, AF_INET);
    join(&h, 1, 1, AF_UNSPEC);
    meet(&h);
    assert_int_equal(h.clients[0].told_path, KG_WORKER_PATH_UDP);
    assert_int_equal(h.clients[1].told_path, KG_WORKER_PATH_TUNNEL);
    close_hall(&h);
}

static void ipv4_meets_ipv6_on_one_port(void **state)
{
    (void)state;
    static struct hall h;
    if (!ipv6_is_here())
        skip();
    open_hall(&h);
    join(&h, 1, 1, AF_INET);
    join(&h, 1, 1, AF_INET6);
    meet(&h);
    close_hall(&h);
}

static void a_removed_party_is_told_of_and_forgotten(void **state)
{
    (void)state;
    static struct hall h;
    open_hall(&h);
    unsigned worker = kg_worker_pool_assign(h.pool);
    join(&h, 1, worker, AF_INET);
    join(&h, 1, worker, AF_INET);
    assert_int_not_equal(kg_worker_pool_assign(h.pool), worker);
    meet(&h);
    assert_true(kg_worker_party_remove(h.pool, worker, 1));
    int64_t end_us = kg_clock_now_us() + DEADLINE_US;
    while ((!h.clients[0].told_closed || h.clients[1].slots[KG_SLOT_AUDIO_0] != 0) &&
           kg_clock_now_us() < end_us)
        turn(&h);
    assert_true(h.clients[0].told_closed);
    assert_int_equal(h.clients[0].reason, KG_WORKER_CLOSED_REMOVED);
    assert_int_equal(h.clients[1].slots[KG_SLOT_AUDIO_0], 0);
    assert_int_equal(kg_transport_get_state(h.clients[0].transport), KG_TRANSPORT_CLOSED); /* close_notify */
    close_hall(&h);
}

static void a_full_tunnel_leaves_out_pictures_first(void **state)
{
    (void)state;
    enum { CAPACITY = 16 };
    struct kg_worker_pool *pool = calloc(1, sizeof(*pool) + sizeof(pool->worker[0]));
    struct kg_queue *queue = kg_queue_create(CAPACITY, sizeof(struct kg_tunnel_datagram));
    assert_true(pool && queue);
    pool->params.tunnel_out = &queue;
    pool->params.tunnel_capacity = CAPACITY;
    pool->params.tunnel_threads = 1;
    struct kg_worker *worker = &pool->worker[0];
    worker->pool = pool;
    struct kg_path path = kg_path_tunnel(kg_tunnel_id(0, 1)), nowhere = kg_path_tunnel(kg_tunnel_id(5, 1));
    unsigned pictures = 0, voices = 0;
    struct kg_tunnel_datagram sent;
    while (kg_worker_send(worker, &path, "x", 1, 34, true))
        pictures++;
    while (kg_worker_send(worker, &path, "x", 1, 46, false))
        voices++;
    assert_int_equal(pictures, CAPACITY / 4 * 3);
    assert_int_equal(voices, CAPACITY - pictures);
    assert_false(kg_worker_send(worker, &nowhere, "x", 1, 46, false));
    assert_int_equal(worker->totals.packets_out, CAPACITY);
    assert_int_equal(worker->totals.dropped, 3);
    /* The tunnel's thread goes on by the same word, not by size: small pictures give way too, large checks do
     * not. */
    for (unsigned i = 0; i < CAPACITY; i++) {
        assert_true(kg_queue_pop(queue, &sent));
        assert_int_equal(sent.video, i < pictures);
    }
    kg_queue_destroy(queue);
    free(pool);
}

/* Control's queue is full when the seat is refused: it must not be left waiting for media. */
static void a_refused_party_is_told_of_when_there_is_room(void **state)
{
    (void)state;
    struct kg_worker_event event = {.kind = KG_WORKER_EVENT_SPEAKING};
    struct kg_identity *identity = kg_identity_create();
    struct kg_queue *events = kg_queue_create(1, sizeof event);
    const struct kg_worker_params params = {.workers = 1, .identity = identity, .events = events};
    struct kg_worker_pool *pool = kg_worker_pool_create(&params);
    assert_true(identity && events && pool);
    static struct kg_wire wire; /* no names, no passwords: no transport can be made of it */
    const struct kg_worker_party party = {.party = 7, .meeting = 9, .wire = &wire, .source = {1, 2, 3}};
    assert_true(kg_queue_push(events, &event));
    assert_true(kg_worker_party_add(pool, &party));
    assert_true(kg_worker_request_stats(pool, 1));
    while (kg_queue_count(pool->worker[0].commands) > 0)
        sched_yield(); /* the second is taken only after the first is done */
    assert_int_equal(pool->worker[0].load, 1);
    int64_t end_us = kg_clock_now_us() + DEADLINE_US;
    event.kind = KG_WORKER_EVENT_SPEAKING;
    while (event.kind != KG_WORKER_EVENT_CLOSED)
        assert_true(kg_queue_pop_wait(events, &event, end_us));
    assert_int_equal(event.party, 7);
    assert_int_equal(event.meeting, 9);
    assert_int_equal(event.closed.reason, KG_WORKER_CLOSED_OUT_OF_MEMORY);
    kg_worker_pool_destroy(pool);
    assert_int_equal(kg_queue_count(events), 0);
    kg_queue_destroy(events);
    kg_identity_destroy(identity);
}

static void mute_reaches_the_worker(void **state)
{
    (void)state;
    static struct hall h;
    open_hall(&h);
    join(&h, 1, 0, AF_INET);
    join(&h, 1, 0, AF_INET);
    meet(&h);
    assert_true(kg_worker_mute(h.pool, 0, 1, KG_SOURCE_MICROPHONE, true));
    int64_t end_us = kg_clock_now_us() + DEADLINE_US;
    while (h.clients[1].slots[KG_SLOT_AUDIO_0] != 0 && kg_clock_now_us() < end_us)
        turn(&h);
    assert_int_equal(h.clients[1].slots[KG_SLOT_AUDIO_0], 0);
    turn(&h);
    unsigned before = h.clients[1].heard;
    for (int i = 0; i < 10; i++) {
        say(&h.clients[0]);
        turn(&h);
    }
    assert_int_equal(h.clients[1].heard, before);
    close_hall(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misdirected_datagrams_reach_their_worker),
        cmocka_unit_test(a_tunnel_meets_udp),
        cmocka_unit_test(ipv4_meets_ipv6_on_one_port),
        cmocka_unit_test(a_full_tunnel_leaves_out_pictures_first),
        cmocka_unit_test(a_removed_party_is_told_of_and_forgotten),
        cmocka_unit_test(a_refused_party_is_told_of_when_there_is_room),
        cmocka_unit_test(mute_reaches_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

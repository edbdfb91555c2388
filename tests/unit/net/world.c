#include "world.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/bytes.h"
#include "net/demux.h"

static const char relay_ufrag[] = "00relay", relay_password[] = "relaypasswordrelaypassword";
static const char terminal_ufrag[] = "term", terminal_password[] = "terminalpasswordterminal";

/* OpenSSL times DTLS retransmission by gettimeofday: this one, being in the program, comes before libc's. */
static int64_t fake_clock_us;
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    tv->tv_sec = 1000000 + fake_clock_us / 1000000;
    tv->tv_usec = fake_clock_us % 1000000;
    return 0;
}

struct kg_path world_address(const char *address, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return kg_path_udp((struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
        return kg_path_udp((struct sockaddr *)&v6);
    abort();
}

uint32_t world_random(struct world *w, uint32_t limit)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 33) % limit;
}

static void put_flight(struct world *w, int to, const struct kg_path *path, const uint8_t *data, size_t size)
{
    assert(w->flight_count < WORLD_MAX_FLIGHT);
    struct flight *f = &w->flights[w->flight_count++];
    bool tunnel = path->kind == KG_PATH_TUNNEL;
    f->due_us = w->now_us + w->delay_us;
    if (w->jitter_us > 0 && !tunnel)
        f->due_us += world_random(w, (uint32_t)w->jitter_us);
    f->to = to;
    f->path = *path;
    f->size = size;
    memcpy(f->data, data, size);
}

static bool lost(struct world *w, int from, const struct kg_path *path, const uint8_t *data, size_t size)
{
    if (w->dtls_blocked && kg_demux_classify(data, size) == KG_DEMUX_DTLS)
        return true;
    if (path->kind == KG_PATH_TUNNEL)
        return w->tunnel_blocked || path->tunnel_id != w->tunnel_id;
    return w->udp_blocked[from] || (w->loss_percent && world_random(w, 100) < w->loss_percent);
}

static void on_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct world_end *end = user;
    struct world *w = end->world;
    uint8_t copy[1500];
    assert(size <= sizeof copy);
    memcpy(copy, data, size);
    if (path->kind == KG_PATH_UDP)
        end->udp_sent++;
    else
        end->tunnel_sent++;
    end->bytes_sent += size;
    end->largest = KG_MAX(end->largest, size);
    enum kg_demux kind = kg_demux_classify(data, size);
    if (kind == KG_DEMUX_RTP || kind == KG_DEMUX_RTCP) {
        memcpy(w->last_media, data, size);
        w->last_media_size = size;
    }
    if (w->watch)
        w->watch(w, end->self, path, copy, size);
    if (lost(w, end->self, path, data, size))
        return;
    struct kg_path seen = *path; /* a tunnel has one id at both ends here */
    if (path->kind == KG_PATH_UDP && end->self == WORLD_TERMINAL) {
        seen = world_address("192.0.2.2", w->nat_port);
    } else if (path->kind == KG_PATH_UDP) {
        struct kg_path nat = world_address("192.0.2.2", w->nat_port);
        if (!kg_path_equal(path, &nat))
            return; /* to an address the NAT no longer maps */
        seen = world_address("192.0.2.1", 3478);
    }
    put_flight(w, !end->self, &seen, copy, size);
    if (w->duplicate_percent && path->kind == KG_PATH_UDP && world_random(w, 100) < w->duplicate_percent)
        put_flight(w, !end->self, &seen, copy, size);
}

static void on_rtp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct world_end *end = user;
    assert(size >= 12 && now_us == end->world->now_us && arrival_us == now_us - WORLD_READ_LATE_US);
    end->rtp++;
    end->last_sequence = kg_get_u16(packet + 2);
    memset(packet, 0xee, size); /* the callee may */
}

static void on_rtcp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    struct world_end *end = user;
    assert(now_us == end->world->now_us && arrival_us == now_us - WORLD_READ_LATE_US);
    assert(size >= 8 && packet[1] == 201);
    end->rtcp++;
}

static void on_event(void *user, const struct kg_transport_event *event)
{
    struct world_end *end = user;
    switch (event->kind) {
    case KG_TRANSPORT_EVENT_CONNECTED:
        end->connected++;
        end->connected_us = end->world->now_us;
        end->profile = event->profile;
        break;
    case KG_TRANSPORT_EVENT_PATH_ADDED:
        end->path_added++;
        break;
    case KG_TRANSPORT_EVENT_PATH_REMOVED:
        end->path_removed++;
        break;
    case KG_TRANSPORT_EVENT_PATH_CHANGED:
        end->path_changed++;
        end->changed_us = end->world->now_us;
        break;
    case KG_TRANSPORT_EVENT_CLOSED:
        end->closed++;
        end->closed_us = end->world->now_us;
        end->reason = event->reason;
        break;
    }
}

static void on_need_tunnel(void *user)
{
    struct world_end *end = user;
    end->tunnel_asked++;
    end->asked_us = end->world->now_us;
    end->world->tunnel_due_us = end->world->now_us + end->world->tunnel_open_us;
}

static const struct kg_transport_ops ops = {.send = on_send,
                                            .on_rtp = on_rtp,
                                            .on_rtcp = on_rtcp,
                                            .on_event = on_event,
                                            .need_tunnel = on_need_tunnel};

static struct kg_transport *make_end(struct world *w, int self, const struct world_options *o)
{
    bool relay = self == WORLD_RELAY;
    struct kg_transport_params p = {
        .role = relay ? KG_TRANSPORT_RELAY : KG_TRANSPORT_TERMINAL,
        .local_ufrag = relay ? relay_ufrag : terminal_ufrag,
        .local_password = relay ? relay_password : terminal_password,
        .remote_ufrag = relay ? terminal_ufrag : relay_ufrag,
        .remote_password = relay ? terminal_password : relay_password,
        .identity = w->identity[self],
        .ops = &ops,
        .user = &w->end[self],
    };
    memcpy(p.remote_fingerprint, kg_identity_fingerprint(w->identity[!self]), KG_FINGERPRINT_BYTES);
    if (relay ? o->wrong_terminal_fingerprint : o->wrong_relay_fingerprint)
        p.remote_fingerprint[31] ^= 1;
    if (!relay) {
        p.srtp_profiles = o->terminal_profiles;
        if (o->wrong_password)
            p.remote_password = "anotherpasswordanotherpassword";
        if (!o->udp_never)
            p.remotes[p.remote_count++] = world_address("192.0.2.1", 3478);
    }
    return kg_transport_create(&p, w->now_us);
}

struct world *world_create(const struct world_options *options)
{
    static const struct world_options none;
    const struct world_options *o = options ? options : &none;
    struct world *w = calloc(1, sizeof *w);
    w->flights = calloc(WORLD_MAX_FLIGHT, sizeof *w->flights);
    w->seed = o->seed + 1;
    w->now_us = 5000000;
    fake_clock_us = w->now_us;
    w->delay_us = 5000;
    w->nat_port = 40000;
    w->tunnel_open_us = 50000;
    w->tunnel_due_us = INT64_MAX;
    w->tunnel_id = WORLD_TUNNEL_ID;
    for (int i = 0; i < WORLD_ENDS; i++) {
        w->identity[i] = kg_identity_create();
        w->end[i].world = w;
        w->end[i].self = i;
    }
    for (int i = 0; i < WORLD_ENDS; i++) {
        w->end[i].transport = make_end(w, i, o);
        assert(w->end[i].transport);
    }
    return w;
}

void world_destroy(struct world *w)
{
    for (int i = 0; i < WORLD_ENDS; i++) {
        kg_transport_destroy(w->end[i].transport);
        kg_identity_destroy(w->identity[i]);
    }
    free(w->flights);
    free(w);
}

static int64_t next_us(const struct world *w)
{
    int64_t next = w->tunnel_due_us;
    for (size_t i = 0; i < w->flight_count; i++)
        next = KG_MIN(next, w->flights[i].due_us);
    for (int i = 0; i < WORLD_ENDS; i++)
        next = KG_MIN(next, kg_transport_next_us(w->end[i].transport));
    return next;
}

/* Delivers the first datagram that is due, oldest first among equals. */
static bool deliver_one(struct world *w)
{
    size_t best = w->flight_count;
    for (size_t i = 0; i < w->flight_count; i++)
        if (w->flights[i].due_us <= w->now_us &&
            (best == w->flight_count || w->flights[i].due_us < w->flights[best].due_us))
            best = i;
    if (best == w->flight_count)
        return false;
    struct flight f = w->flights[best];
    memmove(&w->flights[best], &w->flights[best + 1], (w->flight_count - best - 1) * sizeof f);
    w->flight_count--;
    if (f.path.kind != KG_PATH_TUNNEL || f.path.tunnel_id == w->tunnel_id)
        world_inject(w, f.to, &f.path, f.data, f.size);
    return true;
}

void world_inject(struct world *w, int to, const struct kg_path *path, const void *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees a read past the end */
    memcpy(exact, data, size);
    kg_transport_receive(w->end[to].transport, path, exact, size, w->now_us - WORLD_READ_LATE_US, w->now_us);
    free(exact);
}

static void open_tunnel(struct world *w)
{
    struct kg_transport *t = w->end[WORLD_TERMINAL].transport;
    w->tunnel_due_us = INT64_MAX;
    if (w->tunnel_fails)
        kg_transport_tunnel_down(t, w->now_us);
    else
        kg_transport_tunnel_up(t, w->tunnel_id, w->now_us);
}

void world_cut_tunnel(struct world *w)
{
    w->tunnel_id++; /* the next connection has another name */
    kg_transport_tunnel_down(w->end[WORLD_TERMINAL].transport, w->now_us);
}

static void settle(struct world *w)
{
    unsigned rounds = 0;
    for (;;) {
        while (deliver_one(w))
            ;
        if (w->now_us >= w->tunnel_due_us)
            open_tunnel(w);
        if (next_us(w) > w->now_us)
            return;
        for (int i = 0; i < WORLD_ENDS; i++)
            if (kg_transport_next_us(w->end[i].transport) <= w->now_us)
                kg_transport_tick(w->end[i].transport, w->now_us);
        assert(++rounds < 100); /* a tick that leaves its own time due would spin an event loop */
    }
}

void world_run(struct world *w, int64_t duration_us)
{
    int64_t end_us = w->now_us + duration_us;
    for (;;) {
        settle(w);
        int64_t next = next_us(w);
        if (next > end_us)
            break;
        fake_clock_us = w->now_us = next;
    }
    fake_clock_us = w->now_us = end_us;
}

bool world_connect(struct world *w, int64_t limit_us)
{
    int64_t end_us = w->now_us + limit_us;
    while (w->now_us < end_us && !(w->end[0].connected && w->end[1].connected))
        world_run(w, 1000);
    return w->end[0].connected && w->end[1].connected;
}

bool world_send_rtp(struct world *w, int from, uint32_t ssrc, uint16_t sequence)
{
    uint8_t packet[12 + 100 + KG_SRTP_RTP_TRAILER] = {0x80, 96};
    kg_put_u16(packet + 2, sequence);
    kg_put_u32(packet + 8, ssrc);
    return kg_transport_send_rtp(w->end[from].transport, packet, 112, sizeof packet, w->now_us);
}

bool world_send_rtcp(struct world *w, int from, uint32_t ssrc)
{
    uint8_t packet[8 + KG_SRTP_RTCP_TRAILER] = {0x80, 201, 0, 1};
    kg_put_u32(packet + 4, ssrc);
    return kg_transport_send_rtcp(w->end[from].transport, packet, 8, sizeof packet, w->now_us);
}

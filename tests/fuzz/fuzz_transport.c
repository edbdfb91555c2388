/* A relay's and a terminal's transport between which an enemy sits who sees and makes every datagram but has
 * neither passwords nor keys, except that ICE requests can be signed for him (else he would never get past
 * the first check). The input is his programme. Nothing he does may crash, or make an end take media the
 * other did not send. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "net/demux.h"
#include "net/transport.h"
#include "unit/net/seal_stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RELAY, TERMINAL, ENDS, QUEUE = 64, MAX_STEPS = 200 };

static const char relay_password[] = "relaypasswordrelaypassword",
                  terminal_password[] = "terminalpasswordterminal";

struct end {
    struct kg_transport *transport;
    unsigned sent, delivered; /* media packets; delivered: to this end's owner */
    bool closed;
};

struct datagram {
    int to;
    struct kg_path path;
    size_t size;
    uint8_t data[1500];
};

static struct end ends[ENDS];
static struct datagram queue[QUEUE];
static size_t queued;
static struct datagram newest; /* the last real one, for mutation and replay */
static int64_t now_us;
static bool tunnel_open;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct kg_path peer_path(unsigned which)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + which % 16))};
    a.sin_addr.s_addr = htonl(0xc0000201);
    return which % 5 == 4 ? kg_path_tunnel(which % 3) : kg_path_udp((struct sockaddr *)&a);
}

static void on_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct end *e = user;
    must(size > 0 && size <= 1200 && path->kind != KG_PATH_NONE && !e->closed);
    newest.to = e == &ends[RELAY] ? TERMINAL : RELAY;
    newest.path = *path;
    newest.size = size;
    memcpy(newest.data, data, size);
    if (queued < QUEUE)
        queue[queued++] = newest;
}

static void on_media(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t at_us)
{
    struct end *e = user;
    must(size >= 8 && arrival_us == at_us && at_us == now_us && !e->closed);
    memset(packet, 0, size);
    e->delivered++;
    must(e->delivered <= ends[e == &ends[RELAY] ? TERMINAL : RELAY].sent);
}

static void on_event(void *user, const struct kg_transport_event *event)
{
    struct end *e = user;
    must(!e->closed);
    e->closed = event->kind == KG_TRANSPORT_EVENT_CLOSED;
}

static void on_need_tunnel(void *user)
{
    (void)user;
}

static const struct kg_transport_ops ops = {.send = on_send,
                                            .on_rtp = on_media,
                                            .on_rtcp = on_media,
                                            .on_event = on_event,
                                            .need_tunnel = on_need_tunnel};

static void create_ends(void)
{
    static struct kg_identity *identity; /* one for both and for all inputs: keys cost time */
    if (!identity) {
        kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
        identity = kg_identity_create();
    }
    for (int i = 0; i < ENDS; i++) {
        bool relay = i == RELAY;
        struct kg_transport_params p = {
            .role = relay ? KG_TRANSPORT_RELAY : KG_TRANSPORT_TERMINAL,
            .local_ufrag = relay ? "relay" : "term",
            .local_password = relay ? relay_password : terminal_password,
            .remote_ufrag = relay ? "term" : "relay",
            .remote_password = relay ? terminal_password : relay_password,
            .identity = identity,
            .ops = &ops,
            .user = &ends[i],
            .remotes = {peer_path(0)},
            .remote_count = 1,
        };
        memcpy(p.remote_fingerprint, kg_identity_fingerprint(identity), KG_FINGERPRINT_BYTES);
        ends[i] = (struct end){.transport = kg_transport_create(&p, now_us)};
        must(ends[i].transport);
    }
}

static void inject(int to, const struct kg_path *path, const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size + !size);
    if (size > 0)
        memcpy(exact, data, size);
    kg_transport_receive(ends[to].transport, path, exact, size, now_us, now_us);
    free(exact);
}

static void deliver_all(void)
{
    for (int rounds = 0; queued > 0 && rounds < 20; rounds++) {
        struct datagram batch[QUEUE];
        size_t n = queued;
        memcpy(batch, queue, n * sizeof batch[0]);
        queued = 0;
        for (size_t i = 0; i < n; i++)
            inject(batch[i].to, &batch[i].path, batch[i].data, batch[i].size);
    }
    queued = 0;
}

static void pass_time(int64_t us)
{
    now_us += us;
    for (int i = 0; i < ENDS; i++)
        for (int k = 0; k < 20 && kg_transport_next_us(ends[i].transport) <= now_us; k++)
            kg_transport_tick(ends[i].transport, now_us);
}

static void send_media(int from, const uint8_t *data, size_t size, bool rtcp)
{
    uint8_t packet[400];
    size = KG_MIN(size, sizeof packet - KG_SRTP_RTCP_TRAILER);
    if (size > 0)
        memcpy(packet, data, size);
    bool ok = rtcp ? kg_transport_send_rtcp(ends[from].transport, packet, size, sizeof packet, now_us)
                   : kg_transport_send_rtp(ends[from].transport, packet, size, sizeof packet, now_us);
    ends[from].sent += ok;
}

/* A request with the enemy's attributes, then the right username, integrity and fingerprint. */
static void signed_request(const struct kg_path *path, const uint8_t *attributes, size_t size)
{
    uint8_t bytes[512];
    static const uint8_t head[] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t username[] = {0, 6, 0, 10, 'r', 'e', 'l', 'a', 'y', ':', 't', 'e', 'r', 'm', 0, 0};
    struct kg_writer w = kg_writer_of(bytes, sizeof bytes);
    kg_write_bytes(&w, head, sizeof head);
    kg_write_bytes(&w, username, sizeof username);
    kg_write_bytes(&w, attributes, KG_MIN(size, (size_t)200) & ~(size_t)3);
    seal_stun(&w, relay_password, true);
    inject(RELAY, path, bytes, w.pos);
}

static void tunnel(uint8_t id)
{
    struct kg_transport *t = ends[TERMINAL].transport;
    tunnel_open = !tunnel_open;
    if (tunnel_open)
        kg_transport_tunnel_up(t, id % 3, now_us);
    else
        kg_transport_tunnel_down(t, now_us);
}

static void step(uint8_t op, uint8_t which, const uint8_t *data, size_t size)
{
    struct kg_path path = peer_path(which), known = peer_path(0);
    switch (op % 11) {
    case 0:
        inject(RELAY, &known, data, size);
        break;
    case 1:
        inject(TERMINAL, &known, data, size);
        break;
    case 2:
        inject(which & 1, &path, data, size);
        break;
    case 3:
        signed_request(&path, data, size);
        break;
    case 4:
        pass_time((int64_t)which * 20000);
        break;
    case 5: /* the newest real datagram, changed */
        for (size_t i = 0; i < size && newest.size > 0; i++)
            newest.data[(i * 7 + which) % newest.size] ^= data[i];
        inject(newest.to, &known, newest.data, newest.size);
        break;
    case 6:
        tunnel(which);
        break;
    case 7:
        send_media(which & 1, data, size, which & 2);
        break;
    case 8:
        deliver_all();
        break;
    case 9: /* a piece of it */
        inject(newest.to, &known, newest.data, newest.size ? which % newest.size : 0);
        break;
    default:
        queued = 0; /* lost */
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    now_us = 1000000;
    queued = 0;
    newest = (struct datagram){0};
    tunnel_open = false;
    create_ends();
    struct kg_reader r = kg_reader_of(data, size);
    if (kg_read_u8(&r) & 1) /* begin connected */
        for (int i = 0; i < 4; i++) {
            pass_time(100000);
            deliver_all();
        }
    for (int i = 0; i < MAX_STEPS && kg_reader_left(&r) >= 3; i++) {
        uint8_t op = kg_read_u8(&r), which = kg_read_u8(&r);
        size_t want = (size_t)kg_read_u8(&r) * (op & 0x80 ? 8 : 1), take = KG_MIN(want, kg_reader_left(&r));
        step(op & 0x7f, which, kg_read_view(&r, take), take);
    }
    for (int i = 0; i < ENDS; i++)
        kg_transport_destroy(ends[i].transport);
    return 0;
}

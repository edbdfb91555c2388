#include "net/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/arrival.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h, which clashes with netinet/udp.h */
#endif

enum {
    CONTROL_BYTES = CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int)),
    STAMP_BYTES = CMSG_SPACE(sizeof(struct timespec)),
    MAX_GATHERED = 65000,
    CLOCKS_APART_US = 20, /* between the two clocks' readings; more: we were interrupted there */
    CLOCK_TRIES = 4
};

struct pending {
    struct sockaddr_storage to; /* unused when connected */
    uint32_t peer_hash;
    uint16_t size;
    uint8_t dscp;
    bool taken; /* already part of a message of this flush */
    uint8_t data[KG_UDP_MAX_BYTES];
};

struct receive_batch {
    struct mmsghdr message[KG_UDP_BATCH];
    struct iovec part[KG_UDP_BATCH];
    struct sockaddr_storage from[KG_UDP_BATCH];
    uint8_t control[KG_UDP_BATCH][STAMP_BYTES] __attribute__((aligned(8)));
    struct kg_udp_datagram out[KG_UDP_BATCH];
    uint8_t data[KG_UDP_BATCH][KG_UDP_MAX_BYTES];
};

struct send_batch {
    struct pending pending[KG_UDP_PENDING];
    struct mmsghdr message[KG_UDP_PENDING];
    struct iovec part[KG_UDP_PENDING];
    uint8_t control[KG_UDP_PENDING][CONTROL_BYTES] __attribute__((aligned(8)));
    size_t count;    /* pending */
    size_t messages; /* built */
    size_t parts;
};

struct kg_udp {
    int fd;
    int family;
    bool connected;
    bool can_segment;
    struct kg_udp_stats stats;
    struct kg_arrival arrival;
    struct receive_batch in;
    struct send_batch out;
};

static socklen_t address_size(int family)
{
    return family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool set_up(struct kg_udp *udp, const struct kg_udp_params *params)
{
    if (udp->family == AF_INET6 && !set_option(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return false;
    if (params->reuse_port && !set_option(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return false;
    /* no path-MTU discovery: we never send above 1,200 bytes, which every path must carry */
    if (udp->family == AF_INET)
        set_option(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    /* Without it datagrams count as arrived when they are read. */
    set_option(udp->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (params->receive_bytes > 0)
        set_option(udp->fd, SOL_SOCKET, SO_RCVBUF, params->receive_bytes);
    if (params->send_bytes > 0)
        set_option(udp->fd, SOL_SOCKET, SO_SNDBUF, params->send_bytes);
    if (bind(udp->fd, (const struct sockaddr *)&params->bind, address_size(udp->family)) != 0)
        return false;
    if (params->peer && connect(udp->fd, params->peer, address_size(udp->family)) != 0)
        return false;
    udp->connected = params->peer != NULL;
    return true;
}

static void prepare_receive(struct receive_batch *in)
{
    for (size_t i = 0; i < KG_UDP_BATCH; i++) {
        in->part[i] = (struct iovec){.iov_base = in->data[i], .iov_len = KG_UDP_MAX_BYTES};
        in->message[i].msg_hdr = (struct msghdr){
            .msg_name = &in->from[i],
            .msg_namelen = sizeof(in->from[i]),
            .msg_iov = &in->part[i],
            .msg_iovlen = 1,
            .msg_control = in->control[i],
            .msg_controllen = STAMP_BYTES,
        };
    }
}

struct kg_udp *kg_udp_open(const struct kg_udp_params *params)
{
    assert(params->bind.ss_family == AF_INET || params->bind.ss_family == AF_INET6);
    assert(!params->peer || params->peer->sa_family == params->bind.ss_family);
    struct kg_udp *udp = calloc(1, sizeof(*udp));
    if (!udp) {
        kg_log(KG_LOG_ERROR, "net", NULL, "no memory for a UDP socket");
        return NULL;
    }
    udp->family = params->bind.ss_family;
    udp->can_segment = true;
    udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0 || !set_up(udp, params)) {
        kg_log(KG_LOG_ERROR, "net", "net.udp.open_failed", "cannot open a UDP socket: %s", strerror(errno));
        kg_udp_close(udp);
        return NULL;
    }
    prepare_receive(&udp->in);
    return udp;
}

void kg_udp_close(struct kg_udp *udp)
{
    if (!udp)
        return;
    if (udp->fd >= 0)
        close(udp->fd);
    free(udp);
}

int kg_udp_fd(const struct kg_udp *udp)
{
    return udp->fd;
}

void kg_udp_address(const struct kg_udp *udp, struct sockaddr_storage *address)
{
    socklen_t size = sizeof(*address);
    memset(address, 0, sizeof(*address));
    if (getsockname(udp->fd, (struct sockaddr *)address, &size) != 0)
        address->ss_family = AF_UNSPEC;
}

const struct kg_udp_stats *kg_udp_get_stats(const struct kg_udp *udp)
{
    return &udp->stats;
}

/* Errors a datagram's own fate explains: the socket stays good. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EHOSTUNREACH ||
           error == ENETUNREACH || error == EPERM || error == EACCES || error == ENETDOWN ||
           error == EADDRNOTAVAIL || error == EINVAL || error == EHOSTDOWN || error == EPROTO ||
           error == ENOPROTOOPT || error == EDESTADDRREQ;
}

/* Both clocks of one moment: a pair that we were interrupted within would move every stamp of the batch. */
static void read_clocks(struct kg_arrival *arrival)
{
    int64_t best_us = INT64_MAX, now_us = 0, wall_us = 0;
    for (int i = 0; i < CLOCK_TRIES && best_us > CLOCKS_APART_US; i++) {
        int64_t before_us = kg_clock_now_us(), between_us = kg_clock_wall_us(), after_us = kg_clock_now_us();
        if (after_us - before_us >= best_us)
            continue;
        best_us = after_us - before_us;
        now_us = after_us;
        wall_us = between_us;
    }
    kg_arrival_batch(arrival, now_us, wall_us);
}

static int64_t arrival_of(const struct kg_arrival *arrival, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        struct timespec stamp;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS ||
            c->cmsg_len < CMSG_LEN(sizeof(stamp)))
            continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
        return kg_arrival_us(arrival, (int64_t)stamp.tv_sec * 1000000 + stamp.tv_nsec / 1000);
    }
    return arrival->now_us;
}

enum kg_udp_result kg_udp_receive(struct kg_udp *udp, const struct kg_udp_datagram **out, size_t *count)
{
    struct receive_batch *in = &udp->in;
    *out = in->out;
    *count = 0;
    for (size_t i = 0; i < KG_UDP_BATCH; i++) {
        in->message[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
        in->message[i].msg_hdr.msg_controllen = STAMP_BYTES;
    }
    int got;
    do
        got = recvmmsg(udp->fd, in->message, KG_UDP_BATCH, MSG_DONTWAIT, NULL);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == ECONNREFUSED)
            return KG_UDP_REFUSED;
        if (errno == EAGAIN)
            kg_arrival_emptied(&udp->arrival);
        if (is_passing(errno))
            return KG_UDP_OK;
        kg_log(KG_LOG_ERROR, "net", "net.udp.receive_failed", "UDP receive: %s", strerror(errno));
        return KG_UDP_FAILED;
    }
    read_clocks(&udp->arrival);
    for (int i = 0; i < got; i++) {
        struct mmsghdr *m = &in->message[i];
        if (m->msg_hdr.msg_flags & MSG_TRUNC) {
            udp->stats.truncated++;
            continue;
        }
        udp->stats.received++;
        udp->stats.received_bytes += m->msg_len;
        in->out[(*count)++] = (struct kg_udp_datagram){.data = in->data[i],
                                                       .size = m->msg_len,
                                                       .from = &in->from[i],
                                                       .arrival_us = arrival_of(&udp->arrival, &m->msg_hdr)};
    }
    if (got < KG_UDP_BATCH)
        kg_arrival_emptied(&udp->arrival);
    return KG_UDP_OK;
}

/* FNV-1a over what tells peers apart; equality is checked in full afterwards. */
static uint32_t hash_address(const struct sockaddr *address)
{
    uint32_t hash = 2166136261u;
    const uint8_t *bytes = (const uint8_t *)address;
    for (size_t i = 0; i < address_size(address->sa_family); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

bool kg_udp_send(struct kg_udp *udp, const struct sockaddr *to, uint8_t dscp, const void *data, size_t size)
{
    assert(udp->connected == (to == NULL));
    assert(dscp < 64);
    if (size == 0 || size > KG_UDP_MAX_BYTES || (to && to->sa_family != udp->family)) {
        udp->stats.dropped_too_big++;
        return false;
    }
    if (udp->out.count == KG_UDP_PENDING && kg_udp_flush(udp) == KG_UDP_FAILED)
        return false;
    struct pending *p = &udp->out.pending[udp->out.count++];
    p->peer_hash = 0;
    if (to) {
        memcpy(&p->to, to, address_size(udp->family));
        p->peer_hash = hash_address(to);
    }
    p->size = (uint16_t)size;
    p->dscp = dscp;
    p->taken = false;
    memcpy(p->data, data, size);
    return true;
}

static bool same_flow(const struct kg_udp *udp, const struct pending *a, const struct pending *b)
{
    return a->peer_hash == b->peer_hash &&
           (udp->connected || memcmp(&a->to, &b->to, address_size(udp->family)) == 0);
}

static void add_control(struct kg_udp *udp, struct msghdr *header, uint8_t *control, uint8_t dscp,
                        uint16_t segment)
{
    memset(control, 0, CONTROL_BYTES);
    header->msg_control = control;
    header->msg_controllen = CONTROL_BYTES;
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    size_t used = 0;
    if (dscp) {
        int tos = dscp << 2; /* the two low bits are ECN's */
        c->cmsg_level = udp->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
        c->cmsg_type = udp->family == AF_INET6 ? IPV6_TCLASS : IP_TOS;
        c->cmsg_len = CMSG_LEN(sizeof(tos));
        memcpy(CMSG_DATA(c), &tos, sizeof(tos));
        used += CMSG_SPACE(sizeof(tos));
        c = CMSG_NXTHDR(header, c);
    }
    if (segment && c) {
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(segment));
        memcpy(CMSG_DATA(c), &segment, sizeof(segment));
        used += CMSG_SPACE(sizeof(segment));
    }
    header->msg_controllen = used;
    if (used == 0)
        header->msg_control = NULL;
}

/* Starts a message with pending[first] and gathers the run behind it. */
static void build_message(struct kg_udp *udp, size_t first)
{
    struct send_batch *out = &udp->out;
    struct pending *head = &out->pending[first];
    struct msghdr *header = &out->message[out->messages].msg_hdr;
    struct iovec *parts = &out->part[out->parts];
    size_t count = 1, bytes = head->size;
    head->taken = true;
    parts[0] = (struct iovec){.iov_base = head->data, .iov_len = head->size};
    for (size_t i = first + 1; udp->can_segment && i < out->count; i++) {
        struct pending *next = &out->pending[i];
        if (next->taken || !same_flow(udp, head, next))
            continue;
        /* stop at the first that does not fit, or a peer's order would change */
        if (next->dscp != head->dscp || next->size > head->size || count == KG_UDP_MAX_SEGMENTS ||
            bytes + next->size > MAX_GATHERED)
            break;
        next->taken = true;
        parts[count++] = (struct iovec){.iov_base = next->data, .iov_len = next->size};
        bytes += next->size;
        if (next->size < head->size) /* only the last segment may be shorter */
            break;
    }
    *header = (struct msghdr){.msg_iov = parts, .msg_iovlen = count};
    if (!udp->connected) {
        header->msg_name = &head->to;
        header->msg_namelen = address_size(udp->family);
    }
    add_control(udp, header, out->control[out->messages], head->dscp, count > 1 ? head->size : 0);
    out->messages++;
    out->parts += count;
}

static void count_sent(struct kg_udp *udp, const struct msghdr *header)
{
    udp->stats.sent += header->msg_iovlen;
    for (size_t i = 0; i < header->msg_iovlen; i++)
        udp->stats.sent_bytes += header->msg_iov[i].iov_len;
    if (header->msg_iovlen > 1)
        udp->stats.segmented++;
}

/* A run the system would not cut for us (EIO without checksum offload, EINVAL or EMSGSIZE by its route): each
 * of its datagrams alone. */
static void send_singly(struct kg_udp *udp, const struct msghdr *run)
{
    uint8_t dscp = KG_CONTAINER_OF(run->msg_iov[0].iov_base, struct pending, data)->dscp;
    for (size_t i = 0; i < run->msg_iovlen; i++) {
        struct msghdr one = *run;
        uint8_t control[CONTROL_BYTES] __attribute__((aligned(8)));
        one.msg_iov = &run->msg_iov[i];
        one.msg_iovlen = 1;
        add_control(udp, &one, control, dscp, 0);
        udp->stats.system_calls++;
        if (sendmsg(udp->fd, &one, MSG_DONTWAIT) >= 0)
            count_sent(udp, &one);
        else if (errno == EMSGSIZE)
            udp->stats.dropped_too_big++;
        else
            udp->stats.dropped_other++;
    }
}

/* What to do about message[at], which the system refused with `error`. Returns how many messages are done
 * with. */
static size_t handle_refusal(struct kg_udp *udp, size_t at, int error, enum kg_udp_result *result)
{
    struct kg_udp_stats *stats = &udp->stats;
    const struct msghdr *header = &udp->out.message[at].msg_hdr;
    if (header->msg_iovlen > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
        if (error == EIO)
            udp->can_segment = false;
        send_singly(udp, header);
        return 1;
    }
    switch (error) {
    case EAGAIN:
        for (size_t i = at; i < udp->out.messages; i++)
            stats->dropped_full += udp->out.message[i].msg_hdr.msg_iovlen;
        return udp->out.messages - at;
    case ENOBUFS:
    case ENOMEM:
        stats->dropped_full += header->msg_iovlen;
        return 1;
    case EMSGSIZE:
        stats->dropped_too_big += header->msg_iovlen;
        return 1;
    case ECONNREFUSED: /* an earlier datagram's answer, reported here: this one was not sent */
        stats->dropped_refused += header->msg_iovlen;
        *result = KG_UDP_REFUSED;
        return 1;
    default:
        stats->dropped_other += header->msg_iovlen;
        if (is_passing(error))
            return 1;
        kg_log(KG_LOG_ERROR, "net", "net.udp.send_failed", "UDP send: %s", strerror(error));
        *result = KG_UDP_FAILED;
        return udp->out.messages - at;
    }
}

enum kg_udp_result kg_udp_flush(struct kg_udp *udp)
{
    struct send_batch *out = &udp->out;
    enum kg_udp_result result = KG_UDP_OK;
    for (size_t i = 0; i < out->count; i++) {
        if (!out->pending[i].taken)
            build_message(udp, i);
    }
    for (size_t done = 0; done < out->messages;) {
        int sent = sendmmsg(udp->fd, out->message + done, (unsigned)(out->messages - done), MSG_DONTWAIT);
        udp->stats.system_calls++;
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            done += handle_refusal(udp, done, sent < 0 ? errno : EAGAIN, &result);
            continue;
        }
        for (int i = 0; i < sent; i++)
            count_sent(udp, &out->message[done + (size_t)i].msg_hdr);
        done += (size_t)sent;
    }
    out->count = out->messages = out->parts = 0;
    return result;
}

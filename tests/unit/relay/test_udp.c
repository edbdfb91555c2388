/* Batches over loopback: order, sizes, segmentation, errors. */
#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/udp.h"
#include "unit/cmocka_all.h"

static struct sockaddr_storage loopback(int family)
{
    struct sockaddr_storage s = {.ss_family = (sa_family_t)family};
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)&s)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)&s)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return s;
}

static struct kg_udp *open_at(int family, const struct sockaddr *peer)
{
    struct kg_udp_params params = {.bind = loopback(family), .peer = peer, .receive_bytes = 1 << 20};
    struct kg_udp *udp = kg_udp_open(&params);
    assert_non_null(udp);
    return udp;
}

struct got {
    uint16_t sizes[512];
    uint8_t first[512];
    size_t count;
};

static void take_all(struct kg_udp *udp, struct got *got, size_t expected)
{
    while (got->count < expected) {
        struct pollfd wait = {.fd = kg_udp_fd(udp), .events = POLLIN};
        if (poll(&wait, 1, 2000) <= 0)
            return;
        const struct kg_udp_datagram *d;
        size_t count;
        assert_int_equal(kg_udp_receive(udp, &d, &count), KG_UDP_OK);
        for (size_t i = 0; i < count; i++) {
            got->first[got->count] = d[i].data[0];
            for (size_t k = 0; k < d[i].size; k++) /* nothing was recut */
                assert_int_equal(d[i].data[k], d[i].data[0]);
            got->sizes[got->count++] = (uint16_t)d[i].size;
        }
    }
}

static void runs_of_any_sizes_arrive_as_sent(int family)
{
    struct kg_udp *a = open_at(family, NULL), *b = open_at(family, NULL), *c = open_at(family, NULL);
    struct sockaddr_storage to_b, to_c;
    kg_udp_address(b, &to_b);
    kg_udp_address(c, &to_c);
    static const uint16_t sizes[] = {1100, 1100, 1100, 400,  1100, 1100, 1200,
                                     1200, 20,   30,   1100, 1,    1100, 1100};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    uint8_t data[1500];
    for (int i = 0; i < COUNT; i++) { /* two peers in turn, two DSCPs */
        memset(data, i + 1, sizeof(data));
        uint8_t dscp = i < 10 ? 34 : 46;
        assert_true(kg_udp_send(a, (struct sockaddr *)&to_b, dscp, data, sizes[i]));
        assert_true(kg_udp_send(a, (struct sockaddr *)&to_c, dscp, data, sizes[COUNT - 1 - i]));
    }
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    struct got at_b = {0}, at_c = {0};
    take_all(b, &at_b, COUNT);
    take_all(c, &at_c, COUNT);
    assert_int_equal(at_b.count, COUNT);
    assert_int_equal(at_c.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(at_b.sizes[i], sizes[i]);
        assert_int_equal(at_b.first[i], i + 1);
        assert_int_equal(at_c.sizes[i], sizes[COUNT - 1 - i]);
    }
    const struct kg_udp_stats *stats = kg_udp_get_stats(a);
    assert_int_equal(stats->sent, 2 * COUNT);
    assert_true(stats->segmented > 0);
    assert_true(stats->system_calls < COUNT);
    kg_udp_close(a);
    kg_udp_close(b);
    kg_udp_close(c);
}

static void over_ipv4(void **state)
{
    (void)state;
    runs_of_any_sizes_arrive_as_sent(AF_INET);
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_storage any = loopback(AF_INET6);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(struct sockaddr_in6)) == 0;
    close(fd);
    return there;
}

static void over_ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    runs_of_any_sizes_arrive_as_sent(AF_INET6);
}

static void more_than_a_batch_leaves_by_itself(void **state)
{
    (void)state;
    struct kg_udp *b = open_at(AF_INET, NULL), *a;
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    a = open_at(AF_INET, (struct sockaddr *)&to);
    uint8_t data[700];
    memset(data, 9, sizeof(data));
    for (int i = 0; i < 300; i++)
        assert_true(kg_udp_send(a, NULL, 0, data, sizeof(data)));
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    struct got got = {0};
    take_all(b, &got, 300);
    assert_int_equal(got.count, 300);
    kg_udp_close(a);
    kg_udp_close(b);
}

static void a_refusal_is_told_and_survived(void **state)
{
    (void)state;
    struct kg_udp *b = open_at(AF_INET, NULL);
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    struct kg_udp *a = open_at(AF_INET, (struct sockaddr *)&to);
    kg_udp_close(b);
    assert_true(kg_udp_send(a, NULL, 0, "x", 1));
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    const struct kg_udp_datagram *d;
    size_t count;
    assert_int_equal(kg_udp_receive(a, &d, &count), KG_UDP_REFUSED);
    assert_int_equal(kg_udp_receive(a, &d, &count), KG_UDP_OK);
    assert_int_equal(count, 0);
    kg_udp_close(a);
}

static void too_long_is_refused_and_others_go(void **state)
{
    (void)state;
    struct kg_udp *b = open_at(AF_INET, NULL), *a = open_at(AF_INET, NULL);
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    static uint8_t data[KG_UDP_MAX_BYTES + 1];
    assert_false(kg_udp_send(a, (struct sockaddr *)&to, 0, data, sizeof(data)));
    assert_true(kg_udp_send(a, (struct sockaddr *)&to, 0, data, 10));
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    struct got got = {0};
    take_all(b, &got, 1);
    assert_int_equal(got.sizes[0], 10);
    kg_udp_close(a);
    kg_udp_close(b);
}

static void datagrams_bear_their_mark(void **state)
{
    (void)state;
    struct kg_udp *b = open_at(AF_INET, NULL), *a = open_at(AF_INET, NULL);
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    int on = 1;
    assert_int_equal(setsockopt(kg_udp_fd(b), IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
    static const uint8_t dscp[] = {46, 34, 34, 0}; /* the two in the middle leave as one segmented send */
    for (size_t i = 0; i < sizeof(dscp); i++)
        assert_true(kg_udp_send(a, (struct sockaddr *)&to, dscp[i], "0123456789", 10));
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    for (size_t i = 0; i < sizeof(dscp); i++) {
        uint8_t data[16], control[128] __attribute__((aligned(8)));
        struct iovec part = {data, sizeof(data)};
        struct msghdr m = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct pollfd wait = {.fd = kg_udp_fd(b), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 2000), 1);
        assert_int_equal(recvmsg(kg_udp_fd(b), &m, 0), 10);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        while (c && (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_TOS)) /* a stamp comes too */
            c = CMSG_NXTHDR(&m, c);
        if (!c) {
            fail_msg("datagram %zu: no mark", i);
            return;
        }
        assert_int_equal(*CMSG_DATA(c) >> 2, dscp[i]);
    }
    kg_udp_close(a);
    kg_udp_close(b);
}

/* The reader sleeps while they come: what they are stamped with is not when it wakes up. */
static void arrivals_do_not_depend_on_the_reader(int family)
{
    struct kg_udp *b = open_at(family, NULL), *a = open_at(family, NULL);
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    int64_t before_us[3], after_us[3];
    for (int i = 0; i < 3; i++) {
        before_us[i] = kg_clock_now_us();
        for (int k = 0; k < 4; k++) /* the last time as one segmented send */
            assert_true(kg_udp_send(a, (struct sockaddr *)&to, i == 2 ? 0 : (uint8_t)k, "0123456789", 10));
        assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
        after_us[i] = kg_clock_now_us();
        (void)poll(NULL, 0, 20);
    }
    const struct kg_udp_datagram *d;
    size_t count;
    assert_int_equal(kg_udp_receive(b, &d, &count), KG_UDP_OK);
    assert_int_equal(count, 12);
    for (size_t i = 0; i < count; i++) { /* 1 ms for a delivery by another processor */
        assert_true(d[i].arrival_us >= before_us[i / 4] - 100);
        assert_true(d[i].arrival_us <= after_us[i / 4] + 1000);
    }
    kg_udp_close(a);
    kg_udp_close(b);
}

static void arrivals_over_ipv4(void **state)
{
    (void)state;
    arrivals_do_not_depend_on_the_reader(AF_INET);
}

static void arrivals_over_ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    arrivals_do_not_depend_on_the_reader(AF_INET6);
}

/* As on a system that knows no stamps. */
static void without_a_stamp_it_is_the_time_of_reading(void **state)
{
    (void)state;
    struct kg_udp *b = open_at(AF_INET, NULL), *a = open_at(AF_INET, NULL);
    struct sockaddr_storage to;
    kg_udp_address(b, &to);
    int off = 0;
    assert_int_equal(setsockopt(kg_udp_fd(b), SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof(off)), 0);
    assert_true(kg_udp_send(a, (struct sockaddr *)&to, 0, "x", 1));
    assert_int_equal(kg_udp_flush(a), KG_UDP_OK);
    (void)poll(NULL, 0, 5);
    int64_t before_us = kg_clock_now_us();
    const struct kg_udp_datagram *d;
    size_t count;
    assert_int_equal(kg_udp_receive(b, &d, &count), KG_UDP_OK);
    assert_int_equal(count, 1);
    assert_true(d[0].arrival_us >= before_us && d[0].arrival_us <= kg_clock_now_us());
    kg_udp_close(a);
    kg_udp_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_ipv4),
        cmocka_unit_test(over_ipv6),
        cmocka_unit_test(more_than_a_batch_leaves_by_itself),
        cmocka_unit_test(datagrams_bear_their_mark),
        cmocka_unit_test(arrivals_over_ipv4),
        cmocka_unit_test(arrivals_over_ipv6),
        cmocka_unit_test(without_a_stamp_it_is_the_time_of_reading),
        cmocka_unit_test(a_refusal_is_told_and_survived),
        cmocka_unit_test(too_long_is_refused_and_others_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

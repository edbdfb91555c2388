/* The transport's parts when memory is short. OpenSSL and libsrtp keep their own. */
#include "unit/cmocka_all.h"

#include <arpa/inet.h>

#include "fakes/failing_alloc.h"
#include "net/ice.h"
#include "net/identity.h"
#include "net/srtp.h"
#include "net/transport.h"
#include "net/ws_queue.h"

static struct kg_identity *shared;

static void ignore_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    (void)user;
    (void)path;
    (void)data;
    (void)size;
}

static void ignore_packet(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us)
{
    (void)user;
    (void)packet;
    (void)size;
    (void)arrival_us;
    (void)now_us;
}

static void ignore_event(void *user, const struct kg_transport_event *event)
{
    (void)user;
    (void)event;
}

static void ignore_need(void *user)
{
    (void)user;
}

static struct kg_path relay_path(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
    inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
    return kg_path_udp((const struct sockaddr *)&address);
}

static bool transport(enum kg_transport_role role)
{
    static const struct kg_transport_ops ops = {.send = ignore_send,
                                                .on_rtp = ignore_packet,
                                                .on_rtcp = ignore_packet,
                                                .on_event = ignore_event,
                                                .need_tunnel = ignore_need};
    struct kg_transport_params params = {.role = role,
                                         .local_ufrag = "local",
                                         .local_password = "locallocallocallocallocal",
                                         .remote_ufrag = "remote",
                                         .remote_password = "remoteremoteremoteremote",
                                         .identity = shared,
                                         .ops = &ops};
    if (role == KG_TRANSPORT_TERMINAL) {
        params.remotes[0] = relay_path();
        params.remote_count = 1;
    }
    struct kg_transport *t = kg_transport_create(&params, 0);
    bool done = t != NULL;
    kg_transport_destroy(t);
    return done;
}

static bool relay_transport(void)
{
    return transport(KG_TRANSPORT_RELAY);
}

static bool terminal_transport(void)
{
    return transport(KG_TRANSPORT_TERMINAL);
}

static bool identity(void)
{
    struct kg_identity *made = kg_identity_create();
    bool done = made != NULL;
    kg_identity_destroy(made);
    return done;
}

static bool srtp(void)
{
    static const uint8_t keys[KG_SRTP_MAX_KEYS] = {1, 2, 3};
    struct kg_srtp *made =
        kg_srtp_create(KG_SRTP_AEAD_AES_128_GCM, keys, kg_srtp_key_bytes(KG_SRTP_AEAD_AES_128_GCM), true);
    bool done = made != NULL;
    kg_srtp_destroy(made);
    return done;
}

static bool ws_queue(void)
{
    struct kg_ws_queue queue;
    kg_ws_queue_init(&queue, 1000);
    bool done = kg_ws_queue_push(&queue, "first", 5, false, false);
    done = kg_ws_queue_push(&queue, "second", 6, true, true) && done;
    struct kg_ws_message *message = kg_ws_queue_take(&queue);
    assert_true(message != NULL); /* one of the two at least: the queue goes on */
    free(message);
    kg_ws_queue_clear(&queue);
    return done;
}

static void memory_is_short(void **state)
{
    (void)state;
    assert_true(kg_failing_alloc_each("transport of the relay", relay_transport) >= 3);
    assert_true(kg_failing_alloc_each("transport of the terminal", terminal_transport) >= 3);
    assert_true(kg_failing_alloc_each("identity", identity) >= 1);
    assert_true(kg_failing_alloc_each("srtp", srtp) >= 1);
    assert_int_equal(kg_failing_alloc_each("message queue", ws_queue), 2);
}

static int make_identity(void **state)
{
    (void)state;
    shared = kg_identity_create();
    return shared ? 0 : -1;
}

static int drop_identity(void **state)
{
    (void)state;
    kg_identity_destroy(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_short)};
    return cmocka_run_group_tests(tests, make_identity, drop_identity);
}

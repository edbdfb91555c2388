/* The client against real servers on loopback (server.py), one listener for each way a line can be wrong. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/ws_client.h"
#include "servers.h"

struct run {
    struct kg_loop *loop;
    struct kg_ws_client *client;
    struct kg_loop_timer guard;
    const char *send; /* first message */
    uint16_t port;
    bool opened, closed, timed_out;
    struct kg_ws_close close;
    size_t received;
    bool binary;
    char text[256];
};

static void on_opened(void *user)
{
    struct run *run = user;
    run->opened = true;
    if (run->send)
        assert_true(kg_ws_client_send(run->client, run->send, strlen(run->send), false, KG_WS_KEEP));
    else
        kg_loop_stop(run->loop);
}

static void on_message(void *user, const void *data, size_t size, bool binary)
{
    struct run *run = user;
    run->received = size;
    run->binary = binary;
    snprintf(run->text, sizeof run->text, "%.*s", (int)(size < 200 ? size : 200), (const char *)data);
    kg_loop_stop(run->loop);
}

static void on_closed(void *user, const struct kg_ws_close *close_)
{
    struct run *run = user;
    run->closed = true;
    run->close = *close_;
    kg_loop_stop(run->loop);
}

static void on_guard(void *user, int64_t now_us)
{
    (void)now_us;
    struct run *run = user;
    run->timed_out = true;
    kg_loop_stop(run->loop);
}

static const struct kg_ws_client_events events = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static struct kg_ws_client_params params_for(const char *listener)
{
    return (struct kg_ws_client_params){
        .host = "127.0.0.1",
        .port = servers_port(listener),
        .path = "/v1/control",
        .subprotocol = "kaigi.v1",
        .ca_file = servers_file("ca.crt"),
        .certificate_file = servers_file("room.crt"),
        .key_file = servers_file("room.key"),
        .max_message_bytes = 256 * 1024,
        .max_queued_bytes = 64 * 1024,
        .ping_s = 10,
        .connect_timeout_us = 8000000,
    };
}

static struct run run_client(const struct kg_ws_client_params *params, const char *send)
{
    struct run run = {.send = send};
    run.loop = kg_loop_create();
    assert_non_null(run.loop);
    run.guard = (struct kg_loop_timer){.fire = on_guard, .user = &run};
    kg_loop_timer_set(run.loop, &run.guard, kg_clock_now_us() + 10000000);
    run.client = kg_ws_client_create(run.loop, params, &events, &run);
    assert_non_null(run.client);
    kg_loop_run(run.loop);
    kg_loop_timer_cancel(run.loop, &run.guard);
    kg_ws_client_destroy(run.client);
    kg_loop_destroy(run.loop);
    assert_false(run.timed_out);
    return run;
}

static struct run expect_failure(const struct kg_ws_client_params *params, enum kg_ws_failure failure)
{
    struct run run = run_client(params, "hello");
    assert_true(run.closed);
    if (run.close.failure != failure)
        fail_msg("%s, not %s (%s)", kg_ws_failure_name(run.close.failure), kg_ws_failure_name(failure),
                 run.close.detail);
    assert_true(run.close.detail[0] != '\0');
    return run;
}

static void test_echo(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    struct run run = run_client(&params, "{\"type\":\"hello\"}");
    assert_true(run.opened);
    assert_string_equal(run.text, "{\"type\":\"hello\"}");
    assert_false(run.binary);
}

static void test_fragments_are_joined(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    struct run run = run_client(&params, "big");
    assert_int_equal(run.received, 200000);
    assert_true(run.binary);
    params.max_message_bytes = 1000;
    run = run_client(&params, "big");
    assert_true(run.closed);
    assert_int_equal(run.close.failure, KG_WS_CLOSED);
}

static void test_close_code(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    struct run run = run_client(&params, "close");
    assert_true(run.closed);
    assert_int_equal(run.close.failure, KG_WS_CLOSED);
    assert_int_equal(run.close.status, 4001);
}

static void test_alpn(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("alpn");
    params.alpn = "kaigi-media";
    struct run run = run_client(&params, "alpn");
    assert_string_equal(run.text, "kaigi-media");
}

static void test_destroyed_while_open(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    struct run run = run_client(&params, NULL);
    assert_true(run.opened);
    assert_false(run.closed);
}

/* Called in every turn of the loop: given up in the one in which libwebsockets too learns that TCP is there,
 * and goes on with it. */
static void on_turn(void *user)
{
    struct run *run = user;
    for (int fd = 3; fd < 256 && run->client; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != run->port)
            continue;
        kg_ws_client_destroy(run->client);
        run->client = NULL;
        kg_loop_timer_set(run->loop, &run->guard, kg_clock_now_us() + 20000);
    }
}

static void test_destroyed_while_connecting(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    for (int i = 0; i < 5; i++) {
        struct run run = {.send = "hello", .port = params.port, .loop = kg_loop_create()};
        int always = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        struct kg_loop_watch *turns = kg_loop_watch(run.loop, always, on_turn, &run);
        run.guard = (struct kg_loop_timer){.fire = on_guard, .user = &run};
        kg_loop_timer_set(run.loop, &run.guard, kg_clock_now_us() + 5000000);
        run.client = kg_ws_client_create(run.loop, &params, &events, &run);
        assert_true(turns && run.client);
        kg_loop_run(run.loop);
        assert_true(!run.client && !run.opened && !run.closed);
        kg_loop_unwatch(turns);
        kg_loop_destroy(run.loop);
        close(always);
    }
}

static void test_tls_failures(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("expired");
    expect_failure(&params, KG_WS_TLS_EXPIRED);
    params = params_for("future");
    expect_failure(&params, KG_WS_TLS_NOT_YET);
    params = params_for("elsewhere");
    expect_failure(&params, KG_WS_TLS_NAME);
    params = params_for("good");
    params.host = "localhost"; /* not in the certificate, though it leads to the same place */
    expect_failure(&params, KG_WS_TLS_NAME);
    params = params_for("good");
    params.ca_file = servers_file("other-ca.crt");
    expect_failure(&params, KG_WS_TLS_UNTRUSTED);
    params = params_for("garbage");
    expect_failure(&params, KG_WS_TLS);
}

static void test_identity_refused(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("demanding");
    params.certificate_file = servers_file("stranger.crt");
    params.key_file = servers_file("stranger.key");
    expect_failure(&params, KG_WS_REJECTED);
    params.certificate_file = servers_file("room-expired.crt");
    params.key_file = servers_file("room-expired.key");
    expect_failure(&params, KG_WS_REJECTED_EXPIRED);
    params.certificate_file = params.key_file = NULL;
    expect_failure(&params, KG_WS_REJECTED);
}

static void test_identity_files(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    params.key_file = servers_file("stranger.key");
    expect_failure(&params, KG_WS_IDENTITY);
    params.key_file = servers_file("missing.key");
    expect_failure(&params, KG_WS_IDENTITY);
    params.ca_file = servers_file("missing.crt");
    struct run run = expect_failure(&params, KG_WS_IDENTITY);
    assert_non_null(strstr(run.close.detail, "missing.crt"));
}

static void test_unreachable(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    params.port = 1;
    expect_failure(&params, KG_WS_UNREACHABLE);
    params.host = "does-not-exist.invalid";
    expect_failure(&params, KG_WS_NAME);
    params = params_for("silent");
    params.connect_timeout_us = 300000;
    expect_failure(&params, KG_WS_TIMEOUT);
}

static void test_http_refusal(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("forbidden");
    struct run run = expect_failure(&params, KG_WS_HTTP);
    assert_int_equal(run.close.status, 403);
    params = params_for("moved"); /* never followed: the relay is the only address there is */
    run = expect_failure(&params, KG_WS_HTTP);
    assert_int_equal(run.close.status, 302);
}

static void test_proxy(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("good");
    params.host = "relay.test"; /* only the proxy can resolve it */
    params.proxy_host = "127.0.0.1";
    params.proxy_port = servers_port("proxy");
    params.proxy_user = "room";
    params.proxy_password = "p@ss";
    struct run run = run_client(&params, "connects");
    assert_true(run.opened);
    assert_non_null(strstr(run.text, "relay.test:"));

    params.proxy_password = "wrong";
    run = expect_failure(&params, KG_WS_PROXY_AUTH);
    assert_int_equal(run.close.status, 407);
    params.proxy_password = "p@ss";
    params.port = 1;
    run = expect_failure(&params, KG_WS_PROXY);
    assert_int_equal(run.close.status, 503);
    params.proxy_port = servers_port("garbage"); /* another program: no proxy is there */
    run = expect_failure(&params, KG_WS_PROXY_UNREACHABLE);
    assert_non_null(strstr(run.close.detail, "does not answer as an HTTP proxy"));
    params.proxy_port = 1;
    expect_failure(&params, KG_WS_PROXY_UNREACHABLE);
    params.proxy_host = "proxy.invalid";
    expect_failure(&params, KG_WS_PROXY_UNREACHABLE);
}

/* Real time, unlike elsewhere: libwebsockets reads its own clock. */
static void test_frozen_peer_is_given_up(void **state)
{
    (void)state;
    struct kg_ws_client_params params = params_for("frozen");
    params.ping_s = 1;
    struct run run = run_client(&params, "hello");
    assert_true(run.opened);
    assert_true(run.closed);
    assert_int_equal(run.close.failure, KG_WS_CLOSED);
}

static void test_environment_is_ignored(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    struct kg_ws_client_params params = params_for("good");
    struct run run = run_client(&params, "hello");
    assert_string_equal(run.text, "hello");
    unsetenv("http_proxy");
    unsetenv("https_proxy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_fragments_are_joined),
        cmocka_unit_test(test_close_code),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_destroyed_while_open),
        cmocka_unit_test(test_destroyed_while_connecting),
        cmocka_unit_test(test_tls_failures),
        cmocka_unit_test(test_identity_refused),
        cmocka_unit_test(test_identity_files),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_http_refusal),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_frozen_peer_is_given_up),
        cmocka_unit_test(test_environment_is_ignored),
    };
    return cmocka_run_group_tests(tests, servers_start, servers_stop);
}

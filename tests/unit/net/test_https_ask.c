/* One POST against real servers on loopback (server.py), one listener for each way a line can be wrong. */
#include "net/https_ask.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "servers.h"
#include "unit/cmocka_all.h"

static struct kg_https_ask post_for(const char *listener, const char *path)
{
    return (struct kg_https_ask){.host = "127.0.0.1",
                                 .port = servers_port(listener),
                                 .path = path,
                                 .type = "application/pkcs10",
                                 .body = "a body\r\n",
                                 .ca_file = servers_file("ca.crt"),
                                 .timeout_us = 8000000,
                                 .cancel_fd = -1};
}

static struct kg_http_answer expect_answer(const struct kg_https_ask *post, int status)
{
    struct kg_http_answer answer;
    struct kg_ws_close close_;
    if (!kg_https_ask(post, &answer, &close_))
        fail_msg("%s: %d %s", post->path, close_.failure, close_.detail);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, post->body);
    return answer;
}

static void expect_failure(const struct kg_https_ask *post, enum kg_ws_failure failure)
{
    struct kg_http_answer answer;
    struct kg_ws_close close_;
    assert_false(kg_https_ask(post, &answer, &close_));
    if (close_.failure != failure)
        fail_msg("%d, not %d (%s)", close_.failure, failure, close_.detail);
    assert_true(close_.detail[0] != '\0');
}

static void test_answers(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("post", "/length");
    struct kg_http_answer answer = expect_answer(&post, 200);
    assert_string_equal(answer.type, "text/plain");
    kg_http_answer_finish(&answer);
    post.path = "/chunked";
    answer = expect_answer(&post, 202);
    assert_int_equal(answer.retry_after_s, 7);
    kg_http_answer_finish(&answer);
    post.path = "/closed";
    answer = expect_answer(&post, 403);
    kg_http_answer_finish(&answer);
}

static void test_get(void **state)
{
    (void)state;
    struct kg_https_ask get = post_for("post", "/get");
    struct kg_http_answer answer;
    struct kg_ws_close close_;
    get.type = get.body = NULL;
    assert_true(kg_https_ask(&get, &answer, &close_));
    assert_string_equal(answer.body, "GET /get HTTP/1.1");
    kg_http_answer_finish(&answer);
}

static void test_broken_answers(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("post", "/cut");
    expect_failure(&post, KG_WS_HTTP);
    post.path = "/endless";
    expect_failure(&post, KG_WS_HTTP);
    post = post_for("garbage", "/");
    expect_failure(&post, KG_WS_TLS);
}

static void test_not_our_server(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("expired", "/");
    expect_failure(&post, KG_WS_TLS_EXPIRED);
    post = post_for("future", "/");
    expect_failure(&post, KG_WS_TLS_NOT_YET);
    post = post_for("elsewhere", "/");
    expect_failure(&post, KG_WS_TLS_NAME);
    post = post_for("post", "/length");
    post.ca_file = servers_file("other-ca.crt");
    expect_failure(&post, KG_WS_TLS_UNTRUSTED);
    post.ca_file = servers_file("nowhere.crt");
    expect_failure(&post, KG_WS_IDENTITY);
    post = post_for("post", "/length");
    post.port = 1;
    expect_failure(&post, KG_WS_UNREACHABLE);
    post.host = "relay.invalid";
    expect_failure(&post, KG_WS_NAME);
}

static void test_our_certificate_is_refused(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("demanding", "/");
    post.certificate_file = servers_file("stranger.crt");
    post.key_file = servers_file("stranger.key");
    expect_failure(&post, KG_WS_REJECTED);
    post.certificate_file = servers_file("room-expired.crt");
    post.key_file = servers_file("room-expired.key");
    expect_failure(&post, KG_WS_REJECTED_EXPIRED);
}

static void test_proxy(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("post", "/length");
    post.proxy_host = "127.0.0.1";
    post.proxy_port = servers_port("proxy");
    expect_failure(&post, KG_WS_PROXY_AUTH);
    post.proxy_user = "room";
    post.proxy_password = "p@ss";
    struct kg_http_answer answer = expect_answer(&post, 200);
    kg_http_answer_finish(&answer);
    post.port = 1;
    expect_failure(&post, KG_WS_PROXY);
    post.proxy_port = servers_port("garbage");
    expect_failure(&post, KG_WS_PROXY_UNREACHABLE);
    post.proxy_port = 1;
    expect_failure(&post, KG_WS_PROXY_UNREACHABLE);
}

static void test_patience_ends(void **state)
{
    (void)state;
    struct kg_https_ask post = post_for("post", "/silent");
    post.timeout_us = 400000;
    int64_t before_us = kg_clock_now_us();
    expect_failure(&post, KG_WS_TIMEOUT);
    post = post_for("silent", "/");
    post.timeout_us = 400000;
    expect_failure(&post, KG_WS_TIMEOUT);
    assert_true(kg_clock_now_us() - before_us < 5000000);
}

static void *cancel(void *fd)
{
    const struct timespec wait = {.tv_nsec = 200000000};
    uint64_t one = 1;
    nanosleep(&wait, NULL);
    return write(*(int *)fd, &one, sizeof one) == sizeof one ? NULL : fd;
}

static void test_cancelled(void **state)
{
    (void)state;
    pthread_t thread;
    void *failed;
    int fd = eventfd(0, EFD_CLOEXEC);
    struct kg_https_ask post = post_for("post", "/silent");
    post.cancel_fd = fd;
    int64_t before_us = kg_clock_now_us();
    assert_int_equal(pthread_create(&thread, NULL, cancel, &fd), 0);
    expect_failure(&post, KG_WS_CLOSED);
    assert_true(kg_clock_now_us() - before_us < 5000000);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    expect_failure(&post, KG_WS_CLOSED); /* before it began */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_not_our_server),
        cmocka_unit_test(test_our_certificate_is_refused),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_cancelled),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, servers_start, servers_stop);
}
